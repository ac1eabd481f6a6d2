//! The world outside the engine in a simulation: an org, a queue, a bus, a disk, a clock, and other people. Keeps the
//! record by which a run is judged.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use okta_simulator::{
    Options,
    in_process::{InProcess, Reply},
};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    command::Outcome,
    simulation::happens,
    state::{MemoryStore, Snapshot},
};

/// When every simulation begins.
const BEGINNING: i64 = 1_790_000_000;

/// The world of one seed.
#[derive(Debug)]
pub(super) struct World {
    pub(super) org: InProcess,
    pub(super) started: Instant,
    /// The probability of faults, in thousandths: zero once the world is calm.
    pub(super) faults: AtomicI64,
    /// After how many changes the org throttles, before other faults.
    pub(super) too_many: AtomicI64,
    /// The content of the disk.
    pub(super) records: MemoryStore,
    record: Mutex<WorldRecord>,
}

/// The mutable part of the world.
#[derive(Debug)]
pub(super) struct WorldRecord {
    pub(super) random: Rng,
    pub(super) published: Vec<Published>,
    /// Changes that the engine has sent.
    pub(super) sent: Vec<Sent>,
    /// What others have done.
    pub(super) others: Vec<(Timestamp, ExternalEvent)>,
    /// Until when the org answers no look-up.
    pub(super) deaf_until: Option<Instant>,
    /// A backup of the state.
    backup: Option<Snapshot>,
}

/// An outcome on the bus.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) at: Timestamp,
    pub(super) message_id: String,
    pub(super) outcome: Outcome,
}

/// A change that the engine has sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) at: Timestamp,
    pub(super) method: String,
    pub(super) path: String,
    /// Whether Okta made it.
    pub(super) is_made: bool,
    /// The status of the user whom it is about, when it came to Okta.
    pub(super) status_then: Option<String>,
}

/// An action of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExternalEvent {
    /// An administrator makes a request to Okta.
    Changed { method: &'static str, path: String },
    /// An administrator renames a group.
    Renamed { group: String, name: String },
    /// An administrator creates a group with a former name of another one.
    Planted { group: String, name: String },
    /// An administrator puts a user into the protected group.
    Protected { user: String },
    /// An operator cancels a command.
    Cancelled { id: String },
    /// An operator pauses all commands.
    Paused,
    /// An operator resumes them.
    Resumed,
    /// An operator releases a limit.
    Released,
    /// An operator makes a backup of the state.
    BackedUp,
    /// An operator restores the backup.
    Restored,
    /// An operator removes a sender's key.
    KeyRemoved,
    /// An administrator gives the user who is protected by name another login.
    Relogged { user: String, login: String },
    /// An administrator gives a user another login, and the login to a new user.
    LoginGiven { from: String, to: String, login: String },
}

