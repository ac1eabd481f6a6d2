//! The loop of the engine: takes in what comes, in order, and gives each command a worker of its own.

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

/// Copies of one command, or of one approval, that are held; more of them come again later.
const COPIES_MAX: usize = 4;
/// Messages that are verified, decoded and written to the journal at a time.
const RECEIVING_MAX: usize = 16;
/// How often the admin pages are told that the engine is alive.
const BEAT: Duration = Duration::from_secs(5);

type Receiving = BoxFuture<'static, Result<Received, EngineError>>;

/// All commands that are held, and what arrives.
pub(super) struct Dispatcher {
    context: Arc<Context>,
    timers: Timers,
    /// What is being read. It comes out in the order in which it went in.
    receiving: FuturesOrdered<Receiving>,
    workers: JoinSet<Result<WorkerResult, EngineError>>,
}

impl Dispatcher {
    /// With all that waits in the state for its time.
    pub(super) async fn new(context: Arc<Context>) -> Result<Self, EngineError> {
        let mut timers = Timers::default();
        context.parked_commands.load(&mut timers).await?;
        Ok(Self { context, timers, receiving: FuturesOrdered::new(), workers: JoinSet::new() })
    }

    /// Takes in what comes, until `stop`, and returns when all that is at work has come to its end.
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
                // What is rare comes first. The queue comes last: it may always have something, and all else has an end.
                biased;
                () = stop.cancelled() => break,
                _ = beats.tick() => {}
                () = cancelled.changed() => self.wake_cancelled(),
                () = context.admission.stops.until_resumed(), if is_paused => {}
                Some(joined) = self.workers.join_next() => self.ended(joined)?,
                Some(received) = self.receiving.next() => self.begin(received?, stop),
                Some(request) = requests.recv(), if has_room => self.receive(Arrival::Local(request)),
                id = self.timers.next(), if has_room => self.due(&id).await?,
                // What is stopped stays in its queue.
                Some(delivery) = deliveries.recv(), if has_room && !is_paused => {
                    self.receive(Arrival::Delivery(Box::new(delivery)));
                }
            }
        }
        // What was being read was not acknowledged, and comes again.
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

    /// The time of a command that waits in the state may have come, or somebody has cancelled it.
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

    /// What is cancelled ends now, not when its time has come.
    fn wake_cancelled(&mut self) {
        let (stops, parked_commands) = (&self.context.admission.stops, &self.context.parked_commands);
        let now = self.context.clock.now();
        for id in stops.cancelled_among(|id| parked_commands.has(id)) {
            parked_commands.set(&mut self.timers, &id, now);
        }
    }

    fn begin(&mut self, received: Received, stop: &CancellationToken) {
        let (context, stop) = (Arc::clone(&self.context), stop.clone());
        // Copies that wait for the first would take the room of others.
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
                // A bug in one command; it was not acknowledged, and comes again.
                metrics::panic(&self.context.config.name);
                tracing::error!(commands = self.context.config.name, error = %err, "a command panicked: this is a bug; it is tried again");
                Ok(())
            }
        }
    }
}
