//! A connection with the task that takes messages over it. Ends with the first failure; the next session goes on.

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

/// Messages asked for at a time.
const PULL_MESSAGES: usize = 32;
/// How long the server keeps a question for messages. It is asked anew after that, so a silence is noticed soon. (The
/// client's batches are woken by no message that comes right behind a heartbeat, so there are none.)
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// How often at least the server is told of messages that are in progress, and asked how far the queue is acknowledged.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How often at most.
const PROGRESS_EVERY_MIN: Duration = Duration::from_millis(100);
/// Publishes on their way: none but words about messages, which are not counted.
const UNACKNOWLEDGED_MAX: usize = 64;

/// How often it is looked what is missing.
const LOST_LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often what may be missing is asked for at once: what a process that stopped in good order gave back is there
/// within a second.
const LOST_EARLY_LOOKS: u32 = 4;
/// How long after its time the server notices that it has had no word about a message.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);

/// One session of an intake.
pub(super) struct Session<'a> {
    queue: &'a NatsQueue,
    state: &'a Arc<ConsumerState>,
    /// Has room for all that may be in hand.
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

    /// Takes messages until something fails, and gives that.
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

    /// Takes messages as long as there is room for them.
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
                        // There are as many permits as messages were asked for.
                        let Some(room) = room.split(1) else { break };
                        self.deliver(message, room);
                    }
                    Err(err) => return self.unreachable(&err.to_string()),
                }
            }
        }
    }

    /// Hands a message to whoever asks for the next one.
    fn deliver(&self, message: Message, room: OwnedSemaphorePermit) {
        let Some(delivery) = delivery_of(message, &self.queue.stream, self.state, room) else {
            tracing::warn!(
                intake = self.queue.name,
                "a message that came from no consumer is ignored: who may publish to the inboxes of this user?"
            );
            return;
        };
        // It has room, by its permit. Nobody listens any more: the task is about to be ended.
        let _ = self.deliveries.try_send(delivery);
    }

    /// Room for as many messages as there is, one at least.
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

    /// Keeps messages that are in hand from being given to others, and notes how far the queue is acknowledged.
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
            // It may be that we may not ask. Then only a consumer that is deleted begins with all there is.
            if let Ok(info) = self.consumer.get_info().await {
                let mut pending = self.state.pending();
                pending.set_floor(info.ack_floor.stream_sequence);
                let has_in_hand = pending.has_in_hand();
                drop(pending);
                self.state.stand_still(standstill(&info, has_in_hand));
            }
        }
    }

    /// Takes, before anything new, what the server waits for a word about and nobody here has: a former process had it, or it
    /// was on its way when a connection broke. The server gives it again when its `ack_wait` is over, and what is new, taken
    /// before, would overtake it. What other living processes have is waited for as long, and does not come.
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
                    "commands that were in hand when a process or a connection ended come again before new ones"
                );
            }
            sleep(LOST_LOOK_EVERY).await;
            for message in set_aside.values() {
                self.say(message, AckKind::Progress).await?;
            }
        }
        self.take_in_order(set_aside).await
    }

    /// How many messages the server waits for a word about that nobody has here.
    async fn lost(&self, set_aside: &BTreeMap<u64, Message>) -> Result<usize, BusError> {
        let info = self.consumer.get_info().await.map_err(|err| self.unreachable(&err.to_string()))?;
        Ok(self.state.pending().lost(info.num_ack_pending, set_aside.keys().copied()))
    }

    /// What is there now, `count` at most: what comes again before what is new.
    async fn fetch(&self, count: usize) -> Result<Vec<Message>, BusError> {
        let batch = self.consumer.fetch().max_messages(self.at_most(count)).messages().await;
        let mut batch = batch.map_err(|err| self.unreachable(&err.to_string()))?;
        let mut messages = Vec::new();
        while let Some(message) = batch.next().await {
            messages.push(message.map_err(|err| self.unreachable(&err.to_string()))?);
        }
        Ok(messages)
    }

    /// Delivers messages in the order of the queue. Those for which there is no room are given back, in that order, and the
    /// server gives them again before what is new.
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

    /// So many messages, or what the consumer lets us ask for at a time if that is less; one at least.
    fn at_most(&self, count: usize) -> usize {
        let max_batch = usize::try_from(self.consumer.cached_info().config.max_batch).unwrap_or(0);
        let max = if max_batch == 0 { count } else { count.min(max_batch) };
        max.max(1)
    }

    /// How long the server keeps a question, as far as the consumer lets it.
    fn pull_expires(&self) -> Duration {
        let max_expires = self.consumer.cached_info().config.max_expires;
        if max_expires.is_zero() { PULL_EXPIRES } else { PULL_EXPIRES.min(max_expires) }
    }

    /// How long the server waits for a word about a message.
    fn ack_wait(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }

    fn unreachable(&self, reason: &str) -> BusError {
        let consumer = &self.consumer.cached_info().name;
        let reason = format!("no messages can be taken from consumer `{consumer}`: {reason}");
        BusError::Unreachable { name: self.queue.name.clone(), reason }
    }
}

/// Why the server gives no more messages of this consumer, if it does not. In the same words as long as it is the same.
fn standstill(info: &Info, has_in_hand: bool) -> Option<String> {
    let name = &info.name;
    if info.paused {
        return Some(format!("consumer `{name}` is paused: `nats consumer resume` lets it go on"));
    }
    let max = usize::try_from(info.config.max_ack_pending).ok().filter(|max| *max > 0)?;
    // While we have some, it is they that are waited for.
    (info.num_ack_pending >= max && !has_in_hand).then(|| {
        format!(
            "consumer `{name}` has as many commands that are not acknowledged as it may have ({max}), those included that are \
             put back to be tried again, and gives no more beside them: raise its `max_ack_pending`"
        )
    })
}
