//! OCSF, the Open Cybersecurity Schema Framework: an event as a SIEM takes it, valid by the schema whatever Okta sends.
//!
//! `v1_8/routing.csv` decides the class and the activity of each event type; one file here maps one part of the event.
//! What has no place in OCSF stays under `unmapped` by Okta's own names. Rooms of later versions of the schema differ in
//! their table first of all.

mod access;
mod authentication;
mod class;
mod endpoint;
mod entity;
mod evidence;
mod finding;
mod labels;
mod metadata;
mod named;
mod notes;
mod outcome;
mod resource;
mod routing;
#[cfg(test)]
mod tests;
mod user;

use super::{
    Detail, Input, Payload,
    facts::{Assessment, Factors, Threat},
    forms,
    log_event::{LogEvent, ODD_TARGETS},
    whose,
    writer::{ObjectWriter, Writer, room_for},
};
use class::OTHER;
pub(super) use class::{
    ACCOUNT_CHANGE, API_ACTIVITY, APPLICATION_ERROR, AUTHENTICATION, BASE_EVENT, DETECTION_FINDING,
    ENTITY_MANAGEMENT, GROUP_MANAGEMENT, USER_ACCESS,
};
pub use class::{CLASSES, Class};
use notes::Notes;
pub use routing::Routing;
use user::{ActorOf, User};

/// A version of the schema that events can be rendered in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub enum Version {
    /// Of March 2026.
    #[default]
    #[serde(rename = "1.8.0")]
    V1_8,
}

/// How events are rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `metadata.version`
    pub version: Version,
    /// Whether Okta's own event goes along as `raw_data`.
    pub raw_data: bool,
}

/// What an attribute says that OCSF demands and Okta does not know.
const UNKNOWN: &str = "Unknown";

impl Version {
    /// Its number.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_8 => "1.8.0",
        }
    }
}

/// The event in OCSF, with the schema of its class.
pub(super) fn render(input: &Input<'_>, parsed: Option<LogEvent<'_>>, options: Options) -> Payload {
    // What is no object is kept whole, as a Base Event.
    let (input, options) = match parsed {
        Some(_) => (*input, options),
        None => (Input { detail: Detail::Full, ..*input }, Options { raw_data: true, ..options }),
    };
    let event = parsed.unwrap_or_default();
    let event_type = event.event_type();
    let (assessment, threat) = (Assessment::of(&event), Threat::of(&event));
    let routing = Routing::of_event(&event, event_type.as_deref(), &assessment);
    let event_type = event_type.as_deref().unwrap_or(UNKNOWN);
    let bytes = Writer::with_room(room_for(input.raw), input.detail.text_bytes_max()).object_bytes(|out| {
        let mut notes = Notes::new(input.detail.elements_max());
        if event.has_odd_targets {
            notes.tell(ODD_TARGETS);
        }
        if event.has_other_forms {
            notes.tell(forms::UNREAD);
        }
        write_classification(&routing, event_type, out);
        metadata::write_time(&event, out, &mut notes);
        outcome::write_severity(&event, event_type, &assessment, &threat, out, &mut notes);
        outcome::write_status(&event, event_type, routing.class, routing.activity, out);
        out.text_if("message", event.root.peek("displayMessage").as_deref());
        write_class(&input, &event, &routing, event_type, &assessment, out, &mut notes);
        outcome::write_control(&event, &routing, &assessment, &threat, out, &mut notes);
        access::write_authorizations(&event, routing.class, input.detail.elements_max(), out, &mut notes);
        event.root.take("displayMessage");
        if input.detail.has_debug_data() {
            endpoint::observe_move(&event, &mut notes);
        }
        notes.write_observables(out);
        metadata::write(&input, options.version, &event, out, &notes);
        if !input.detail.is_essential() {
            write_unmapped(&event, input.detail.has_debug_data(), out);
        }
        if options.raw_data && input.detail == Detail::Full {
            out.text("raw_data", input.raw);
            out.integer("raw_data_size", i64::try_from(input.raw.len()).unwrap_or(i64::MAX));
        }
    });
    Payload { bytes: bytes.into(), schema: Some(routing.class.schema_uri) }
}

