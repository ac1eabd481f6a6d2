//! Okta's event types, and what follows from a type alone: actor, targets and outcome.

use std::collections::{BTreeSet, VecDeque};
use std::sync::LazyLock;

use fastrand::Rng;

/// The catalogue that the whole crate shares.
const CATALOGUE: &str = include_str!("../catalogue.csv");

/// One event type.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventType {
    pub(super) name: &'static str,
    pub(super) has_change_details: bool,
}

/// All event types, dealt like cards: each once before any comes again.
#[derive(Debug)]
pub(super) struct Deck {
    types: Vec<EventType>,
    dealt: VecDeque<EventType>,
}

impl Deck {
    pub(super) fn new() -> Self {
        Self { types: event_types().collect(), dealt: VecDeque::new() }
    }

    /// The next event type; `None` only if the catalogue is empty.
    pub(super) fn deal(&mut self, rng: &mut Rng) -> Option<EventType> {
        if self.dealt.is_empty() {
            let mut shuffled = self.types.clone();
            rng.shuffle(&mut shuffled);
            self.dealt = shuffled.into();
        }
        self.dealt.pop_front()
    }
}

/// The whole catalogue.
pub(super) fn event_types() -> impl Iterator<Item = EventType> {
    CATALOGUE.lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        let name = columns.next().filter(|name| !name.is_empty())?;
        let has_change_details = columns.nth(5) == Some("yes");
        Some(EventType { name, has_change_details })
    })
}

/// Whether event hooks may have events of this type.
pub(crate) fn is_hook_eligible(event_type: &str) -> bool {
    static ELIGIBLE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let rows = CATALOGUE.lines().skip(1).filter_map(|line| {
            let mut columns = line.split(',');
            let name = columns.next()?;
            let tags = columns.nth(4)?;
            tags.split('|').any(|tag| tag == "event-hook-eligible").then_some(name)
        });
        rows.collect()
    });
    ELIGIBLE.contains(event_type)
}

/// Types of targets by the beginning of the event type; the first that fits counts.
const TARGET_KINDS: &[(&str, &[&str])] = &[
    ("app.oauth2", &["PublicClientApp", "access_token"]),
    ("app.access_request", &["AppInstance", "User"]),
    ("app.ad", &["AppInstance", "User"]),
    ("app.office365", &["AppInstance", "AppUser"]),
    ("app.", &["AppInstance"]),
    ("application.user_membership", &["AppUser", "AppInstance", "User"]),
    ("application.provision.group", &["UserGroup", "AppGroup", "AppInstance"]),
    ("application.provision.user", &["AppUser", "User", "AppInstance"]),
    ("application.policy", &["PolicyEntity", "PolicyRule", "AppInstance"]),
    ("application.", &["AppInstance"]),
    ("certification.", &["Campaign", "User"]),
    ("device.", &["Device", "User"]),
    ("directory.realm", &["Realm"]),
    ("event_hook.", &["EventHook"]),
    ("group.application_assignment", &["AppInstance", "UserGroup"]),
    ("group.user_membership", &["User", "UserGroup"]),
    ("group.", &["UserGroup"]),
    ("iam.resourceset", &["ResourceSet", "User"]),
    ("iam.", &["Role"]),
    ("inline_hook.", &["InlineHook"]),
    ("master_application.", &["AppUser", "User"]),
    ("mim.", &["Device"]),
    ("network_zone.", &["NetworkZone"]),
    ("oauth2.", &["AuthorizationServer"]),
    ("policy.rule", &["PolicyEntity", "PolicyRule"]),
    ("policy.", &["PolicyEntity", "PolicyRule"]),
    ("security.", &["IpAddress"]),
    ("system.agent.ad", &["AD Agent", "AppInstance"]),
    ("system.agent", &["Agent"]),
    ("system.api_token", &["Token"]),
    ("system.email", &["User"]),
    ("system.idp", &["IdentityProvider"]),
    ("system.import", &["AppInstance", "AppUser"]),
    ("system.log_stream", &["LogStream"]),
    ("system.org.rate_limit", &["Rate Limit Bucket"]),
    ("system.sms", &["User"]),
    ("system.voice", &["User"]),
    ("user.authentication.sso", &["AppInstance", "AppUser"]),
    ("user.mfa", &["User", "AuthenticatorEnrollment"]),
    ("user.", &["User"]),
    ("zone.", &["NetworkZone"]),
];

