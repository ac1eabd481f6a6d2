//! A connection with the task that fetches messages over it. Ends with the first failure; the next session continues.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::jetstream::{
    AckKind, Message,
    consumer::{Consumer, Info, pull},
};
use futures_util::StreamExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    NatsQueue,
    acknowledgement::{AckPath, ConnectionState, ConsumerState},
    consumer,
    delivery::{delivery_of, sequence},
};
use crate::{
    bus::{BusError, nats::connection::Connection},
    command::intake::Delivery,
};

/// The most messages per pull request.
const PULL_MESSAGES: usize = 32;
/// How long the server keeps a pull request. It is renewed after that, so that a silent server is noticed soon. (There
/// are no heartbeats: the client's batches miss a message that comes right after one.)
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// How often at least progress is reported to the server, and the acknowledged position read.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How often at most.
const PROGRESS_EVERY_MIN: Duration = Duration::from_millis(100);
/// The most publishes in flight: only acknowledgements, which are not counted.
const UNACKNOWLEDGED_MAX: usize = 64;

/// How often missing messages are checked for.
const LOST_LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often missing messages are fetched at once: those given back by a process that stopped in good order are there
/// within a second.
const LOST_EARLY_LOOKS: u32 = 4;
/// How long the server takes to notice an expired acknowledgement wait.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);

/// One session of an intake.
pub(super) struct Session<'a> {
    queue: &'a NatsQueue,
    state: &'a Arc<ConsumerState>,
    /// Has room for all messages that may be in hand.
    deliveries: &'a mpsc::Sender<Delivery>,
    connection: Connection,
    consumer: Consumer<pull::Config>,
    ack_path: Arc<AckPath>,
}

impl<'a> Session<'a> {
    /// Connects, and finds or creates the consumer.
    pub(super) async fn open(
        queue: &'a NatsQueue,
        state: &'a Arc<ConsumerState>,
        deliveries: &'a mpsc::Sender<Delivery>,
    ) -> Result<Self, BusError> {
        let connection = Connection::open(&queue.name, &queue.bus, UNACKNOWLEDGED_MAX).await?;
        let consumer = consumer::find_or_create(&connection, queue, state).await?;
        state.pending().set_floor(consumer.cached_info().ack_floor.stream_sequence);
        let path = AckPath { jetstream: connection.jetstream.clone(), link: Arc::clone(&connection.link) };
        Ok(Self { queue, state, deliveries, connection, consumer, ack_path: Arc::new(path) })
    }

    /// Fetches messages until something fails, and returns the failure.
    pub(super) async fn run(mut self) -> BusError {
        self.state.connection.send_replace(ConnectionState::Connected(Arc::clone(&self.ack_path)));
        let link = &self.ack_path.link;
        let error = tokio::select! {
            error = self.take() => error,
            error = self.report_progress() => error,
            () = link.lost() => link.error(),
        };
        self.connection.end();
        error
    }

    /// Fetches messages while there is room for them.
    async fn take(&self) -> BusError {
        if let Err(error) = self.await_redelivery().await {
            return error;
        }
        loop {
            let mut room = self.room().await;
            let batch = self.consumer.batch().max_messages(room.num_permits()).expires(self.pull_expires());
            let mut batch = match batch.messages().await {
                Ok(batch) => batch,
                Err(err) => return self.unreachable(&err.to_string()),
            };
            while let Some(message) = batch.next().await {
                match message {
                    Ok(message) => {
                        // There are as many permits as requested messages.
                        let Some(room) = room.split(1) else { break };
                        self.deliver(message, room);
                    }
                    Err(err) => return self.unreachable(&err.to_string()),
                }
            }
        }
    }

    /// Passes on a message.
    fn deliver(&self, message: Message, room: OwnedSemaphorePermit) {
        let Some(delivery) = delivery_of(message, &self.queue.stream, self.state, room) else {
            tracing::warn!(
                intake = self.queue.name,
                "a message that came from no consumer is ignored: who may publish to the inboxes of this user?"
            );
            return;
        };
        // Its permit guarantees room. A closed channel means that the task is about to be ended.
        let _ = self.deliveries.try_send(delivery);
    }

