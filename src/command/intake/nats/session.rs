//! A connection with the task that takes messages over it. Ends with the first failure; the next session goes on.

use std::{sync::Arc, time::Duration};

use super::{
    NatsQueue, consumer,
    shelf::{Shelf, Taken},
    standing::{Line, Shared, Standing},
};
use crate::sink::{SinkError, nats::connection::Connection};
use async_nats::jetstream::{
    self, AckKind,
    consumer::{Consumer, Info, pull},
    message::Acker,
};
use futures_util::StreamExt as _;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{MissedTickBehavior, interval},
};

/// Messages asked for at a time.
const PULL_MESSAGES: usize = 32;
/// How long the server keeps a question for messages. It is asked anew after that, so a silence is noticed soon. (The
/// client's batches are woken by no message that comes right behind a heartbeat, so there are none.)
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// How often at least the server is told of messages that are held, and asked how far the queue is acknowledged.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often at most.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);
/// All that a process can have held, with what was looked at and given back: a consumer has no more unacknowledged.
const GIVEN_AGAIN_MAX: usize = 4_096;
/// How often it is looked whether all that a former process held was given back.
const GIVEN_BACK_LOOKS: u32 = 3;
/// How long after its time the server notices that it has had no word about a message.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);
/// Publishes on their way: none but words about messages, which are not counted.
const UNACKNOWLEDGED_MAX: usize = 64;

/// One session of an intake.
pub(super) struct Session {
    name: String,
    connection: Connection,
    consumer: Consumer<pull::Config>,
    line: Arc<Line>,
    shared: Arc<Shared>,
    shelf: Arc<Shelf>,
}

impl Session {
    /// Connects, and finds or creates the consumer.
    pub(super) async fn open(
        queue: &NatsQueue,
        shared: &Arc<Shared>,
        shelf: &Arc<Shelf>,
    ) -> Result<Self, SinkError> {
        let connection = Connection::open(&queue.name, &queue.bus, UNACKNOWLEDGED_MAX).await?;
        let consumer = consumer::find_or_create(&connection, queue, shared.floor()).await?;
        shared.set_floor(consumer.cached_info().ack_floor.stream_sequence);
        let line = Line { jetstream: connection.jetstream.clone(), link: Arc::clone(&connection.link) };
        Ok(Self {
            name: queue.name.clone(),
            connection,
            consumer,
            line: Arc::new(line),
            shared: Arc::clone(shared),
            shelf: Arc::clone(shelf),
        })
    }

    /// Puts messages on the shelf until something fails, and gives that.
    pub(super) async fn run(mut self) -> SinkError {
        self.shared.standing.send_replace(Standing::Connected(Arc::clone(&self.line)));
        let error = tokio::select! {
            error = self.take() => error,
            error = self.look_after() => error,
            () = self.line.link.lost() => self.line.link.error(),
        };
        self.connection.end();
        error
    }

    /// Takes messages as long as there is room for them.
    async fn take(&self) -> SinkError {
        if let Err(error) = self.let_the_held_come_first().await {
            return error;
        }
        loop {
            let mut room = self.room().await;
            let batch = self.consumer.batch().max_messages(room.num_permits()).expires(PULL_EXPIRES);
            let mut batch = match batch.messages().await {
                Ok(batch) => batch,
                Err(err) => return self.unreachable(&err.to_string()),
            };
            while let Some(message) = batch.next().await {
                match message {
                    Ok(message) => {
                        // There are as many permits as messages were asked for.
                        let Some(room) = room.split(1) else { break };
                        self.put(message, room);
                    }
                    Err(err) => return self.unreachable(&err.to_string()),
                }
            }
        }
    }

    fn put(&self, message: jetstream::Message, room: OwnedSemaphorePermit) {
        let hold = self.shared.hold(message.reply.clone(), room);
        self.shelf.put(Taken { message, hold });
    }

