//! A message as it goes out: subject, headers, payload, and the id by which the stream knows a second copy of it. Sends
//! nothing.

use std::sync::Arc;

use async_nats::{HeaderMap, jetstream::message::PublishMessage};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::digest::{Context, SHA256};

use crate::{
    bus::nats::headers,
    config::{Encoding, NatsSink},
    message::{Attributes, Message, TRACEPARENT},
};

/// Bytes of a digest that tell the forms of one event apart; its id is beside them.
const DIGEST_BYTES: usize = 9;

/// Writes messages as a sink wants them. Keeps its buffers from message to message.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Arc<NatsSink>,
    id: String,
    subject: String,
    attributes: Attributes,
}

/// A message as it goes out.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What `Nats-Msg-Id` says, as it travels.
    pub(super) id: String,
    /// How much of `id` was the whole of it before ids had a digest.
    pub(super) bare_id_bytes: usize,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// Messages with the same one stay in order. Empty: nothing orders it.
    pub(super) key: String,
}

impl Writer {
    pub(super) fn new(sink: Arc<NatsSink>) -> Self {
        Self { sink, id: String::new(), subject: String::new(), attributes: Attributes::default() }
    }

    /// What goes out for `message`, or why nothing can.
    pub(super) fn write(&mut self, message: &Message<'_>) -> Result<Outgoing, String> {
        self.sink.subject.render(message, &mut self.subject);
        self.attributes.fill(message, &self.sink.key);
        message.write_id(&mut self.id);
        let bare_id_bytes = headers::message_id(&self.id).len();
        self.id.push('#');
        let digest = self.digest(message.payload);
        URL_SAFE_NO_PAD.encode_string(&digest[..DIGEST_BYTES], &mut self.id);
        let id = headers::message_id(&self.id).into_owned();

        let encoded = headers::encoded(self.sink.encoding, &self.id, &self.attributes, message.payload);
        let (mut headers, payload) =
            encoded.map_err(|err| format!("no envelope can be made around it: {err}"))?;
        // Not in the digest: the same message in another trace is the same message.
        if let Some(traceparent) = message.traceparent {
            headers.insert(TRACEPARENT, traceparent);
        }
        let (subject, key) = (self.subject.clone(), self.attributes.partition_key.clone());
        Ok(Outgoing { id, bare_id_bytes, subject, headers, payload, key })
    }

    /// Tells apart what differs in anything that a reader can see: several routes may render one event into one stream,
    /// each on a subject or in a form of its own, and each has its own copy to deliver.
    fn digest(&self, payload: &Bytes) -> [u8; 32] {
        let mut digest = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            digest.update(&(bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        part(&[u8::from(self.sink.encoding == Encoding::Structured)]);
        part(self.subject.as_bytes());
        for (name, value) in self.attributes.pairs() {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        part(payload);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        bytes
    }
}

impl Outgoing {
    /// The id that it would have had before ids had a digest.
    pub(super) fn bare_id(&self) -> &str {
        &self.id[..self.bare_id_bytes]
    }

    /// Its size as the server counts it, with its headers.
    pub(super) fn bytes(&self) -> usize {
        // The version line and the empty line; a colon, a space and a line break for each header.
        const FRAME_BYTES: usize = "NATS/1.0\r\n\r\n".len();
        const HEADER_BYTES: usize = ": \r\n".len();
        let header = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
            let name: &str = name.as_ref();
            values.iter().map(|value| name.len() + value.as_str().len() + HEADER_BYTES).sum::<usize>()
        };
        FRAME_BYTES + self.headers.iter().map(header).sum::<usize>() + self.payload.len()
    }

    /// It as the client takes it.
    pub(super) fn into_publish(self) -> (String, PublishMessage) {
        (self.subject, PublishMessage::build().headers(self.headers).payload(self.payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{NatsAuth, NatsBus, NatsTls},
        message::{Messages, Template, TemplateUse, tests::batch},
    };

    const EVENT: &str = r#"[{"uuid":"u-1","eventType":"user.session.start","n":1}]"#;

    fn sink(subject: &str) -> NatsSink {
        let bus = NatsBus {
            name: "nats".to_owned(),
            servers: vec!["nats://127.0.0.1".to_owned()],
            auth: NatsAuth::None,
            tls: NatsTls::Offered,
            ca_file: None,
            client_certificate: None,
            api_prefix: None,
            inbox_prefix: None,
        };
        NatsSink {
            name: "events".to_owned(),
            bus: Arc::new(bus),
            stream: "OKTA".to_owned(),
            subject: Template::parse(subject, TemplateUse::Subject).unwrap(),
            key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
            encoding: Encoding::Binary,
            create: None,
            unacknowledged_max: 1,
            transactions: None,
        }
    }

    fn written(sink: NatsSink, batch: &Messages) -> Outgoing {
        Writer::new(Arc::new(sink)).write(&batch.get(0).unwrap()).unwrap()
    }

    #[test]
    fn an_odd_id_travels_as_it_is_looked_for() {
        let odd = written(sink("okta"), &batch(r#"[{"uuid":"u 1%"}]"#));
        assert_eq!(odd.bare_id(), "acme:u%201%25");
        assert_eq!(odd.headers.get("Nats-Msg-Id").unwrap().as_str(), odd.id);
    }

    #[test]
    fn a_trace_travels_in_a_header_and_changes_no_id() {
        let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (plain, traced) = (batch(EVENT), batch(EVENT).traced(context.to_owned()));
        let (plain, traced) = (written(sink("okta"), &plain), written(sink("okta"), &traced.part([0])));
        assert_eq!(traced.headers.get("traceparent").unwrap().as_str(), context);
        assert!(plain.headers.get("traceparent").is_none());
        assert_eq!((plain.id, plain.payload), (traced.id, traced.payload));
    }

    #[test]
    fn what_differs_in_subject_or_bytes_has_an_id_of_its_own() {
        let subject = "okta.{event_type}";
        let first = written(sink(subject), &batch(EVENT));
        assert_eq!(first.bare_id(), "acme:u-1");
        assert_eq!(first.id, written(sink(subject), &batch(EVENT)).id);
        let others = [
            written(sink("audit.{event_type}"), &batch(EVENT)),
            written(sink(subject), &batch(&EVENT.replace("\"n\":1", "\"n\":2"))),
            written(NatsSink { encoding: Encoding::Structured, ..sink(subject) }, &batch(EVENT)),
            written(
                NatsSink { key: Template::parse("", TemplateUse::Key).unwrap(), ..sink(subject) },
                &batch(EVENT),
            ),
        ];
        for other in others {
            assert_eq!(other.bare_id(), first.bare_id());
            assert_ne!(other.id, first.id);
        }
    }
}
