//! Which target an event type is about, by the words of its name and never by position.
//!
//! An event type names first what the thing is that it is about, and then the part of it: `app.keys.delete` is about an
//! application, `device.user.remove` about a device. So the target whose kind is named first is meant, and of two that begin
//! at the same place the one that is named at more length.
//!
//! Where the thing itself is made, ended, or switched on or off, it is the last noun that counts: of
//! `resource.entitlement.delete` it is the entitlement that is gone, and not what it was of.
//!
//! A word counts where a noun ends with it: `client_enrollment_policies` are policies, and no clients.

use std::{cmp::Reverse, ops::Range};

use super::{
    log_event::LogEvent,
    party::{Kind, Party, lowest},
};

/// How event types call a kind of target, where the word is the whole noun: a `resource_group` is no group of users.
const NOUNS: &[(Kind, &[&str])] = &[
    (Kind::User, &["user"]),
    (Kind::AppUser, &["app_user"]),
    (Kind::App, &["app", "application"]),
    (Kind::Group, &["group"]),
    (Kind::AppGroup, &["group"]),
    (Kind::Device, &["device", "mim"]),
    (Kind::Org, &["org"]),
    (Kind::Email, &["email"]),
];

/// How event types call a kind of target, where the noun may say more of it: a `registration_policy` is a policy.
const HEADS: &[(Kind, &[&str])] = &[
    (Kind::App, &["client"]),
    (Kind::Policy, &["policy"]),
    (Kind::PolicyRule, &["rule"]),
    (Kind::NetworkZone, &["zone"]),
    (Kind::Role, &["role"]),
    (Kind::Token, &["token"]),
    (Kind::Enrollment, &["factor", "authenticator"]),
];

/// How event types call what Okta's `type` calls otherwise.
const NAMES: &[(&str, &str)] = &[
    ("AuthorizationServer", "app.oauth2.as"),
    ("AuthorizationServer", "oauth2.as"),
    ("DeviceAssurance", "device.assurance.policy"),
    ("DeviceIntegration", "device.integration.endpoint_security"),
    ("IdentityProvider", "idp"),
    ("TrustedOrigin", "origin"),
    ("WorkloadPrincipal", "workload_principal.ai_agent"),
];

/// No type of Okta's is longer. What is would be compared at every place of an event type.
const WORD_BYTES_MAX: usize = 64;
/// No event type of Okta's is longer. What is behind is not looked at, which it would be for each target.
const EVENT_TYPE_BYTES_MAX: usize = 256;

/// Workflows name who acts among the targets too: `workflows.user` says where, not what.
const ACTOR_IS_A_TARGET: &str = "workflows.user.";

/// What stands beside the thing that an event is about, in events of any type: where it was done. A type that names one is
/// about it.
const SURROUNDINGS: [&str; 1] = ["Team"];

/// What event types begin with in which the thing is named before its sort: `system.agent.ad.delete`.
const BEFORE_THE_SORT: [&str; 1] = ["system.agent"];

/// The target that is made or ended, moved, or switched on or off: one that the last noun of the event type names, or one
/// of a kind that nobody knows. A person, a group, an application and their like that it does not name are only whose it
/// was, and nobody may read that they are gone.
pub(super) fn made_or_ended<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<&'e Party<'a>> {
    let ends = ends_of_noun(event_type);
    // How the last noun names it, and at what length: a `WorkloadRole` is one before every other role.
    let length = |target: &Party<'a>| {
        let mut longest = None;
        if is_named_actor(event_type, target) {
            return None;
        }
        let mut visit = |place: Range<usize>, by: NamedBy| {
            if ends.contains(&place.end) {
                longest = longest.max(Some((by, place.len())));
            }
        };
        each_place_by_kind(event_type, target, |place| visit(place, NamedBy::Kind));
        each_place_by_other_name(event_type, target, |place| visit(place, NamedBy::OtherName));
        each_place_by_type(event_type, target, |place| visit(place, NamedBy::Type));
        longest
    };
    let longest = event.targets.iter().filter_map(length).max();
    let named = event.targets.iter().filter(|target| longest.is_some() && length(target) == longest);
    // What the type names before is what the thing belongs to.
    let is_apart = |target: &&Party<'a>| is_thing(target) && place_of(event_type, target).is_none();
    // One that has neither id nor name is still the one, and nobody knows which.
    let meant = lowest(named).or_else(|| lowest(event.targets.iter().filter(is_apart)));
    meant.filter(|target| target.is_identified())
}

