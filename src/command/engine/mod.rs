//! Commands at work: what arrives is read and known by the journal, waits for those before it that touch the same, and is
//! carried to its one outcome, which is published before the message is acknowledged.
//!
//! `arrival` → `lanes` → `carry` → `answers`. Nothing is lost by ending at any point: what was not acknowledged comes
//! again, and the journal says how to go on. Knows the buses by `intake` and `outlet` alone, and Okta by `execute`.

mod answers;
mod arrival;
mod carry;
mod claims;
mod consent;
mod engines;
mod error;
mod floor;
mod forgetting;
mod gate;
mod job;
pub(in crate::command) mod lanes;
mod ledger;
mod outgoing;
mod reading;
mod status;
mod trail;
mod verdicts;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use arrival::Asked;
pub use engines::{Engines, ListCommands, ListedChain, ReleaseLimit, UnknownCommands, pick};
pub use error::EngineError;
pub use job::Answer;
pub use status::{EnginePhase, EngineSnapshot, EngineStatus, Failure, Trouble};
pub use verdicts::CODES;

use super::{
    LocalUser, Outcome, Status,
    audit::{AuditRecord, Decision, KeptChain},
    dead_letters::DeadLetters,
    execute::Executor,
    journal::{Record, Stage},
    message::FingerprintKey,
    policy::{Policy, Signatures},
};
use crate::{
    config::{CommandsConfig, Secret, SecretError},
    okta::Client,
    state::State,
};

use answers::{Addressee, Answers};
use carry::Carried;
use floor::Floor;
use gate::Gate;
use job::{Job, Origin, Verdict};
use ledger::Ledger;
use outgoing::Told;
use trail::{SharedTrail, Trail};

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
    state: State,
    status: Arc<EngineStatus>,
    gate: Arc<Gate>,
    signatures: Arc<Signatures>,
    trail: SharedTrail,
    /// The org's.
    credential: Secret,
    /// What the secrets of commands are digested with, once the engine has run.
    key: OnceCell<Arc<FingerprintKey>>,
    asking: mpsc::Sender<Asked>,
    /// Whoever runs the engine has them.
    asked: tokio::sync::Mutex<mpsc::Receiver<Asked>>,
}

