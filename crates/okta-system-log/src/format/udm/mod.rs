//! UDM, the Unified Data Model of Google SecOps: an event as its ingestion API takes it (`events:import`), one object of
//! Google's protobuf message `google.backstory.UDM`, under the field names of that message.
//!
//! One file a part of the event: `metadata`, `principal` (who acted, from where), `target` (whom or what it was done to, and
//! `about`), `network` (with `intermediary`), `authentication` (`extensions.auth`), `security_result`. `noun` writes a person,
//! a group or a thing wherever it stands. `event_type` makes UDM's type of the class and activity in OCSF, so that what an
//! event type means is decided once. What has no field stays as labels where it belongs, else under `additional`.

mod additional;
mod authentication;
mod event_type;
mod labels;
mod metadata;
mod network;
mod noun;
mod principal;
mod security_result;
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

    fn shape(&self) -> Shape {
        let Self { origin, target, input, event, .. } = self;
        Shape {
            has_principal_machine: origin.is_machine(input.tenant),
            has_principal_user: event.actor.is_somebody(),
            has_target_machine: target.app.is_none() && input.tenant.is_some(),
            has_target_user: target.has_user(),
            has_target_group: target.group.is_some(),
            has_target_resource: target.resource.is_some(),
        }
    }
}

/// The event in UDM.
pub(super) fn render(input: &Input<'_>) -> Vec<u8> {
    let parsed = LogEvent::read(input.json);
    // What is no object is kept whole: there is nothing else to keep.
    let original = parsed.is_none().then_some(input.raw);
    let detail = if parsed.is_some() { input.detail } else { Detail::Full };
    let input = Input { detail, ..*input };
    let event = parsed.unwrap_or_default();
    let name = event.event_type();
    let routing = Routing::of(name.as_deref());
    let event_type = name.as_deref().unwrap_or_default();
    let scene = Scene {
        input: &input,
        event: &event,
        event_type,
        routing: &routing,
        finding: Finding::of(event_type),
        origin: Origin::of(&event),
        target: Target::of(&event, routing.class, event_type),
        assessment: Assessment::of(&event),
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
