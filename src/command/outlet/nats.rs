//! Parcels to NATS: proved by JetStream's acknowledgement. A reply subject that no stream takes gets the parcel too, and
//! then there is no proof but that it was handed to the server.

use std::{collections::BTreeSet, sync::Arc};

use async_nats::{
    HeaderMap,
    jetstream::{
        context::{GetStreamByNameErrorKind, PublishErrorKind},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::{OutletError, Parcel, address, listed};
use crate::{
    config::{Encoding, NatsSink},
    event::subject,
    sink::{
        Finding, SinkError,
        nats::{connection::Connection, headers, refusal::Refusal, stream},
    },
};

/// Subjects of a stream to publish to, and others for replies.
#[derive(Debug)]
pub(super) struct NatsOutlet {
    sink: NatsSink,
    /// Where parcels go that have no address.
    subject: Option<String>,
    /// None until the first parcel, and after a failure.
    connection: Mutex<Option<Arc<Connection>>>,
}

impl NatsOutlet {
    pub(super) fn new(sink: NatsSink) -> Self {
        Self { subject: sink.subject.fixed(None), sink, connection: Mutex::default() }
    }

    pub(super) async fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let subject = address(parcel, self.subject.as_deref(), &self.sink.name)?;
        let (headers, payload) = self.written(parcel, subject)?;
        let connection = self.connection().await?;
        let published = tokio::select! {
            published = self.publish_over(&connection, parcel, subject, headers, payload) => published,
            () = connection.link.lost() => Err(connection.link.error().into()),
        };
        if published.is_err() && connection.link.is_halted() {
            self.give_up(&connection).await;
        }
        published
    }

    async fn publish_over(
        &self,
        connection: &Connection,
        parcel: &Parcel,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), OutletError> {
        if !self.is_in_a_stream(connection, parcel, subject).await? {
            let client = connection.jetstream.client();
            let handed_over = async {
                client.publish_with_headers(subject.to_owned(), headers, payload).await?;
                client.flush().await.map_err(async_nats::Error::from)
            };
            return handed_over.await.map_err(|err| self.unreachable(&err.to_string()).into());
        }
        let bytes = payload.len();
        let message = PublishMessage::build().headers(headers).payload(payload);
        let refused = |error: async_nats::jetstream::context::PublishError| {
            // What we may not publish is met with silence; the complaint came beside it.
            if let (Some(denial), PublishErrorKind::TimedOut) = (connection.link.denial(), error.kind()) {
                return OutletError::Sink(denial);
            }
            match Refusal::of_publish(&self.sink, subject, bytes, &error) {
                Refusal::Sink(error) => OutletError::Sink(error),
                Refusal::Message(reason) => OutletError::TooLarge {
                    outlet: self.sink.name.clone(),
                    bytes,
                    payload_bytes_max: connection.payload_bytes_max(),
                    reason,
                },
            }
        };
        let sent = connection.jetstream.send_publish(subject.to_owned(), message).await.map_err(refused)?;
        match sent.await {
            // A copy that the stream has already is as good as the first.
            Ok(_) => Ok(()),
            // It was asked for a moment ago.
            Err(err) if err.kind() == PublishErrorKind::StreamNotFound => {
                let reason =
                    format!("a stream takes subject `{subject}`, and does not answer: has it a leader?");
                Err(self.unreachable(&reason).into())
            }
            Err(err) => Err(refused(err)),
        }
    }

    pub(super) fn close(self) {
        drop(self);
    }

    /// Whether a stream takes `subject`. Publishing there tells it too, but for a subject to which somebody listens.
    /// Only a reply may go where nothing keeps it.
    async fn is_in_a_stream(
        &self,
        connection: &Connection,
        parcel: &Parcel,
        subject: &str,
    ) -> Result<bool, OutletError> {
        let is_taken = is_taken(&self.sink, connection, subject).await?;
        if !is_taken && !parcel.is_reply {
            let stream = &self.sink.stream;
            let reason =
                format!("no stream takes subject `{subject}`: add it to the subjects of stream `{stream}`");
            return Err(SinkError::Misconfigured { sink: self.sink.name.clone(), reason }.into());
        }
        Ok(is_taken)
    }

    fn written(&self, parcel: &Parcel, subject: &str) -> Result<(HeaderMap, Bytes), OutletError> {
        // The same outcome may go to several subjects of one stream, and a command may be in it under the same id.
        let id = format!("{}:{}@{subject}", parcel.attributes.source, parcel.attributes.id);
        match self.sink.encoding {
            Encoding::Binary => Ok((headers::binary(&id, &parcel.attributes), parcel.payload.clone())),
            Encoding::Structured => match parcel.attributes.structured(&parcel.payload) {
                Ok(envelope) => Ok((headers::structured(&id), envelope)),
                Err(err) => {
                    Err(self.unreachable(&format!("no envelope can be made around it: {err}")).into())
                }
            },
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, SinkError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = connection.as_ref().filter(|connection| !connection.link.is_halted()) {
            return Ok(Arc::clone(connection));
        }
        let opened = Connection::open(&self.sink.name, &self.sink.bus, self.sink.unacknowledged_max).await?;
        // No route may have made it.
        if self.sink.create.is_some() {
            let subjects = self.sink.subject.wildcard(None);
            // Seldom, and large for a future that waits with each parcel.
            Box::pin(stream::find_or_create(&opened, &self.sink, &subjects)).await?;
        }
        Ok(Arc::clone(connection.insert(Arc::new(opened))))
    }

    /// Lets the next parcel have another connection, unless it has one already.
    async fn give_up(&self, failed: &Arc<Connection>) {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, failed)) {
            *connection = None;
        }
    }

    fn unreachable(&self, reason: &str) -> SinkError {
        unreachable(&self.sink, reason)
    }
}

