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
/// Publishes on their way: none but words about messages, which are not counted.
const UNACKNOWLEDGED_MAX: usize = 64;

/// One session of an intake.
pub(super) struct Session {
    pub(super) name: String,
    connection: Connection,
    pub(super) consumer: Consumer<pull::Config>,
    line: Arc<Line>,
    pub(super) shared: Arc<Shared>,
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
        if let Err(error) = self.resume().await {
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

    /// Puts a message on the shelf.
    pub(super) fn put(&self, message: jetstream::Message, room: OwnedSemaphorePermit) {
        let hold = self.shared.hold(sequence(&message), message.reply.clone(), room);
        self.shelf.put(Taken { message, hold });
    }

    /// How long the server waits for a word about a message.
    pub(super) fn ack_wait(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
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
        let mut ticks = interval(LOOK_EVERY.min(self.ack_wait() / 3).max(LOOK_EVERY_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let held = self.shared.hands().held();
            for reply in held {
                let acker = Acker::new(self.line.jetstream.clone(), Some(reply));
                if let Err(err) = acker.ack_with(AckKind::Progress).await {
                    return self.unreachable(&err.to_string());
                }
            }
            // It may be that we may not ask. Then only a consumer that is deleted begins with all there is.
            if let Ok(info) = self.consumer.get_info().await {
                self.shared.set_floor(info.ack_floor.stream_sequence);
                self.shared.hands().forget_below(info.ack_floor.stream_sequence);
                // While we hold some, it is they that are waited for.
                let holds_some = !self.shared.hands().held().is_empty();
                self.shared.stand_still(standstill(&info).filter(|_| !holds_some));
            }
        }
    }

    pub(super) fn unreachable(&self, reason: &str) -> SinkError {
        let reason = format!(
            "no messages can be taken from consumer `{}`: {reason}",
            self.consumer.cached_info().name
        );
        SinkError::Unreachable { sink: self.name.clone(), reason }
    }
}

/// The message's place in the stream.
pub(super) fn sequence(message: &jetstream::Message) -> u64 {
    // What does not say so came from no consumer.
    message.info().map_or(0, |info| info.stream_sequence)
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
