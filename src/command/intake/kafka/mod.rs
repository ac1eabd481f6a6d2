//! Commands from a Kafka topic, read by a consumer group.
//!
//! # How nothing is lost or skipped
//!
//! * The group's offset of a partition stays below the first message that is not done, in whatever order they end.
//! * A revoked partition is committed first, after its commands in execution have ended; the rest belongs to the next
//!   member. A partition that is lost after a timeout belongs to the next member with everything in it.
//! * A record that is put back keeps its offset and is delivered again from memory; others overtake it, up to the bounds
//!   in `offsets`, at which partitions are paused and `trouble` reports it.
//! * A group whose offsets have expired begins with the oldest record of the topic (`auto.offset.reset`). Each record
//!   says when it was published, so that old ones can be refused.

mod acknowledgement;
mod consumer;
mod offsets;
mod rebalance;
mod record;

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    thread,
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::time::DelayQueue;

use self::{
    acknowledgement::ConsumerState,
    consumer::{Polled, Poller},
    offsets::{Position, Standstill},
    rebalance::Context,
    record::place,
};
use super::{Delivery, IntakeError};
use crate::{
    bus::kafka::{client::off_runtime, fault::Fault, token::Tokens},
    config::KafkaBus,
};

pub(super) use acknowledgement::KafkaAcknowledgement;

/// How long closing waits for the last commit and for the group.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
const CLOSE_LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What to read, and under which name.
#[derive(Debug, Clone)]
pub(super) struct KafkaQueue {
    pub(super) name: String,
    pub(super) bus: Arc<KafkaBus>,
    pub(super) topic: String,
    pub(super) group: String,
}

/// An intake from Kafka.
#[derive(Debug)]
pub struct KafkaIntake {
    queue: KafkaQueue,
    /// None after the client has failed permanently.
    session: Option<Box<Session>>,
}

/// One client while it is usable. Dropping it asks its thread to end.
#[derive(Debug)]
struct Session {
    state: Arc<ConsumerState>,
    polled: Polled,
    redelivery: Redelivery,
    thread: Option<thread::JoinHandle<()>>,
}

/// Records that are delivered again at their times.
#[derive(Debug)]
struct Redelivery {
    put_back: mpsc::UnboundedReceiver<(Instant, Position)>,
    waiting: DelayQueue<Position>,
    /// Ordered by offset: those that are due at the same time keep their order.
    due: BTreeSet<Position>,
}

/// Checks that the topic of `queue` exists. Access to its group is checked when it is joined.
pub(super) async fn check(queue: KafkaQueue) -> Result<String, IntakeError> {
    let name = queue.name.clone();
    let looked = off_runtime(move || {
        let KafkaQueue { name, bus, topic, group } = queue;
        let text = format!("the topic {topic} is there");
        let tokens = Tokens::of(&bus);
        let (state, _) = ConsumerState::new();
        consumer::connect(&bus, Context { name, topic, group, state, tokens })?;
        Ok(text)
    });
    looked.await.map_err(|fault| fault.into_error(&name).into())
}

impl KafkaIntake {
    pub(super) async fn open(queue: KafkaQueue) -> Result<Self, IntakeError> {
        let session = Some(Box::new(Session::open(&queue).await?));
        Ok(Self { queue, session })
    }

