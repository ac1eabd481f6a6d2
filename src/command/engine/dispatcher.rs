//! The main loop of the engine: accepts what arrives, in order, and gives each command a worker.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, EngineError,
    ordering::OrderingKey,
    parked::Timers,
    receive::{Arrival, LocalRequest, Received},
    worker::{MANY_COPIES, WorkerResult},
};
use crate::{command::intake::Delivery, telemetry::metrics};

/// Copies of one command or approval that are held at a time; further copies are delivered again later.
const COPIES_MAX: usize = 4;
/// Messages that are verified, decoded and journalled at a time.
const RECEIVING_MAX: usize = 16;
/// How often the engine reports to the admin pages that it is alive.
const BEAT: Duration = Duration::from_secs(5);

type Receiving = BoxFuture<'static, Result<Received, EngineError>>;

/// All commands that are held, and what arrives.
pub(super) struct Dispatcher {
    context: Arc<Context>,
    timers: Timers,
    /// Messages that are being read. They come out in the order of arrival.
    receiving: FuturesOrdered<Receiving>,
    workers: JoinSet<Result<WorkerResult, EngineError>>,
}

impl Dispatcher {
    /// Loads the timers of all parked commands.
    pub(super) async fn new(context: Arc<Context>) -> Result<Self, EngineError> {
        let mut timers = Timers::default();
        context.parked_commands.load(&mut timers).await?;
        Ok(Self { context, timers, receiving: FuturesOrdered::new(), workers: JoinSet::new() })
    }

    /// Accepts what arrives until `stop`, and returns when all commands in progress have ended.
    pub(super) async fn run(
        &mut self,
        deliveries: &mut mpsc::Receiver<Delivery>,
        requests: &mut mpsc::Receiver<LocalRequest>,
        stop: &CancellationToken,
    ) -> Result<(), EngineError> {
        let mut beats = interval(BEAT);
        let context = Arc::clone(&self.context);
        let mut cancelled = context.admission.stops.watch_cancellations();
        loop {
            let (held, waiting) = self.context.turns.counts();
            self.context.status.beat(held, waiting, self.context.parked_commands.counts());
            let is_full = self.context.permits.is_full(self.workers.len() + self.receiving.len());
            let has_room = !is_full && self.receiving.len() < RECEIVING_MAX;
            let is_paused = self.context.admission.stops.paused().is_some();
            tokio::select! {
                // Rare events come first. The queue comes last: it may always have something, while all others run dry.
                biased;
                () = stop.cancelled() => break,
                _ = beats.tick() => {}
                () = cancelled.changed() => self.wake_cancelled(),
                () = context.admission.stops.until_resumed(), if is_paused => {}
                Some(joined) = self.workers.join_next() => self.ended(joined)?,
                Some(received) = self.receiving.next() => self.begin(received?, stop),
                Some(request) = requests.recv(), if has_room => self.receive(Arrival::Local(request)),
                id = self.timers.next(), if has_room => self.due(&id).await?,
                // While paused, messages stay in their queue.
                Some(delivery) = deliveries.recv(), if has_room && !is_paused => {
                    self.receive(Arrival::Delivery(Box::new(delivery)));
                }
            }
        }
        // Messages that were being read are unacknowledged, and are delivered again.
        self.receiving.clear();
        while let Some(joined) = self.workers.join_next().await {
            self.ended(joined)?;
        }
        self.context.status.beat(0, 0, self.context.parked_commands.counts());
        Ok(())
    }

    fn receive(&mut self, arrival: Arrival) {
        let context = Arc::clone(&self.context);
        self.receiving.push_back(Box::pin(async move { context.receive(arrival).await }));
    }

