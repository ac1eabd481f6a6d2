//! Runs the engine in many seeded worlds: the daemon crashes at any interaction with the world, answers are lost after
//! a change, others change the same objects, lists lag, limits trip and are released, operators pause and cancel.
//! Whatever happens, each command gets one outcome, in order and within the policy, and nothing is done twice or over
//! somebody's reversal. The dispatcher and all that it calls are real; what they run on is simulated.

mod bus;
mod judge;
mod okta;
mod queue;
mod scenario;
mod sender;
mod store;
mod transcript;
mod world;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fastrand::Rng;
use secrecy::SecretString;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Seams,
    admission::Admission,
    audit_log::{AuditLog, Destination},
    dispatcher::Dispatcher,
    journal::Journal,
    ordering::OrderingKey,
    parked::{ParkedCommands, ParkedOwner},
    permits::Permits,
    publish::Outcomes,
    status::EngineStatus,
    stops::StopRecord,
};
use crate::{
    clock::Clock as _,
    command::{
        Status,
        dead_letters::DeadLetters,
        execute::Executor,
        intake::{
            Acknowledgement, Delivery,
            simulated::{Said, SimulatedAcknowledgement},
        },
        message::FingerprintKey,
        policy::{Policy, Signatures},
    },
    config::{CommandsConfig, LimitConfig},
    simulation::{Simulation, happens, in_simulated_time, play_all},
    state::State,
};

use bus::SimulatedPublisher;
use okta::SimulatedOkta;
use queue::Queue;
use scenario::Scenario;
use sender::Sender;
use store::SimulatedStore;
use world::{Crash, ExternalEvent, World};

/// How long the world has faults, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(1_200);
/// When everything must have ended.
const END: Duration = Duration::from_secs(24 * 3_600);
/// The actions that the limit is about, in one hour.
const LIMITED: &str = "user.suspend";

/// What must have happened in some of the seeds: otherwise they prove nothing.
const SOMETIMES: [&str; 13] = [
    "the daemon dies",
    "an older state is restored",
    "a sender's key is removed",
    "the disk is full",
    "a commit is applied and fails",
    "a publication is refused",
    "the answer to a publication is lost",
    "the answer to a change is lost",
    "something refuses a change in Okta's place",
    "a change is throttled",
    "a limit refuses a command",
    "a limit is full to the last",
    "an operator pauses all commands",
];

