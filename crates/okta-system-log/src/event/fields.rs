//! The few members of a System Log event that identity, keys, subjects and filters need, found without copying the event.
//!
//! Okta adds members and enum values at any time, so each member is optional, enums are text, and a member of an
//! unexpected type counts as absent: no event is refused for what is in it. Of a name that occurs twice the last counts.

use std::{borrow::Cow, ops::Range};

use super::json::{Key, Value};

/// A piece of text in the page's body, or a copy of it where JSON escapes kept it from being borrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Text {
    #[default]
    Absent,
    At(Range<u32>),
    Unescaped(Box<str>),
}

impl Text {
    /// The string that `value` is; anything else in its place counts as absent.
    fn of(value: Option<Value<'_, '_>>) -> Self {
        let Some((value, text)) = value.and_then(|value| Some((value, value.string()?))) else {
            return Self::Absent;
        };
        match text {
            Cow::Owned(text) => Self::Unescaped(text.into()),
            Cow::Borrowed(text) => match inside(&value.place()) {
                Some(range) => Self::At(range),
                None => Self::Unescaped(text.into()),
            },
        }
    }

    pub(super) fn resolve<'a>(&'a self, body: &'a str) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::At(range) => body.get(range.start as usize..range.end as usize),
            Self::Unescaped(text) => Some(text),
        }
    }

    fn copied_bytes(&self) -> usize {
        match self {
            Self::Absent | Self::At(_) => 0,
            Self::Unescaped(text) => text.len(),
        }
    }
}

/// What lies between the quotation marks of the string at `place`.
fn inside(place: &Range<usize>) -> Option<Range<u32>> {
    Some(u32::try_from(place.start + 1).ok()?..u32::try_from(place.end.checked_sub(1)?).ok()?)
}

/// The members that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) uuid: Text,
    pub(super) published: Text,
    pub(super) event_type: Text,
    pub(super) severity: Text,
    pub(super) outcome: Text,
    pub(super) actor_id: Text,
    pub(super) target_user_id: Text,
    pub(super) session_id: Text,
    pub(super) transaction_id: Text,
}

/// The members of an event that are looked at, with their keys.
const MEMBERS: [(Key, &str); 9] = [
    named("uuid"),
    named("published"),
    named("eventType"),
    named("severity"),
    named("outcome"),
    named("actor"),
    named("target"),
    named("authenticationContext"),
    named("transaction"),
];

const fn named(name: &str) -> (Key, &str) {
    (Key::of(name), name)
}

impl Fields {
    /// Those of `event`. A value that is no object has none.
    pub(super) fn of(event: Value<'_, '_>) -> Self {
        let [uuid, published, event_type, severity, outcome, actor, target, authentication, transaction] =
            event.last_of(&MEMBERS);
        let text_in =
            |object: Option<Value<'_, '_>>, name| Text::of(object.and_then(|object| object.last(name)));
        Self {
            uuid: Text::of(uuid),
            published: Text::of(published),
            event_type: Text::of(event_type),
            severity: Text::of(severity),
            outcome: text_in(outcome, "result"),
            actor_id: text_in(actor, "id"),
            target_user_id: text_in(target.and_then(target_user), "id"),
            // A root session may have sessions below it.
            session_id: match text_in(authentication, "rootSessionId") {
                Text::Absent => text_in(authentication, "externalSessionId"),
                root => root,
            },
            transaction_id: text_in(transaction, "id"),
        }
    }

    /// Bytes that the members have outside the page's body.
    pub(super) fn copied_bytes(&self) -> usize {
        let Self {
            uuid,
            published,
            event_type,
            severity,
            outcome,
            actor_id,
            target_user_id,
            session_id,
            transaction_id,
        } = self;
        let all = [
            uuid,
            published,
            event_type,
            severity,
            outcome,
            actor_id,
            target_user_id,
            session_id,
            transaction_id,
        ];
        all.into_iter().map(Text::copied_bytes).sum()
    }
}

