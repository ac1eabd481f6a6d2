//! Rights that the debug data names: privileges, roles and scopes, of which Okta writes several in one text.

use std::{borrow::Cow, collections::HashSet};

use super::{
    log_event::LogEvent,
    party::{Kind, Party},
};

/// Where the debug data names rights, with commas between them.
const PRIVILEGES: [&str; 4] = ["privilegeGranted", "privilegeRevoked", "privileges", "roleName"];
/// Where it names scopes of OAuth, and what became of them.
const SCOPES: [(&str, &str); 3] =
    [("grantedScopes", "Granted"), ("requestedScopes", "Requested"), ("scopes", "Requested")];

/// The privileges and roles that the debug data names, taken, one right an element.
pub(super) fn privileges<'e, 'a>(
    event: &'e LogEvent<'a>,
) -> impl Iterator<Item = Cow<'a, str>> + use<'e, 'a> {
    PRIVILEGES.into_iter().flat_map(|name| {
        let texts = event.debug_data.take_texts(name).into_iter();
        texts.flat_map(|text| parts(text, is_between_privileges))
    })
}

/// The scopes that the debug data names, taken, each with what became of it.
pub(super) fn scopes<'e, 'a>(
    event: &'e LogEvent<'a>,
) -> impl Iterator<Item = (Cow<'a, str>, &'static str)> + use<'e, 'a> {
    SCOPES.into_iter().flat_map(|(name, decision)| {
        let texts = event.debug_data.take_texts(name).into_iter();
        texts.flat_map(|text| parts(text, is_between_scopes)).map(move |scope| (scope, decision))
    })
}

/// The names of the roles among the targets, as `name` gives them, without those that are `told`, in any letters: the debug
/// data has `Super administrator` where the target is called `Super Administrator`.
pub(super) fn roles_of_targets<'a>(
    event: &LogEvent<'a>,
    told: &[Cow<'_, str>],
    name: fn(&Party<'a>) -> Option<Cow<'a, str>>,
) -> Vec<Cow<'a, str>> {
    let told: HashSet<String> = told.iter().map(|right| right.to_lowercase()).collect();
    let roles = event.targets.iter().filter(|target| target.kind == Kind::Role);
    roles.filter_map(name).filter(|role| !told.contains(&role.to_lowercase())).collect()
}

/// Where the detail of a target names scopes.
const TARGET_SCOPES: [&str; 2] = ["scope", "scopes"];

/// The scopes that the targets are or name in detail, taken.
pub(super) fn scopes_of_targets<'e, 'a>(
    event: &'e LogEvent<'a>,
) -> impl Iterator<Item = Cow<'a, str>> + use<'e, 'a> {
    event.targets.iter().flat_map(|target| {
        let itself = Some(target).filter(|target| target.kind == Kind::Scope).and_then(Party::take_name);
        let named = TARGET_SCOPES.into_iter().flat_map(|name| target.detail.take_texts(name));
        itself.into_iter().chain(named.flat_map(|text| parts(text, is_between_scopes)))
    })
}

fn is_between_privileges(letter: char) -> bool {
    matches!(letter, ',' | '[' | ']')
}

fn is_between_scopes(letter: char) -> bool {
    is_between_privileges(letter) || letter.is_whitespace()
}

/// A right without the blanks and, in a list of JSON that became a text, the quotes around it.
fn bare(right: &str) -> &str {
    right.trim().trim_matches('"')
}

/// The parts of a text in which Okta writes several; a text that has none is told as it is.
fn parts(text: Cow<'_, str>, is_between: fn(char) -> bool) -> Vec<Cow<'_, str>> {
    let is_part = |part: &&str| !part.is_empty();
    let parts: Vec<_> = match &text {
        Cow::Borrowed(text) => text.split(is_between).map(bare).filter(is_part).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => {
            text.split(is_between).map(bare).filter(is_part).map(|part| Cow::Owned(part.to_owned())).collect()
        }
    };
    if parts.is_empty() { vec![text] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_rights_in_one_text_are_several() {
        let all = |text: &'static str, between| parts(Cow::Borrowed(text), between);
        assert_eq!(
            all("Super administrator, Help Desk administrator", is_between_privileges),
            ["Super administrator", "Help Desk administrator"]
        );
        assert_eq!(
            all(r#"["Super administrator", "Read-only administrator"]"#, is_between_privileges),
            ["Super administrator", "Read-only administrator"]
        );
        assert_eq!(all("[openid, okta.users.read]", is_between_scopes), ["openid", "okta.users.read"]);
        assert_eq!(all("openid  okta.users.read", is_between_scopes), ["openid", "okta.users.read"]);
        assert_eq!(all(" , []", is_between_scopes), [" , []"]);
    }
}
