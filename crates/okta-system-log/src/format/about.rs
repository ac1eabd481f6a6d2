//! Which target an event type is about, by the words of its name and never by position.
//!
//! An event type names first what the thing is that it is about, and then the part of it: `app.keys.delete` is about an
//! application, `device.user.remove` about a device. So the target whose kind is named first is meant, and of two that begin
//! at the same place the one that is named at more length.

use std::cmp::Reverse;

use super::{
    log_event::LogEvent,
    party::{Kind, Party, lowest},
};

/// How event types call a kind of target.
const WORDS: &[(Kind, &[&str])] = &[
    (Kind::User, &["user"]),
    (Kind::AppUser, &["app_user"]),
    (Kind::App, &["app", "application"]),
    (Kind::Group, &["group"]),
    (Kind::AppGroup, &["group"]),
    (Kind::Policy, &["policy"]),
    (Kind::PolicyRule, &["rule"]),
    (Kind::NetworkZone, &["zone"]),
    (Kind::Device, &["device", "mim"]),
    (Kind::Org, &["org"]),
    (Kind::Role, &["role"]),
    (Kind::Token, &["token"]),
    (Kind::Enrollment, &["factor", "authenticator"]),
    (Kind::Email, &["email"]),
];

/// How event types call what Okta's `type` calls otherwise.
const NAMES: &[(&str, &str)] = &[
    ("AuthorizationServer", "app.oauth2.as"),
    ("AuthorizationServer", "oauth2.as"),
    ("IdentityProvider", "idp"),
    ("TrustedOrigin", "origin"),
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

/// The target that an event is about which makes or ends it: one that the event type names, or one of a kind that nobody
/// knows. A person, a group, an application and their like that the type does not name are only whose it was, and nobody may
/// read that they are gone.
pub(super) fn made_or_ended<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<&'e Party<'a>> {
    let is_meant = |target: &&Party<'_>| place_of(event_type, target).is_some() || is_thing(target);
    main_target(event, event_type).filter(is_meant)
}

/// Whether it is neither somebody nor what many things belong to.
fn is_thing(target: &Party<'_>) -> bool {
    let kind = target.kind;
    let is_known = kind.is_account() || kind.is_group() || kind.is_policy() || kind.is_machine();
    let is_around = || target.object.peek("type").is_some_and(|name| SURROUNDINGS.contains(&&*name));
    !is_known && !matches!(kind, Kind::App | Kind::Org | Kind::System | Kind::Address) && !is_around()
}

/// The target that the event type is about, else a thing, else one that is no user, else any.
pub(super) fn main_target<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<&'e Party<'a>> {
    let place_of = |target: &Party<'a>| place_of(event_type, target);
    let first = event.targets.iter().filter_map(place_of).min();
    let named = event.targets.iter().filter(|target| first.is_some() && place_of(target) == first);
    lowest(named)
        .or_else(|| lowest(event.targets.iter().filter(|target| is_thing(target))))
        .or_else(|| lowest(event.targets.iter().filter(|target| !target.kind.is_account())))
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
    let is_actor = target.kind == Kind::User && event_type.starts_with(ACTOR_IS_A_TARGET);
    if is_actor { None } else { place(event_type, target) }
}

/// Where the event type names this kind of target, and at what length.
fn place(event_type: &str, target: &Party<'_>) -> Option<(usize, Reverse<usize>)> {
    if let Some((_, words)) = WORDS.iter().find(|(kind, _)| *kind == target.kind) {
        return words.iter().filter_map(|word| find(event_type, word)).min();
    }
    let name = target.object.peek("type")?;
    let others = NAMES.iter().filter(|(known, _)| *known == name).map(|(_, other)| *other);
    others.chain([&*name]).filter_map(|word| find(event_type, word)).min()
}

/// Where `word` stands in an event type as whole words, whatever is between its letters: `TrustedOrigin` and
/// `TRUSTED_ORIGIN` are `trusted_origin`.
fn find(event_type: &str, word: &str) -> Option<(usize, Reverse<usize>)> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let text = &event_type.as_bytes()[..event_type.len().min(EVENT_TYPE_BYTES_MAX)];
    let is_letter = |at: usize| text[at].is_ascii_alphanumeric();
    let is_start = |at: usize| is_letter(at) && (at == 0 || !is_letter(at - 1));
    (0..text.len()).filter(|at| is_start(*at)).find_map(|at| {
        let length = length_of(&text[at..], word)?;
        Some((at, Reverse(length)))
    })
}

/// How many bytes of `text` the word takes, if it begins there and ends with a word or its plural.
fn length_of(text: &[u8], word: &str) -> Option<usize> {
    let mut at = 0;
    let mut letters = word.bytes().filter(u8::is_ascii_alphanumeric).peekable();
    letters.peek()?;
    for letter in letters {
        while text.get(at).is_some_and(|byte| !byte.is_ascii_alphanumeric()) {
            at += 1;
        }
        if !text.get(at)?.eq_ignore_ascii_case(&letter) {
            return None;
        }
        at += 1;
    }
    let is_end = |at: usize| text.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (is_end(at) || text.get(at) == Some(&b's') && is_end(at + 1)).then_some(at)
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
        ] {
            assert_eq!(about(event_type, &types), expected, "{event_type}");
        }
    }

    #[test]
    fn words_are_found_as_whole_words_only() {
        assert_eq!(find("security.trusted_origin.create", "TrustedOrigin"), Some((9, Reverse(14))));
        assert_eq!(find("app.keys.delete", "Key"), Some((4, Reverse(3))));
        assert!(find("application.lifecycle.create", "app").is_none() && find("a.b", "").is_none());
        assert!(find("", "app").is_none() && find("ä.app", "app").is_some());
    }
}
