//! Commands at work: what arrives is read and known by the journal, waits for those before it that touch the same, and is
//! carried to its one outcome, which is published before the message is acknowledged.
//!
//! The way of a command: `dispatcher` takes it in, `receive` verifies, decodes and journals it, `turns` says when, `worker`
//! sees it to its end, `attempt` carries it out, `admission` decides at the moment of the act, `publish` tells. Nothing is
//! lost by ending at any point: what was not acknowledged comes again, and the journal says how to go on. Knows the buses by
//! `intake` and `publisher` alone, and Okta by `execute`.

mod admission;
mod attempt;
mod audit_log;
mod dispatcher;
mod error;
mod forgetting;
mod intake;
mod job;
mod journal;
mod ordering;
mod outcomes;
mod parked;
mod publish;
mod receive;
mod refuse;
mod sections;
#[cfg(test)]
#[cfg(feature = "simulator")]
mod simulation;
mod status;
mod switch;
mod turns;
mod worker;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use error::EngineError;
pub use job::Answer;
pub use outcomes::CODES;
pub use receive::Asked;
pub use sections::{
    CancelCommand, Engines, ListCommands, ListedChain, PauseCommands, ReleaseLimit, UnknownCommands, pick,
};
pub use status::{EnginePhase, EngineSnapshot, EngineStatus, Failure, Trouble};
pub use switch::Stopped;

use super::{
    LocalUser, Status,
    audit::{AuditRecord, Decision, KeptChain},
    dead_letters::{DeadLetter, DeadLetters},
    execute::{Executor, Okta},
    message::FingerprintKey,
    policy::{Policy, Signatures},
    publisher::{self, Records},
    record::{Record, Stage},
    store::Store,
};
use crate::{
    clock::{Clock, SystemClock},
    config::{CommandsConfig, Secret, SecretError},
    okta::Client,
    source::Backoff,
    state::State,
    telemetry::chain,
};

use admission::Admission;
use audit_log::{AuditLog, SharedAuditLog};
use dispatcher::Dispatcher;
use journal::{Journal, Unreadable};
use parked::Parking;
use publish::Outcomes;
use turns::Turns;

/// The first and the longest wait before something that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Requests of this machine that wait to be taken in.
const ASKED_MAX: usize = 16;

/// The commands of one name, running or not.
#[derive(Debug)]
pub struct Engine {
    config: Arc<CommandsConfig>,
    executor: Executor,
    seams: Seams,
    /// To look through the whole journal.
    state: State,
    status: Arc<EngineStatus>,
    admission: Arc<Admission>,
    signatures: Arc<Signatures>,
    audit: SharedAuditLog,
    /// The org's.
    credential: Secret,
    /// What the secrets of commands are digested with, once the engine has run.
    key: OnceCell<Arc<FingerprintKey>>,
    asking: mpsc::Sender<Asked>,
    /// Whoever runs the engine has them.
    asked: tokio::sync::Mutex<mpsc::Receiver<Asked>>,
}

/// What an engine runs on: the real world, or a simulated one.
#[derive(Debug, Clone)]
struct Seams {
    okta: Arc<dyn Okta>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// All that a command needs on its way, while the engine runs.
#[derive(Debug)]
struct Context {
    config: Arc<CommandsConfig>,
    clock: Arc<dyn Clock>,
    executor: Executor,
    journal: Journal,
    key: Arc<FingerprintKey>,
    admission: Arc<Admission>,
    signatures: Arc<Signatures>,
    parking: Parking,
    audit: Arc<AuditLog>,
    outcomes: Outcomes,
    dead_letters: DeadLetters,
    status: Arc<EngineStatus>,
    turns: Arc<Turns>,
    permits: Semaphore,
}

/// What the journal says of a command, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The name of the commands.
    pub commands: String,
    /// The command's id.
    pub id: String,
    /// What the journal says.
    #[serde(flatten)]
    pub record: Record,
}

/// Names first, and then the record from the same text: what is flattened is held as values in between, and events of the
/// System Log would lose their bytes.
impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Names {
            commands: String,
            id: String,
        }

        let json = Box::<RawValue>::deserialize(deserializer)?;
        let Names { commands, id } = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        let record = Record::decode(json.get()).map_err(D::Error::custom)?;
        Ok(Self { commands, id, record })
    }
}

