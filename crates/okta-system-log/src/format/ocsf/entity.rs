//! What was managed: the entity of Entity Management with what pertains to it, and the group of Group Management.

use std::borrow::Cow;

use super::{
    super::{
        about::{is_only_actor, made_or_ended, main_target},
        log_event::LogEvent,
        party::{Kind, Party},
        words::is_email,
        writer::ObjectWriter,
    },
    UNKNOWN, endpoint,
    named::Named,
    notes::{Notes, Observed},
    routing::Routing,
    user::User,
};

/// OCSF's `managed_entity`.
#[derive(Debug)]
struct Entity<'e, 'a> {
    uid: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    /// `type_id` and `type`.
    kind: (u8, Cow<'a, str>),
    pertaining: Pertaining<'e, 'a>,
}

/// The targets that OCSF has attributes of an entity for. One of them may be the entity itself; a user of a device, a group
/// of an application and the like belong to it.
#[derive(Debug)]
struct Pertaining<'e, 'a> {
    user: Option<&'e Party<'a>>,
    /// What the user has in an application.
    account: Option<&'e Party<'a>>,
    group: Option<&'e Party<'a>>,
    device: Option<&'e Party<'a>>,
    policy: Option<&'e Party<'a>>,
    org: Option<&'e Party<'a>>,
    email: Option<&'e Party<'a>>,
}

/// Writes `entity`, and `entity_result` where the event has the result.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    routing: &Routing,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let target = match routing.class.is_beginning_or_end(routing.activity) {
        true => made_or_ended(event, event_type),
        false => main_target(event, event_type),
    };
    let pertaining = Pertaining::of(event, event_type, target);
    let entity = match target.filter(|target| target.is_identified()) {
        Some(target) => Entity::of(target, pertaining),
        None => Entity {
            uid: None,
            name: Some(Cow::Borrowed(UNKNOWN)),
            // What is managed is the beginning of the event type, without the verb.
            kind: (
                99,
                event_type.rsplit_once('.').map_or(event_type, |(family, _)| family).to_owned().into(),
            ),
            pertaining,
        },
    };
    let changes =
        target.map(|target| target.object.open_if_only("changeDetails", &["from", "to"])).unwrap_or_default();
    out.object("entity", |out| {
        entity.write(changes.raw("from"), out);
        entity.pertaining.write(out, notes);
    });
    if changes.raw("to").is_some() {
        out.object("entity_result", |out| entity.write(changes.raw("to"), out));
    }
    notes.observe(Observed::ResourceUid, "entity", "uid", entity.uid.as_ref());
}

impl<'e, 'a> Entity<'e, 'a> {
    fn of(target: &Party<'a>, pertaining: Pertaining<'e, 'a>) -> Self {
        let (id, caption) = match target.kind {
            Kind::Device => (1, "Device"),
            Kind::User | Kind::AppUser => (2, "User"),
            Kind::Group | Kind::AppGroup => (3, "Group"),
            Kind::Org => (4, "Organization"),
            Kind::Policy | Kind::PolicyRule => (5, "Policy"),
            Kind::Email => (6, "Email"),
            Kind::NetworkZone => (7, "Network Zone"),
            _ => (99, "Other"),
        };
        // Its type is told once; what pertains to it writes it again where it says more.
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
        Self { uid: target.take_id(), name: target.take_name(), kind, pertaining }
    }

    /// Writes it with `data`, which is JSON, as its state.
    fn write(&self, data: Option<&str>, out: &mut ObjectWriter<'_>) {
        out.text_if("uid", self.uid.as_deref());
        out.text_if("name", self.name.as_deref());
        out.integer("type_id", self.kind.0);
        out.text("type", &self.kind.1);
        // What is too long for the bus is left out with all that is not mapped.
        if let Some(data) = data.filter(|data| data.len() <= out.text_bytes_max()) {
            out.raw("data", data);
        }
    }
}

