//! A connection with all that holds for as long as it does: the stream found in order, what it already has of ours, and
//! the messages on their way. Ends with the first failure; the next session takes up where it stopped.

use std::sync::Arc;

use async_nats::jetstream::stream::Stream;

use super::{
    acknowledgements::{Acknowledgements, HandedOver},
    answer::{Answers, FastHearing},
    fast_batch::{FastAnswers, FastIngest},
    order::{Order, wait_for_key},
    pause::FastPause,
    tail::{Tail, read_tail},
};
use crate::{
    bus::{
        BusError,
        nats::{connection::Connection, link::Link, rejection::StoreRejection, stream, stream_settings},
    },
    config::NatsSink,
    message::{Message, Messages},
    sink::{
        Receipt,
        nats::{
            atomic_batch::{AtomicBatch, BATCH_HEADERS_BYTES},
            outgoing::{Outgoing, Writer},
            size_limits::SizeLimits,
        },
    },
};

/// The fewest messages of which all but the first go in a fast batch.
const FAST_MESSAGES_MIN: usize = 3;

/// One session of a sink.
#[derive(Debug)]
pub(super) struct Session {
    sink: Arc<NatsSink>,
    connection: Connection,
    acknowledgements: Acknowledgements,
    order: Order,
    /// Where the stream takes fast ingest.
    fast: Option<FastIngest>,
    pause: FastPause,
    tail: Tail,
    size_limits: SizeLimits,
    writer: Writer,
}

/// A message that is ready to be handed over.
enum Composed {
    ToSend(Outgoing),
    /// Nothing has to be sent.
    Decided(HandedOver),
}

impl Session {
    /// Connects and takes up after `sequence` of the stream, or at its end. `pause`: when not to use fast ingest.
    pub(super) async fn open(
        sink: &Arc<NatsSink>,
        subjects: &str,
        sequence: Option<u64>,
        pause: &FastPause,
    ) -> Result<Self, BusError> {
        let connection = Connection::open(&sink.name, &sink.bus, sink.unacknowledged_max).await?;
        let mut stream = stream::find_or_create(&connection, sink, subjects).await?;
        let fast = listen(&connection, sink, &mut stream).await?;
        let last = stream.cached_info().state.last_sequence;
        let size_limits = SizeLimits::new(&connection, &stream.cached_info().config);
        let mut tail = Tail::empty();
        let sequence = match sequence {
            None => last,
            Some(sequence) if sequence > last => {
                tracing::warn!(
                    sink = sink.name,
                    stream = sink.stream,
                    last,
                    sequence,
                    "the stream ends before what was delivered: it was created anew or lost messages; what its readers lack \
                     is delivered again by `oktabus replay`"
                );
                last
            }
            Some(sequence) => {
                if sequence < last {
                    tail = read_tail(&connection.link, sink, &stream, sequence, subjects).await?;
                }
                sequence
            }
        };
        let order = Order::new(stream.cached_info().config.allow_atomic_publish, sink.unacknowledged_max);
        let (jetstream, link) = (connection.jetstream.clone(), Arc::clone(&connection.link));
        let (fast, answers) = fast.unzip();
        let subjects = subjects.to_owned();
        let hearing = answers.map(|answers| FastHearing { answers, pause: pause.clone(), subjects });
        let answers = Answers::new(Arc::clone(sink), jetstream, Arc::clone(&link), stream, hearing);
        let acknowledgements = Acknowledgements::start(Arc::clone(sink), link, answers, sequence);
        let writer = Writer::new(Arc::clone(sink));
        let (sink, pause) = (Arc::clone(sink), pause.clone());
        Ok(Self { sink, connection, acknowledgements, order, fast, pause, tail, size_limits, writer })
    }

