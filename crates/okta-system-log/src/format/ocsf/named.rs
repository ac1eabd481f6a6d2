//! What has a uid, a name and a type, and no more: groups, policies, resources, accounts.

use std::borrow::Cow;

use super::super::{party::Party, writer::ObjectWriter};

/// One of them; it has a uid or a name.
#[derive(Debug, Clone)]
pub(super) struct Named<'a> {
    pub(super) uid: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
}

impl<'a> Named<'a> {
    /// What `party` is, taken; None if it has neither id nor name.
    pub(super) fn of(party: &Party<'a>) -> Option<Self> {
        let (uid, name) = (party.take_id(), party.take_name());
        if uid.is_none() && name.is_none() {
            return None;
        }
        Some(Self { uid, name, kind: party.take_type() })
    }

    /// The account that `party` is, by its login, taken.
    pub(super) fn account(party: &Party<'a>) -> Option<Self> {
        let Some(login) = party.object.take("alternateId") else { return Self::of(party) };
        party.object.mark_if("displayName", |name| name == login);
        Some(Self { uid: party.take_id(), name: Some(login), kind: party.take_type() })
    }

    /// Writes it as the members of an object.
    pub(super) fn write(&self, out: &mut ObjectWriter<'_>) {
        out.text_if("uid", self.uid.as_deref());
        out.text_if("name", self.name.as_deref());
        out.text_if("type", self.kind.as_deref());
    }
}
