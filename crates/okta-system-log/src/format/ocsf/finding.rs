//! Detection Finding: what Okta found, and the evidence for it. What Okta tells of one finding in several events has one
//! uid, so that an update and a close refer to something.

use std::borrow::Cow;

use super::{
    super::{
        facts::{Assessment, Moment},
        log_event::LogEvent,
        party::Kind,
        writer::ObjectWriter,
    },
    Input, evidence,
    notes::Notes,
};

/// Writes what is the class Detection Finding's own.
pub(super) fn write<'a>(
    input: &Input<'_>,
    event: &LogEvent<'a>,
    activity: u8,
    event_type: &str,
    assessment: &Assessment<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    out.object("finding_info", |out| {
        out.text("uid", &Identity::of(event, event_type).text(input));
        out.text("title", event.root.peek("displayMessage").as_deref().unwrap_or(event_type));
        out.texts("types", [event_type]);
        write_times(event, activity, out);
        out.texts("data_sources", ["Okta System Log"]);
        evidence::write_related_events(event, event_type, out);
        if let Some(detection) = &assessment.risk.detection {
            out.object("analytic", |out| {
                out.text("name", detection);
                out.integer("type_id", 2);
                out.text("type", "Behavioral");
            });
        }
    });
    evidence::write(event, event_type, input.detail.elements_max(), out, notes);
}

/// Findings that are steps of one flow of Okta's Identity Threat Protection: all have its trace id.
const FLOWS: [&str; 3] = ["user.risk.", "user.internal.risk.", "security.events.provider."];

/// What a finding is one finding by.
#[derive(Debug)]
enum Identity<'a> {
    /// The flow in which a partner reports a risk, Okta detects it and changes the level of the user.
    Flow(Cow<'a, str>),
    /// The risk of one user, where the flow is not told.
    UserRisk(Cow<'a, str>),
    /// The attack on the org: it is under attack or is not.
    Attack,
    /// Nothing but the event.
    Event,
}

impl<'a> Identity<'a> {
    fn of(event: &LogEvent<'a>, event_type: &str) -> Self {
        if event_type.starts_with("security.attack.") {
            return Self::Attack;
        }
        if !FLOWS.iter().any(|family| event_type.starts_with(family)) {
            return Self::Event;
        }
        if let Some(trace) = event.debug_data.peek("traceId") {
            return Self::Flow(trace);
        }
        let user = event.target(Kind::User).and_then(|user| user.object.peek("id"));
        user.map_or(Self::Event, Self::UserRisk)
    }

    fn text(self, input: &Input<'_>) -> Cow<'a, str> {
        match self {
            Self::Flow(trace) => trace,
            Self::UserRisk(user) => Cow::Owned(["user.risk:", &user].concat()),
            Self::Attack => Cow::Owned(["security.attack:", input.tenant.unwrap_or("okta")].concat()),
            Self::Event => Cow::Owned(input.identity.to_owned()),
        }
    }
}

/// Activities of a finding.
const CREATE: u8 = 1;

/// Writes when the finding was made or changed: Okta tells of each by an event of that time.
fn write_times(event: &LogEvent<'_>, activity: u8, out: &mut ObjectWriter<'_>) {
    let Some(timestamp) = Moment::of(event).timestamp() else { return };
    let name = if activity == CREATE { "created_time" } else { "modified_time" };
    out.integer(name, timestamp.as_millisecond());
    out.text(
        if activity == CREATE { "created_time_dt" } else { "modified_time_dt" },
        &format!("{timestamp:.3}"),
    );
}
