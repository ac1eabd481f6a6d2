//! Executes the commands of one section: reads a message, finds its record in the journal, waits for earlier commands
//! about the same objects, executes it, publishes its one outcome, and acknowledges the message.
//!
//! The way of a command: `dispatcher` accepts it, `receive` verifies, decodes and journals it, `turns` orders it,
//! `worker` runs it to its end, `attempt` executes it, `admission` decides right before each change, `publish` sends
//! the outcome. Nothing is lost by a crash at any point: an unacknowledged message is delivered again, and the journal
//! shows how to continue. Knows the buses only through `intake` and `publisher`, and Okta only through `execute`.

mod admission;
mod approval;
mod attempt;
mod audit_log;
mod completion;
mod context;
mod dispatcher;
mod error;
mod intake;
mod job;
mod journal;
mod listing;
mod notes;
mod operator_actions;
mod ordering;
mod outcomes;
mod parked;
mod pending_approval;
mod permits;
mod publish;
mod receive;
mod recording_order;
mod recovery;
mod refusal;
mod retention;
mod sections;
#[cfg(test)]
mod simulation;
mod status;
mod stops;
mod subject_lookup;
mod trouble;
mod turns;
mod worker;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use okta_client::{Client, SecretSource};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use error::EngineError;
pub use job::LocalAnswer;
pub use listing::{Listed, ListedLimit};
pub use notes::{loss_of_note, problem_of_note};
pub use operator_actions::{PendingStep, StopChange};
pub use outcomes::CODES;
pub use receive::LocalRequest;
pub use recovery::{CONSEQUENCE as RECOVERY_CONSEQUENCE, pauses as pauses_of_recovery};
pub use sections::{
    CancelCommand, Engines, ListCommands, ListedChain, ListedPause, PauseCommands, ReleaseLimit,
    UnknownCommands, pick,
};
pub use status::{EnginePhase, EngineSnapshot, EngineStatus, LastFailure, RecentOutcome};
pub use stops::StopRecord;
pub use trouble::Trouble;

use super::{
    LocalUser,
    execute::{Executor, Okta},
    message::FingerprintKey,
    policy::{Policy, Signatures},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{CommandsConfig, SecretError},
    retry::RetryPolicy,
    state::State,
    telemetry::chain,
};

use admission::Admission;
use audit_log::{AuditLog, SharedAuditLog};
use context::Context;
use dispatcher::Dispatcher;
use journal::Journal;
use parked::ParkedOwner;
use recording_order::RecordingOrder;
use status::TroubleReporter;

/// Requests of the command line that wait to be accepted.
const LOCAL_REQUESTS_MAX: usize = 16;

/// The commands of one section, running or not.
#[derive(Debug)]
pub struct Engine {
    config: Arc<CommandsConfig>,
    executor: Executor,
    seams: Seams,
    status: Arc<EngineStatus>,
    admission: Arc<Admission>,
    signatures: Arc<Signatures>,
    audit: SharedAuditLog,
    /// The credential of the org.
    credential: SecretSource,
    /// The key for digests of secrets in commands; set when the engine first runs.
    key: OnceCell<Arc<FingerprintKey>>,
    request_sender: mpsc::Sender<LocalRequest>,
    /// Locked by the engine while it runs.
    requests: tokio::sync::Mutex<mpsc::Receiver<LocalRequest>>,
    recording_order: Arc<RecordingOrder>,
    /// Actions of operators: each is completed even if the operator goes away.
    operations: TaskTracker,
}

/// What an engine runs on: real or simulated.
#[derive(Debug, Clone)]
struct Seams {
    okta: Arc<dyn Okta>,
    state: State,
    clock: Arc<dyn Clock>,
}

impl Engine {
    /// The commands that `config` describes, for the org of `client`. Reads the keys of signatures; makes no
    /// connection.
    pub fn new(config: CommandsConfig, client: Arc<Client>, state: State) -> Result<Self, EngineError> {
        let status = Arc::new(EngineStatus::new(&config.name));
        let credential = Arc::clone(client.org().auth.secret());
        let seams = Seams { okta: client, state, clock: Arc::new(SystemClock) };
        let executor = Executor::new(Arc::clone(&seams.okta));
        let signatures = Arc::new(Signatures::read(&config)?);
        let trusted = (Policy::new(&config), Arc::clone(&signatures));
        let admission = Arc::new(Admission::new(&config, trusted, executor.clone(), &seams, &status));
        let (request_sender, requests) = mpsc::channel(LOCAL_REQUESTS_MAX);
        let (config, requests) = (Arc::new(config), tokio::sync::Mutex::new(requests));
        let (audit, key) = (SharedAuditLog::default(), OnceCell::new());
        Ok(Self {
            config,
            executor,
            seams,
            status,
            admission,
            signatures,
            audit,
            credential,
            key,
            request_sender,
            requests,
            recording_order: Arc::default(),
            operations: TaskTracker::new(),
        })
    }

