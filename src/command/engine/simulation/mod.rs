//! The engine itself in many seeded worlds: it dies at any of its dealings with the world, answers are lost after the act,
//! others change the same in between, lists lag, limits trip and are released, and operators pause and cancel. Whatever
//! happens, each command comes to one outcome, in order, within the policy, and nothing is done twice or over somebody's
//! reversal. What is run is the dispatcher with all that it calls; what is simulated is what it runs on.

mod bus;
mod judge;
mod okta;
mod scenario;
mod store;
mod world;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Seams,
    admission::Admission,
    audit_log::{AuditLog, Destination},
    dispatcher::Dispatcher,
    journal::Journal,
    parked::Parking,
    publish::Outcomes,
    status::EngineStatus,
    switch::Stopped,
};
use crate::{
    clock::Clock as _,
    command::{
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
    state::Places,
};

use bus::SimulatedPublisher;
use okta::SimulatedOkta;
use scenario::{Asked, Scenario};
use store::SimulatedStore;
use world::{Crash, Other, World};

/// Seeds of every test run. More are tried with `OKTABUS_SEEDS`, from `OKTABUS_SEED` on.
const SEEDS: u64 = 400;
/// How long the world is bad, from its beginning.
const BAD_FOR: Duration = Duration::from_secs(1_200);
/// When everything must have come to its end.
const END: Duration = Duration::from_secs(24 * 3_600);
/// No message comes so often unless something is wrong.
const DELIVERIES_MAX: u32 = 1_000;
/// The actions that the limit is about, in one hour.
const LIMITED: &str = "user.suspend";

#[test]
fn whatever_happens_each_command_comes_to_one_outcome_within_the_policy() {
    let from = number("OKTABUS_SEED").unwrap_or(0);
    let count = number("OKTABUS_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let share = |thread| (from..from + count).skip(thread).step_by(threads);
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || run_all(share(thread)))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was wrong with these seeds, until there is enough of it.
fn run_all(seeds: impl Iterator<Item = u64>) -> Vec<String> {
    let mut wrong = Vec::new();
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        fastrand::seed(seed);
        let found = runtime.unwrap().block_on(run(seed));
        wrong.extend(found.into_iter().map(|what| format!("seed {seed}: {what}")));
        if wrong.len() > 10 {
            break;
        }
    }
    wrong
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one seed to its end, and says what was wrong.
async fn run(seed: u64) -> Vec<String> {
    let world = World::new(seed);
    scenario::populate(&world);
    let scenario = Scenario::of(&mut Rng::with_seed(seed.wrapping_mul(31)));
    world.faults.store(1, Relaxed);
    let mut queue = Queue::new(&scenario.asked);
    let mut others: VecDeque<_> = {
        let mut others = scenario.others.clone();
        others.sort_by_key(|(at, _)| *at);
        others.into()
    };
    let deaths = scenario.lives.iter().copied().chain([i64::MAX]);
    for death in deaths {
        let crash = Crash::after(death);
        if live(&world, &scenario, &crash, &mut queue, &mut others).await {
            return judge::judge(&world, &scenario);
        }
        // What was taken and not acknowledged comes again.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        queue.redeliver();
        world.latency(30_000).await;
    }
    let held = queue.left();
    vec![format!(
        "it does not come to an end: {held:?} are not acknowledged\n{}",
        judge::told(&world, &scenario)
    )]
}

/// One life of the daemon; says whether everything has come to its end.
async fn live(
    world: &Arc<World>,
    scenario: &Scenario,
    crash: &Arc<Crash>,
    queue: &mut Queue,
    others: &mut VecDeque<(Duration, Other)>,
) -> bool {
    let stop = CancellationToken::new();
    let loading = async {
        let context = Arc::new(context(world, scenario, crash).await);
        context.admission.load().await.unwrap();
        (Dispatcher::new(Arc::clone(&context)).await.unwrap(), context)
    };
    let (mut dispatcher, context) = tokio::select! {
        () = crash.happened.cancelled() => return false,
        loaded = loading => loaded,
    };
    let (deliveries, mut delivered) = mpsc::channel(1);
    let (_asking, mut asked) = mpsc::channel(1);
    let mut running = std::pin::pin!(dispatcher.run(&mut delivered, &mut asked, &stop));
    loop {
        if world.started.elapsed() > BAD_FOR {
            world.faults.store(0, Relaxed);
        }
        let is_over = queue.is_empty() && others.is_empty() && context.parking.len() == 0;
        if is_over {
            // What is parked has come to its end, and what was said of it is on the disk.
            tokio::time::sleep(Duration::from_secs(60)).await;
            if context.turns.counts().0 == 0 && context.parking.len() == 0 {
                return true;
            }
        }
        if world.started.elapsed() > END {
            return false;
        }
        let next_other = others.front().map(|(at, _)| world.started + *at);
        let next_message = queue.next_at(world.started);
        tokio::select! {
            () = crash.happened.cancelled() => return false,
            ended = &mut running => panic!("the engine ends by itself: {ended:?}"),
            () = until(next_other) => {
                let Some((_, other)) = others.front().cloned() else { continue };
                tokio::select! {
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

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Somebody else acts, be it on the engine.
async fn operate(world: &World, context: &Context, other: Other) {
    let stopped = || Stopped { at: world.now(), by: None, reason: None };
    let switch = &context.admission.switch;
    match &other {
        Other::Cancelled { id } => drop(switch.cancel(id, stopped()).await.unwrap()),
        Other::Paused => drop(switch.set_paused(Some(stopped())).await.unwrap()),
        Other::Resumed => drop(switch.set_paused(None).await.unwrap()),
        Other::Released => {
            let limits = context.admission.policy.limits();
            context.admission.limiter.release(LIMITED, limits).await.unwrap();
        }
        Other::Changed { .. } | Other::Renamed { .. } | Other::Protected { .. } => {}
    }
    world.act(other).await;
}

/// One life's engine in its world.
async fn context(world: &Arc<World>, scenario: &Scenario, crash: &Arc<Crash>) -> Context {
    let limit = LimitConfig {
        pattern: LIMITED.parse().unwrap(),
        count: scenario.suspends_max,
        per: Duration::from_secs(3_600),
    };
    let config = Arc::new(CommandsConfig::for_simulation(limit));
    let status = Arc::new(EngineStatus::new(&config.name));
    let seams = Seams {
        okta: Arc::new(SimulatedOkta::new(Arc::clone(world), Arc::clone(crash))),
        store: Arc::new(SimulatedStore::new(Arc::clone(world), Arc::clone(crash))),
        clock: Arc::<World>::clone(world),
    };
    let executor = Executor::new(Arc::clone(&seams.okta));
    let policy = Policy::new(&config);
    let admission = Arc::new(Admission::new(&config, policy, executor.clone(), &seams, &status));
    let journal = Journal::new(Arc::clone(&seams.store), Arc::clone(&status));
    let publisher = |is_kept| SimulatedPublisher::new(Arc::clone(world), Arc::clone(crash), is_kept);
    let audit = Destination::Sink { publisher: publisher(false), address: None, org: config.org.clone() };
    let audit = AuditLog::open(audit, journal.clone(), Arc::clone(&seams.clock), Arc::clone(&status)).await;
    Context {
        parking: Parking::new(journal.clone(), &status, Arc::clone(&seams.clock)),
        signatures: Arc::new(Signatures::read(&config).unwrap()),
        audit: Arc::new(audit.unwrap()),
        outcomes: Outcomes::new(Arc::clone(&config), publisher(true), Arc::clone(&status)),
        dead_letters: DeadLetters::new(&Places::within("/nonexistent".into()).dead_letters(), &config.name),
        key: Arc::new(FingerprintKey::from_credential(&SecretString::from("simulated"))),
        permits: Semaphore::new(config.parallel),
        turns: Arc::default(),
        clock: Arc::clone(&seams.clock),
        executor,
        journal,
        admission,
        config,
        status,
    }
}

/// A queue that gives what was not acknowledged again.
struct Queue {
    messages: Vec<Message>,
    saying: mpsc::UnboundedSender<(usize, Said)>,
    said: mpsc::UnboundedReceiver<(usize, Said)>,
}

struct Message {
    asked: Asked,
    /// When it comes next; none while it is taken or once it is acknowledged.
    due: Option<Duration>,
    deliveries: u32,
    is_acked: bool,
}

impl Queue {
    fn new(asked: &[Asked]) -> Self {
        let messages = asked.iter().map(|asked| {
            let due = Some(Duration::from_secs(asked.sent_s));
            Message { asked: asked.clone(), due, deliveries: 0, is_acked: false }
        });
        let (saying, said) = mpsc::unbounded_channel();
        Self { messages: messages.collect(), saying, said }
    }

    fn is_empty(&self) -> bool {
        self.messages.iter().all(|message| message.is_acked)
    }

    fn left(&self) -> Vec<&str> {
        let left = self.messages.iter().filter(|message| !message.is_acked);
        left.map(|message| message.asked.id.as_str()).collect()
    }

    fn next(&self) -> Option<(Duration, usize)> {
        let due = self.messages.iter().enumerate();
        due.filter_map(|(number, message)| Some((message.due?, number))).min()
    }

    fn next_at(&self, started: Instant) -> Option<Instant> {
        self.next().map(|(due, _)| started + due)
    }

    fn take(&mut self, world: &World) -> Option<Delivery> {
        let (due, number) = self.next()?;
        if due > world.started.elapsed() {
            return None;
        }
        let message = &mut self.messages[number];
        message.due = None;
        message.deliveries += 1;
        assert!(message.deliveries < DELIVERIES_MAX, "{} comes again and again", message.asked.id);
        let begun = world.now() - SignedDuration::try_from(world.started.elapsed()).unwrap();
        let at = |seconds: u64| begun + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        let mut json = message.asked.message.clone();
        let times = [("not_before", message.asked.not_before_s), ("expires_at", message.asked.expires_s)];
        for (name, seconds) in times {
            if let Some(seconds) = seconds {
                json[name] = at(seconds).to_string().into();
            }
        }
        let acknowledgement = SimulatedAcknowledgement::new(number, self.saying.clone());
        Some(Delivery {
            payload: json.to_string().into(),
            headers: Vec::new(),
            message_id: None,
            place: format!("QUEUE@{number}"),
            published_at: Some(at(message.asked.sent_s)),
            unfit: None,
            acknowledgement: Acknowledgement::simulated(acknowledgement),
        })
    }

    fn hear(&mut self, number: usize, said: Said, world: &World) {
        let message = &mut self.messages[number];
        let now = world.started.elapsed();
        match said {
            Said::Acked => {
                message.is_acked = true;
                judge::require_durable(world, &message.asked.id);
            }
            Said::Later(wait) => message.due = Some(now + wait),
            Said::Dropped => message.due = Some(now + Duration::from_secs(1)),
        }
    }

    /// A new life begins.
    fn redeliver(&mut self) {
        while let Ok((number, said)) = self.said.try_recv() {
            // An acknowledgement may be lost.
            self.messages[number].is_acked |= said == Said::Acked && number % 2 == 0;
        }
        for message in &mut self.messages {
            if !message.is_acked && message.due.is_none() {
                message.due = Some(Duration::ZERO);
            }
        }
    }
}

fn seconds_after(world: &World, at: Timestamp) -> f64 {
    let begun = world.now() - SignedDuration::try_from(world.started.elapsed()).unwrap();
    at.duration_since(begun).as_secs_f64()
}