    /// A parked command may be due, or was cancelled.
    async fn due(&mut self, id: &str) -> Result<(), EngineError> {
        let parked = match self.context.parked_commands.take(id).await? {
            Some(Ok(parked)) => parked,
            Some(Err(unreadable)) => {
                self.receive(Arrival::UnreadableParked(unreadable));
                return Ok(());
            }
            None => return Ok(()),
        };
        let is_cancelled = self.context.admission.stops.cancelled(id).is_some();
        if parked.due > self.context.clock.now() && !is_cancelled {
            self.context.parked_commands.set(&mut self.timers, id, parked.due);
        } else {
            self.receive(Arrival::Parked { id: id.to_owned(), parked: Box::new(parked) });
        }
        Ok(())
    }

    /// Makes cancelled commands due now: they end at once.
    fn wake_cancelled(&mut self) {
        let (stops, parked_commands) = (&self.context.admission.stops, &self.context.parked_commands);
        let now = self.context.clock.now();
        for id in stops.cancelled_among(|id| parked_commands.has(id)) {
            parked_commands.set(&mut self.timers, &id, now);
        }
    }

    fn begin(&mut self, received: Received, stop: &CancellationToken) {
        let (context, stop) = (Arc::clone(&self.context), stop.clone());
        // Copies that wait for the first one would take the room of other commands.
        let are_many = |id: &str| context.turns.copies(id) >= COPIES_MAX;
        match received {
            Received::Command(job) if are_many(&job.command.id) => {
                self.workers.spawn(async move { Ok(context.postpone(job.origin, MANY_COPIES).await) });
            }
            Received::Approval(job) if are_many(&job.approval.id) => {
                self.workers.spawn(async move { Ok(context.postpone(job.origin, MANY_COPIES).await) });
            }
            Received::Command(job) if job.command.request.action().reads_log() => {
                let Some(held) = context.permits.hold_log_read() else {
                    const WHY: &str = "many searches of the log wait";
                    self.workers.spawn(async move { Ok(context.postpone(job.origin, WHY).await) });
                    return;
                };
                let turn = self.context.turns.join(job.names());
                self.workers.spawn(async move {
                    let ended = context.work(*job, turn, &stop).await;
                    drop(held);
                    ended
                });
            }
            Received::Command(job) => {
                let turn = self.context.turns.join(job.names());
                self.workers.spawn(async move { context.work(*job, turn, &stop).await });
            }
            Received::Redelivered(redelivered) => {
                self.workers.spawn(async move { context.acknowledge_redelivery(*redelivered).await });
            }
            Received::Approval(job) => {
                let ids = [&job.approval.id, &job.approval.command];
                let turn = self.context.turns.join(ids.map(|id| OrderingKey::of_command(id)).to_vec());
                self.workers.spawn(async move { context.approve(*job, turn, &stop).await });
            }
            Received::Refused(refused) => {
                let keys =
                    refused.command.iter().map(|command| OrderingKey::of_command(&command.id)).collect();
                let turn = self.context.turns.join(keys);
                self.workers.spawn(async move { context.refuse(*refused, turn, &stop).await });
            }
            Received::UnreadableParked(unreadable) => {
                let turn = self.context.turns.join(vec![OrderingKey::of_command(&unreadable.id)]);
                self.workers
                    .spawn(async move { context.end_unreadable_parked(*unreadable, turn, &stop).await });
            }
            Received::DeadLetter(dead) => {
                self.workers.spawn(async move { context.write_dead_letter(*dead, &stop).await });
            }
        }
    }

    fn ended(
        &mut self,
        joined: Result<Result<WorkerResult, EngineError>, JoinError>,
    ) -> Result<(), EngineError> {
        match joined {
            Ok(Ok(WorkerResult::Parked { id, due })) => {
                self.context.parked_commands.set(&mut self.timers, &id, due);
                Ok(())
            }
            Ok(Ok(WorkerResult::Settled)) => Ok(()),
            Ok(Err(err)) => Err(err),
            Err(err) => {
                // A bug in one command: its message is unacknowledged, and is delivered again.
                metrics::panic(&self.context.config.name);
                tracing::error!(commands = self.context.config.name, error = %err, "a command panicked: this is a bug; it is tried again");
                Ok(())
            }
        }
    }
}
