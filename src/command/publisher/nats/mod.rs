//! Publishes to NATS: proved by JetStream's acknowledgement. A reply subject without a stream also gets the
//! publication; then the only proof is that the server received it.

mod check;

use std::sync::Arc;

use async_nats::{
    HeaderMap,
    jetstream::{
        context::{GetStreamByNameErrorKind, PublishErrorKind},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Publication, PublishError, Publisher, Streams, address, lazy::Lazy};
use crate::{
    bus::{
        BusError,
        nats::{
            connection::Connection,
            exchange::{exchange, rejection},
            headers,
            rejection::StoreRejection,
            stream,
        },
    },
    command::{Action, policy::SIGNATURE_HEADER},
    config::NatsSink,
    message::TRACEPARENT,
};

pub(super) use check::{check, check_private};

/// The subjects of a stream, and reply subjects.
#[derive(Debug)]
pub(super) struct NatsPublisher {
    sink: NatsSink,
    /// The subject of publications without an address.
    subject: Option<String>,
    streams: Streams,
    connection: Lazy<Connection>,
}

/// The recipient of a publication.
enum Recipient {
    /// A stream, which acknowledges it.
    Stream(String),
    /// A listener.
    Listener,
}

impl NatsPublisher {
    pub(super) fn new(sink: NatsSink, streams: Streams) -> Self {
        Self { subject: sink.subject.fixed(None), sink, streams, connection: Lazy::new() }
    }

    async fn put(&self, publication: &Publication) -> Result<(), PublishError> {
        let subject = address(publication, self.subject.as_deref(), &self.sink.name)?;
        let (headers, payload) = self.encoded(publication, subject)?;
        let connection = self.connection().await?;
        let published = tokio::select! {
            published = self.put_over(&connection, publication, subject, headers, payload) => published,
            () = connection.link.lost() => Err(connection.link.error_on(subject).into()),
        };
        if published.is_err() && connection.link.is_halted() {
            self.connection.give_up(&connection).await;
        }
        published
    }

    async fn put_over(
        &self,
        connection: &Connection,
        publication: &Publication,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        let stream = match self.recipient(connection, publication, subject).await? {
            Recipient::Stream(stream) => stream,
            Recipient::Listener => {
                let client = connection.jetstream.client();
                let handed_over = async {
                    client.publish_with_headers(subject.to_owned(), headers, payload).await?;
                    client.flush().await.map_err(async_nats::Error::from)
                };
                return handed_over.await.map_err(|err| self.unreachable(err.to_string()));
            }
        };
        let bytes = payload.len();
        // Whatever happens to the streams in the meantime, no other stream stores it.
        let message = PublishMessage::build().headers(headers).payload(payload).expected_stream(&stream);
        let answer = exchange(&connection.jetstream, &connection.link, subject.to_owned(), message).await?;
        // A duplicate means that the stream has it.
        let Err(err) = answer else { return Ok(()) };
        // It was looked up a moment ago.
        if err.kind() == PublishErrorKind::StreamNotFound {
            return Err(self.unreachable(format!(
                "stream `{stream}` takes subject `{subject}`, and does not answer: has it a leader?"
            )));
        }
        Err(match rejection(&connection.link, &self.sink, subject, bytes, &err) {
            StoreRejection::Bus(error) => error.into(),
            StoreRejection::Message(reason) => PublishError::TooLarge {
                sink: self.sink.name.clone(),
                bytes,
                payload_bytes_max: connection.payload_bytes_max(),
                reason,
            },
        })
    }

    /// The recipient at `subject`. Publishing there would tell too, but not for a subject with a listener, and a
    /// message in a wrong stream stays there.
    async fn recipient(
        &self,
        connection: &Connection,
        publication: &Publication,
        subject: &str,
    ) -> Result<Recipient, PublishError> {
        let own = &self.sink.stream;
        let all = siblings(subject);
        match (&self.streams, stream_of(&self.sink, connection, subject).await?) {
            (Streams::Own, Some(stream)) if stream != *own => Err(self.misconfigured(format!(
                "the stream `{stream}` takes subject `{subject}`, and the intake reads the stream `{own}`: take the subject out \
                 of `{stream}`, and see that `{own}` exists with it: `nats stream add {own} --subjects '{all}' --storage file --defaults`"
            ))),
            (_, Some(stream)) => {
                if publication.is_secret {
                    self.require_keeper(&stream, subject)?;
                }
                Ok(Recipient::Stream(stream))
            }
            // Only a reply may go where no stream stores it.
            (Streams::Any { .. }, None) if publication.is_reply => Ok(Recipient::Listener),
            (_, None) => Err(self.misconfigured(format!(
                "no stream takes subject `{subject}`: add it to the subjects of stream `{own}`, and create that if there is \
                 none: `nats stream add {own} --subjects '{all}' --storage file --defaults`"
            ))),
        }
    }

    fn encoded(&self, publication: &Publication, subject: &str) -> Result<(HeaderMap, Bytes), PublishError> {
        let Publication { attributes, payload, signature, traceparent, .. } = publication;
        // The same outcome may go to several subjects of one stream, which may have the command under the same id.
        let id = format!("{}:{}@{subject}", attributes.source, attributes.id);
        let (mut headers, payload) = headers::encoded(self.sink.encoding, &id, attributes, payload)
            .map_err(|err| self.unreachable(format!("no envelope can be made around it: {err}")))?;
        if let Some(signature) = signature {
            headers.insert(SIGNATURE_HEADER, signature.as_str());
        }
        if let Some(traceparent) = traceparent {
            headers.insert(TRACEPARENT, traceparent.as_str());
        }
        Ok((headers, payload))
    }

    /// Fails for a stream that may not store secrets.
    fn require_keeper(&self, stream: &str, subject: &str) -> Result<(), PublishError> {
        match &self.streams {
            Streams::Any { secrets_in } if !secrets_in.iter().any(|known| known == stream) => {
                let reason = format!(
                    "the stream `{stream}` would store the secrets: choose an address that no stream takes, or name the stream \
                     in `reveal.stored_in`"
                );
                Err(PublishError::Address {
                    sink: self.sink.name.clone(),
                    address: subject.to_owned(),
                    reason,
                })
            }
            Streams::Any { .. } | Streams::Own => Ok(()),
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, BusError> {
        self.connection.get(|connection| !connection.link.is_halted(), self.connect()).await
    }

    async fn connect(&self) -> Result<Connection, BusError> {
        let opened = Connection::open(&self.sink.name, &self.sink.bus, self.sink.unacknowledged_max).await?;
        // The stream may not exist yet if no route has created it. Rare, and too large for the future of every publication.
        Box::pin(stream::create_if_missing(&opened, &self.sink)).await?;
        Ok(opened)
    }

    fn unreachable(&self, reason: String) -> PublishError {
        BusError::Unreachable { name: self.sink.name.clone(), reason }.into()
    }

    fn misconfigured(&self, reason: String) -> PublishError {
        BusError::Misconfigured { name: self.sink.name.clone(), reason }.into()
    }
}

impl Publisher for NatsPublisher {
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.put(publication))
    }

    fn require_private<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let stream = stream_of(&self.sink, &connection, address).await?;
            stream.map_or(Ok(()), |stream| self.require_keeper(&stream, address))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(self.connection.take().await) })
    }
}

