//! A replay itself in many seeded worlds: requests fail, links are refused and lead in circles; the bus refuses, stalls, breaks
//! and loses acknowledgements; the note and the dead letters cannot be written; and the replay is dropped at any await, or
//! stopped, and the same request goes on with what is durable. What is run is [`Replay::run`] with all that it calls; what is
//! simulated is what it runs on. It is judged by what bus and dead letters hold, and by each note at the moment when it is
//! durable, see `note_check`.

mod note_check;
mod scenario;

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use okta_client::logs::{self, Order};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Replay, Report,
    progress::Progress,
    run::{Seams, note_name},
};
use crate::{
    search::simulation::{clock::SimulatedClock, log::SearchedLog},
    simulation::{self, Death, FailingStore, Mortal, Simulation, happens, in_simulated_time, play_all},
    sink::{
        SimulatedLetters,
        simulated::{SimulatedBus, SimulatedFactory},
    },
};
use note_check::NoteCheck;
use scenario::Scenario;

/// The time of the events.
const LOGGED_FOR: Duration = Duration::from_secs(90 * 60);
/// How long the world is bad, from the beginning of the replay.
const BAD_FOR: Duration = Duration::from_secs(300);
/// When everything must be delivered, after that.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a stop may take; the default of `shutdown.grace`.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How long it takes until somebody asks again for a replay that has failed.
const AGAIN_AFTER: Duration = Duration::from_secs(20);
const NAME: &str = "simulated";

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 15] = [
    "a life is dropped",
    "a life is stopped",
    "a replay goes on within a slice",
    "a replay fails",
    "the bus cannot be reached",
    "a batch is delivered in part",
    "an acknowledgement is lost",
    "a message is refused",
    "a message comes to the bus again",
    "a dead letter is kept",
    "a dead letter cannot be kept",
    "the disk takes nothing, or does not say so",
    "a link is refused",
    "a link leads to itself",
    "a link leads back",
];

#[test]
fn whatever_happens_a_replay_delivers_every_event_of_its_window_and_no_other() {
    play_all(Simulation::Replay, &SOMETIMES, |seed| {
        in_simulated_time(seed, async {
            let clock = SimulatedClock::new();
            let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)), clock.begin());
            World::new(seed, &clock, &scenario).await.run(&scenario).await
        })
    });
}

/// What there is outside of the replay.
struct World {
    bad_until: Instant,
    log: Arc<SearchedLog>,
    bus: Arc<SimulatedBus>,
    letters: Arc<SimulatedLetters>,
    store: Arc<FailingStore>,
    notes: Arc<NoteCheck>,
}

impl World {
    /// One in which all events have come into the log.
    async fn new(seed: u64, clock: &Arc<SimulatedClock>, scenario: &Scenario) -> Self {
        let bad_until = Instant::now() + LOGGED_FOR + BAD_FOR;
        let log = SearchedLog::new(seed, clock, bad_until, (LOGGED_FOR, Duration::ZERO));
        sleep(LOGGED_FOR).await;
        let bus = SimulatedBus::new(seed ^ 0xb05, scenario.bus.clone());
        let letters = SimulatedLetters::new(seed ^ 0xdead);
        letters.set_full(scenario.disk_full);
        let notes = NoteCheck::new(&log, &bus, &letters);
        let store = FailingStore::new(seed ^ 0xc0de, bad_until, Arc::<NoteCheck>::clone(&notes));
        Self { bad_until, log, bus, letters, store, notes }
    }

    /// Runs until everything is delivered, and says what was wrong.
    async fn run(&self, scenario: &Scenario) -> Vec<String> {
        for life in &scenario.lives {
            if self.notes.is_finished() {
                break;
            }
            let stop = CancellationToken::new();
            match life.death {
                Death::Dropped { batches, polls } => {
                    happens("a life is dropped");
                    let end = self.bus.publications() + batches;
                    // Nothing may come any more, once everything is delivered.
                    let has_happened = || self.bus.publications() >= end || Instant::now() > self.bad_until;
                    Mortal::new(self.replay(scenario, &stop), &has_happened, polls).await;
                }
                Death::Stopped { after } => {
                    happens("a life is stopped");
                    let mut running = Box::pin(self.replay(scenario, &stop));
                    if timeout(after, &mut running).await.is_err() {
                        stop.cancel();
                        if timeout(STOP_MAX, running).await.is_err() {
                            return vec!["it does not stop".to_owned()];
                        }
                    }
                }
            }
            sleep(life.downtime).await;
        }
        let end = self.bad_until + END;
        while !self.notes.is_finished() {
            let report = tokio::time::timeout_at(end, self.replay(scenario, &CancellationToken::new())).await;
            match report {
                Ok(Some(Report::Finished(_))) => {}
                Ok(Some(Report::Failed { .. })) if Instant::now() < self.bad_until + AGAIN_AFTER => {
                    happens("a replay fails");
                }
                other => return vec![format!("the replay ends with {other:?}")],
            }
            sleep(AGAIN_AFTER).await;
        }
        [self.bus.wrong(), self.notes.wrong(), self.judged(scenario)].concat()
    }

    /// Asks for the replay, and gives its last report. None: its note could not be read.
    async fn replay(&self, scenario: &Scenario, stop: &CancellationToken) -> Option<Report> {
        let state = self.store.state();
        let earlier = match state.note(&note_name(NAME)).await {
            Ok(earlier) => earlier,
            Err(err) => return Some(Report::Failed { reason: err.to_string() }),
        };
        let (generation, progress) = match earlier {
            Some(note) => (note.generation, serde_json::from_str::<Progress>(&note.content).unwrap()),
            None => (0, scenario.progress.clone()),
        };
        if !progress.begun.is_empty() {
            happens("a replay goes on within a slice");
        }
        let window = logs::Window {
            since: progress.since,
            until: progress.until,
            filter: None,
            q: None,
            order: Order::Ascending,
            page_size: scenario.page_size,
        };
        let seams = Seams {
            source: Arc::<SearchedLog>::clone(&self.log),
            sink: Arc::new(SimulatedFactory(Arc::clone(&self.bus))),
            state,
            dead_letters: self.letters.of_route(&scenario.route.name),
        };
        let replay = Replay {
            name: NAME.to_owned(),
            route: scenario.route.clone(),
            client: simulation::client(),
            window,
            seams,
            has_own_files: false,
            progress,
            generation,
            _alone: Arc::<tokio::sync::Mutex<()>>::default().lock_owned().await,
        };
        let (sender, mut reports) = mpsc::channel(16);
        let last = async {
            let mut last = None;
            while let Some(report) = reports.recv().await {
                last = Some(report);
            }
            last
        };
        tokio::join!(replay.run(sender, stop), last).1
    }

    /// What is wrong in the end: every event of the window is there, and no other.
    fn judged(&self, scenario: &Scenario) -> Vec<String> {
        let on_bus = self.bus.log();
        let span = scenario.progress.since..scenario.progress.until;
        let mut wrong = Vec::new();
        for (index, event) in self.log.events.iter().enumerate() {
            let id = note_check::id(index);
            let is_there = on_bus.contains(&id) || self.letters.has(&id);
            if is_there != span.contains(&event.published) {
                wrong.push(format!(
                    "{id} of {} is {}",
                    event.published,
                    if is_there { "not asked for" } else { "lost" }
                ));
            }
        }
        wrong
    }
}
