//! One daemon of a simulated world, life after life.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use okta_client::{OktaError, Priority, logs};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    END, ROUTE, STOP_MAX, World,
    scenario::{DaemonLife, Scenario},
};
use crate::{
    halt::Halt,
    route::{
        Phase, Route, RouteError, RouteStatus, Seams, SinkSeam,
        exactly_once::{ExactlyOnce, Owner},
    },
    simulation::{CommitObserver, Death, FailingStore, Mortal, happens},
    sink::DeadLetters,
    source::{LogSource, simulation::stream_of_one_route},
    state::{Cursor, MemoryStore},
};

/// How long it takes until somebody starts a daemon again that has ended by itself.
const RESTARTED_AFTER: Duration = Duration::from_secs(20);

pub(super) struct Daemon<'a> {
    world: Arc<World>,
    scenario: &'a Scenario,
    copies: Arc<LocalCopies>,
    store: Arc<FailingStore>,
    letters: DeadLetters,
}

/// The local copies of the checkpoint in one daemon's state.
#[derive(Debug, Default)]
pub(super) struct LocalCopies {
    /// The last that is on the disk, and the last of which the daemon knows that it is.
    last: Mutex<[Option<Cursor>; 2]>,
}

impl LocalCopies {
    pub(super) fn last_acknowledged(&self) -> Option<Cursor> {
        self.last()[1].clone()
    }

    fn last(&self) -> MutexGuard<'_, [Option<Cursor>; 2]> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommitObserver for LocalCopies {
    fn committed(&self, records: &MemoryStore) {
        self.last()[0] = Some(records.cursor(ROUTE).unwrap().cursor);
    }

    fn acknowledged(&self) {
        let mut last = self.last();
        last[1] = last[0].clone();
    }
}

impl<'a> Daemon<'a> {
    pub(super) fn new(world: Arc<World>, scenario: &'a Scenario, number: usize) -> Self {
        let copies = Arc::<LocalCopies>::default();
        let observer = Arc::<LocalCopies>::clone(&copies);
        let hangs = scenario.disk_hangs.map(|(after, length)| {
            let begin = Instant::now() + after;
            begin..begin + length
        });
        let store = FailingStore::that_hangs(0xc0de ^ number as u64, world.bad_until, hangs, observer);
        let letters = world.letters.of_route(ROUTE);
        Self { world, scenario, copies, store, letters }
    }

    /// Lives all `lives` and one more, in which everything must come to its end.
    pub(super) async fn run(self, lives: &[DaemonLife]) -> Vec<String> {
        let mut wrong = Vec::new();
        for life in lives {
            let stop = CancellationToken::new();
            let (route, _) = self.route();
            let status = route.status();
            let paused = Paused::new(route.run(&stop, false), life.pause);
            if life.pause.is_some() {
                happens("a daemon is paused");
            }
            match life.death {
                Death::Dropped { batches, polls } => {
                    let end = self.world.bus.commits() + batches;
                    let has_happened =
                        || self.world.bus.commits() >= end || Instant::now() > self.world.bad_until;
                    if let Some(ended) = Mortal::new(paused, &has_happened, polls).await {
                        wrong.extend(self.wrong_end(&ended));
                    }
                }
                Death::Stopped { after } => {
                    self.until(paused, &status, &stop, sleep(after), &mut wrong).await;
                }
            }
            wrong.extend(self.stepped_down(&status));
            sleep(life.downtime).await;
        }
        self.world.settle();
        loop {
            let (stop, (route, me)) = (CancellationToken::new(), self.route());
            let status = route.status();
            let running = Paused::new(route.run(&stop, false), None);
            let mut wrong_standing = None;
            let done = async {
                self.world.all_is_done(self.scenario).await;
                wrong_standing = self.world.checks.wrong_standing(&me);
            };
            let is_over = self.until(running, &status, &stop, done, &mut wrong).await;
            wrong.extend(self.stepped_down(&status).into_iter().chain(wrong_standing));
            if is_over || !wrong.is_empty() {
                return wrong;
            }
            // Somebody starts it again.
            sleep(RESTARTED_AFTER).await;
        }
    }