/// A limit, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedLimit {
    /// The name of the commands.
    pub commands: String,
    /// The actions that it is about: what it is released by.
    pub limit: String,
    /// How much it lets through.
    pub rule: String,
    /// When it tripped, if it has.
    pub tripped_at: Option<Timestamp>,
}

impl Engine {
    /// The commands that `config` describes, for the org of `client`. Reads the keys of signatures; talks to nobody.
    pub fn new(config: CommandsConfig, client: Arc<Client>, state: State) -> Result<Self, EngineError> {
        let status = Arc::new(EngineStatus::new(&config.name));
        let credential = client.org().auth.secret().clone();
        let seams = Seams { okta: client, store: Arc::new(state.clone()), clock: Arc::new(SystemClock) };
        let executor = Executor::new(Arc::clone(&seams.okta));
        let signatures = Arc::new(Signatures::read(&config)?);
        let admission =
            Arc::new(Admission::new(&config, Policy::new(&config), executor.clone(), &seams, &status));
        let (asking, asked) = mpsc::channel(ASKED_MAX);
        let (config, asked) = (Arc::new(config), tokio::sync::Mutex::new(asked));
        let (audit, key) = (SharedAuditLog::default(), OnceCell::new());
        Ok(Self {
            config,
            executor,
            seams,
            state,
            status,
            admission,
            signatures,
            audit,
            credential,
            key,
            asking,
            asked,
        })
    }

    /// The name of the commands.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the state keeps of the end of the audit's chain.
    pub async fn audit_chain(&self) -> Result<KeptChain, EngineError> {
        let (_, kept) = audit_log::kept(&self.journal(), &self.status).await?;
        // In this order: what is kept after that is no business of ours.
        let is_settled = self.audit.is_settled().await;
        Ok(if is_settled { KeptChain { lines: Vec::new(), ..kept } } else { kept })
    }

    /// Reads the keys of signatures again; what cannot be read stays as it was, and is logged.
    pub async fn reload_keys(&self) {
        let signatures = Arc::clone(&self.signatures);
        // What a panic leaves undone is as it was.
        let _ = tokio::task::spawn_blocking(move || signatures.reload()).await;
    }

    /// How the commands stand.
    pub fn status(&self) -> Arc<EngineStatus> {
        Arc::clone(&self.status)
    }

    /// Takes commands and carries them out until `stop`; then those that are at work come to their end. The journal is
    /// remembered for `remember`. What fails is told and tried again: commands never keep anything else from running.
    pub async fn run(&self, remember: Duration, stop: &CancellationToken) {
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while !stop.is_cancelled() {
            match self.run_once(remember, stop).await {
                Ok(()) => return,
                Err(err) => self.status.fails(Trouble::Engine, &chain(&err)),
            }
            let wait = tokio::time::sleep(waits.next_wait());
            stop.run_until_cancelled(wait).await;
        }
    }

    /// The same, until something fails that waiting does not mend.
    pub async fn run_once(&self, remember: Duration, stop: &CancellationToken) -> Result<(), EngineError> {
        let mut asked = self.asked.lock().await;
        let Some(loaded) = stop.run_until_cancelled(self.admission.load()).await else { return Ok(()) };
        loaded?;
        self.status.paused(self.admission.switch.paused());
        let context = Arc::new(self.context().await?);
        let mut dispatcher = Dispatcher::new(Arc::clone(&context)).await?;
        self.status.works(Trouble::Engine);
        self.status.enter(EnginePhase::Running);
        let (deliveries, mut delivered) = mpsc::channel(1);
        // When the last acknowledgement is used up: the bus is needed until then.
        let drained = CancellationToken::new();
        let reading = intake::run(&self.config, deliveries, &self.status, stop, &drained);
        let working = async {
            let ended = dispatcher.run(&mut delivered, &mut asked, stop).await;
            drop(dispatcher);
            drained.cancel();
            ended
        };
        let forgetting =
            drained.run_until_cancelled(forgetting::forget_now_and_then(&self.state, &self.config, remember));
        let ((), ended, _) = tokio::join!(reading, working, forgetting);
        if let Some(context) = Arc::into_inner(context) {
            context.close().await;
        }
        ended
    }