/// The first target whose type is `User` and that has an id: the order of `target` is not stable, so the type decides.
fn target_user<'a, 't>(targets: Value<'a, 't>) -> Option<Value<'a, 't>> {
    let string = |target: &Value<'a, 't>, name| target.last(name).and_then(Value::string);
    targets.elements().find(|target| {
        string(target, "type").is_some_and(|kind| kind == "User") && string(target, "id").is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::{super::json::Tape, *};

    fn read(event: &str) -> Fields {
        let (tape, read) = Tape::of(event).unwrap();
        Fields::of(Value::new(event, &tape, read.at))
    }

    fn uuid_of(event: &str) -> Option<String> {
        read(event).uuid.resolve(event).map(str::to_owned)
    }

    #[test]
    fn reads_members_wherever_they_stand() {
        let event = r#"{"x":{"uuid":"no"},"outcome":{"reason":null,"result":"FAILURE"},"uuid":"u-1",
            "actor":{"id":"00u1","type":"User"},"transaction":{"type":"WEB","id":"t-1"},
            "authenticationContext":{"externalSessionId":"s-1","rootSessionId":null},"eventType":"user.session.start",
            "target":[{"id":"0oa1","type":"AppInstance"},{"type":"User","id":"00u2"},{"type":"User","id":"00u3"}]}"#;
        let fields = read(event);
        let text = |field: &Text| field.resolve(event).map(str::to_owned);
        assert_eq!(text(&fields.uuid).as_deref(), Some("u-1"));
        assert_eq!(text(&fields.outcome).as_deref(), Some("FAILURE"));
        assert_eq!(text(&fields.actor_id).as_deref(), Some("00u1"));
        assert_eq!(text(&fields.target_user_id).as_deref(), Some("00u2"));
        assert_eq!(text(&fields.event_type).as_deref(), Some("user.session.start"));
        assert_eq!(text(&fields.transaction_id).as_deref(), Some("t-1"));
        assert_eq!(text(&fields.session_id).as_deref(), Some("s-1"));
    }

    #[test]
    fn odd_types_count_as_absent_and_hide_nothing_else() {
        for odd in ["5", "null", "true", "1.5", "-3", "[1,[2]]", r#"{"a":{}}"#] {
            let event =
                format!(r#"{{"uuid":{odd},"actor":{odd},"outcome":{odd},"target":{odd},"severity":"WARN"}}"#);
            let fields = read(&event);
            assert_eq!(fields.uuid, Text::Absent, "{odd}");
            assert_eq!(fields.actor_id, Text::Absent, "{odd}");
            assert_eq!(fields.severity.resolve(&event), Some("WARN"), "{odd}");
        }
    }

    #[test]
    fn values_that_are_no_objects_have_no_members() {
        for value in ["1", "null", r#""text""#, "[]", r#"[{"uuid":"u"}]"#] {
            assert_eq!(read(value), Fields::default(), "{value}");
        }
    }

    #[test]
    fn what_is_no_unicode_and_no_double_hides_nothing_else() {
        for odd in [r#""\ud800""#, "1e999", &"9".repeat(400), r#"{"\udc00":-1E999}"#, r#"["\ud800",1e999]"#] {
            for name in ["uuid", "actor", "outcome", "target", r"\ud800", "x"] {
                let event = format!(
                    r#"{{"severity":"WARN","actor":{{"id":"1"}},"{name}":{odd},"outcome":{{"result":"DENY","{name}":{odd}}}}}"#
                );
                let fields = read(&event);
                assert_eq!(fields.severity.resolve(&event), Some("WARN"), "{event}");
                assert_eq!(fields.outcome.resolve(&event), Some("DENY"), "{event}");
            }
        }
        assert_eq!(uuid_of(r#"{"uuid":1e999}"#), None);
        let [one, other] = [r#"{"uuid":"\ud800"}"#, r#"{"uuid":"\ud801"}"#].map(uuid_of);
        assert!(one.is_some() && one != other, "two events stay two");
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(uuid_of(r#"{"uuid":"a\u002db"}"#).as_deref(), Some("a-b"));
        assert_eq!(uuid_of(r#"{"\u0075uid":"u"}"#).as_deref(), Some("u"));
    }
}