/// How an event type names a target, from what many things have to what it alone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NamedBy {
    Kind,
    OtherName,
    Type,
}

/// Where the nouns of an event type may end: before the verb, and before what only says that something begins or ends.
fn ends_of_noun(event_type: &str) -> [usize; 3] {
    let whole = event_type.rfind('.').unwrap_or(event_type.len());
    let mut inner = whole;
    while let Some(at) = event_type[..inner].rfind('.') {
        let word = &event_type.as_bytes()[at + 1..inner];
        let is_enrollment = word.len() >= ENROLLMENT.len()
            && word[word.len() - ENROLLMENT.len()..].eq_ignore_ascii_case(ENROLLMENT);
        if word != LIFECYCLE && !is_enrollment {
            break;
        }
        inner = at;
    }
    let before = BEFORE_THE_SORT
        .iter()
        .find(|family| event_type.strip_prefix(**family).is_some_and(|rest| rest.starts_with('.')));
    [whole, inner, before.map_or(inner, |family| family.len())]
}

/// Nouns that are no things: what is enrolled is the device.
const LIFECYCLE: &[u8] = b"lifecycle";
const ENROLLMENT: &[u8] = b"enrollment";

/// Whether it is neither somebody nor what many things belong to.
fn is_thing(target: &Party<'_>) -> bool {
    let kind = target.kind;
    let is_known = kind.is_account() || kind.is_group() || kind.is_policy() || kind.is_machine();
    !is_known && !matches!(kind, Kind::App | Kind::Org | Kind::System | Kind::Address) && !is_around(target)
}

fn is_around(target: &Party<'_>) -> bool {
    target.object.peek("type").is_some_and(|name| SURROUNDINGS.contains(&&*name))
}

/// The target that the event type is about, else a thing, else one that is no user, else any.
pub(super) fn main_target<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<&'e Party<'a>> {
    let place_of = |target: &Party<'a>| place_of(event_type, target);
    let first = event.targets.iter().filter_map(place_of).min();
    let named = event.targets.iter().filter(|target| first.is_some() && place_of(target) == first);
    let is_nobody = |target: &&Party<'_>| !target.kind.is_account();
    lowest(named)
        .or_else(|| lowest(event.targets.iter().filter(|target| is_thing(target))))
        .or_else(|| lowest(event.targets.iter().filter(|target| is_nobody(target) && !is_around(target))))
        .or_else(|| event.target(Kind::User).filter(|user| !user.is_same(&event.actor)))
        .or_else(|| lowest(event.targets.iter().filter(is_nobody)))
        .or_else(|| event.target(Kind::User))
        .or_else(|| lowest(event.targets.iter()))
}

/// Whether a user among the targets is only who acted.
pub(super) fn is_only_actor(event: &LogEvent<'_>, event_type: &str, user: &Party<'_>) -> bool {
    event_type.starts_with(ACTOR_IS_A_TARGET) && user.is_same(&event.actor)
}

/// Whether the event type names what this target is.
pub(super) fn is_named(event_type: &str, target: &Party<'_>) -> bool {
    place(event_type, target).is_some()
}

/// Where the event type names this target as what it is about, and at what length.
fn place_of(event_type: &str, target: &Party<'_>) -> Option<(usize, Reverse<usize>)> {
    if is_named_actor(event_type, target) { None } else { place(event_type, target) }
}

/// Whether the event type names this target as who acts.
fn is_named_actor(event_type: &str, target: &Party<'_>) -> bool {
    target.kind == Kind::User && event_type.starts_with(ACTOR_IS_A_TARGET)
}

/// Where the event type names this kind of target first, and at what length.
fn place(event_type: &str, target: &Party<'_>) -> Option<(usize, Reverse<usize>)> {
    let mut first = None;
    each_place(event_type, target, |place| {
        let place = (place.start, Reverse(place.len()));
        first = Some(first.map_or(place, |first| place.min(first)));
    });
    first
}

/// Calls `visit` with each place at which the event type names this kind of target: by the words for its kind, or else by
/// its own type.
fn each_place(event_type: &str, target: &Party<'_>, mut visit: impl FnMut(Range<usize>)) {
    if words(NOUNS, target.kind).is_empty() && words(HEADS, target.kind).is_empty() {
        each_place_by_other_name(event_type, target, &mut visit);
        each_place_by_type(event_type, target, visit);
    } else {
        each_place_by_kind(event_type, target, visit);
    }
}