impl ExternalEvent {
    /// Whether it needs no daemon.
    pub(super) fn is_at_okta(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. }
                | Self::Renamed { .. }
                | Self::Planted { .. }
                | Self::Protected { .. }
                | Self::Relogged { .. }
                | Self::LoginGiven { .. }
        )
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let mut random = Rng::with_seed(seed);
        let delay =
            |random: &mut Rng, seconds_max: u64| Duration::from_millis(random.u64(0..=seconds_max * 1000));
        let options = Options {
            backlog: 0,
            rate: 0.0,
            listing_delay: delay(&mut random, 4),
            transition_time: if random.u8(..4) == 0 { delay(&mut random, 90) } else { Duration::ZERO },
            rate_limit: 100_000,
            directory_rate_limit: Some(100_000),
            ..Options::default()
        };
        let org = InProcess::new(&options, BEGINNING * 1000);
        let record = WorldRecord {
            random,
            published: Vec::new(),
            sent: Vec::new(),
            others: Vec::new(),
            deaf_until: None,
            backup: None,
        };
        let (faults, too_many) = (AtomicI64::new(0), AtomicI64::new(0));
        let records = MemoryStore::default();
        Arc::new(Self { org, started: Instant::now(), faults, too_many, records, record: Mutex::new(record) })
    }

    pub(super) fn record(&self) -> MutexGuard<'_, WorldRecord> {
        self.record.lock().unwrap()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Whether a fault happens here, with this probability in thousandths in a faulty time.
    pub(super) fn goes_wrong(&self, thousandths: u32) -> bool {
        self.faults.load(Relaxed) > 0 && self.record().random.u32(..1000) < thousandths
    }

    /// Whether this change is throttled.
    pub(super) fn is_one_too_many(&self) -> bool {
        self.too_many.load(Relaxed) > 0 && self.too_many.fetch_sub(1, Relaxed) > 0
    }

    /// Whether the org answers no look-up.
    pub(super) fn is_deaf(&self) -> bool {
        self.record().deaf_until.is_some_and(|until| Instant::now() < until)
    }

    /// The org may answer no look-up for a while, with this probability in thousandths.
    pub(super) fn may_go_deaf(&self, thousandths: u32) {
        if self.goes_wrong(thousandths) {
            let mut record = self.record();
            let wait = Duration::from_millis(record.random.u64(1_000..60_000));
            record.deaf_until = Some(Instant::now() + wait);
        }
    }

    /// Waits for a random time.
    pub(super) async fn latency(&self, milliseconds_max: u64) {
        let wait = self.record().random.u64(1..=milliseconds_max);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Makes a request to the org.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &Bytes) -> Reply {
        self.org.answer(self.now_ms(), method, &format!("http://acme.okta.com{path}"), body).await.unwrap()
    }

    fn note(&self, other: ExternalEvent) {
        let now = self.now();
        self.record().others.push((now, other));
    }

    /// The time of its beginning.
    pub(super) fn beginning(&self) -> Timestamp {
        self.now() - SignedDuration::try_from(self.started.elapsed()).unwrap()
    }

    /// The seconds from its beginning to `at`.
    pub(super) fn seconds(&self, at: Timestamp) -> f64 {
        at.duration_since(self.beginning()).as_secs_f64()
    }

    /// Makes a backup of the state.
    pub(super) fn back_up(&self) {
        let mut record = self.record();
        record.backup = Some(self.records.snapshot());
    }

    /// Restores the backup of the state. Returns whether there is one.
    pub(super) fn restore(&self) -> bool {
        let Some(backup) = self.record().backup.clone() else { return false };
        self.records.restore(backup);
        self.note(ExternalEvent::Restored);
        true
    }

    /// Whether no key was removed.
    pub(super) fn has_both_keys(&self) -> bool {
        !self.record().others.iter().any(|(_, other)| *other == ExternalEvent::KeyRemoved)
    }

    /// Somebody else acts.
    pub(super) async fn act(&self, other: ExternalEvent) {
        match other {
            ExternalEvent::KeyRemoved => happens("a sender's key is removed"),
            ExternalEvent::Paused => happens("an operator pauses all commands"),
            _ => {}
        }
        match &other {
            ExternalEvent::Changed { method, path } => {
                self.ask(method, path, &Bytes::new()).await;
            }
            ExternalEvent::Renamed { group, name } => {
                let body = Bytes::from(format!(r#"{{"profile":{{"name":"{name}"}}}}"#));
                self.ask("PUT", &format!("/api/v1/groups/{group}"), &body).await;
            }
            ExternalEvent::Planted { group, name } => {
                let is_again = self.record().others.iter().any(|(_, before)| *before == other);
                let planted = json!({ "id": group, "profile": { "name": name }, "members": [] });
                // The name may be taken.
                if is_again || self.org.plant_group(planted, self.now_ms()).is_err() {
                    return;
                }
            }
            ExternalEvent::Protected { user } => {
                let path = format!("/api/v1/groups/{}/users/{user}", super::scenario::ADMINS);
                self.ask("PUT", &path, &Bytes::new()).await;
            }
            ExternalEvent::Relogged { user, login } => {
                // The meaning of a name is known after its look-up, not before.
                if self.records.note("protected/sim").is_none() {
                    return;
                }
                let body = Bytes::from(format!(r#"{{"profile":{{"login":"{login}"}}}}"#));
                self.ask("POST", &format!("/api/v1/users/{user}"), &body).await;
            }
            ExternalEvent::LoginGiven { from, to, login } => {
                let body = Bytes::from(format!(r#"{{"profile":{{"login":"former.{login}"}}}}"#));
                self.ask("POST", &format!("/api/v1/users/{from}"), &body).await;
                let profile = json!({ "login": login, "email": login });
                let heir = json!({ "id": to, "status": "ACTIVE", "profile": profile });
                // Somebody else may have been given it before.
                if self.org.plant_user(heir, self.now_ms()).is_err() {
                    return;
                }
            }
            ExternalEvent::KeyRemoved
            | ExternalEvent::Cancelled { .. }
            | ExternalEvent::Paused
            | ExternalEvent::Resumed
            | ExternalEvent::Released
            | ExternalEvent::BackedUp
            | ExternalEvent::Restored => {}
        }
        self.note(other);
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap();
        Timestamp::from_second(BEGINNING).unwrap() + elapsed
    }
}

/// The end of one life of the daemon, at one of its interactions with the world.
#[derive(Debug)]
pub(super) struct Crash {
    left: AtomicI64,
    pub(super) happened: CancellationToken,
}

impl Crash {
    /// After the given number of interactions.
    pub(super) fn after(dealings: i64) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(dealings), happened: CancellationToken::new() })
    }

    /// One interaction. It, and any later one, never returns if the daemon crashes here.
    pub(super) async fn point(&self) {
        if self.happened.is_cancelled() || self.left.fetch_sub(1, Relaxed) == 1 {
            self.happened.cancel();
            std::future::pending::<()>().await;
        }
    }
}