    async fn context(&self) -> Result<Context, EngineError> {
        let (config, status) = (Arc::clone(&self.config), Arc::clone(&self.status));
        let CommandsConfig { name, outcomes, reveal, .. } = &*config;
        let outcomes = publisher::open(&outcomes.sink, name, Records::Outcomes, &reveal.stored_in)?;
        let journal = Journal::new(Arc::clone(&self.seams.store), Arc::clone(&status));
        Ok(Context {
            clock: Arc::clone(&self.seams.clock),
            executor: self.executor.clone(),
            parking: Parking::new(journal.clone(), &status, Arc::clone(&self.seams.clock)),
            journal,
            key: self.key().await?,
            admission: Arc::clone(&self.admission),
            signatures: Arc::clone(&self.signatures),
            audit: self.open_audit().await?,
            outcomes: Outcomes::new(Arc::clone(&config), outcomes, Arc::clone(&status)),
            dead_letters: DeadLetters::new(&self.state.dead_letters_directory(), &config.name),
            turns: Arc::default(),
            permits: Semaphore::new(config.parallel),
            config,
            status,
        })
    }

    fn journal(&self) -> Journal {
        Journal::new(Arc::clone(&self.seams.store), Arc::clone(&self.status))
    }

    async fn open_audit(&self) -> Result<Arc<AuditLog>, EngineError> {
        self.audit.open(&self.config, &self.journal(), &self.seams.clock, &self.status).await
    }

    /// Made once: whatever becomes of the credential, the journal is read with one key while the process lasts.
    async fn key(&self) -> Result<Arc<FingerprintKey>, EngineError> {
        let make = async || {
            let credential = self.credential.clone();
            let reading = tokio::task::spawn_blocking(move || credential.read());
            let read = reading.await.unwrap_or(Err(SecretError::Interrupted))?;
            Ok(Arc::new(FingerprintKey::from_credential(&read)))
        };
        self.key.get_or_try_init(make).await.cloned()
    }

    /// Has the running engine carry out the command in `payload`, which `by` asks for. What comes back tells what became of it; it ends
    /// without a word if the engine does.
    pub async fn ask(&self, payload: Bytes, by: LocalUser) -> oneshot::Receiver<Answer> {
        let (answer, told) = oneshot::channel();
        // The receiver is ours, so there is always one.
        let _ = self.asking.send(Asked { payload, by, answer }).await;
        told
    }

    /// The commands received last, the latest first, `limit` at most; only those that are as `status` says, if given.
    pub async fn latest(&self, limit: usize, status: Option<String>) -> Result<Vec<Listed>, EngineError> {
        let name = self.name().to_owned();
        let wanted = move |stored: &crate::state::StoredEntry| {
            listed(&name, stored).is_some_and(|listed| {
                status.as_ref().is_none_or(|status| listed.record.standing() == status.as_str())
            })
        };
        let found = self.state.latest_entries(limit, wanted).await?;
        Ok(found.iter().filter_map(|stored| listed(self.name(), stored)).collect())
    }

    /// What the journal says of the command `id`.
    pub async fn find(&self, id: &str) -> Result<Option<Listed>, EngineError> {
        let stored = self.state.entry(&journal::key(self.name(), id)).await?;
        Ok(stored.and_then(|stored| listed(self.name(), &stored)))
    }

    /// All limits, and whether they have tripped.
    pub async fn limits(&self) -> Result<Vec<ListedLimit>, EngineError> {
        let configured = self.admission.policy.limits();
        let known = self.admission.limiter.load(configured).await?;
        let limits = configured.iter().map(|limit| {
            let pattern = limit.pattern.to_string();
            let tripped = known.tripped().find(|(tripped, _)| *tripped == pattern);
            ListedLimit {
                commands: self.name().to_owned(),
                rule: limit.to_string(),
                tripped_at: tripped.map(|(_, at)| at),
                limit: pattern,
            }
        });
        Ok(limits.collect())
    }

    /// Lets changes through a limit again, as `by` asks; says whether it had tripped. The audit has it before and after.
    pub async fn release(&self, wanted: &ReleaseLimit, by: &LocalUser) -> Result<bool, EngineError> {
        let ReleaseLimit { limit, requested_by, reason, .. } = wanted;
        let what = |decision| Operated { decision, action: Some(limit), id: None, by };
        self.record(what(Decision::Releasing), requested_by.as_deref(), reason.as_deref()).await?;
        let had_tripped = self.admission.limiter.release(limit, self.admission.policy.limits()).await?;
        self.record(what(Decision::Released), requested_by.as_deref(), reason.as_deref()).await?;
        Ok(had_tripped)
    }