    /// Runs until `until`, and gives whether it came to that.
    async fn until(
        &self,
        running: impl Future<Output = Result<(), Halt<RouteError>>>,
        status: &RouteStatus,
        stop: &CancellationToken,
        until: impl Future<Output = ()>,
        wrong: &mut Vec<String>,
    ) -> bool {
        let mut running = Box::pin(running);
        tokio::select! {
            biased;
            ended = &mut running => {
                wrong.extend(self.wrong_end(&ended));
                return false;
            }
            () = until => {}
            () = tokio::time::sleep_until(self.world.bad_until + END) => {
                wrong.push(format!("not everything is delivered: {:?}", status.snapshot()));
                return false;
            }
        }
        stop.cancel();
        // A paused daemon cannot stop.
        match timeout(STOP_MAX + Duration::from_secs(60), running).await {
            Ok(Err(Halt::Stopped)) => {}
            Ok(ended) => wrong.extend(self.wrong_end(&ended)),
            Err(_) => wrong.push("it does not stop".to_owned()),
        }
        true
    }

    /// What is wrong if the route ends like this: nothing if it refuses what it found in place of the checkpoint.
    fn wrong_end(&self, ended: &Result<(), Halt<RouteError>>) -> Option<String> {
        if self.scenario.has_junk() && matches!(ended, Err(Halt::Failed(RouteError::Checkpoint { .. }))) {
            happens("a daemon refuses what is in place of the checkpoint");
            return None;
        }
        Some(format!("the route ends by itself: {ended:?}"))
    }

    /// What is wrong if the route has stepped down, if it has.
    fn stepped_down(&self, status: &RouteStatus) -> Option<String> {
        if status.snapshot().phase != Phase::Superseded {
            return None;
        }
        happens("a daemon whose route another has taken steps down for good");
        (!self.scenario.has_rivals())
            .then(|| "a daemon steps down, and no other may take its route".to_owned())
    }

    /// A route that begins, and who it is.
    fn route(&self) -> (Route, Owner) {
        let World { log, checks, .. } = &*self.world;
        let me = Owner::of_this_run();
        let exactly_once = ExactlyOnce {
            factory: self.world.factory(),
            takeover_after: self.scenario.takeover_after,
            me: me.clone(),
        };
        let seams = Seams {
            sink: SinkSeam::ExactlyOnce(exactly_once),
            state: self.store.state(),
            dead_letters: self.letters.clone(),
        };
        let source = Calming { world: Arc::clone(&self.world) };
        let stream = stream_of_one_route(log.begin(), Arc::new(source));
        let route = Route::with_seams(self.scenario.config.clone(), stream, seams);
        checks.begins(me.clone(), Arc::clone(&self.copies), route.status());
        (route, me)
    }
}

/// Okta's log, which behaves once the bad time is over.
#[derive(Debug)]
struct Calming {
    world: Arc<World>,
}

impl LogSource for Calming {
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        if Instant::now() >= self.world.bad_until {
            self.world.log.calm_down();
        }
        self.world.log.page(url)
    }

    fn part<'a>(
        &'a self,
        url: &'a Url,
        priority: Priority,
    ) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>> {
        self.world.log.part(url, priority)
    }

    fn okta_now(&self) -> Timestamp {
        self.world.log.okta_now()
    }
}

/// Work that is not polled for a while, as if the process were stopped.
struct Paused<F> {
    work: Pin<Box<F>>,
    begun_at: Instant,
    pause: Option<(Duration, Duration)>,
    waking: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Paused<F> {
    fn new(work: F, pause: Option<(Duration, Duration)>) -> Self {
        Self { work: Box::pin(work), begun_at: Instant::now(), pause, waking: None }
    }
}

impl<F: Future> Future for Paused<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Some((after, length)) = self.pause
            && self.begun_at.elapsed() >= after
        {
            let end = self.begun_at + after + length;
            let waking = self.waking.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
            if waking.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        self.work.as_mut().poll(context)
    }
}