fn write_classification(routing: &Routing, event_type: &str, out: &mut ObjectWriter<'_>) {
    let Routing { class, activity, .. } = routing;
    let caption = class.activity(*activity);
    out.members(class.members);
    out.integer("activity_id", *activity);
    // Values that OCSF does not define keep Okta's names.
    out.text("activity_name", if *activity == OTHER { event_type } else { caption });
    out.integer("type_uid", class.type_uid(*activity));
    out.text_of("type_name", &[class.name, ": ", caption]);
}

fn write_class<'a>(
    input: &Input<'_>,
    event: &LogEvent<'a>,
    routing: &Routing,
    event_type: &str,
    assessment: &Assessment<'a>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let (class, note, targets_max) = (routing.class, routing.note, input.detail.elements_max());
    match class.uid {
        DETECTION_FINDING => {
            let activity = routing.activity;
            finding::write(input, event, activity, event_type, assessment, out, notes);
        }
        ACCOUNT_CHANGE => {
            User::who(whose::changed(event, event_type)).write("user", "user", out, notes);
            authentication::write_factors(event, &Factors::of(event), out);
        }
        AUTHENTICATION => authentication::write(event, note, assessment, out, notes),
        ENTITY_MANAGEMENT => entity::write(event, event_type, routing, out, notes),
        USER_ACCESS => access::write(event, event_type, note, targets_max, out, notes),
        GROUP_MANAGEMENT => {
            entity::write_group(event, out, notes);
            if let Some(member) = whose::member(event, event_type) {
                User::who(member).write("user", "user", out, notes);
            }
            access::write_group_privileges(event, note, targets_max, out);
            resource::write_one(event, out, notes);
        }
        API_ACTIVITY => {
            out.object("api", |out| {
                out.text("operation", event_type);
                out.object("service", |out| out.text("name", "Okta"));
            });
            let is_decision = access::decision(event).is_some();
            resource::write_all(
                event,
                |target| !(is_decision && target.kind.is_policy()),
                targets_max,
                out,
                notes,
            );
        }
        _ => {}
    }
    if class.has_client {
        let is_api = class.uid == API_ACTIVITY;
        user::write_actor(event, actor_of(event, class), "actor.user", out, notes);
        endpoint::write_source(event, is_api, "src_endpoint", out, notes);
        endpoint::write_http_request(event, "http_request", out, notes);
    } else if class.uid != DETECTION_FINDING {
        notes.uses_host |= user::write_actor(event, actor_of(event, class), "actor.user", out, notes);
    }
    // The client is the device where there is no other place for it, and where it is only who reports.
    let is_device = match class.uid {
        DETECTION_FINDING => evidence::is_report(event_type),
        _ => !class.has_client,
    };
    endpoint::write_device(event, is_device, out, notes);
}

fn actor_of(event: &LogEvent<'_>, class: &Class) -> ActorOf {
    match class.uid {
        API_ACTIVITY => ActorOf::Operation,
        APPLICATION_ERROR => ActorOf::Error,
        // The class has the session that ended, and the actor may have another.
        AUTHENTICATION
            if whose::is_own_sign_on(event) && event.debug_data.peek("endedSessionId").is_none() =>
        {
            ActorOf::OwnSignOn
        }
        _ => ActorOf::Other,
    }
}

fn write_unmapped(event: &LogEvent<'_>, with_debug_data: bool, out: &mut ObjectWriter<'_>) {
    out.object("unmapped", |out| event.write_rest(out, with_debug_data));
}

/// OCSF's word for a number in one of its lists.
fn caption(captions: &'static [(u8, &'static str)], id: u8) -> &'static str {
    match captions.iter().find(|(known, _)| *known == id) {
        Some((_, caption)) => caption,
        None if id == 0 => UNKNOWN,
        None => "Other",
    }
}
