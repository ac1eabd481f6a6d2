//! A batch: the messages of one page for one route, and the checkpoint that holds once they are delivered.

use std::sync::Arc;

use bytes::Bytes;

use okta_system_log::{
    event::{Event, Events},
    format::Payload,
};

/// The name of Okta's own form, whose ids are the events' own.
const OKTA_FORMAT: &str = "okta";
/// What ends the ids of events of which fields are redacted.
const REDACTED_SUFFIX: &str = ":redacted";

/// Where messages come from: the same for all messages of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The org's name in the configuration.
    pub org: String,
    /// The route's name, unique in the configuration.
    pub route: String,
    /// The CloudEvents source: `https://<org's domain>/api/v1/logs`.
    pub source: String,
    /// The format's name, for example `okta`.
    pub format: &'static str,
    /// Whether fields are redacted, which makes other bytes of the same event.
    pub is_redacted: bool,
}

impl Origin {
    /// The route among all routes of all daemons: `<org's host>/<route's name>`. Checkpoints in a bus are kept under it.
    pub fn route_identity(&self) -> String {
        let host = self.source.split('/').nth(2).unwrap_or(&self.org);
        format!("{host}/{}", self.route)
    }

    /// The suffix that distinguishes the ids of several forms of one event; empty for Okta's own form.
    pub(super) fn id_suffix(&self) -> [&'static str; 3] {
        let [colon, format] = if self.format == OKTA_FORMAT { ["", ""] } else { [":", self.format] };
        [colon, format, if self.is_redacted { REDACTED_SUFFIX } else { "" }]
    }
}

/// Messages, and how far their route is once all of them are delivered. Both are made in one step and go through the
/// sink together.
#[derive(Debug, Clone)]
pub struct Batch<C> {
    /// What the sink is given.
    pub messages: Arc<Messages>,
    /// The checkpoint to commit once they are delivered. The sink returns it with its proof.
    pub checkpoint: C,
}

/// The messages of one page for one route, in Okta's order. There may be none: all events may have been filtered out.
#[derive(Debug)]
pub struct Messages {
    origin: Arc<Origin>,
    events: Arc<Events>,
    rendered: Vec<Rendered>,
    /// The trace of the page, if it has one.
    traceparent: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Rendered {
    event: u32,
    payload: Payload,
}

/// One rendered event.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The event that it renders.
    pub event: Event<'a>,
    /// What the sink carries: one JSON value.
    pub payload: &'a Bytes,
    /// The absolute URI of the payload's schema, if it has one.
    pub schema: Option<&'static str>,
    /// Where it comes from.
    pub origin: &'a Origin,
    /// The trace that it is part of, for a header: no part of the message itself, nor of its identity.
    pub traceparent: Option<&'a str>,
}

impl Messages {
    /// Renders each event of `events` for which `render`, called with index and event, gives a payload.
    pub fn render<P: Into<Payload>>(
        origin: Arc<Origin>,
        events: Arc<Events>,
        mut render: impl FnMut(u32, &Event<'_>) -> Option<P>,
    ) -> Self {
        let mut rendered = Vec::with_capacity(events.len());
        for (event, index) in events.iter().zip(0..) {
            if let Some(payload) = render(index, &event) {
                rendered.push(Rendered { event: index, payload: payload.into() });
            }
        }
        Self { origin, events, rendered, traceparent: None }
    }

    /// The same as part of a trace.
    #[must_use]
    pub fn traced(self, traceparent: String) -> Self {
        Self { traceparent: Some(traceparent.into()), ..self }
    }

    /// The messages at these indices alone, of the same page.
    pub fn part(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let rendered = indices.into_iter().filter_map(|index| self.rendered.get(index).cloned()).collect();
        let (origin, events) = (Arc::clone(&self.origin), Arc::clone(&self.events));
        Self { origin, events, rendered, traceparent: self.traceparent.clone() }
    }

    /// Where the messages come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The page that they are made of; the messages of a part have the same one.
    pub fn page(&self) -> &Arc<Events> {
        &self.events
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.rendered.len()
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.rendered.is_empty()
    }

    /// The message at `index`, in Okta's order.
    pub fn get(&self, index: usize) -> Option<Message<'_>> {
        self.message(self.rendered.get(index)?)
    }

    /// All messages, in Okta's order.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.rendered.iter().filter_map(|rendered| self.message(rendered))
    }

    fn message<'a>(&'a self, rendered: &'a Rendered) -> Option<Message<'a>> {
        let event = self.events.get(rendered.event as usize)?;
        let Payload { bytes, schema } = &rendered.payload;
        let (origin, traceparent) = (&*self.origin, self.traceparent.as_deref());
        Some(Message { event, payload: bytes, schema: *schema, origin, traceparent })
    }
}

impl Message<'_> {
    /// Writes the message's id over what `id` held: `<org>:<uuid>`, with `:<format>` unless that is Okta's own, and with
    /// `:redacted` if fields are. Stable for ever, so that a bus or a reader can drop a second copy.
    pub fn write_id(&self, id: &mut String) {
        id.clear();
        id.push_str(&self.origin.org);
        id.push(':');
        id.push_str(&self.event.identity());
        id.extend(self.origin.id_suffix());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All events in `body` as messages in Okta's form.
    pub(crate) fn batch(body: &str) -> Messages {
        let events = Events::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let origin = Origin {
            org: "acme".to_owned(),
            route: "system-log/siem".to_owned(),
            source: "https://acme.okta.com/api/v1/logs".to_owned(),
            format: "okta",
            is_redacted: false,
        };
        Messages::render(Arc::new(origin), Arc::new(events), |_, event| Some(event.raw()))
    }

    #[test]
    fn ids_differ_by_org_and_event_and_format() {
        let batch = batch(r#"[{"uuid":"u-1"}]"#);
        let message = batch.messages().next().unwrap();
        let mut id = "left over".to_owned();
        message.write_id(&mut id);
        assert_eq!(id, "acme:u-1");

        let ocsf = Origin { format: "ocsf", ..message.origin.clone() };
        Message { origin: &ocsf, ..message }.write_id(&mut id);
        assert_eq!(id, "acme:u-1:ocsf");
        let redacted = Origin { is_redacted: true, ..ocsf };
        Message { origin: &redacted, ..message }.write_id(&mut id);
        assert_eq!(id, "acme:u-1:ocsf:redacted");
    }
}