fn words(of: &'static [(Kind, &'static [&'static str])], kind: Kind) -> &'static [&'static str] {
    of.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, words)| *words)
}

/// Calls `visit` with each place where a word for its kind stands.
fn each_place_by_kind(event_type: &str, target: &Party<'_>, mut visit: impl FnMut(Range<usize>)) {
    words(NOUNS, target.kind).iter().for_each(|word| find(event_type, word, true, &mut visit));
    words(HEADS, target.kind).iter().for_each(|word| find(event_type, word, false, &mut visit));
}

/// Calls `visit` with each place where its own type stands.
fn each_place_by_type(event_type: &str, target: &Party<'_>, mut visit: impl FnMut(Range<usize>)) {
    let Some(own) = target.object.peek("type") else { return };
    find(event_type, &own, !words(NOUNS, target.kind).is_empty(), &mut visit);
}

/// Calls `visit` with each place where stands what event types call it otherwise than its own type.
fn each_place_by_other_name(event_type: &str, target: &Party<'_>, mut visit: impl FnMut(Range<usize>)) {
    let Some(own) = target.object.peek("type") else { return };
    let others = NAMES.iter().filter(|(known, _)| is_spelled_like(known, &own));
    others.for_each(|(_, other)| find(event_type, other, false, &mut visit));
}

/// Whether two types are the same but for what is between their letters, and for their case.
fn is_spelled_like(known: &str, own: &str) -> bool {
    let letters = own.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    letters.eq(known.bytes().map(|letter| letter.to_ascii_lowercase()))
}

/// Calls `visit` with each place of an event type where `word` stands and a noun ends, whatever is between its letters:
/// `TrustedOrigin` and `TRUSTED_ORIGIN` are `trusted_origin`. Where it `is_whole`, the noun begins there too.
fn find(event_type: &str, word: &str, is_whole: bool, visit: &mut impl FnMut(Range<usize>)) {
    if word.len() > WORD_BYTES_MAX {
        return;
    }
    let text = &event_type.as_bytes()[..event_type.len().min(EVENT_TYPE_BYTES_MAX)];
    let is_letter = |at: usize| text[at].is_ascii_alphanumeric();
    let is_start =
        |at: usize| is_letter(at) && (at == 0 || text[at - 1] == b'.' || !is_whole && !is_letter(at - 1));
    for at in (0..text.len()).filter(|at| is_start(*at)) {
        if let Some(length) = length_of(&text[at..], word) {
            visit(at..at + length);
        }
    }
}

