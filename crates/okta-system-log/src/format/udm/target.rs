//! `target` and `about`: whom and what it was done to, and the other targets. Which party is meant is decided as for OCSF,
//! by type and never by position.

use super::{
    super::{
        about::{made_or_ended, main_target},
        distinct::Distinct,
        facts::{reported_addresses, suspicious_address},
        log_event::LogEvent,
        ocsf::Routing,
        party::{Kind, Party},
        rights, vouching,
        whose::{self, Whose},
        writer::{ArrayWriter, ObjectWriter},
    },
    Scene,
    noun::{self, Rights},
    ocsf,
    server::Server,
};

/// What is in `target`.
#[derive(Debug)]
pub(super) struct Target<'e, 'a> {
    user: Whose<'e, 'a>,
    pub(super) group: Option<&'e Party<'a>>,
    pub(super) resource: Option<&'e Party<'a>>,
    pub(super) app: Option<&'e Party<'a>>,
    /// The machine that somebody signs on to.
    pub(super) server: Option<Server<'a>>,
    /// Whether something is made or ended that is none of the targets.
    is_unnamed: bool,
}

impl<'e, 'a> Target<'e, 'a> {
    pub(super) fn of(event: &'e LogEvent<'a>, routing: &Routing, event_type: &str) -> Self {
        let class = routing.class;
        let is_beginning_or_end = class.is_beginning_or_end(routing.activity);
        let main = match is_beginning_or_end {
            true => made_or_ended(event, event_type),
            false => main_target(event, event_type),
        };
        let user = match class.uid {
            ocsf::AUTHENTICATION => whose::authenticated(event),
            ocsf::ACCOUNT_CHANGE => whose::changed(event, event_type),
            ocsf::USER_ACCESS => whose::receiver(event, event_type),
            _ => whose::member(event, event_type).unwrap_or(Whose::Unknown),
        };
        let app = vouching::application(event);
        // A workload, an agent or an account on a server that is managed is what the event is about, and nobody's.
        let is_main = |party: &Party<'a>| main.is_some_and(|main| std::ptr::eq(main, party));
        let user = match user {
            Whose::Party { party, .. }
                if class.uid == ocsf::ENTITY_MANAGEMENT && party.kind.is_principal() && is_main(party) =>
            {
                Whose::Unknown
            }
            user => user,
        };
        let group = match &user {
            Whose::MembersOf(group) => Some(*group),
            _ if class.uid == ocsf::GROUP_MANAGEMENT => event.group(),
            _ => main.filter(|main| main.kind.is_group()),
        };
        // What has neither id nor name is no target, and stays with the others.
        let group = group.filter(|group| group.is_identified());
        let is_unnamed = is_beginning_or_end && main.is_none() && !event.targets.is_empty();
        let server = Server::of(event).filter(|_| class.uid == ocsf::AUTHENTICATION);
        let found = Self { user, group, resource: None, app, server, is_unnamed };
        // A sign-on is to an application, whatever policies decide on it.
        let first = main.filter(|_| !matches!(class.uid, ocsf::AUTHENTICATION | ocsf::GROUP_MANAGEMENT));
        let is_thing = |party: &&Party<'_>| {
            let is_other = !party.kind.is_account() && !party.kind.is_group() && !found.has(party);
            is_other && party.is_identified()
        };
        let app = app.filter(|_| !is_beginning_or_end);
        let resource = first.filter(is_thing).or_else(|| app.filter(is_thing));
        Self { resource, ..found }
    }

    /// Whether it is told whom it was done to.
    pub(super) fn has_user(&self) -> bool {
        !matches!(self.user, Whose::MembersOf(_) | Whose::Unknown)
    }

    /// Whether it is told what it was done to, if only by the event type.
    pub(super) fn has_resource(&self) -> bool {
        self.resource.is_some() || self.is_unnamed
    }

    /// Whether this party is written here.
    pub(super) fn has(&self, party: &Party<'_>) -> bool {
        let user = match self.user {
            Whose::Party { party, .. } => Some(party),
            _ => None,
        };
        [user, self.group, self.resource].into_iter().flatten().any(|told| std::ptr::eq(told, party))
    }
}

