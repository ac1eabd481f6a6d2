//! Detection Finding: what Okta found, and the evidence for it.

use super::{
    super::{facts::Assessment, log_event::LogEvent, party::Kind, writer::ObjectWriter},
    endpoint,
    notes::Notes,
    user::{self, User},
};

/// Writes what is the class Detection Finding's own. `identity` is the finding's uid.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    identity: &str,
    assessment: &Assessment<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    out.object("finding_info", |out| {
        out.text("uid", identity);
        out.text("title", event.root.peek("displayMessage").as_deref().unwrap_or(event_type));
        out.texts("types", [event_type]);
        out.texts("data_sources", ["Okta System Log"]);
        if let Some(detection) = &assessment.risk.detection {
            out.object("analytic", |out| {
                out.text("name", detection);
                out.integer("type_id", 2);
                out.text("type", "Behavioral");
            });
        }
    });
    out.array("evidences", |out| {
        out.object(|out| {
            user::write_actor(event, false, true, "evidences[0].actor.user", out, notes);
            endpoint::write_source(event, false, endpoint::EVIDENCE, out, notes);
            endpoint::write_http_request(event, "evidences[0].http_request", out, notes);
            if let Some(user) = event.target(Kind::User).and_then(User::of) {
                user.write("user", "evidences[0].user", out, notes);
            }
        });
    });
}