    /// Lets nothing be sent any more for these commands, until they are resumed. Says whether that is new. It is in the audit.
    pub async fn pause(&self, wanted: &PauseCommands, user: &LocalUser) -> Result<bool, EngineError> {
        let (by, reason) = (wanted.requested_by.clone(), wanted.reason.clone());
        let stopped = Stopped { at: self.seams.clock.now(), by, reason };
        self.switch(Some(stopped), Decision::Paused, wanted, user).await
    }

    /// Lets commands be carried out again. Says whether they were paused. It is in the audit.
    pub async fn resume(&self, wanted: &PauseCommands, user: &LocalUser) -> Result<bool, EngineError> {
        self.switch(None, Decision::Resumed, wanted, user).await
    }

    async fn switch(
        &self,
        paused: Option<Stopped>,
        decision: Decision,
        wanted: &PauseCommands,
        by: &LocalUser,
    ) -> Result<bool, EngineError> {
        self.admission.load_switch().await?;
        let is_new = self.admission.switch.set_paused(paused.clone()).await?;
        self.status.paused(paused);
        let what = Operated { decision, action: None, id: None, by };
        self.record(what, wanted.requested_by.as_deref(), wanted.reason.as_deref()).await?;
        Ok(is_new)
    }

    /// Lets nothing more be sent for a command that has not ended. Says whether that is new. It is in the audit.
    pub async fn cancel(&self, wanted: &CancelCommand, user: &LocalUser) -> Result<bool, EngineError> {
        let CancelCommand { id, requested_by, reason, .. } = wanted;
        if let Some(listed) = self.find(id).await?
            && listed.record.has_ended()
        {
            return Err(EngineError::AlreadyEnded { id: id.clone(), standing: listed.record.standing() });
        }
        self.admission.load_switch().await?;
        let (by, at) = (requested_by.clone(), self.seams.clock.now());
        let is_new = self.admission.switch.cancel(id, Stopped { at, by, reason: reason.clone() }).await?;
        let what = Operated { decision: Decision::Cancelled, action: None, id: Some(id), by: user };
        self.record(what, requested_by.as_deref(), reason.as_deref()).await?;
        Ok(is_new)
    }

    /// Records what an operator has done.
    async fn record(
        &self,
        Operated { decision, action, id, by }: Operated<'_>,
        requested_by: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), EngineError> {
        let audit = self.open_audit().await?;
        let record = AuditRecord {
            action,
            command_id: id,
            requested_by,
            local_user: Some(by),
            reason,
            ..audit.decision(decision)
        };
        audit.record(&record).await;
        audit.close().await;
        Ok(())
    }
}

/// What an operator has done.
struct Operated<'a> {
    decision: Decision,
    action: Option<&'a str>,
    id: Option<&'a str>,
    by: &'a LocalUser,
}

fn listed(commands: &str, stored: &crate::state::StoredEntry) -> Option<Listed> {
    let id = stored.id.strip_prefix(commands)?.strip_prefix('/')?.to_owned();
    let record = Record::decode(&stored.entry.content).ok()?;
    Some(Listed { commands: commands.to_owned(), id, record })
}

impl Context {
    /// Keeps an entry of the journal that cannot be read, however long that takes.
    async fn keep_unreadable(&self, id: &str, unreadable: &Unreadable) {
        let reason = format!("the journal's entry of command {id} cannot be read: {}", unreadable.problem);
        let (place, payload, headers) = ("journal", unreadable.content.as_bytes(), &Vec::new());
        let letter = DeadLetter { place, reason: &reason, headers, payload };
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while let Err(err) = self.dead_letters.keep(letter).await {
            self.status.fails(Trouble::DeadLetters, &chain(&err));
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::DeadLetters);
        self.status.dead_letter();
        tracing::error!(
            commands = self.config.name,
            command_id = id,
            reason,
            "an entry of the journal is set aside"
        );
    }

    async fn close(self) {
        self.outcomes.close().await;
        self.audit.close().await;
    }
}

impl Record {
    /// How it stands, in a word: the status of its outcome, or how far it is.
    pub fn standing(&self) -> &'static str {
        match &self.stage {
            Stage::Received if self.parked_until.is_some() => "parked",
            Stage::Received => "received",
            Stage::Started { .. } => "started",
            Stage::Ended { outcome, .. } => Status::name(outcome.status),
        }
    }
}