/// Writes `target` and `about`.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { target, event, .. } = scene;
    out.object("target", |out| {
        let app = target.app.and_then(Party::name);
        // What is in no application and on no server is at Okta, whose machine is the org's.
        match &target.server {
            Some(server) => server.write(out),
            None => out.text_if("hostname", scene.input.tenant.filter(|_| target.app.is_none())),
        }
        out.text("application", app.as_deref().unwrap_or("Okta"));
        let rights = rights(scene);
        let nothing = Rights::default();
        let is_groups = !target.has_user() || scene.is_of(ocsf::GROUP_MANAGEMENT);
        let (of_group, of_user) = if is_groups { (&rights, &nothing) } else { (&nothing, &rights) };
        // What else there is of the actor is with the principal.
        let is_actor = matches!(target.user, Whose::Party { party, .. } if std::ptr::eq(party, &event.actor));
        noun::write_whom(&target.user, of_user, scene.has_rest() && !is_actor, out);
        if let Some(group) = target.group {
            noun::write_group(group, of_group, scene.has_rest(), out);
        }
        if let Some(resource) = target.resource {
            noun::write_resource(resource, scene.has_rest(), out);
        } else if target.is_unnamed {
            // What it is stands before the verb.
            let thing = scene.event_type.rsplit_once('.').map_or(scene.event_type, |(thing, _)| thing);
            out.object("resource", |out| out.text("resource_subtype", thing));
        }
        write_url(scene, out);
    });
    write_about(scene, out);
}

/// Rights that were given or taken, if there is somebody whose they are.
fn rights<'a>(scene: &Scene<'_, '_, 'a>) -> Rights<'a> {
    let Scene { target, event, input, .. } = scene;
    let is_about_rights = scene.is_of(ocsf::USER_ACCESS) || scene.is_of(ocsf::GROUP_MANAGEMENT);
    let has_holder = target.group.is_some() || target.has_user() && !scene.is_of(ocsf::GROUP_MANAGEMENT);
    if !is_about_rights || !has_holder {
        return Rights::default();
    }
    let (mut roles, mut permissions) = (Distinct::default(), Distinct::default());
    rights::privileges(event).for_each(|role| roles.add(role));
    let others = rights::roles_of_targets(event, &roles.in_order, Party::name);
    others.into_iter().for_each(|role| roles.add(role));
    rights::scopes(event).for_each(|(scope, _)| permissions.add(scope));
    rights::scopes_of_targets(event).for_each(|scope| permissions.add(scope));
    let [roles, permissions] = [roles, permissions].map(|mut rights| {
        rights.in_order.truncate(input.detail.elements_max());
        rights.in_order
    });
    Rights { roles, permissions }
}

/// Writes `url`, which for UDM has a scheme and a host.
fn write_url(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let data = &scene.event.debug_data;
    let Some(tenant) = scene.input.tenant else { return };
    let Some(name) = ["url", "requestUri"]
        .into_iter()
        .find(|name| data.peek(name).is_some_and(|path| path.starts_with('/') && !path.starts_with("//")))
    else {
        return;
    };
    let path = data.take(name).unwrap_or_default();
    out.text("url", &["https://", tenant, &path].concat());
}

/// Writes `about`: the targets that are nowhere else. Policies that decided are in `security_result`.
fn write_about(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let others = scene.event.targets.iter();
    let others = others.filter(|party| !scene.target.has(party) && !party.kind.is_policy());
    out.array("about", |out| {
        for party in others.take(scene.input.detail.elements_max()) {
            out.object(|out| match party.kind {
                Kind::User | Kind::AppUser | Kind::Service | Kind::Account => {
                    noun::write_user(party, &Rights::default(), scene.has_rest(), out);
                }
                kind if kind.is_group() => {
                    noun::write_group(party, &Rights::default(), scene.has_rest(), out);
                }
                _ => noun::write_resource(party, scene.has_rest(), out),
            });
        }
        write_reported(scene, out);
    });
}

/// Writes the addresses that a user or a provider reports, which are not those of who reports.
fn write_reported(scene: &Scene<'_, '_, '_>, out: &mut ArrayWriter<'_>) {
    let reported = reported_addresses(scene.event).into_iter().map(|(_, ip)| ip);
    let addresses = suspicious_address(scene.event).into_iter().chain(reported);
    for ip in addresses.take(scene.input.detail.elements_max()) {
        out.object(|out| out.texts("ip", [ip]));
    }
}
