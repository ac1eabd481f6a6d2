//! Redaction: what a rule is about is gone from the event, and from all that is made of it.

use secrecy::SecretString;

use super::{
    event::{page_of, renderer},
    json::Json,
};
use crate::{
    event::{Action, Preset, Redaction, Rules, is_missing},
    format::Format,
};

/// What is shorter stands in other texts by chance.
const TELLING_BYTES: usize = 6;

/// Members that no rule can be about.
const PROTECTED: [&str; 3] = ["uuid", "eventType", "published"];

/// The first line of `data` has the rule, such as `mask actor.*` or `drop personal`; the rest is an event.
pub fn redaction(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (line, event) = (&data[..end], &data[end + 1..]);
    let Some((action, path)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else {
        return;
    };
    let action = match action {
        "keep" => Action::Keep,
        "pseudonymize" => Action::Pseudonymize,
        "mask" => Action::Mask,
        "drop" => Action::Drop,
        _ => return,
    };
    let mut rules = Rules::default();
    match path {
        "personal" => rules.add_preset(Preset::Personal, action),
        "sensitive" => rules.add_preset(Preset::Sensitive, action),
        path => {
            if rules.add(path, action).is_err() {
                return;
            }
        }
    }
    let Some(events) = page_of(event) else { return };
    let key = SecretString::from("a key of some length");
    let Ok(redacted) = Redaction::new(&rules, Some(&key)).apply(&events, |_, _| true) else {
        unreachable!("a small page has room");
    };
    let (Some(before), Some(after)) = (events.get(0), redacted.get(0)) else {
        unreachable!("an event got lost");
    };
    assert_eq!(before.uuid(), after.uuid(), "an event keeps what identifies it");
    assert_eq!(before.identity(), after.identity(), "an event keeps what identifies it");
    assert_eq!((before.published(), before.event_type()), (after.published(), after.event_type()));
    if action == Action::Keep {
        assert_eq!(before.raw(), after.raw());
        return;
    }
    let again = Redaction::new(&rules, Some(&key)).apply(&redacted, |_, _| true);
    assert!(
        action == Action::Pseudonymize
            || again.is_ok_and(|again| again.get(0).is_some_and(|again| again.raw() == after.raw()))
    );

    let read = |raw: &[u8]| std::str::from_utf8(raw).ok().and_then(Json::read);
    let (Some(said), Some(left)) = (read(&before.raw()), read(&after.raw())) else { return };
    if let (Some(path), Json::Object(members)) = (plain(path), &left) {
        // What identifies an event stays whatever a rule says.
        let may_go = members.iter().filter(|(name, _)| !PROTECTED.contains(&name.as_str()));
        require_gone(&Json::Object(may_go.cloned().collect()), &path, action);
    }
    let left = telling(&left);
    let is_left = |text: &String| left.iter().any(|left| left.contains(text));
    let gone: Vec<_> = telling(&said).into_iter().filter(|text| !is_left(text)).collect();
    for format in [Format::Okta, Format::Ocsf, Format::Ecs, Format::Udm] {
        let rendered = renderer(format, true).render(&after, None).bytes;
        let of_nothing = renderer(format, true).render(&after, Some(1)).bytes;
        let Some(told) = read(&rendered) else { continue };
        for text in telling(&told) {
            let told = gone.iter().find(|gone| text == **gone);
            assert_eq!(told, None, "{format:?} tells what was redacted");
        }
        assert!(format == Format::Okta || of_nothing.len() <= rendered.len());
    }
}

/// The texts and numbers that are long enough to be known again.
fn telling(value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    value.leaves(&mut found);
    found
        .into_iter()
        .filter(|text| text.len() >= TELLING_BYTES && !is_missing(text))
        .map(str::to_owned)
        .collect()
}

/// The steps of a path of names and stars, of which it is plain what they lead to.
fn plain(path: &str) -> Option<Vec<&str>> {
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "._*".contains(c));
    (is_plain && !matches!(path, "personal" | "sensitive")).then(|| path.split('.').collect())
}

/// Asserts that all that `path` leads to in `value` is redacted, through any lists on the way.
fn require_gone(value: &Json, path: &[&str], action: Action) {
    let Some((step, rest)) = path.split_first() else {
        require_redacted(value, action);
        return;
    };
    match value {
        Json::Word(_) | Json::Text(_) => {}
        Json::List(items) => items.iter().for_each(|item| require_gone(item, path, action)),
        Json::Object(members) => {
            for (_, member) in members.iter().filter(|(name, _)| *step == "*" || step == name) {
                require_gone(member, rest, action);
            }
        }
    }
}

fn require_redacted(value: &Json, action: Action) {
    match value {
        Json::Word(word) => assert_eq!(word, "null"),
        Json::Text(text) => {
            let is_pseudonym = text.strip_prefix("hmac-").is_some_and(|digest| digest.len() == 32);
            assert!(is_missing(text) || text == "***" || is_pseudonym, "{text:?} was left");
        }
        Json::List(items) => items.iter().for_each(|item| require_redacted(item, action)),
        Json::Object(members) => {
            for (_, member) in members {
                require_redacted(member, action);
            }
        }
    }
    assert!(action != Action::Drop, "something was left where all was to be dropped");
}