/// How many bytes of `text` the word takes, if it begins there and a noun ends with it or its plural.
fn length_of(text: &[u8], word: &str) -> Option<usize> {
    let mut at = 0;
    let mut letters = word.bytes().filter(u8::is_ascii_alphanumeric).peekable();
    letters.peek()?;
    let is_end = |at: usize| text.get(at).is_none_or(|byte| *byte == b'.');
    while let Some(letter) = letters.next() {
        while text.get(at).is_some_and(|byte| !byte.is_ascii_alphanumeric()) {
            at += 1;
        }
        if letters.peek().is_none()
            && letter.eq_ignore_ascii_case(&b'y')
            && text[at..].starts_with(b"ies")
            && is_end(at + 3)
        {
            return Some(at + 3);
        }
        if !text.get(at)?.eq_ignore_ascii_case(&letter) {
            return None;
        }
        at += 1;
    }
    [at, at + usize::from(text.get(at) == Some(&b's'))].into_iter().find(|at| is_end(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type of the target that the event type is about, whatever order they come in.
    fn about(event_type: &str, types: &[&str]) -> String {
        let mut found = Vec::new();
        for turn in 0..types.len() {
            let mut types = types.to_vec();
            types.rotate_left(turn);
            let targets: Vec<_> = types
                .iter()
                .map(|kind| {
                    format!(r#"{{"id":"{kind}-1","type":"{kind}"}},{{"id":"{kind}-2","type":"{kind}"}}"#)
                })
                .collect();
            let json = format!(r#"{{"target":[{}]}}"#, targets.join(","));
            let event = LogEvent::read(json.as_str()).unwrap();
            found.push(main_target(&event, event_type).and_then(Party::take_id).unwrap().into_owned());
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{event_type}: {found:?}");
        found[0].trim_end_matches("-1").to_owned()
    }

    #[test]
    fn the_whole_is_meant_and_not_the_part() {
        for (event_type, types, expected) in [
            ("policy.rule.update", ["PolicyRule", "PolicyEntity"], "PolicyEntity"),
            ("app.keys.delete", ["Key", "AppInstance"], "AppInstance"),
            ("application.policy.sign_on.rule.create", ["Rule", "AppInstance"], "AppInstance"),
            ("device.user.remove", ["User", "UDDevice"], "UDDevice"),
            ("account.org_group.org.assign", ["Org", "OrgGroup"], "OrgGroup"),
            ("iam.role.permissions.add", ["Permission", "CUSTOM_ROLE"], "CUSTOM_ROLE"),
            ("iam.resourceset.resources.add", ["UserGroup", "RESOURCE_SET"], "RESOURCE_SET"),
            (
                "workload_principal.resource_connection.create",
                ["ResourceConnection", "WorkloadPrincipal"],
                "WorkloadPrincipal",
            ),
            ("app.oauth2.as.key.rollover", ["PublicClientApp", "AuthorizationServer"], "AuthorizationServer"),
            ("pam.secret_folder.create", ["Secret", "SecretFolder"], "SecretFolder"),
            ("system.idp.lifecycle.update", ["Org", "IdentityProvider"], "IdentityProvider"),
            ("workflows.user.table.create", ["User", "Table"], "Table"),
            ("zone.update", ["User", "NetworkZoneEntity"], "NetworkZoneEntity"),
            ("next.year", ["User", "Thing"], "Thing"),
            ("pam.client.assign", ["Team", "Client"], "Client"),
            (
                "pam.client_enrollment_policies.update",
                ["Team", "ClientEnrollmentPolicy"],
                "ClientEnrollmentPolicy",
            ),
            ("pam.something.update", ["Team", "AppInstance"], "AppInstance"),
            ("pam.something.update", ["Team", "User"], "User"),
            (
                "pam.ad_user_sync_task_settings.update",
                ["User", "AdUserSyncTaskSettings"],
                "AdUserSyncTaskSettings",
            ),
        ] {
            assert_eq!(about(event_type, &types), expected, "{event_type}");
        }
    }

    #[test]
    fn words_are_found_where_a_noun_ends_with_them() {
        let all = |event_type: &str, word: &str, is_whole: bool| {
            let mut found = Vec::new();
            find(event_type, word, is_whole, &mut |place: Range<usize>| found.push((place.start, place.end)));
            found
        };
        assert_eq!(all("security.trusted_origin.create", "TrustedOrigin", false), [(9, 23)]);
        assert_eq!(all("app.keys.delete", "Key", false), [(4, 8)]);
        assert_eq!(all("a.enrollment_policies.policy.b", "policy", false), [(13, 21), (22, 28)]);
        assert_eq!(all("user.user_profile.super_user.user", "user", true), [(0, 4), (29, 33)]);
        for (event_type, word) in
            [("application.lifecycle.create", "app"), ("a.b", ""), ("", "app"), ("a.user_profile", "user")]
        {
            assert!(all(event_type, word, false).is_empty(), "{event_type}");
        }
        assert_eq!(all("ä.app", "app", true), [(3, 6)]);
    }

    /// The type of the target that is made or ended, whatever order they come in.
    fn ended<'t>(event_type: &str, types: &[&'t str]) -> Option<&'t str> {
        let mut found = Vec::new();
        for turn in 0..types.len() {
            let mut types = types.to_vec();
            types.rotate_left(turn);
            let targets: Vec<_> =
                types.iter().map(|kind| format!(r#"{{"id":"{kind}-1","type":"{kind}"}}"#)).collect();
            let json = format!(r#"{{"target":[{}]}}"#, targets.join(","));
            let event = LogEvent::read(json.as_str()).unwrap();
            let of_type = |target: &Party<'_>| {
                let own = target.object.peek("type");
                types.iter().copied().find(|kind| own.as_deref() == Some(kind))
            };
            found.push(made_or_ended(&event, event_type).and_then(of_type));
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{event_type}: {found:?}");
        found[0]
    }

    #[test]
    fn what_is_made_or_ended_is_what_the_last_noun_names() {
        for (event_type, types, expected) in [
            ("pam.client.remove", &["Team", "Client", "User"][..], Some("Client")),
            ("pam.unbound_client.enroll", &["Client", "Team"], Some("Client")),
            ("resource.entitlement.delete", &["RESOURCE", "ENTITLEMENT"], Some("ENTITLEMENT")),
            ("resource.entitlement.delete", &["RESOURCE"], None),
            (
                "app.ai_agent_provider.delete",
                &["AppInstance", "AI_AGENT_PROVIDER"],
                Some("AI_AGENT_PROVIDER"),
            ),
            ("app.ai_agent_provider.deactivate", &["AppInstance"], None),
            ("account.org_group.delete", &["OrgGroup", "Account", "Org"], Some("OrgGroup")),
            ("resource.collection.delete", &["RESOURCE", "COLLECTION"], Some("COLLECTION")),
            ("directory.realm.lifecycle.delete", &["DIRECTORY", "REALM"], Some("REALM")),
            (
                "resource_servers.mcp_server.auth_server.delete",
                &["MCP_SERVER", "AUTH_SERVER"],
                Some("AUTH_SERVER"),
            ),
            ("device.assurance.policy.delete", &["PolicyEntity", "UDDevice"], Some("PolicyEntity")),
            (
                "application.registration_policy.lifecycle.create",
                &["AppInstance", "PolicyEntity"],
                Some("PolicyEntity"),
            ),
            ("application.registration_policy.lifecycle.create", &["AppInstance"], None),
            ("pam.ad_user_sync_task_settings.delete", &["User"], None),
            ("pam.resource_group.delete", &["UserGroup"], None),
            ("pam.resource_group.delete", &["ResourceGroup", "Team"], Some("ResourceGroup")),
            ("device.platform.delete", &["UDDevice"], None),
            ("device.posture.check.delete", &["UDDevice"], None),
            ("device.push.provider.delete", &["UDDevice"], None),
            ("directory.user_profile.bootstrap", &["User", "UserType"], Some("UserType")),
            ("directory.non_default_user_profile.create", &["User"], None),
            ("system.agent.ad.deactivate", &["User"], None),
            ("system.agent.ad.deactivate", &["AppInstance", "AGENT"], Some("AGENT")),
            ("device.enrollment.create", &["User", "UDDevice"], Some("UDDevice")),
            ("mim.createEnrollment.ANDROID", &["User", "Device"], Some("Device")),
            ("oauth2.as.deactivated", &["AuthorizationServer", "User"], Some("AuthorizationServer")),
            ("policy.lifecycle.deactivate", &["AppInstance"], None),
            ("policy.lifecycle.deactivate", &["AppInstance", "PolicyEntity"], Some("PolicyEntity")),
            ("zone.deactivate", &["User"], None),
            ("pam.server.remove", &["Server", "Team", "Project"], Some("Server")),
            (
                "workload_principal.resource_connection.create",
                &["WorkloadPrincipal", "ResourceConnection"],
                Some("ResourceConnection"),
            ),
            ("system.api_token.revoke", &["User", "Token"], Some("Token")),
            // Of two that the noun names, the one whose own type it is.
            ("pam.workload_role.delete", &["CUSTOM_ROLE", "WorkloadRole"], Some("WorkloadRole")),
            ("pam.security_policy.delete", &["PolicyEntity", "SecurityPolicy"], Some("SecurityPolicy")),
            ("pam.client.remove", &["AppInstance", "Client"], Some("Client")),
            ("system.api_token.revoke", &["Access_token", "Token"], Some("Token")),
            ("device.assurance.policy.delete", &["DeviceAssurance", "PolicyEntity"], Some("DeviceAssurance")),
            ("device.assurance.policy.delete", &["DEVICE_ASSURANCE", "Rule"], Some("DEVICE_ASSURANCE")),
            // What the noun names is the one, if it is alone, whatever else the type names before.
            ("device.assurance.policy.delete", &["DeviceAssurance"], Some("DeviceAssurance")),
            (
                "device.integration.endpoint_security.deactivate",
                &["DeviceIntegration"],
                Some("DeviceIntegration"),
            ),
            ("workload_principal.ai_agent.delete", &["WorkloadPrincipal"], Some("WorkloadPrincipal")),
            (
                "workload_principal.ai_agent.register",
                &["User", "WORKLOAD_PRINCIPAL"],
                Some("WORKLOAD_PRINCIPAL"),
            ),
            ("workload_principal.ai_agent.delete", &["WorkloadPrincipal", "AIAgent"], Some("AIAgent")),
            ("workload_principal.resource_connection.delete", &["WorkloadPrincipal"], None),
            ("policy.rule.delete", &["PolicyRule", "PolicyEntity"], Some("PolicyRule")),
            ("delete", &["User"], None),
            ("", &["User"], None),
        ] {
            assert_eq!(ended(event_type, types), expected, "{event_type} {types:?}");
        }
    }
}