/// `subject` and its siblings: its end, often an action of two words, differs between outcomes.
fn siblings(subject: &str) -> String {
    let is_end = |action: &&Action| subject.ends_with(&format!(".{}", action.name()));
    let parent = match Action::ALL.iter().find(is_end) {
        Some(action) => Some(&subject[..subject.len() - action.name().len() - 1]),
        None => subject.rsplit_once('.').map(|(parent, _)| parent),
    };
    parent.map_or_else(|| subject.to_owned(), |parent| format!("{parent}.>"))
}

/// The stream that accepts `subject`, if there is one.
async fn stream_of(
    sink: &NatsSink,
    connection: &Connection,
    subject: &str,
) -> Result<Option<String>, PublishError> {
    let err = match connection.jetstream.stream_by_subject(subject).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(err) => err,
    };
    let sink = sink.name.clone();
    match err.kind() {
        GetStreamByNameErrorKind::NotFound => Ok(None),
        GetStreamByNameErrorKind::InvalidSubject => Err(PublishError::Address {
            sink,
            address: subject.to_owned(),
            reason: "it is not a subject".to_owned(),
        }),
        _ => Err(BusError::Unreachable { name: sink, reason: err.to_string() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_suggested_takes_the_outcomes_of_all_actions() {
        assert_eq!(siblings("outcomes.user.get"), "outcomes.>");
        assert_eq!(siblings("hr.outcomes.user.suspend"), "hr.outcomes.>");
        assert_eq!(siblings("hr.outcomes.done"), "hr.outcomes.>");
        assert_eq!(siblings("outcomes"), "outcomes");
    }
}