/// Whether streams take all of `subjects`, or will once the sink's own is created.
pub(super) async fn check(sink: &NatsSink, subjects: &BTreeSet<String>) -> Result<Vec<Finding>, OutletError> {
    let connection = Connection::open(&sink.name, &sink.bus, 1).await?;
    let (mut left_out, mut takes) = (Vec::new(), "are taken by a stream");
    let own = sink.subject.wildcard(None);
    let will_be_there =
        sink.create.is_some() && stream::find(&connection, &sink.name, &sink.stream).await?.is_none();
    for subject in subjects {
        if will_be_there && subject::covers(&own, subject) {
            takes = "will be taken by the stream that is created";
        } else if !is_taken(sink, &connection, subject).await? {
            left_out.push(subject);
        }
    }
    if !left_out.is_empty() {
        let reason = format!(
            "no stream takes {}, and what goes there would wait without end: add them to the subjects of stream `{}`",
            listed(&left_out),
            sink.stream
        );
        return Err(SinkError::Misconfigured { sink: sink.name.clone(), reason }.into());
    }
    let text = format!("all {} subject(s) {takes}", subjects.len());
    Ok(vec![Finding { is_warning: false, text }])
}

async fn is_taken(sink: &NatsSink, connection: &Connection, subject: &str) -> Result<bool, OutletError> {
    let Err(err) = connection.jetstream.stream_by_subject(subject).await else { return Ok(true) };
    match err.kind() {
        GetStreamByNameErrorKind::NotFound => Ok(false),
        GetStreamByNameErrorKind::InvalidSubject => Err(OutletError::Address {
            outlet: sink.name.clone(),
            address: subject.to_owned(),
            reason: "it is not a subject".to_owned(),
        }),
        _ => Err(unreachable(sink, &err.to_string()).into()),
    }
}

fn unreachable(sink: &NatsSink, reason: &str) -> SinkError {
    SinkError::Unreachable { sink: sink.name.clone(), reason: reason.to_owned() }
}
