//! Rights given and taken, and what was decided by which policies: privileges, scopes, authorizations.

use std::{borrow::Cow, collections::HashSet};

use super::{
    super::{
        distinct::Distinct,
        facts::Verdict,
        log_event::LogEvent,
        party::Party,
        rights, whose,
        writer::{ArrayWriter, ObjectWriter},
    },
    UNKNOWN,
    class::{AUTHENTICATION, Class},
    named::Named,
    notes::{Notes, Observed},
    resource,
    routing::Note,
    user::User,
};

/// Writes what is the class User Access Management's own.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    note: Note,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    User::who(whose::receiver(event, event_type)).write("user", "user", out, notes);
    let privileges = privileges(event, note);
    out.array("privileges", |out| {
        privileges.iter().take(targets_max).for_each(|privilege| out.text(privilege));
        if privileges.is_empty() {
            out.text(UNKNOWN);
        }
    });
    // Who else gets the same is no resource, and OCSF has no place for more than one user or one group.
    let is_receiver = |target: &Party<'_>| {
        target.kind.is_account() || target.kind.is_group() && whose::is_for_groups(event_type)
    };
    resource::write_all(event, |target| !is_receiver(target), targets_max, out, notes);
}

/// Writes the privileges that a group got or lost, where any are named.
pub(super) fn write_group_privileges(
    event: &LogEvent<'_>,
    note: Note,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
) {
    out.texts("privileges", privileges(event, note).iter().take(targets_max));
}

/// What was given, one right an element: those that the debug data names, and the roles and scopes of the targets, else
/// what the event type alone tells.
fn privileges<'a>(event: &LogEvent<'a>, note: Note) -> Vec<Cow<'a, str>> {
    let mut found = Distinct::default();
    rights::privileges(event).for_each(|privilege| found.add(privilege));
    let roles = rights::roles_of_targets(event, &found.in_order, Party::take_name);
    rights::scopes(event).for_each(|(scope, _)| found.add(scope));
    rights::scopes_of_targets(event).for_each(|scope| found.add(scope));
    roles.into_iter().for_each(|role| found.add(role));
    match note {
        Note::Privilege(privilege) if found.in_order.is_empty() => vec![Cow::Borrowed(privilege)],
        _ => found.in_order,
    }
}

/// Writes `authorizations` of the profile `security_control`: the policies and rules that decided or are concerned, all of
/// them, and the scopes that were asked for.
pub(super) fn write_authorizations<'a>(
    event: &LogEvent<'a>,
    class: &Class,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    // What decides on a sign-on is applied; what is created or changed need not be.
    let is_applied = class.uid == AUTHENTICATION;
    let decision = decision(event);
    let mut seen = HashSet::new();
    out.array("authorizations", |out| {
        let policies = event.targets.iter().filter(|target| target.kind.is_policy() && target.is_untold());
        for policy in policies.take(targets_max).filter_map(Named::of) {
            notes.uses_security_control = true;
            write_authorization(decision, out, |out| {
                policy.write(out);
                if is_applied {
                    out.flag("is_applied", true);
                }
            });
            notes.observe(Observed::ResourceUid, "authorizations[].policy", "uid", policy.uid.as_ref());
        }
        for (scope, decision) in rights::scopes(event).take(targets_max) {
            // What was granted comes first.
            if !seen.insert(scope.clone()) {
                continue;
            }
            notes.uses_security_control = true;
            write_authorization(Some(decision), out, |out| {
                out.text("name", &scope);
                out.text("type", "Scope");
            });
        }
    });
}

fn write_authorization(
    decision: Option<&str>,
    out: &mut ArrayWriter<'_>,
    policy: impl FnOnce(&mut ObjectWriter<'_>),
) {
    out.object(|out| {
        out.text_if("decision", decision);
        out.object("policy", policy);
    });
}

/// What policies decided, where the outcome is a decision.
pub(super) fn decision(event: &LogEvent<'_>) -> Option<&'static str> {
    match Verdict::of(event)? {
        Verdict::Allow => Some("Allowed"),
        Verdict::Deny => Some("Denied"),
        Verdict::Challenge => Some("Challenged"),
        Verdict::Success | Verdict::Failure | Verdict::RateLimit => None,
    }
}