#[test]
fn whatever_happens_each_command_comes_to_one_outcome_within_the_policy() {
    play_all(Simulation::Engine, &SOMETIMES, |seed| play(seed).0);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_for_a_sender_is_told_though_their_key_is_taken_away_before_it_was() {
    for not_before_s in [None, Some(700)] {
        for dealings in 2..60 {
            let scenario = scenario::suspension_by_one_who_loses_their_key(dealings, not_before_s);
            let wrong = run(&World::new(0), &scenario).await;
            assert!(wrong.is_empty(), "dies after {dealings} dealings: {}", wrong.join("\n"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_okta_has_not_taken_is_looked_up_anew_and_counted_once() {
    let world = World::new(0);
    world.too_many.store(6, Relaxed);
    let wrong = run(&world, &scenario::deletion_of_a_group_that_is_renamed_before_it_is_sent()).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    {
        let record = world.record();
        let outcome = &record.published[0].outcome;
        assert_eq!((outcome.status, outcome.attempts), (Status::Done, 7), "{outcome:?}");
        let sent: Vec<_> = record.sent.iter().map(|sent| (sent.path.as_str(), sent.is_made)).collect();
        let path = format!("/api/v1/groups/{}", scenario::successor_id(0));
        assert_eq!(sent, [(path.as_str(), true)]);
    }

    let world = World::new(0);
    world.too_many.store(3, Relaxed);
    // The limit has room for one.
    let scenario = Scenario {
        lives: Vec::new(),
        key_removed_before_life: None,
        ..scenario::suspension_by_one_who_loses_their_key(1, None)
    };
    let wrong = run(&world, &scenario).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let outcome = world.record().published[0].outcome.clone();
    assert_eq!((outcome.status, outcome.attempts), (Status::Done, 4), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn copies_of_one_approval_are_held_few_at_a_time() {
    let world = World::new(0);
    let scenario = scenario::deletion_of_a_group_that_is_renamed_before_it_is_sent();
    let life = Life { world: &world, scenario: &scenario, crash: &Crash::after(i64::MAX) };
    let context = Arc::new(life.context().await);
    let mut dispatcher = Dispatcher::new(Arc::clone(&context)).await.unwrap();
    // A command that does not end.
    let _first = context.turns.join(vec![OrderingKey::of_command("a-1")]);
    let (saying, mut said) = mpsc::unbounded_channel();
    let (deliveries, mut delivered) = mpsc::channel(10);
    let parameters = json!({ "command": "c-1", "fingerprint": "v1:0" });
    let approval = json!({ "id": "a-1", "action": "command.approve", "parameters": parameters }).to_string();
    for number in 0..10 {
        let acknowledgement = SimulatedAcknowledgement::new(number, saying.clone());
        let delivery = Delivery {
            payload: approval.clone().into(),
            headers: Vec::new(),
            message_id: None,
            place: format!("QUEUE@{number}"),
            published_at: None,
            unfit: None,
            acknowledgement: Acknowledgement::simulated(acknowledgement),
        };
        deliveries.send(delivery).await.unwrap();
    }
    let (stop, (_asking, mut command)) = (CancellationToken::new(), mpsc::channel(1));
    let running = dispatcher.run(&mut delivered, &mut command, &stop);
    assert!(tokio::time::timeout(Duration::from_secs(60), running).await.is_err());
    assert_eq!(context.turns.copies("a-1"), 4);
    let put_off: Vec<_> = std::iter::from_fn(|| said.try_recv().ok()).collect();
    let is_later = |(_, said): &(usize, Said)| matches!(said, Said::Later(_));
    assert!(put_off.len() == 7 && put_off.iter().all(is_later), "{put_off:?}");
}

#[test]
fn a_seed_is_played_in_the_same_way_each_time() {
    // Everything that was sent, done and published, with its times.
    let played = |seed| {
        let (_, told) = play(seed);
        told
    };
    for seed in 0..60 {
        let (first, second) = (played(seed), played(seed));
        let differ = first.lines().zip(second.lines()).position(|(first, second)| first != second);
        assert!(first == second, "seed {seed}, line {differ:?}:\n{first}\n{second}");
    }
}

/// Plays a seed. Returns the violations, and a transcript.
fn play(seed: u64) -> (Vec<String>, String) {
    in_simulated_time(seed, async {
        let world = World::new(seed);
        world.faults.store(1, Relaxed);
        let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)));
        (run(&world, &scenario).await, transcript::transcript(&world, &scenario))
    })
}

/// Runs a scenario to its end, and returns the violations.
async fn run(world: &Arc<World>, scenario: &Scenario) -> Vec<String> {
    scenario::populate(world);
    let mut queue = Queue::new(scenario);
    let mut others = ScheduledEvents::of(scenario);
    let deaths = scenario.lives.iter().copied().chain([i64::MAX]);
    for (number, death) in deaths.enumerate() {
        if scenario.restored_before_life == Some(number) && world.restore() {
            happens("an older state is restored");
            // After a restore, the operator resumes the commands.
            others.add(world.started.elapsed() + Duration::from_secs(60), ExternalEvent::Resumed);
        }
        if scenario.key_removed_before_life == Some(number) {
            world.act(ExternalEvent::KeyRemoved).await;
        }
        let crash = Crash::after(death);
        let life = Life { world, scenario, crash: &crash };
        if life.live(&mut queue, &mut others).await {
            return judge::judge(world, scenario);
        }
        happens("the daemon dies");
        // Unacknowledged messages are delivered again.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        queue.redeliver();
        others.pass(world, scenario.downtimes[number]).await;
    }
    let held = queue.left();
    vec![format!(
        "it does not come to an end: {held:?} are not acknowledged\n{}",
        transcript::transcript(world, scenario)
    )]
}

/// What others do, at its times.
struct ScheduledEvents(VecDeque<(Duration, ExternalEvent)>);

impl ScheduledEvents {
    fn of(scenario: &Scenario) -> Self {
        let mut others = scenario.others.clone();
        others.sort_by_key(|(at, _)| *at);
        Self(others.into())
    }

    fn add(&mut self, at: Duration, other: ExternalEvent) {
        let place = self.0.partition_point(|(before, _)| *before <= at);
        self.0.insert(place, (at, other));
    }

    /// The daemon is down for a while: administrators at Okta act all the same, operators when it is up again.
    async fn pass(&mut self, world: &World, downtime: Duration) {
        let up_again = world.started.elapsed() + downtime;
        let (passed, left): (VecDeque<_>, _) =
            self.0.drain(..).partition(|(at, other)| *at < up_again && other.is_at_okta());
        self.0 = left;
        for (at, other) in passed {
            tokio::time::sleep_until(world.started + at).await;
            world.act(other).await;
        }
        tokio::time::sleep_until(world.started + up_again).await;
    }
}

/// One life of the daemon.
struct Life<'a> {
    world: &'a Arc<World>,
    scenario: &'a Scenario,
    crash: &'a Arc<Crash>,
}

impl Life<'_> {
    /// Runs it; returns whether everything has ended.
    async fn live(&self, queue: &mut Queue, others: &mut ScheduledEvents) -> bool {
        let Self { world, crash, .. } = *self;
        let others = &mut others.0;
        let stop = CancellationToken::new();
        let loading = async {
            let context = Arc::new(self.context().await);
            context.admission.load().await.unwrap();
            (Dispatcher::new(Arc::clone(&context)).await.unwrap(), context)
        };
        let (mut dispatcher, context) = tokio::select! {
            biased;
            () = crash.happened.cancelled() => return false,
            loaded = loading => loaded,
        };
        let (deliveries, mut delivered) = mpsc::channel(1);
        let (_asking, mut command) = mpsc::channel(1);
        let mut running = std::pin::pin!(dispatcher.run(&mut delivered, &mut command, &stop));
        loop {
            if world.started.elapsed() > BAD_FOR {
                world.faults.store(0, Relaxed);
            }
            let is_over = queue.is_empty() && others.is_empty() && context.parked_commands.len() == 0;
            if is_over {
                // Parked commands have ended, and that is on the disk.
                tokio::time::sleep(Duration::from_secs(60)).await;
                if context.turns.counts().0 == 0 && context.parked_commands.len() == 0 {
                    return true;
                }
            }
            if world.started.elapsed() > END {
                return false;
            }
            let next_other = others.front().map(|(at, _)| world.started + *at);
            let next_message = queue.next_at(world.started);
            tokio::select! {
                biased;
                () = crash.happened.cancelled() => return false,
                ended = &mut running => panic!("the engine ends by itself: {ended:?}"),
                () = until(next_other) => {
                    let Some((_, other)) = others.front().cloned() else { continue };
                    tokio::select! {
                        biased;
                        () = crash.happened.cancelled() => return false,
                        ended = &mut running => panic!("the engine ends by itself: {ended:?}"),
                        () = operate(world, &context, other) => drop(others.pop_front()),
                    }
                }
                permit = async { until(next_message).await; deliveries.reserve().await } => {
                    if let (Ok(permit), Some(delivery)) = (permit, queue.take(world)) {
                        permit.send(delivery);
                    }
                }
                said = queue.said.recv() => {
                    if let Some((number, said)) = said {
                        queue.hear(number, said, world);
                    }
                }
                () = tokio::time::sleep(Duration::from_secs(600)) => {}
            }
        }
    }

    /// The engine of one life in its world.
    async fn context(&self) -> Context {
        let Self { world, scenario, crash, .. } = *self;
        let limit = LimitConfig {
            pattern: LIMITED.parse().unwrap(),
            count: scenario.suspends_max,
            per: Duration::from_secs(3_600),
        };
        let signature = scenario.is_signed.then(|| Sender::config(world.has_both_keys()));
        let config = Arc::new(CommandsConfig { signature, ..CommandsConfig::for_simulation(limit) });
        let status = Arc::new(EngineStatus::new(&config.name));
        let seams = Seams {
            okta: Arc::new(SimulatedOkta::new(Arc::clone(world), Arc::clone(crash))),
            state: State::over(Arc::new(SimulatedStore::new(Arc::clone(world), Arc::clone(crash)))),
            clock: Arc::<World>::clone(world),
        };
        let executor = Executor::new(Arc::clone(&seams.okta));
        let signatures = Arc::new(Signatures::read(&config).unwrap());
        let trusted = (Policy::new(&config), Arc::clone(&signatures));
        let admission = Arc::new(Admission::new(&config, trusted, executor.clone(), &seams, &status));
        let journal = Journal::new(seams.state.clone(), Arc::clone(&status));
        let publisher = |is_kept| SimulatedPublisher::new(Arc::clone(world), Arc::clone(crash), is_kept);
        let audit = Destination::Sink { publisher: publisher(false), address: None, org: config.org.clone() };
        let audit =
            AuditLog::open(audit, journal.clone(), Arc::clone(&seams.clock), Arc::clone(&status)).await;
        Context {
            parked_commands: ParkedCommands::new(
                journal.clone(),
                &status,
                Arc::clone(&seams.clock),
                ParkedOwner::ThisProcess,
            ),
            signatures,
            audit: Arc::new(audit.unwrap()),
            outcomes: Outcomes::new(Arc::clone(&config), publisher(true), Arc::clone(&status)),
            dead_letters: DeadLetters::forgotten(&config.name),
            key: Arc::new(FingerprintKey::from_credential(&SecretString::from("simulated"))),
            permits: Permits::new(config.parallel),
            turns: Arc::default(),
            clock: Arc::clone(&seams.clock),
            executor,
            journal,
            admission,
            config,
            status,
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Somebody else acts, possibly on the engine.
async fn operate(world: &World, context: &Context, other: ExternalEvent) {
    let stopped = || StopRecord { at: world.now(), by: None, reason: None };
    let stops = &context.admission.stops;
    match &other {
        ExternalEvent::Cancelled { id } => {
            stops.cancel(id, stopped()).unwrap();
            stops.save_cancelled(id).await.unwrap();
        }
        ExternalEvent::Paused => {
            stops.pause(stopped());
            stops.save_pause().await.unwrap();
        }
        ExternalEvent::Resumed => drop(stops.resume(stops.pauses()).await.unwrap()),
        ExternalEvent::Released => {
            let limits = context.admission.policy.limits();
            context.admission.limiter.release(LIMITED, limits).await.unwrap();
        }
        ExternalEvent::BackedUp => world.back_up(),
        _ => {}
    }
    world.act(other).await;
}
