//! What was managed: the entity of Entity Management, the group of Group Management, the resources of an operation.

use std::borrow::Cow;

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party},
        writer::ObjectWriter,
    },
    UNKNOWN,
    notes::{Notes, Observed},
};

/// OCSF's `managed_entity`.
#[derive(Debug)]
struct Entity<'a> {
    uid: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    /// `type_id` and `type`.
    kind: (u8, Cow<'a, str>),
}

/// Which kinds of target an event type is about, by the beginning of its name or by a segment of it. The order of
/// targets is not stable, so that `policy.rule.update` has to say itself that it is about the rule.
const ABOUT: &[(&str, Kind)] = &[
    ("policy.rule", Kind::PolicyRule),
    ("policy.branch.rule", Kind::PolicyRule),
    ("application.policy.sign_on.rule", Kind::PolicyRule),
    ("policy", Kind::Policy),
    ("device", Kind::Device),
    ("mim", Kind::Device),
    ("user", Kind::User),
    ("zone", Kind::NetworkZone),
    ("network_zone", Kind::NetworkZone),
    ("security.zone", Kind::NetworkZone),
    ("group", Kind::Group),
    ("iam.role", Kind::Role),
    ("app", Kind::App),
    ("application", Kind::App),
];

/// Writes `entity`, and `entity_result` where the event has the result.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let target = main_target(event, event_type);
    let entity = target.filter(|target| target.is_identified()).map(Entity::of);
    let entity = entity.unwrap_or_else(|| Entity {
        uid: None,
        name: Some(Cow::Borrowed(UNKNOWN)),
        // What is managed is the beginning of the event type, without the verb.
        kind: (99, event_type.rsplit_once('.').map_or(event_type, |(family, _)| family).to_owned().into()),
    });
    let changes =
        target.map(|target| target.object.open_if_only("changeDetails", &["from", "to"])).unwrap_or_default();
    entity.write("entity", changes.raw("from"), out);
    if changes.raw("to").is_some() {
        entity.write("entity_result", changes.raw("to"), out);
    }
    notes.observe(Observed::ResourceUid, "entity", "uid", entity.uid.as_ref());
}

/// The target that the event type is about, else the first that is no user, else the first.
fn main_target<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<&'e Party<'a>> {
    let is_about = |beginning: &str| {
        let rest = event_type.strip_prefix(beginning);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let about = ABOUT.iter().find(|(beginning, _)| is_about(beginning));
    about
        .and_then(|(_, kind)| event.target(*kind))
        .or_else(|| event.targets.iter().find(|target| !target.kind.is_account()))
        .or_else(|| event.targets.first())
}

impl<'a> Entity<'a> {
    fn of(target: &Party<'a>) -> Self {
        let (id, caption) = match target.kind {
            Kind::Device => (1, "Device"),
            Kind::User | Kind::AppUser => (2, "User"),
            Kind::Group => (3, "Group"),
            Kind::Policy | Kind::PolicyRule => (5, "Policy"),
            Kind::NetworkZone => (7, "Network Zone"),
            _ if target.object.peek("type").is_some_and(|word| word == "Org") => (4, "Organization"),
            _ => (99, "Other"),
        };
        let kind = match target.object.peek("type") {
            Some(word) if id == 99 => {
                target.object.mark("type");
                (id, word)
            }
            _ => {
                target.object.mark_same("type", caption);
                (id, Cow::Borrowed(caption))
            }
        };
        Self { uid: target.take_id(), name: target.take_name(), kind }
    }

    /// Writes it with `data`, which is JSON, as its state.
    fn write(&self, name: &str, data: Option<&str>, out: &mut ObjectWriter<'_>) {
        out.object(name, |out| {
            out.text_if("uid", self.uid.as_deref());
            out.text_if("name", self.name.as_deref());
            out.integer("type_id", self.kind.0);
            out.text("type", &self.kind.1);
            if let Some(data) = data {
                out.raw("data", data);
            }
        });
    }
}

/// Writes `group`.
pub(super) fn write_group<'a>(event: &LogEvent<'a>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
    let target = event.target(Kind::Group);
    let (uid, name) = target.map(|group| (group.take_id(), group.take_name())).unwrap_or_default();
    out.object("group", |out| {
        out.text_if("uid", uid.as_deref());
        out.text_if("name", name.as_deref());
        if uid.is_none() && name.is_none() {
            out.text("name", UNKNOWN);
        }
        out.text_if("type", target.and_then(Party::take_type).as_deref());
    });
    notes.observe(Observed::GroupUid, "group", "uid", uid.as_ref());
    notes.observe(Observed::GroupName, "group", "name", name.as_ref());
}

/// Writes one target as `resource_details`.
fn write_resource(target: &Party<'_>, out: &mut ObjectWriter<'_>) {
    let (uid, name) = (target.take_id(), target.take_name());
    if uid.is_none() && name.is_none() {
        return;
    }
    out.text_if("uid", uid.as_deref());
    out.text_if("name", name.as_deref());
    out.text_if("type", target.take_type().as_deref());
}

/// Writes `resources`: the targets that are not the user or group that the event is about already.
pub(super) fn write_resources(
    event: &LogEvent<'_>,
    all: bool,
    out: &mut ObjectWriter<'_>,
    targets_max: usize,
) {
    out.array("resources", |out| {
        for target in event.targets.iter().filter(|target| all || !target.kind.is_account()).take(targets_max)
        {
            out.object(|out| write_resource(target, out));
        }
    });
}

/// Writes `resource`: the application that a group was given.
pub(super) fn write_app_resource(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    if let Some(app) = event.target(Kind::App) {
        out.object("resource", |out| write_resource(app, out));
    }
}

/// Writes `policy` of the profile `security_control`: the rule that decided, else the policy.
pub(super) fn write_policy(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) -> bool {
    let target = event.target(Kind::PolicyRule).or_else(|| event.target(Kind::Policy));
    let Some(target) = target.filter(|target| target.object.peek("id").is_some()) else { return false };
    out.object("policy", |out| {
        out.text_if("uid", target.take_id().as_deref());
        out.text_if("name", target.take_name().as_deref());
        out.text_if("type", target.take_type().as_deref());
        out.flag("is_applied", true);
    });
    true
}
