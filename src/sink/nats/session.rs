//! A connection with all that holds for as long as it does: the stream found in order, what it already has of ours, and
//! the messages on their way. Ends with the first failure; the next session takes up where it stopped.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{message::PublishMessage, stream::Stream};

use super::{
    acknowledgements::{Acknowledgements, HandedOver},
    connection::Connection,
    headers,
    link::Link,
    refusal::Refusal,
    stream,
    tail::Tail,
};
use crate::{
    config::{Encoding, NatsSink},
    event::{Attributes, Batch, Message},
    sink::{Receipt, SinkError},
};

/// How long reading the stream's tail may take.
const TAIL_TIMEOUT: Duration = Duration::from_secs(60);

/// One session of a sink.
#[derive(Debug)]
pub(super) struct Session {
    sink: Arc<NatsSink>,
    connection: Connection,
    acknowledgements: Acknowledgements,
    tail: Tail,
    /// What a message with its headers may have, by the server and the stream.
    message_bytes_max: Option<usize>,
    // Reused from message to message.
    id: String,
    subject: String,
    attributes: Attributes,
}

impl Session {
    /// Connects and takes up after `sequence` of the stream, or at its end.
    pub(super) async fn open(
        sink: &Arc<NatsSink>,
        subjects: &str,
        sequence: Option<u64>,
    ) -> Result<Self, SinkError> {
        let connection = Connection::open(&sink.name, &sink.bus, sink.unacknowledged_max).await?;
        let stream = stream::find_or_create(&connection, sink, subjects).await?;
        let last = stream.cached_info().state.last_sequence;
        let of_stream = usize::try_from(stream.cached_info().config.max_message_size);
        let of_stream = of_stream.ok().filter(|bytes| *bytes > 0);
        let message_bytes_max = of_stream.into_iter().chain(connection.payload_bytes_max()).min();
        let mut tail = Tail::default();
        let sequence = match sequence {
            None => last,
            Some(sequence) if sequence > last => {
                tracing::warn!(
                    sink = sink.name,
                    stream = sink.stream,
                    last,
                    sequence,
                    "the stream ends before what was delivered: it was created anew or lost messages"
                );
                last
            }
            Some(sequence) => {
                if sequence < last {
                    tail = read_tail(&connection, sink, &stream, sequence, subjects).await?;
                }
                sequence
            }
        };
        let acknowledgements =
            Acknowledgements::start(Arc::clone(sink), Arc::clone(&connection.link), sequence);
        Ok(Self {
            sink: Arc::clone(sink),
            connection,
            acknowledgements,
            tail,
            message_bytes_max,
            id: String::new(),
            subject: String::new(),
            attributes: Attributes::default(),
        })
    }

    /// Sends the messages of `batch` from the one at `from` on, as far as it gets.
    pub(super) async fn publish(&mut self, batch: &Arc<Batch>, from: usize) -> Receipt {
        let stored = self.tail.len();
        self.acknowledgements.begin(batch, from).await;
        let is_through = self.hand_over_all(batch, from).await;
        if is_through && from < batch.len() && self.tail.len() == stored {
            // What is stored was sent in order, so where a batch finds nothing no later one will.
            self.tail.clear();
        }
        self.acknowledgements.end(from, self.tail.lowest()).await
    }

    /// The sequence after which the next session has to take up.
    pub(super) fn sequence(&self) -> u64 {
        let settled = self.acknowledgements.sequence();
        self.tail.lowest().map_or(settled, |lowest| settled.min(lowest - 1))
    }

    /// What the server and the stream take at most of a message with its headers.
    pub(super) fn message_bytes_max(&self) -> Option<usize> {
        self.message_bytes_max
    }

    /// What is known of the connection.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.connection.link)
    }

    /// Ends the connection. Receipts that are not yet resolved fail.
    pub(super) fn end(&mut self) {
        self.connection.end();
    }

    /// Whether it came to the end of the batch.
    async fn hand_over_all(&mut self, batch: &Batch, from: usize) -> bool {
        for index in from..batch.len() {
            let Some(message) = batch.get(index) else { break };
            let handed_over = self.hand_over(&message).await;
            let has_failed = matches!(handed_over, HandedOver::Failed(_));
            self.acknowledgements.message(handed_over).await;
            if has_failed {
                return false;
            }
        }
        true
    }

    async fn hand_over(&mut self, message: &Message<'_>) -> HandedOver {
        let link = &self.connection.link;
        if link.is_halted() {
            return HandedOver::Failed(link.error());
        }
        message.write_id(&mut self.id);
        if let Some(sequence) = self.tail.take(&self.id) {
            return HandedOver::Stored(sequence);
        }
        self.sink.subject.render(message, &mut self.subject);
        self.attributes.fill(message, &self.sink.key);
        let outgoing = match self.sink.encoding {
            Encoding::Binary => PublishMessage::build()
                .headers(headers::binary(&self.id, &self.attributes))
                .payload(message.payload.clone()),
            Encoding::Structured => match self.attributes.structured(message.payload) {
                Ok(envelope) => {
                    PublishMessage::build().headers(headers::structured(&self.id)).payload(envelope)
                }
                Err(error) => {
                    return HandedOver::Rejected(format!("no envelope can be made around it: {error}"));
                }
            },
        };

        let sent = tokio::select! {
            biased;
            sent = self.connection.jetstream.send_publish(self.subject.clone(), outgoing) => sent,
            () = link.halted() => return HandedOver::Failed(link.error()),
        };
        let refusal = |error| Refusal::of_publish(&self.sink, &self.subject, message.payload.len(), &error);
        match sent.map_err(refusal) {
            Ok(acknowledgement) => HandedOver::Sent(acknowledgement),
            Err(Refusal::Message(reason)) => HandedOver::Rejected(reason),
            Err(Refusal::Sink(error)) => HandedOver::Failed(error),
        }
    }
}

/// Reads what is stored beyond `sequence`. Where the server does not let us, only its duplicate window is left to keep
/// duplicates out.
async fn read_tail(
    connection: &Connection,
    sink: &NatsSink,
    stream: &Stream,
    sequence: u64,
    subjects: &str,
) -> Result<Tail, SinkError> {
    let reading = tokio::time::timeout(TAIL_TIMEOUT, Tail::read(stream, sequence, subjects.to_owned()));
    let read = tokio::select! {
        read = reading => read.map_err(Into::into).flatten(),
        () = connection.link.lost() => return Err(connection.link.error()),
    };
    match read {
        Ok(tail) => Ok(tail),
        Err(error) => {
            tracing::warn!(
                sink = sink.name,
                stream = sink.stream,
                error,
                "cannot read what the stream holds since the last delivery: after a long stop there may be duplicates"
            );
            connection.link.forget_complaint();
            Ok(Tail::default())
        }
    }
}