/// All that a command needs on its way, while the engine runs.
#[derive(Debug)]
struct Office {
    config: Arc<CommandsConfig>,
    executor: Executor,
    ledger: Ledger,
    key: Arc<FingerprintKey>,
    gate: Arc<Gate>,
    signatures: Arc<Signatures>,
    trail: Arc<Trail>,
    answers: Answers,
    dead_letters: DeadLetters,
    status: Arc<EngineStatus>,
    at_work: Semaphore,
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
        let executor = Executor::new(client);
        let signatures = Arc::new(Signatures::read(&config)?);
        let gate =
            Gate::new(&config, Policy::new(&config), executor.clone(), state.clone(), Arc::clone(&status));
        let (asking, asked) = mpsc::channel(ASKED_MAX);
        let (config, gate, asked) = (Arc::new(config), Arc::new(gate), tokio::sync::Mutex::new(asked));
        let (trail, key) = (SharedTrail::default(), OnceCell::new());
        Ok(Self { config, executor, state, status, gate, signatures, trail, credential, key, asking, asked })
    }

    /// The name of the commands.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the state keeps of the end of the audit's chain.
    pub async fn audit_chain(&self) -> Result<KeptChain, EngineError> {
        let (_, kept) = trail::kept(&self.state, &self.status).await?;
        // In this order: what is kept after that is no business of ours.
        let is_settled = self.trail.is_settled().await;
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
    /// remembered for `remember`.
    pub async fn run(&self, remember: Duration, stop: &CancellationToken) -> Result<(), EngineError> {
        let mut asked = self.asked.lock().await;
        self.gate.load_limits().await?;
        let office = Arc::new(self.office().await?);
        self.status.enter(EnginePhase::Running);
        let (deliveries, mut delivered) = mpsc::channel(1);
        // When the last ticket is used up: the bus is needed until then.
        let drained = CancellationToken::new();
        let reading = reading::read(&self.config, deliveries, &self.status, stop, &drained);
        let working = async {
            let mut floor = Floor::new(Arc::clone(&office));
            let ended = floor.work(&mut delivered, &mut asked, stop).await;
            drop(floor);
            drained.cancel();
            ended
        };
        let forgetting = drained.run_until_cancelled(forgetting::forget_now_and_then(&self.state, remember));
        let ((), ended, _) = tokio::join!(reading, working, forgetting);
        if let Some(office) = Arc::into_inner(office) {
            office.close().await;
        }
        ended
    }

    async fn office(&self) -> Result<Office, EngineError> {
        let (config, status) = (Arc::clone(&self.config), Arc::clone(&self.status));
        Ok(Office {
            executor: self.executor.clone(),
            ledger: Ledger::new(self.state.clone(), Arc::clone(&status)),
            key: self.key().await?,
            gate: Arc::clone(&self.gate),
            signatures: Arc::clone(&self.signatures),
            trail: self.trail.open(&config, &self.state, Arc::clone(&status)).await?,
            answers: Answers::open(Arc::clone(&config), Arc::clone(&status)).await?,
            dead_letters: DeadLetters::new(&self.state.dead_letters_directory(), &config.name),
            at_work: Semaphore::new(config.parallel),
            config,
            status,
        })
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
        let stored = self.state.entry(&ledger::key(self.name(), id)).await?;
        Ok(stored.and_then(|stored| listed(self.name(), &stored)))
    }

    /// All limits, and whether they have tripped.
    pub async fn limits(&self) -> Result<Vec<ListedLimit>, EngineError> {
        let known = self.gate.load_limits().await?;
        let limits = self.gate.policy.limits().iter().map(|limit| {
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
        let trail = self.trail.open(&self.config, &self.state, self.status()).await?;
        let record = |decision| AuditRecord {
            action: Some(&wanted.limit),
            requested_by: wanted.requested_by.as_deref(),
            local_user: Some(by),
            reason: wanted.reason.as_deref(),
            ..trail::decision(self.name(), decision)
        };
        trail.record(&record(Decision::Releasing)).await?;
        let had_tripped = self.gate.release(&wanted.limit).await?;
        trail.record(&record(Decision::Released)).await?;
        trail.close().await;
        Ok(had_tripped)
    }
}

fn listed(commands: &str, stored: &crate::state::StoredEntry) -> Option<Listed> {
    let id = stored.id.strip_prefix(commands)?.strip_prefix('/')?.to_owned();
    let record = Record::decode(&stored.entry.content).ok()?;
    Some(Listed { commands: commands.to_owned(), id, record })
}

impl Office {
    /// Carries a command, whose turn it is, to an answer.
    async fn serve(&self, job: &Job, stop: &CancellationToken) -> Result<Verdict, EngineError> {
        if !job.origin.begin() {
            return Ok(Verdict::Dropped);
        }
        let (kept, told) = match self.carry(job, stop).await? {
            Carried::Ended(kept, told) => (kept, *told),
            Carried::EndedBefore(kept) => {
                let Stage::Ended { outcome, answers } = &kept.record.stage else {
                    return Ok(Verdict::Dropped);
                };
                let mut outcome = Outcome::clone(outcome);
                outcome.repeated = *answers > 0;
                if outcome.repeated {
                    let subjects = kept.record.subjects.as_ref();
                    self.record_decision(job, subjects, Decision::Repeated, Some(&outcome)).await?;
                    self.status.repeated();
                }
                (kept, Told::openly(outcome))
            }
            Carried::Not(verdict) => return Ok(verdict),
        };
        if let Origin::Queue { .. } = job.origin {
            let Stage::Ended { answers, .. } = &kept.record.stage else { return Ok(Verdict::Dropped) };
            let user =
                kept.record.subjects.as_ref().and_then(|subjects| subjects.users.first()?.id.as_deref());
            let to = Addressee { reply_to: job.command.reply_to.as_deref(), user };
            self.answers.publish(&told, to, *answers).await?;
        }
        let kept = self.ledger.answered(&job.command.id, kept).await?;
        let Some(durable) = kept.record.durable() else { return Ok(Verdict::Dropped) };
        Ok(Verdict::Done(durable, Box::new(told.for_asker())))
    }

    async fn close(self) {
        self.answers.close().await;
        self.trail.close().await;
    }
}

impl Record {
    /// How it stands, in a word: the status of its outcome, or how far it is.
    pub fn standing(&self) -> &'static str {
        match &self.stage {
            Stage::Received => "received",
            Stage::Started { .. } => "started",
            Stage::Ended { outcome, .. } => Status::name(outcome.status),
        }
    }
}