    /// Waits for room for at least one message, and takes all there is.
    async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            // The semaphore is never closed.
            if let Ok(mut room) = Arc::clone(&self.state.room).acquire_owned().await {
                let more = self.state.room.available_permits().min(self.at_most(PULL_MESSAGES) - 1);
                let more = u32::try_from(more).unwrap_or(0);
                if let Ok(more) = Arc::clone(&self.state.room).try_acquire_many_owned(more) {
                    room.merge(more);
                }
                return room;
            }
        }
    }

    /// Keeps messages in hand from being delivered to others, and reads how far the queue is acknowledged.
    async fn report_progress(&self) -> BusError {
        let mut ticks = interval(PROGRESS_EVERY.min(self.ack_wait() / 3).max(PROGRESS_EVERY_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let in_hand = self.state.pending().in_hand();
            for reply in in_hand {
                if let Err(err) = self.ack_path.acker(reply).ack_with(AckKind::Progress).await {
                    return self.unreachable(&err.to_string());
                }
            }
            // The server may not allow the query. Then only the recreation of a deleted consumer starts from the
            // beginning of the stream.
            if let Ok(info) = self.consumer.get_info().await {
                let mut pending = self.state.pending();
                pending.set_floor(info.ack_floor.stream_sequence);
                let has_in_hand = pending.has_in_hand();
                drop(pending);
                self.state.stand_still(standstill(&info, has_in_hand));
            }
        }
    }

    /// Fetches, before anything new, messages that the server has delivered and that are not held here: a former
    /// process had them, or they were lost when a connection broke. The server delivers them again after `ack_wait`,
    /// and new messages that were fetched before would overtake them. Messages of other living processes are awaited
    /// for as long, and do not come.
    async fn await_redelivery(&self) -> Result<(), BusError> {
        let patience = self.ack_wait() + EXPIRY_MARGIN;
        let begun = Instant::now();
        let mut set_aside = BTreeMap::new();
        for look in 0_u32.. {
            let lost = self.lost(&set_aside).await?;
            let is_last = begun.elapsed() >= patience;
            if lost > 0 && (look < LOST_EARLY_LOOKS || is_last) {
                for message in self.fetch(lost).await? {
                    set_aside.insert(sequence(&message), message);
                }
            }
            if is_last || lost == 0 || self.lost(&set_aside).await? == 0 {
                break;
            }
            if look == LOST_EARLY_LOOKS {
                tracing::info!(
                    intake = self.queue.name,
                    lost,
                    wait_s = patience.saturating_sub(begun.elapsed()).as_secs_f64(),
                    "commands that were in flight when a process or a connection ended are delivered again before new ones"
                );
            }
            sleep(LOST_LOOK_EVERY).await;
            for message in set_aside.values() {
                self.say(message, AckKind::Progress).await?;
            }
        }
        self.take_in_order(set_aside).await
    }

    /// How many messages the server has delivered that are not held here.
    async fn lost(&self, set_aside: &BTreeMap<u64, Message>) -> Result<usize, BusError> {
        let info = self.consumer.get_info().await.map_err(|err| self.unreachable(&err.to_string()))?;
        Ok(self.state.pending().lost(info.num_ack_pending, set_aside.keys().copied()))
    }

    /// The messages that are there now, `count` at most: redeliveries before new ones.
    async fn fetch(&self, count: usize) -> Result<Vec<Message>, BusError> {
        let batch = self.consumer.fetch().max_messages(self.at_most(count)).messages().await;
        let mut batch = batch.map_err(|err| self.unreachable(&err.to_string()))?;
        let mut messages = Vec::new();
        while let Some(message) = batch.next().await {
            messages.push(message.map_err(|err| self.unreachable(&err.to_string()))?);
        }
        Ok(messages)
    }

    /// Delivers messages in the order of the queue. Those without room are given back in that order, and the server
    /// delivers them again before new ones.
    async fn take_in_order(&self, messages: BTreeMap<u64, Message>) -> Result<(), BusError> {
        for message in messages.into_values() {
            match Arc::clone(&self.state.room).try_acquire_owned() {
                Ok(room) => self.deliver(message, room),
                Err(_) => self.say(&message, AckKind::Nak(None)).await?,
            }
        }
        Ok(())
    }

    async fn say(&self, message: &Message, kind: AckKind) -> Result<(), BusError> {
        message.ack_with(kind).await.map_err(|err| self.unreachable(&err.to_string()))
    }

    /// The given number of messages, or the consumer's maximum per pull request if that is less; at least one.
    fn at_most(&self, count: usize) -> usize {
        let max_batch = usize::try_from(self.consumer.cached_info().config.max_batch).unwrap_or(0);
        let max = if max_batch == 0 { count } else { count.min(max_batch) };
        max.max(1)
    }

    /// How long the server keeps a pull request, as far as the consumer allows.
    fn pull_expires(&self) -> Duration {
        let max_expires = self.consumer.cached_info().config.max_expires;
        if max_expires.is_zero() { PULL_EXPIRES } else { PULL_EXPIRES.min(max_expires) }
    }

    /// How long the server awaits an acknowledgement.
    fn ack_wait(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }

    fn unreachable(&self, reason: &str) -> BusError {
        let consumer = &self.consumer.cached_info().name;
        let reason = format!("no messages can be taken from consumer `{consumer}`: {reason}");
        BusError::Unreachable { name: self.queue.name.clone(), reason }
    }
}

/// Why the server delivers no more messages of this consumer, if it does not. In the same words while it is the same.
fn standstill(info: &Info, has_in_hand: bool) -> Option<String> {
    let name = &info.name;
    if info.paused {
        return Some(format!("consumer `{name}` is paused: `nats consumer resume` lets it go on"));
    }
    let max = usize::try_from(info.config.max_ack_pending).ok().filter(|max| *max > 0)?;
    // While some are held here, those are awaited.
    (info.num_ack_pending >= max && !has_in_hand).then(|| {
        format!(
            "consumer `{name}` has as many commands that are not acknowledged as it may have ({max}), those included that are \
             put back to be tried again, and gives no more beside them: raise its `max_ack_pending`"
        )
    })
}