    /// The name of the section.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Reads the keys of signatures again. A key that cannot be read keeps its old value, and is logged.
    pub async fn reload_keys(&self) {
        let signatures = Arc::clone(&self.signatures);
        // A panic leaves the old keys in place.
        let _ = tokio::task::spawn_blocking(move || signatures.reload()).await;
    }

    /// The state of the commands, for the admin pages.
    pub fn status(&self) -> Arc<EngineStatus> {
        Arc::clone(&self.status)
    }

    /// Accepts and executes commands until `stop`, and then completes those in progress. The journal keeps records for
    /// `remember`. Failures are reported and retried: commands never stop other parts of the daemon.
    pub async fn run(&self, remember: Duration, stop: &CancellationToken) {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Engine);
        loop {
            match self.run_until_failure(ParkedOwner::ThisProcess, remember, stop, &mut reporter).await {
                Ok(()) => break,
                Err(err) => reporter.report(&chain(&err)),
            }
            if backoff.wait(stop).await.is_err() {
                break;
            }
        }
        // Whoever still asks is told that there is nobody.
        let mut requests = self.requests.lock().await;
        requests.close();
        while requests.try_recv().is_ok() {}
    }

    /// Like [`Self::run`], but only for [submitted](Self::submit) commands, and until the first failure that a retry
    /// does not fix. Leaves parked commands to the daemon, which has the keys and the time for them.
    pub async fn run_by_hand(&self, remember: Duration, stop: &CancellationToken) -> Result<(), EngineError> {
        let mut reporter = self.status.trouble_reporter(Trouble::Engine);
        self.run_until_failure(ParkedOwner::Daemon, remember, stop, &mut reporter).await
    }

    async fn run_until_failure(
        &self,
        parked: ParkedOwner,
        remember: Duration,
        stop: &CancellationToken,
        reporter: &mut TroubleReporter<'_>,
    ) -> Result<(), EngineError> {
        let mut requests = self.requests.lock().await;
        let Some(loaded) = stop.run_until_cancelled(self.admission.load()).await else { return Ok(()) };
        loaded?;
        let context = Arc::new(Context::open(self, parked).await?);
        let mut dispatcher = Dispatcher::new(Arc::clone(&context)).await?;
        reporter.clear();
        self.status.enter(EnginePhase::Running);
        let (deliveries, mut delivered) = mpsc::channel(1);
        // Cancelled when the last acknowledgement is done: the bus is needed until then.
        let drained = CancellationToken::new();
        let reading = intake::run(&self.config, deliveries, &self.status, stop, &drained);
        let working = async {
            let ended = dispatcher.run(&mut delivered, &mut requests, stop).await;
            drop(dispatcher);
            drained.cancel();
            ended
        };
        let retention =
            drained.run_until_cancelled(retention::run(&self.seams.state, &self.config, remember));
        let audit = Arc::clone(&context.audit);
        let summing = audit.run_summaries(&drained);
        let ((), ended, _, ()) = tokio::join!(reading, working, retention, summing);
        drop(audit);
        if let Some(context) = Arc::into_inner(context) {
            context.close().await;
        }
        ended
    }

    fn journal(&self) -> Journal {
        Journal::new(self.seams.state.clone(), Arc::clone(&self.status))
    }

    async fn open_audit(&self) -> Result<Arc<AuditLog>, EngineError> {
        self.audit.open(&self.config, &self.journal(), &self.seams.clock, &self.status).await
    }

    /// Made once: the journal is read with one key as long as the process runs, even if the credential is rotated.
    async fn key(&self) -> Result<Arc<FingerprintKey>, EngineError> {
        let make = async || {
            let credential = Arc::clone(&self.credential);
            let reading = tokio::task::spawn_blocking(move || credential.read());
            let read = reading.await.unwrap_or_else(|_| Err(SecretError::Interrupted.into()));
            let read = read.map_err(EngineError::Credential)?;
            Ok(Arc::new(FingerprintKey::from_credential(&read)))
        };
        self.key.get_or_try_init(make).await.cloned()
    }

    /// Has the running engine execute the command in `payload` on behalf of `by`. The receiver gets the answer; it is
    /// closed without one if the engine ends.
    pub async fn submit(&self, payload: Bytes, by: LocalUser) -> oneshot::Receiver<LocalAnswer> {
        let (answer, told) = oneshot::channel();
        // `self` holds the receiver, so the channel is open.
        let _ = self.request_sender.send(LocalRequest { payload, by, answer }).await;
        told
    }
}