    /// Sends the messages of `batch` from the one at `from` on, as far as it gets.
    pub(super) async fn publish(&mut self, batch: &Arc<Messages>, from: usize) -> Receipt {
        self.size_limits.refresh(&self.connection, &self.sink).await;
        let stored = self.tail.len();
        self.acknowledgements.begin(batch, from).await;
        let is_through = self.hand_over_all(batch, from).await;
        if is_through && from < batch.len() && self.tail.len() == stored {
            self.tail.age();
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
        self.size_limits.lowest().map(|limit| limit.bytes_max)
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
    async fn hand_over_all(&mut self, batch: &Messages, from: usize) -> bool {
        let mut next = from;
        while next < batch.len() {
            if let Err(error) = self.hand_over_group(batch, &mut next).await {
                self.acknowledgements.message(HandedOver::Failed(error)).await;
                return false;
            }
        }
        true
    }

    /// Hands over as many messages, from the one at `next` on, as go together, and moves `next` behind them.
    async fn hand_over_group(&mut self, batch: &Messages, next: &mut usize) -> Result<(), BusError> {
        let group_max = self.order.group_max().min(self.acknowledgements.batch_messages_max());
        let until = batch.len().min(*next + group_max);
        let mut group = Vec::with_capacity(until - *next);
        let mut failure = None;
        for message in (*next..until).filter_map(|index| batch.get(index)) {
            match self.compose(&message).await {
                Ok(composed) => group.push(composed),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        *next = until;

        let group = self.hand_over_fast(group).await?;
        self.hand_over_together(group).await?;
        failure.map_or(Ok(()), Err)
    }

    /// Hands over messages that go together: as one atomic batch, or alone.
    async fn hand_over_together(&mut self, group: Vec<Composed>) -> Result<(), BusError> {
        let before = self.acknowledgements.handed_over();
        let mut to_send = to_send(&group);
        let mut atomic = AtomicBatch::new();
        for composed in group {
            let handed_over = match composed {
                Composed::Decided(decided) => decided,
                Composed::ToSend(_) if self.connection.link.is_halted() => {
                    return Err(self.connection.link.error());
                }
                Composed::ToSend(outgoing) => {
                    to_send -= 1;
                    if to_send > 0 {
                        self.stage(&mut atomic, outgoing).await?
                    } else {
                        self.commit(std::mem::replace(&mut atomic, AtomicBatch::new()), outgoing, before)
                            .await?
                    }
                }
            };
            self.acknowledgements.message(handed_over).await;
        }
        Ok(())
    }

    /// Hands over a group by fast ingest, and gives back what has to go another way. The first message goes alone: its answer
    /// shows whether somebody else has written since our last one, which the answer to a fast batch would not.
    async fn hand_over_fast(&mut self, mut group: Vec<Composed>) -> Result<Vec<Composed>, BusError> {
        let first = group.iter().position(|composed| matches!(composed, Composed::ToSend(_)));
        let Some(first) = first.filter(|_| self.fast.is_some() && !self.pause.holds()) else {
            return Ok(group);
        };
        if to_send(&group) < FAST_MESSAGES_MIN {
            return Ok(group);
        }
        let rest = group.split_off(first + 1);
        self.hand_over_together(group).await?;
        // The server stores each message of a fast batch as it comes.
        let before = self.acknowledgements.handed_over();
        if !self.acknowledgements.until_settled(before).await {
            return Err(self.connection.link.error());
        }
        if self.pause.holds() {
            return Ok(rest);
        }
        self.ingest(rest).await?;
        Ok(Vec::new())
    }

    /// Hands over a group as one fast batch.
    async fn ingest(&mut self, group: Vec<Composed>) -> Result<(), BusError> {
        let (link, acknowledgements) = (&self.connection.link, &mut self.acknowledgements);
        let Some(fast) = &self.fast else { return Err(link.error()) };
        let mut batch = fast.batch();
        let mut left = to_send(&group);
        for composed in group {
            let handed_over = match composed {
                Composed::Decided(decided) => decided,
                Composed::ToSend(outgoing) => {
                    left -= 1;
                    let sent = tokio::select! {
                        biased;
                        sent = batch.send(outgoing, left == 0) => sent,
                        () = link.halted() => return Err(link.error()),
                    };
                    sent.map_err(|err| unreachable(&self.sink, &err))?;
                    if left > 0 { HandedOver::Staged } else { HandedOver::Ingested(batch.sent()) }
                }
            };
            acknowledgements.message(handed_over).await;
        }
        Ok(())
    }

    /// An error: the session has to end before it is known what becomes of the message.
    async fn compose(&mut self, message: &Message<'_>) -> Result<Composed, BusError> {
        let outgoing = match self.writer.write(message) {
            Ok(outgoing) => outgoing,
            Err(reason) => return Ok(Composed::Decided(HandedOver::Rejected(reason))),
        };
        // Known before it is sent, because it would take those with it that are sent together with it.
        let bytes = outgoing.bytes();
        let batch_bytes = match self.order {
            Order::Batches { .. } => BATCH_HEADERS_BYTES,
            Order::Keys(_) => 0,
        };
        if self.size_limits.exceeded_by(bytes + batch_bytes).is_some() {
            self.size_limits.confirm(&self.connection, &self.sink, bytes + batch_bytes).await?;
        }
        if let Some(sequence) = self.tail.take(&outgoing) {
            return Ok(Composed::Decided(HandedOver::Stored(sequence)));
        }
        Ok(match self.size_limits.exceeded_by(bytes + batch_bytes) {
            Some(limit) => Composed::Decided(HandedOver::Rejected(limit.exceeded(bytes))),
            None => Composed::ToSend(outgoing),
        })
    }

    async fn stage(&self, atomic: &mut AtomicBatch, outgoing: Outgoing) -> Result<HandedOver, BusError> {
        let Connection { jetstream, link, .. } = &self.connection;
        let client = jetstream.client();
        let staged = tokio::select! {
            biased;
            staged = atomic.stage(&client, outgoing) => staged,
            () = link.halted() => return Err(link.error()),
        };
        staged.map(|()| HandedOver::Staged).map_err(|err| unreachable(&self.sink, &err))
    }

    /// Sends a message of which, as of all that were staged before it, there will be an answer. `before` messages were
    /// handed over before the group.
    async fn commit(
        &mut self,
        atomic: AtomicBatch,
        outgoing: Outgoing,
        before: u64,
    ) -> Result<HandedOver, BusError> {
        let may_go = match &mut self.order {
            Order::Batches { .. } => self.acknowledgements.until_settled(before).await,
            Order::Keys(keys) => wait_for_key(keys, &mut self.acknowledgements, &outgoing.key).await,
        };
        let Connection { jetstream, link, .. } = &self.connection;
        if !may_go {
            return Err(link.error());
        }
        let (subject, bytes) = (outgoing.subject.clone(), outgoing.payload.len());
        let handed_over = if atomic.is_empty() { HandedOver::Sent } else { HandedOver::Committed };
        let sent = tokio::select! {
            biased;
            sent = atomic.commit(jetstream, outgoing) => sent,
            () = link.halted() => return Err(link.error()),
        };
        sent.map(handed_over).or_else(|err| {
            match StoreRejection::of_publish(&self.sink, &subject, bytes, &err) {
                StoreRejection::Message(reason) => Ok(HandedOver::Rejected(reason)),
                StoreRejection::Bus(error) => Err(error),
            }
        })
    }
}

/// How many of `group` have to be sent.
fn to_send(group: &[Composed]) -> usize {
    group.iter().filter(|composed| matches!(composed, Composed::ToSend(_))).count()
}

fn unreachable(sink: &NatsSink, error: &async_nats::PublishError) -> BusError {
    BusError::Unreachable { name: sink.name.clone(), reason: error.to_string() }
}

/// Listens for the answers to fast batches, where they are of use: several replicas take atomic batches as fast, and only
/// these tell what is not yet agreed upon.
async fn listen(
    connection: &Connection,
    sink: &NatsSink,
    stream: &mut Stream,
) -> Result<Option<(FastIngest, FastAnswers)>, BusError> {
    if !stream_settings::takes_fast_ingest(&stream.cached_info().config) {
        return Ok(None);
    }
    let Some(listening) = FastIngest::listen(connection.jetstream.client()).await else { return Ok(None) };
    // Once the server has answered this, it has said if we may not listen.
    let Some(found) = stream::find(connection, &sink.name, &sink.stream).await? else {
        return Err(stream_settings::missing(sink));
    };
    *stream = found;
    if connection.link.denial().is_some() {
        connection.link.forget_complaint();
        return Ok(None);
    }
    Ok(Some(listening))
}