    /// Waits, before anything is taken, until what a former process held and did not acknowledge is given again. The server
    /// gives that before what is new; taken at once, what is new would overtake it. What was given back is there already.
    async fn let_the_held_come_first(&self) -> Result<(), SinkError> {
        let info = self.consumer.cached_info();
        if !self.shared.is_new() || info.num_ack_pending == 0 {
            self.shared.begin();
            return Ok(());
        }
        let (held, given) = (info.num_ack_pending, info.delivered.stream_sequence);
        // What is given for the first time now stands behind all that was given before.
        let is_held =
            |message: &&jetstream::Message| message.info().is_ok_and(|info| info.stream_sequence <= given);
        for _ in 0..GIVEN_BACK_LOOKS {
            let messages = self.fetch(held).await?;
            if messages.iter().filter(is_held).count() == held {
                self.take_in_order(messages).await?;
                self.shared.begin();
                return Ok(());
            }
            for message in messages {
                let given_back = message.ack_with(AckKind::Nak(None)).await;
                given_back.map_err(|err| self.unreachable(&err.to_string()))?;
            }
            // What was given back may still be on its way.
            tokio::time::sleep(EXPIRY_MARGIN).await;
        }
        let wait = info.config.ack_wait + EXPIRY_MARGIN;
        let wait_s = wait.as_secs_f64();
        tracing::info!(
            intake = self.name,
            held,
            wait_s,
            "commands that a former process held come again first"
        );
        tokio::time::sleep(wait).await;
        self.take_in_order(self.fetch(GIVEN_AGAIN_MAX).await?).await?;
        self.shared.begin();
        Ok(())
    }

    /// What is there, `count` at most.
    async fn fetch(&self, count: usize) -> Result<Vec<jetstream::Message>, SinkError> {
        let batch = self.consumer.fetch().max_messages(count).messages().await;
        let mut batch = batch.map_err(|err| self.unreachable(&err.to_string()))?;
        let mut messages = Vec::with_capacity(count);
        while let Some(message) = batch.next().await {
            messages.push(message.map_err(|err| self.unreachable(&err.to_string()))?);
        }
        Ok(messages)
    }

    /// Puts messages on the shelf in the order of the queue: the server gives again in the order in which it was last told
    /// of each. Those for which there is no room are given back, in that order.
    async fn take_in_order(&self, mut messages: Vec<jetstream::Message>) -> Result<(), SinkError> {
        messages.sort_by_key(|message| message.info().map_or(u64::MAX, |info| info.stream_sequence));
        for message in messages {
            match Arc::clone(&self.shared.room).try_acquire_owned() {
                Ok(room) => self.put(message, room),
                Err(_) => {
                    let given_back = message.ack_with(AckKind::Nak(None)).await;
                    given_back.map_err(|err| self.unreachable(&err.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// Room for as many messages as there is, one at least.
    async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            // The semaphore is never closed.
            if let Ok(mut room) = Arc::clone(&self.shared.room).acquire_owned().await {
                let more = self.shared.room.available_permits().min(PULL_MESSAGES - 1);
                let more = u32::try_from(more).unwrap_or(0);
                if let Ok(more) = Arc::clone(&self.shared.room).try_acquire_many_owned(more) {
                    room.merge(more);
                }
                return room;
            }
        }
    }

    /// Keeps messages that are held from being given to others, and notes how far the queue is acknowledged.
    async fn look_after(&self) -> SinkError {
        let ack_wait = self.consumer.cached_info().config.ack_wait;
        let mut ticks = interval(LOOK_EVERY.min(ack_wait / 3).max(LOOK_EVERY_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for reply in self.shared.held() {
                let acker = Acker::new(self.line.jetstream.clone(), Some(reply));
                if let Err(err) = acker.ack_with(AckKind::Progress).await {
                    return self.unreachable(&err.to_string());
                }
            }
            // It may be that we may not ask. Then only a consumer that is deleted begins with all there is.
            if let Ok(info) = self.consumer.get_info().await {
                self.shared.set_floor(info.ack_floor.stream_sequence);
                // While we hold some, it is they that are waited for.
                self.shared.stand_still(standstill(&info).filter(|_| self.shared.held().is_empty()));
            }
        }
    }

    fn unreachable(&self, reason: &str) -> SinkError {
        let reason = format!(
            "no messages can be taken from consumer `{}`: {reason}",
            self.consumer.cached_info().name
        );
        SinkError::Unreachable { sink: self.name.clone(), reason }
    }
}

/// Why the server gives no more messages of this consumer, if it does not.
fn standstill(Info { name, num_ack_pending, config, .. }: &Info) -> Option<String> {
    let max = usize::try_from(config.max_ack_pending).ok().filter(|max| *max > 0)?;
    (*num_ack_pending >= max).then(|| {
        format!(
            "consumer `{name}` has {num_ack_pending} commands that are not acknowledged, those included that wait to be tried \
             again, and gives no more beside them: raise its `max_ack_pending`"
        )
    })
}