    /// Cancel-safe: a half-open session is dropped, and a record is taken only when it is returned.
    pub(super) async fn next(&mut self) -> Result<Delivery, IntakeError> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Box::new(Session::open(&self.queue).await?)),
        };
        let fault = match session.next().await {
            Ok(delivery) => return Ok(delivery),
            Err(fault) => fault,
        };
        // The next call connects again.
        if matches!(fault, Fault::Poisoned(_)) {
            self.session = None;
        }
        Err(fault.into_error(&self.queue.name).into())
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let Some(session) = &self.session else { return Some("not connected".to_owned()) };
        let last_error = session.state.last_error.last().map(|fault| fault.reason().to_owned());
        last_error.or_else(|| Some(self.in_words(&session.state.offsets().standstill()?)))
    }

    /// In the same words while it is the same, since news are logged.
    fn in_words(&self, standstill: &Standstill) -> String {
        let topic = &self.queue.topic;
        match *standstill {
            Standstill::PutBack => format!(
                "as many commands of the topic `{topic}` as may be are put back to be tried again: no more are read until \
                 some of them are done"
            ),
            Standstill::Behind { partition, offset, is_put_back } => {
                let place = place(topic, partition, offset);
                let why = if is_put_back { "put back to be tried again" } else { "not done yet" };
                format!(
                    "partition {partition} of the topic `{topic}` is read no further, because {place} is {why}, and as many \
                     commands behind it were read as may be; other partitions go on"
                )
            }
        }
    }

    /// Commits completed records, and leaves the group.
    pub(super) async fn close(mut self) {
        let Some(mut session) = self.session.take() else { return };
        session.state.close();
        let Some(thread) = session.thread.take() else { return };
        let ended = async {
            while !thread.is_finished() {
                tokio::time::sleep(CLOSE_LOOK_AGAIN_AFTER).await;
            }
        };
        if tokio::time::timeout(CLOSE_PATIENCE, ended).await.is_err() {
            tracing::debug!(intake = self.queue.name, "the cluster did not let us go in time");
        }
    }
}

impl Session {
    async fn open(queue: &KafkaQueue) -> Result<Self, IntakeError> {
        let KafkaQueue { name, bus, topic, group } = queue.clone();
        let opened = off_runtime(move || {
            let (state, put_back) = ConsumerState::new();
            let tokens = Tokens::of(&bus);
            let (poller, polled) =
                Poller::open(&bus, Context { name, topic, group, state: Arc::clone(&state), tokens })?;
            let redelivery = Redelivery { put_back, waiting: DelayQueue::new(), due: BTreeSet::new() };
            Ok(Self { state, polled, redelivery, thread: Some(poller.start()?) })
        });
        opened.await.map_err(|fault| fault.into_error(&queue.name).into())
    }

    /// The next record whose partition is still assigned: those that are due first. Cancel-safe.
    async fn next(&mut self) -> Result<Delivery, Fault> {
        let Self { state, polled: Polled { records, faults }, redelivery, .. } = self;
        loop {
            let (record, acknowledgement) = tokio::select! {
                biased;
                position = redelivery.next() => {
                    let Some(record) = state.offsets().hand_out_again(position) else { continue };
                    let acknowledgement = KafkaAcknowledgement::new(Arc::clone(state), position, record.clone());
                    (record, acknowledgement)
                }
                read = records.recv() => match read {
                    Some(read) => read,
                    // It has reported why, unless it panicked.
                    None => return Err(faults.try_recv().unwrap_or_else(|_| ended())),
                },
                Some(fault) = faults.recv() => return Err(fault),
            };
            if acknowledgement.is_open() {
                return Ok(record.into_delivery(acknowledgement));
            }
        }
    }
}

fn ended() -> Fault {
    Fault::Poisoned("the client has ended, and is replaced".to_owned())
}

impl Redelivery {
    /// The next position that is due. Cancel-safe.
    async fn next(&mut self) -> Position {
        loop {
            tokio::select! {
                biased;
                // The sender is in the session.
                Some((due, position)) = self.put_back.recv() => {
                    self.waiting.insert_at(position, due);
                }
                position = poll_fn(|context| Self::poll_due(&mut self.waiting, &mut self.due, context)) => return position,
            }
        }
    }

    fn poll_due(
        waiting: &mut DelayQueue<Position>,
        due: &mut BTreeSet<Position>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Position> {
        while let Poll::Ready(Some(expired)) = waiting.poll_expired(context) {
            due.insert(expired.into_inner());
        }
        due.pop_first().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.state.close();
    }
}
