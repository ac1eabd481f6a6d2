//! The floor on which commands wait for their turn and are at work, each in a task of its own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, Office,
    arrival::{Arrival, Asked},
    claims,
    job::{Found, Job, Verdict},
    lanes::{Lanes, Place},
};
use crate::{command::intake::Delivery, telemetry::metrics};

/// Commands that are held for each that may be at work.
const HELD_PER_PARALLEL: usize = 16;
/// How often the admin pages are told that the floor is alive.
const BEAT: Duration = Duration::from_secs(5);

/// All commands that are held, and what arrives.
pub(super) struct Floor {
    office: Arc<Office>,
    lanes: Lanes,
    turns: BTreeMap<Place, oneshot::Sender<()>>,
    tasks: JoinSet<Result<(), EngineError>>,
    present: HashMap<Id, Place>,
    /// What is being read: one at a time, so that order is kept.
    arriving: Option<BoxFuture<'static, Result<Option<Job>, EngineError>>>,
}

impl Floor {
    pub(super) fn new(office: Arc<Office>) -> Self {
        Self {
            office,
            lanes: Lanes::default(),
            turns: BTreeMap::new(),
            tasks: JoinSet::new(),
            present: HashMap::new(),
            arriving: None,
        }
    }

    /// Takes in what comes, until `stop`, and returns when all that is at work has come to its end.
    pub(super) async fn work(
        &mut self,
        deliveries: &mut mpsc::Receiver<Delivery>,
        asked: &mut mpsc::Receiver<Asked>,
        stop: &CancellationToken,
    ) -> Result<(), EngineError> {
        let held_max = self.office.config.parallel.saturating_mul(HELD_PER_PARALLEL);
        let mut beats = interval(BEAT);
        loop {
            self.office.status.beat(self.lanes.len(), self.lanes.waiting());
            let has_room = self.arriving.is_none() && self.lanes.len() < held_max;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(joined) = self.tasks.join_next_with_id() => self.left(joined)?,
                arrived = arrived(&mut self.arriving) => {
                    self.arriving = None;
                    if let Some(job) = arrived? {
                        self.enter(job, stop);
                    }
                }
                Some(delivery) = deliveries.recv(), if has_room => self.take_in(Arrival::Delivery(Box::new(delivery))),
                Some(asked) = asked.recv(), if has_room => self.take_in(Arrival::Asked(asked)),
                _ = beats.tick() => {}
            }
        }
        // It was not acknowledged, and comes again.
        self.arriving = None;
        while let Some(joined) = self.tasks.join_next_with_id().await {
            self.left(joined)?;
        }
        self.office.status.beat(0, 0);
        Ok(())
    }

    fn take_in(&mut self, arrival: Arrival) {
        let office = Arc::clone(&self.office);
        self.arriving = Some(Box::pin(async move { office.arrive(arrival).await }));
    }

    /// Gives the command of `job` a place in the lanes.
    fn enter(&mut self, mut job: Job, stop: &CancellationToken) {
        let id = &job.command.id;
        let claims = match &job.found {
            Found::Subjects(found) => claims::of(id, &job.command.request, Some(&found.subjects)),
            Found::Unknown => claims::of(id, &job.command.request, None),
            // It waits for other copies alone.
            Found::Ended => vec![claims::of_command(id)],
        };
        let (place, may_go) = self.lanes.join(claims);
        job.has_waited = !may_go;
        let (turn, my_turn) = oneshot::channel();
        if may_go {
            // The receiver lives: it is here.
            let _ = turn.send(());
        } else {
            self.turns.insert(place, turn);
        }
        let (office, stop) = (Arc::clone(&self.office), stop.clone());
        let task = self.tasks.spawn(async move {
            let served = async {
                match stop.run_until_cancelled(my_turn).await {
                    Some(Ok(())) => office.serve(&job, &stop).await,
                    _ => Ok(Verdict::Dropped),
                }
            };
            let verdict = served.await?;
            job.origin.settle(verdict).await;
            Ok(())
        });
        self.present.insert(task.id(), place);
    }

    /// A task has ended: those who waited for it may go.
    fn left(&mut self, joined: Result<(Id, Result<(), EngineError>), JoinError>) -> Result<(), EngineError> {
        let (id, ended) = match joined {
            Ok((id, ended)) => (id, ended),
            Err(err) => {
                // A bug in one command; it was not acknowledged, and comes again.
                metrics::panic(&self.office.config.name);
                tracing::error!(commands = self.office.config.name, error = %err, "a command panicked: this is a bug; it is tried again");
                (err.id(), Ok(()))
            }
        };
        if let Some(place) = self.present.remove(&id) {
            self.turns.remove(&place);
            for next in self.lanes.leave(place) {
                if let Some(turn) = self.turns.remove(&next) {
                    // Who does not wait any more is leaving.
                    let _ = turn.send(());
                }
            }
        }
        ended
    }
}

async fn arrived(
    arriving: &mut Option<BoxFuture<'static, Result<Option<Job>, EngineError>>>,
) -> Result<Option<Job>, EngineError> {
    match arriving {
        Some(arriving) => arriving.await,
        None => std::future::pending().await,
    }
}
