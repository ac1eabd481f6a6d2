//! The few members of a System Log event that are read, found without copying the event.
//!
//! Okta adds members and enum values at any time, so each member is optional, enums are text, and a member of an
//! unexpected type counts as absent: no event is refused for what is in it.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Range};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::repair::readable;

/// A piece of text in the page's body, or a copy of it where JSON escapes kept it from being borrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Text {
    #[default]
    Absent,
    At(Range<u32>),
    Unescaped(Box<str>),
}

impl Text {
    fn locate(found: Found<'_>, body: &str) -> Self {
        match found {
            Found::Absent => Self::Absent,
            Found::Owned(text) => Self::Unescaped(text.into_boxed_str()),
            Found::Borrowed(text) => match offset_of(text, body) {
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

/// Where `part`, which was borrowed from `body`, lies in it. None beyond 4 GiB, which the body limit forbids.
fn offset_of(part: &str, body: &str) -> Option<Range<u32>> {
    let start = (part.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start + part.len();
    (end <= body.len()).then_some(())?;
    Some(u32::try_from(start).ok()?..u32::try_from(end).ok()?)
}

/// The members of one event that identity, keys, subjects and filters need.
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

impl Fields {
    /// Reads the members of the JSON value with which `rest`, the end of `body`, begins, and gives the value's length
    /// with them. A value that is no object has no members; None if there is no value at all.
    pub(super) fn read(rest: &str, body: &str) -> Option<(Self, usize)> {
        Self::read_plain(rest, body).or_else(|| Self::read_odd(rest))
    }

    /// Reads a value in which something is JSON and neither Unicode nor a double.
    fn read_odd(rest: &str) -> Option<(Self, usize)> {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        // Nothing of it lies in the body as it is read.
        let (fields, _) = Self::read_plain(&readable(value.get()), "")?;
        Some((fields, values.byte_offset()))
    }

    fn read_plain(rest: &str, body: &str) -> Option<(Self, usize)> {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Lenient<Members<'_>>>();
        let Lenient(members) = values.next()?.ok()?;
        Some((Self::of(members, body), values.byte_offset()))
    }

    fn of(members: Members<'_>, body: &str) -> Self {
        Self {
            uuid: Text::locate(members.uuid, body),
            published: Text::locate(members.published, body),
            event_type: Text::locate(members.event_type, body),
            severity: Text::locate(members.severity, body),
            outcome: Text::locate(members.outcome.result, body),
            actor_id: Text::locate(members.actor.id, body),
            target_user_id: Text::locate(members.target_user.0, body),
            session_id: Text::locate(members.session.into_id(), body),
            transaction_id: Text::locate(members.transaction.id, body),
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

#[derive(Default)]
struct Members<'a> {
    uuid: Found<'a>,
    published: Found<'a>,
    event_type: Found<'a>,
    severity: Found<'a>,
    outcome: Outcome<'a>,
    actor: Party<'a>,
    target_user: TargetUser<'a>,
    session: Session<'a>,
    transaction: Party<'a>,
}

/// A string; anything else in its place counts as absent.
#[derive(Default)]
enum Found<'a> {
    #[default]
    Absent,
    Borrowed(&'a str),
    Owned(String),
}

#[derive(Default)]
struct Outcome<'a> {
    result: Found<'a>,
}

/// An `authenticationContext`: a root session may have sessions below it.
#[derive(Default)]
struct Session<'a> {
    root: Found<'a>,
    external: Found<'a>,
}

impl<'a> Session<'a> {
    fn into_id(self) -> Found<'a> {
        if matches!(self.root, Found::Absent) { self.external } else { self.root }
    }
}

/// An actor, a target, or anything else with an id.
#[derive(Default)]
struct Party<'a> {
    id: Found<'a>,
    is_user: bool,
}

/// The id of the first target whose type is `User`: the order of `target` is not stable, so the type decides.
#[derive(Default)]
struct TargetUser<'a>(Found<'a>);

impl<'de> Shape<'de> for Found<'de> {
    fn from_text(text: Found<'de>) -> Self {
        text
    }
}

impl<'de> Shape<'de> for Outcome<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "result" => read(&mut self.result, map),
            _ => skip(map),
        }
    }
}

impl<'de> Shape<'de> for Session<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "rootSessionId" => read(&mut self.root, map),
            "externalSessionId" => read(&mut self.external, map),
            _ => skip(map),
        }
    }
}

impl<'de> Shape<'de> for Party<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => read(&mut self.id, map),
            "type" => {
                let Lenient(kind) = map.next_value()?;
                self.is_user = match kind {
                    Found::Borrowed(kind) => kind == "User",
                    Found::Owned(kind) => kind == "User",
                    Found::Absent => false,
                };
                Ok(())
            }
            _ => skip(map),
        }
    }
}

impl<'de> Shape<'de> for TargetUser<'de> {
    fn read_element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let Some(Lenient(target)) = seq.next_element::<Lenient<Party<'de>>>()? else { return Ok(false) };
        if target.is_user && matches!(self.0, Found::Absent) {
            self.0 = target.id;
        }
        Ok(true)
    }
}

impl<'de> Shape<'de> for Members<'de> {
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "uuid" => read(&mut self.uuid, map),
            "published" => read(&mut self.published, map),
            "eventType" => read(&mut self.event_type, map),
            "severity" => read(&mut self.severity, map),
            "outcome" => read(&mut self.outcome, map),
            "actor" => read(&mut self.actor, map),
            "target" => read(&mut self.target_user, map),
            "authenticationContext" => read(&mut self.session, map),
            "transaction" => read(&mut self.transaction, map),
            _ => skip(map),
        }
    }
}

/// What a JSON value is read as; a value of another shape counts as the default.
trait Shape<'de>: Default {
    fn from_text(_: Found<'de>) -> Self {
        Self::default()
    }

    /// Reads or skips the value of one member of an object.
    fn read_member<A: MapAccess<'de>>(&mut self, _name: &str, map: &mut A) -> Result<(), A::Error> {
        skip(map)
    }

    /// Reads or skips one element of an array; false at its end.
    fn read_element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        Ok(seq.next_element::<IgnoredAny>()?.is_some())
    }
}

fn read<'de, T: Shape<'de>, A: MapAccess<'de>>(target: &mut T, map: &mut A) -> Result<(), A::Error> {
    let Lenient(value) = map.next_value()?;
    *target = value;
    Ok(())
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// A value of any JSON type, read as far as its shape fits.
struct Lenient<T>(T);

impl<'de, T: Shape<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue(PhantomData)).map(Self)
    }
}

struct AnyValue<T>(PhantomData<T>);

impl<'de, T: Shape<'de>> Visitor<'de> for AnyValue<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::from_text(Found::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(Found::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = T::default();
        while let Some(Name(name)) = map.next_key()? {
            value.read_member(&name, &mut map)?;
        }
        Ok(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let mut value = T::default();
        while value.read_element(&mut seq)? {}
        Ok(value)
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }
}

/// A member's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str) -> Fields {
        let (fields, length) = Fields::read(event, event).unwrap();
        assert_eq!(length, event.len());
        fields
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
        assert!(Fields::read(r#"{"uuid":"\ud800""#, "").is_none(), "it is cut short");
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(uuid_of(r#"{"uuid":"a\u002db"}"#).as_deref(), Some("a-b"));
        assert_eq!(uuid_of(r#"{"\u0075uid":"u"}"#).as_deref(), Some("u"));
    }
}
