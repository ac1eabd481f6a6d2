//! UDM, the Unified Data Model of Google SecOps: an event as its ingestion API takes it (`events:import`), one object of
//! Google's protobuf message `google.backstory.UDM`, under the field names of that message.
//!
//! One file a part of the event: `metadata`, `principal` (who acted, from where), `target` (whom or what it was done to, and
//! `about`), `network` (with `intermediary`), `authentication` (`extensions.auth`), `security_result`. `noun` writes a person,
//! a group or a thing wherever it stands, `server` a machine that people sign on to. `event_type` makes UDM's type of the class
//! and activity in OCSF, so that what an event type means is decided once. What has no field stays as labels where it belongs,
//! else under `additional`.

mod additional;
mod authentication;
mod event_type;
mod labels;
mod metadata;
mod network;
mod noun;
mod principal;
mod security_result;
mod server;
mod target;
#[cfg(test)]
mod tests;

use super::{
    Detail, Input,
    facts::{Assessment, Outcome, Threat},
    findings::Finding,
    log_event::LogEvent,
    ocsf::{self, Routing},
    writer::{ObjectWriter, Writer, room_for},
};
pub use event_type::EventType;
use event_type::Shape;
use principal::Origin;
use server::Server;
use target::Target;

/// What is known of an event before anything of it is written.
#[derive(Debug)]
struct Scene<'i, 'e, 'a> {
    input: &'i Input<'i>,
    event: &'e LogEvent<'a>,
    event_type: &'e str,
    routing: &'e Routing,
    finding: Option<&'static Finding>,
    origin: Origin<'a>,
    target: Target<'e, 'a>,
    assessment: Assessment<'a>,
    threat: Threat<'a>,
    outcome: Outcome<'a>,
}

impl Scene<'_, '_, '_> {
    /// Whether what has no field goes along.
    fn has_rest(&self) -> bool {
        !self.input.detail.is_essential()
    }

    fn has_debug_data(&self) -> bool {
        self.input.detail.has_debug_data()
    }

    fn is_of(&self, class: u16) -> bool {
        self.routing.class.uid == class
    }

    /// The org's domain, which stands for Okta's own machine; on a server, Okta's is no part of it.
    fn okta_host(&self) -> Option<&str> {
        self.input.tenant.filter(|_| self.target.server.is_none())
    }

    /// Whether it is a finding of which nobody knows whom it is about.
    fn is_of_unknown_user(&self) -> bool {
        self.finding.is_some() && !self.has_principal_user() && !self.target.has_user()
    }

    fn has_principal_user(&self) -> bool {
        self.event.actor.is_somebody() && !self.event.actor.kind.is_machine()
    }

    fn shape(&self) -> Shape {
        let Self { origin, target, .. } = self;
        Shape {
            has_principal_machine: origin.is_machine() || self.okta_host().is_some(),
            has_principal_user: self.has_principal_user() || self.is_of_unknown_user(),
            has_target_machine: target.app.is_none() && self.okta_host().is_some()
                || target.server.as_ref().is_some_and(Server::is_machine),
            has_target_user: target.has_user(),
            has_target_group: target.group.is_some(),
            has_target_resource: target.has_resource(),
        }
    }
}

/// The event in UDM.
pub(super) fn render(input: &Input<'_>, parsed: Option<LogEvent<'_>>) -> Vec<u8> {
    // What is no object is kept whole: there is nothing else to keep.
    let original = parsed.is_none().then_some(input.raw);
    let detail = if parsed.is_some() { input.detail } else { Detail::Full };
    let input = Input { detail, ..*input };
    let event = parsed.unwrap_or_default();
    let name = event.event_type();
    let assessment = Assessment::of(&event);
    let routing = Routing::of_event(&event, name.as_deref(), &assessment);
    let event_type = name.as_deref().unwrap_or_default();
    let scene = Scene {
        input: &input,
        event: &event,
        event_type,
        routing: &routing,
        finding: Finding::of(event_type),
        origin: Origin::of(&event),
        target: Target::of(&event, &routing, event_type),
        assessment,
        threat: Threat::of(&event),
        outcome: Outcome::of(&event, event_type),
    };
    Writer::with_room(room_for(input.raw), detail.text_bytes_max())
        .object_bytes(|out| write(&scene, original, out))
}

fn write(scene: &Scene<'_, '_, '_>, original: Option<&str>, out: &mut ObjectWriter<'_>) {
    metadata::write(scene, EventType::of(scene.routing, scene.shape()), out);
    principal::write(scene, out);
    target::write(scene, out);
    network::write(scene, out);
    if scene.is_of(ocsf::AUTHENTICATION) {
        authentication::write(scene, out);
    }
    security_result::write(scene, out);
    additional::write(scene, original, out);
}