impl<'e, 'a> Pertaining<'e, 'a> {
    /// `main` is the entity itself; of each other kind the target that is meant.
    fn of(event: &'e LogEvent<'a>, event_type: &str, main: Option<&'e Party<'a>>) -> Self {
        let one = |kinds: &[Kind]| {
            main.filter(|main| kinds.contains(&main.kind))
                .or_else(|| kinds.iter().find_map(|kind| event.target(*kind)))
        };
        let user = one(&[Kind::User, Kind::AppUser]);
        // A rule is a part of its policy.
        let rule = || main.filter(|main| main.kind == Kind::PolicyRule);
        let user = user.filter(|user| !is_only_actor(event, event_type, user));
        Self {
            user,
            account: event.target(Kind::AppUser).filter(|_| user.is_some_and(|user| user.kind == Kind::User)),
            group: one(&[Kind::Group, Kind::AppGroup]),
            device: one(&[Kind::Device]),
            policy: one(&[Kind::Policy]).or_else(rule),
            org: one(&[Kind::Org]),
            email: one(&[Kind::Email]),
        }
    }

    fn write(&self, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
        if let Some(user) = self.user.and_then(User::of) {
            user.with_account(self.account).write("user", "entity.user", out, notes);
        }
        let named = |party: Option<&'e Party<'a>>| party.and_then(Named::of);
        if let Some(group) = named(self.group) {
            out.object("group", |out| group.write(out));
            observe_group(&group, "entity.group", notes);
        }
        self.write_device(out, notes);
        if let Some(policy) = named(self.policy) {
            out.object("policy", |out| policy.write(out));
            notes.observe(Observed::ResourceUid, "entity.policy", "uid", policy.uid.as_ref());
        }
        if let Some(org) = named(self.org) {
            out.object("org", |out| {
                out.text_if("uid", org.uid.as_deref());
                out.text_if("name", org.name.as_deref());
            });
        }
        self.write_email(out, notes);
    }

    fn write_device(&self, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
        let Some(party) = self.device else { return };
        let Some(device) = Named::of(party) else { return };
        let detail = &party.detail;
        let platform = detail.take("osPlatform");
        // A version of nothing known is left.
        let version = platform.as_ref().and_then(|_| detail.take("osVersion"));
        out.object("device", |out| {
            out.text_if("uid", device.uid.as_deref());
            out.text_if("name", device.name.as_deref());
            endpoint::write_device_kind(platform.as_deref(), out);
            endpoint::write_os(platform.as_deref(), version.as_deref(), out);
            if let Some(is_managed) = detail.take_flag("managed") {
                out.flag("is_managed", is_managed);
            }
        });
        notes.observe(Observed::DeviceUid, "entity.device", "uid", device.uid.as_ref());
    }

    /// OCSF's mail has at least who it is to.
    fn write_email(&self, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
        let Some(mail) = self.email else { return };
        let address = ["alternateId", "displayName", "id"];
        let Some(member) =
            address.into_iter().find(|name| mail.object.peek(name).is_some_and(|text| is_email(&text)))
        else {
            return;
        };
        let address = mail.object.take(member);
        out.object("email", |out| out.texts("to", &address));
        notes.observe(Observed::EmailAddress, "entity.email", "to[]", address.as_ref());
    }
}

/// Writes `group`.
pub(super) fn write_group<'a>(event: &LogEvent<'a>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
    let Some(group) = event.group().and_then(Named::of) else {
        out.object("group", |out| out.text("name", UNKNOWN));
        return;
    };
    out.object("group", |out| group.write(out));
    observe_group(&group, "group", notes);
}

fn observe_group<'a>(group: &Named<'a>, path: &'static str, notes: &mut Notes<'a>) {
    notes.observe(Observed::GroupUid, path, "uid", group.uid.as_ref());
    notes.observe(Observed::GroupName, path, "name", group.name.as_ref());
}
