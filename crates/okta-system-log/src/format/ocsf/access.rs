//! Rights given and taken: User Access Management, and the privileges of a group.

use std::borrow::Cow;

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party},
        writer::ObjectWriter,
    },
    UNKNOWN, entity,
    notes::Notes,
    routing::Note,
    user,
};

/// Where the debug data names rights.
const PRIVILEGES: [&str; 7] = [
    "privilegeGranted",
    "privilegeRevoked",
    "privileges",
    "grantedScopes",
    "requestedScopes",
    "scopes",
    "roleName",
];

/// Writes what is the class User Access Management's own.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    note: Note,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    user::changed(event, true).write("user", "user", out, notes);
    let privileges = privileges(event, note);
    out.array("privileges", |out| {
        privileges.iter().take(targets_max).for_each(|privilege| out.text(privilege));
        if privileges.is_empty() {
            out.text(UNKNOWN);
        }
    });
    entity::write_resources(event, false, out, targets_max);
}

/// Writes the privileges that a group got or lost, where any are named.
pub(super) fn write_group_privileges(event: &LogEvent<'_>, note: Note, out: &mut ObjectWriter<'_>) {
    out.texts("privileges", privileges(event, note));
}

/// What was given: the rights that the debug data names, else the roles among the targets, else what the event type
/// alone tells.
fn privileges<'a>(event: &LogEvent<'a>, note: Note) -> Vec<Cow<'a, str>> {
    let named = PRIVILEGES.iter().map(|name| event.debug_data.take_texts(name));
    if let Some(named) = named.into_iter().find(|named| !named.is_empty()) {
        return named;
    }
    let roles = event.targets.iter().filter(|target| target.kind == Kind::Role);
    let roles: Vec<_> = roles.filter_map(Party::take_name).collect();
    match note {
        Note::Privilege(privilege) if roles.is_empty() => vec![Cow::Borrowed(privilege)],
        _ => roles,
    }
}
