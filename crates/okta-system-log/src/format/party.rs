//! The actor and the targets of an event, by kind.

use std::borrow::Cow;

use super::{object::Object, writer::ObjectWriter};

/// An actor or a target.
#[derive(Debug, Default)]
pub(super) struct Party<'a> {
    pub(super) object: Object<'a>,
    pub(super) kind: Kind,
}

/// What a party is, by its `type`. Okta has no list of types and adds some all the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    /// A user's account in an application.
    AppUser,
    App,
    Group,
    Policy,
    PolicyRule,
    NetworkZone,
    Device,
    Role,
    #[default]
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "User" | "NewUser" => Self::User,
            "AppUser" => Self::AppUser,
            "AppInstance" | "PublicClientApp" | "Application" | "App" => Self::App,
            "UserGroup" | "AppGroup" | "Group" => Self::Group,
            "PolicyRule" | "Rule" => Self::PolicyRule,
            "NetworkZone" | "NetworkZoneEntity" | "Zone" => Self::NetworkZone,
            "Device" | "UDDevice" => Self::Device,
            _ if name.starts_with("Policy") || name.ends_with("Policy") => Self::Policy,
            _ if name.len() <= 16 && name.to_ascii_lowercase().ends_with("role") => Self::Role,
            _ => Self::Other,
        }
    }

    /// Whether it can sign in.
    pub(super) fn is_account(self) -> bool {
        matches!(self, Self::User | Self::AppUser)
    }
}

impl<'a> Party<'a> {
    pub(super) fn new(object: Object<'a>) -> Self {
        let kind = object.peek("type").map_or(Kind::Other, |name| Kind::of(&name));
        Self { object, kind }
    }

    /// Whether it has an id or a name.
    pub(super) fn is_identified(&self) -> bool {
        ["id", "alternateId", "displayName"].iter().any(|member| self.object.peek(member).is_some())
    }

    /// Okta's id of it, taken.
    pub(super) fn take_id(&self) -> Option<Cow<'a, str>> {
        self.object.take("id")
    }

    /// Its type as Okta writes it, taken.
    pub(super) fn take_type(&self) -> Option<Cow<'a, str>> {
        self.object.take("type")
    }

    /// A name for people: the display name, else the alternate id; the one that is used is taken, and the other too if
    /// it says the same.
    pub(super) fn take_name(&self) -> Option<Cow<'a, str>> {
        let Some(name) = self.object.take("displayName") else { return self.object.take("alternateId") };
        self.object.mark_if("alternateId", |alternate| alternate == name);
        Some(name)
    }

    /// Writes the members that were not taken, if any, with the id that they belong to.
    pub(super) fn write_rest(&self, out: &mut ObjectWriter<'_>) {
        let mut rest = self.object.rest().peekable();
        if rest.peek().is_none() {
            return;
        }
        if let Some(id) = self.object.raw("id") {
            out.raw("id", id);
        }
        rest.filter(|(name, _)| *name != "id").for_each(|(name, json)| out.raw(name, json));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_type_whatever_okta_adds() {
        for (name, kind) in [
            ("User", Kind::User),
            ("AppInstance", Kind::App),
            ("PolicyEntity", Kind::Policy),
            ("PolicyRule", Kind::PolicyRule),
            ("CUSTOM_ROLE", Kind::Role),
            ("NextYearsThing", Kind::Other),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_said_twice_is_taken_twice() {
        let party = |json| Party::new(Object::read(json).unwrap());
        let same = party(r#"{"alternateId":"a","displayName":"a"}"#);
        assert_eq!(same.take_name().as_deref(), Some("a"));
        assert_eq!(same.object.rest().count(), 0);
        let other = party(r#"{"alternateId":"a","displayName":"b"}"#);
        assert_eq!(other.take_name().as_deref(), Some("b"));
        assert_eq!(other.object.rest().count(), 1);
        let odd = party(r#"{"alternateId":[101],"displayName":"b","type":[102]}"#);
        odd.take_name();
        odd.object.mark_same("type", "Unknown");
        assert_eq!(odd.object.rest().count(), 2, "what is no text is not said by one");
    }
}