impl EventType {
    /// The types of its targets; empty where none is listed.
    pub(super) fn target_kinds(self) -> &'static [&'static str] {
        let row = TARGET_KINDS.iter().find(|(beginning, _)| self.name.starts_with(beginning));
        row.map_or(&[], |(_, kinds)| kinds)
    }

    /// A type for the target where none is listed: `pam.gateway.create` acts on a `PamGateway`.
    pub(super) fn own_target_kind(self) -> String {
        let words = self.name.split(['.', '_']).take(2);
        words.map(capitalized).collect()
    }

    /// Whether Okta itself does it, without a request.
    pub(super) fn is_job(self) -> bool {
        const BEGINNINGS: [&str; 9] = [
            "app.office365",
            "app.rum",
            "app.realtimesync",
            "application.provision",
            "system.import",
            "system.agent",
            "system.org.rate_limit",
            "pki.ca.expiration",
            "policy.scheduled",
        ];
        BEGINNINGS.iter().any(|beginning| self.name.starts_with(beginning))
    }

    /// The result and reason that its name suggests.
    pub(super) fn outcome(self, rng: &mut Rng) -> Option<(&'static str, Option<&'static str>)> {
        const RESULTS: &[(&[&str], &str, Option<&str>)] = &[
            (&["rate_limit.violation", "concurrency"], "RATE_LIMIT", Some("Too many requests")),
            (&["deny", "denied", "blocked"], "DENY", Some("Denied by policy")),
            (&["error", "fail", "not_found", "invalid", "violation"], "FAILURE", Some("An error occurred")),
            (&["skip", "ignore"], "SKIPPED", None),
            (&["schedule"], "SCHEDULED", None),
            (&["expired", "timeout", "cancel"], "ABANDONED", Some("Timed out")),
            (&["roadblock"], "DEFERRED", Some("Import safeguard reached")),
            (&["send_", "notify"], "UNANSWERED", None),
        ];
        let suggested = RESULTS.iter().find(|(signs, ..)| signs.iter().any(|sign| self.name.contains(sign)));
        match suggested {
            Some((_, result, reason)) => Some((result, *reason)),
            None if rng.u32(..40) == 0 => None,
            None if rng.u32(..25) == 0 => Some(("FAILURE", Some("VERIFICATION_ERROR"))),
            None if rng.u32(..60) == 0 => Some(("UNKNOWN", None)),
            None => Some(("SUCCESS", None)),
        }
    }
}

/// How severe an event is, by its type and whether it failed.
pub(super) fn severity(event_type: &str, is_failure: bool) -> &'static str {
    const ERRORS: [&str; 3] = ["error", "fail", "violation"];
    const WARNINGS: [&str; 11] = [
        "warn",
        "threat",
        "attack",
        "account.lock",
        "suspicious",
        "deny",
        "detected",
        "risk",
        "roadblock",
        "bypass",
        "breached",
    ];
    let has = |signs: &[&str]| signs.iter().any(|sign| event_type.contains(sign));
    if has(&ERRORS) {
        return "ERROR";
    }
    if has(&WARNINGS) || is_failure {
        return "WARN";
    }
    if event_type.starts_with("app.rum") || event_type.ends_with("telemetry") { "DEBUG" } else { "INFO" }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deck_deals_every_type_before_any_again() {
        let (mut deck, mut rng) = (Deck::new(), Rng::with_seed(1));
        let count = event_types().count();
        assert!(count > 1_200, "{count}");
        let dealt: std::collections::HashSet<&str> =
            (0..count).map(|_| deck.deal(&mut rng).unwrap().name).collect();
        assert_eq!(dealt.len(), count);
    }

    #[test]
    fn names_tell_targets_and_severity() {
        let event_type = EventType { name: "pam.gateway.create", has_change_details: false };
        assert!(event_type.target_kinds().is_empty());
        assert_eq!(event_type.own_target_kind(), "PamGateway");
        assert_eq!(severity("user.account.lock", true), "WARN");
        assert_eq!(severity("user.session.start", false), "INFO");
    }
}
