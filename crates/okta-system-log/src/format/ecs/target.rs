//! `entity.target`, `service.target` and `rule`: what was acted on, where it is no user and no group.
//!
//! The order of targets means nothing. `entity.target` has all of them; a field for one thing is written only where there
//! is one of its kind.

use super::{
    super::{
        distinct::Distinct,
        log_event::LogEvent,
        party::{Kind, Party},
        vouching,
    },
    Detail, ObjectWriter, user,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    write_entities(event, out, detail);
    out.object("service", |out| {
        // Who vouches for a sign-on is not what one signs on to.
        let app = only(event, Kind::App).filter(|_| vouching::identity_provider(event).is_none());
        if let Some(app) = app {
            out.object("target", |out| user::write_named(app, out));
        }
    });
    out.object("rule", |out| {
        if let Some(rule) = only(event, Kind::PolicyRule) {
            user::write_named(rule, out);
        }
        let policy = only(event, Kind::Policy).and_then(Party::name);
        out.text_if("ruleset", policy.as_deref());
    });
}

/// Ids, names and types of all targets, each value once. Elastic has the ids alone.
fn write_entities(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    if event.targets.is_empty() {
        return;
    }
    out.object("entity", |out| {
        out.object("target", |out| {
            for (ecs, okta) in [("id", "id"), ("name", "displayName"), ("sub_type", "type")] {
                let mut values = Distinct::default();
                for target in event.targets.iter().take(detail.elements_max()) {
                    let value = if okta == "displayName" { target.name() } else { target.object.peek(okta) };
                    value.into_iter().for_each(|value| values.add(value));
                }
                out.texts(ecs, &values.in_order);
            }
        });
    });
}

/// The target of this kind, if there is exactly one that has an id or a name.
fn only<'e, 'a>(event: &'e LogEvent<'a>, kind: Kind) -> Option<&'e Party<'a>> {
    let mut found = event.targets.iter().filter(|target| target.kind == kind && target.is_identified());
    found.next().filter(|_| found.next().is_none())
}
