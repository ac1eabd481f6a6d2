//! `additional`: all that has no field anywhere, under the path that it has in Okta's event. One text a path, so that
//! `additional.fields["client.zone"]` finds it.

use std::borrow::Cow;

use super::{
    super::{facts::Moment, forms, log_event::ODD_TARGETS, object::Object, severity, writer::ObjectWriter},
    Scene, labels,
};

/// The mark of an event that was cut, with the bytes that it has in full. A name of Okta's with a dot is written otherwise.
const TRUNCATED: &str = "oktabus.truncated";
/// The whole text of what is no event.
const ORIGINAL: &str = "oktabus.original";
/// What could not be read of the time.
const NOTE: &str = "oktabus.note";
/// That something among the targets is none.
const TARGET_NOTE: &str = "oktabus.note.target";
/// That a part of the event could not be read.
const FORM_NOTE: &str = "oktabus.note.form";
/// That a risk could not be read.
const RISK_NOTE: &str = "oktabus.note.risk";

/// Writes `additional`.
pub(super) fn write(scene: &Scene<'_, '_, '_>, original: Option<&str>, out: &mut ObjectWriter<'_>) {
    out.object("additional", |out| {
        if let Some(bytes) = scene.input.detail.full_bytes() {
            out.text(TRUNCATED, &bytes.to_string());
        }
        out.text_if(ORIGINAL, original);
        match Moment::of(scene.event) {
            Moment::Published(_) => {}
            Moment::OfId(_) => {
                out.text(NOTE, "published has no time that can be read; this is the time in uuid");
            }
            Moment::Unknown => {
                out.text(NOTE, "published has no time that can be read; 1970 stands for an unknown time");
            }
        }
        if severity::is_unread(&scene.assessment, &scene.threat) {
            out.text(RISK_NOTE, severity::UNREAD);
        }
        if scene.event.has_odd_targets {
            out.text(TARGET_NOTE, ODD_TARGETS);
        }
        if scene.event.has_other_forms {
            out.text(FORM_NOTE, forms::UNREAD);
        }
        if scene.has_rest() {
            write_rest(scene, out);
        }
    });
}

fn write_rest(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let event = scene.event;
    // What else there is of an actor who is somebody is with the principal.
    let actor = Some(&event.actor.object).filter(|_| !event.actor.is_somebody());
    let parts = [
        ("", Some(&event.root)),
        ("actor.", actor),
        ("client.", Some(&event.client)),
        ("client.userAgent.", Some(&event.user_agent)),
        ("client.geographicalContext.", Some(&event.geography)),
        ("client.geographicalContext.geolocation.", Some(&event.geolocation)),
        ("authenticationContext.", Some(&event.authentication)),
        ("authenticationContext.issuer.", Some(&event.issuer)),
        ("outcome.", Some(&event.outcome)),
        ("securityContext.", Some(&event.security)),
        ("securityContext.risk.", Some(&event.risk)),
        ("transaction.", Some(&event.transaction)),
        ("transaction.detail.", Some(&event.transaction_detail)),
        ("request.", Some(&event.request)),
        ("debugContext.", Some(&event.debug_context)),
    ];
    for (path, object) in parts {
        object.into_iter().for_each(|object| write_part(path, object, out));
    }
    for (index, hop) in event.ip_chain.iter().enumerate() {
        write_part(&format!("request.ipChain.{index}."), hop, out);
    }
}

fn write_part(path: &str, object: &Object<'_>, out: &mut ObjectWriter<'_>) {
    for (name, json) in object.rest() {
        if let Some(text) = labels::text(json) {
            out.okta_text(&[path, &step(name)].concat(), &text);
        }
    }
}

/// A name as a step of a path: one with a dot in it is set apart, so that no two paths are the same.
fn step(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Owned(["[", name, "]"].concat()) } else { Cow::Borrowed(name) }
}
