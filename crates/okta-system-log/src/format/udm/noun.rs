//! Parts of UDM's nouns: a person, a group or a thing, wherever it stands. What Okta says of it and UDM has no field for is
//! among its labels, so that it stays with whom it is about.

use std::borrow::Cow;

use super::{
    super::{
        party::{Kind, Party},
        whose::Whose,
        words::is_email,
        writer::ObjectWriter,
    },
    labels,
};

/// Rights that somebody got or lost, one an element.
#[derive(Debug, Default)]
pub(super) struct Rights<'a> {
    /// Privileges and roles.
    pub(super) roles: Vec<Cow<'a, str>>,
    /// Scopes of OAuth.
    pub(super) permissions: Vec<Cow<'a, str>>,
}

/// Writes `user`. The id is Okta's, and the login the user's.
pub(super) fn write_user(
    party: &Party<'_>,
    rights: &Rights<'_>,
    with_labels: bool,
    out: &mut ObjectWriter<'_>,
) {
    let [id, login, name] = ["id", "alternateId", "displayName"].map(|member| party.object.take(member));
    let email = login.as_deref().filter(|login| is_email(login));
    out.object("user", |out| {
        out.text_if("userid", login.as_deref().or(name.as_deref()));
        out.text_if("product_object_id", id.as_deref());
        out.text_if("user_display_name", name.as_deref());
        out.texts("email_addresses", email);
        out.text_if("account_type", account_type(party));
        write_attribute(Some(party), rights, with_labels, out);
    });
}

/// Writes `user` of somebody whom the event is about; nothing if it is not told.
pub(super) fn write_whom(
    whose: &Whose<'_, '_>,
    rights: &Rights<'_>,
    with_labels: bool,
    out: &mut ObjectWriter<'_>,
) {
    match whose {
        Whose::Party { party, .. } => write_user(party, rights, with_labels, out),
        Whose::Named { uid, name } => {
            out.object("user", |out| {
                out.text_if("product_object_id", uid.as_deref());
                out.text_if("user_display_name", name.as_deref());
                write_attribute(None, rights, with_labels, out);
            });
        }
        Whose::OktaSupport => {
            out.object("user", |out| {
                out.text("user_display_name", "Okta Support");
                write_attribute(None, rights, with_labels, out);
            });
        }
        Whose::MembersOf(_) | Whose::Unknown => {}
    }
}

/// Writes `group`.
pub(super) fn write_group(
    group: &Party<'_>,
    rights: &Rights<'_>,
    with_labels: bool,
    out: &mut ObjectWriter<'_>,
) {
    let (id, name) = (group.take_id(), group.take_name());
    out.object("group", |out| {
        out.text_if("product_object_id", id.as_deref());
        out.text_if("group_display_name", name.as_deref());
        write_attribute(Some(group), rights, with_labels, out);
    });
}

/// Writes `resource`: what is neither a person nor a group.
pub(super) fn write_resource(party: &Party<'_>, with_labels: bool, out: &mut ObjectWriter<'_>) {
    let (id, name, kind) = (party.take_id(), party.take_name(), party.take_type());
    out.object("resource", |out| {
        out.text_if("name", name.as_deref());
        out.text_if("product_object_id", id.as_deref());
        out.text_if("resource_subtype", kind.as_deref());
        out.text_if("resource_type", resource_type(party.kind));
        write_attribute(Some(party), &Rights::default(), with_labels, out);
    });
}

fn write_attribute(
    party: Option<&Party<'_>>,
    rights: &Rights<'_>,
    with_labels: bool,
    out: &mut ObjectWriter<'_>,
) {
    out.object("attribute", |out| {
        for (member, names) in [("roles", &rights.roles), ("permissions", &rights.permissions)] {
            out.array(member, |out| names.iter().for_each(|name| out.object(|out| out.text("name", name))));
        }
        if let Some(party) = party.filter(|_| with_labels) {
            labels::write("labels", &party.object, out);
        }
    });
}

fn account_type(party: &Party<'_>) -> Option<&'static str> {
    match party.kind {
        Kind::User | Kind::AppUser => Some("CLOUD_ACCOUNT_TYPE"),
        Kind::App | Kind::Service => Some("SERVICE_ACCOUNT_TYPE"),
        Kind::System => Some("DEFAULT_ACCOUNT_TYPE"),
        Kind::Other if party.is_program() => Some("SERVICE_ACCOUNT_TYPE"),
        _ => None,
    }
}

/// UDM's word for what a resource is, where it has one.
fn resource_type(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Policy | Kind::PolicyRule => Some("ACCESS_POLICY"),
        Kind::Device => Some("DEVICE"),
        Kind::Token | Kind::Enrollment => Some("CREDENTIAL"),
        Kind::Service => Some("SERVICE_ACCOUNT"),
        Kind::Org => Some("CLOUD_ORGANIZATION"),
        Kind::Address => Some("IP_ADDRESS"),
        _ => None,
    }
}
