//! The actions of operators: pause and resume a section, cancel a command, release a limit. Each is in the audit.
//!
//! A stop takes effect at once, even if disk or audit fail; the end of a stop is recorded first. A started action is
//! completed by the engine, even if the operator goes away, and the operator gets an answer within seconds.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};

use super::{
    CancelCommand, Engine, EngineError, PauseCommands, ReleaseLimit, journal::JournalEntry,
    stops::StopRecord, trouble::Trouble,
};
use crate::{
    command::{
        LocalUser,
        audit::{AuditRecord, Decision},
        message::{is_good_id, shortened},
    },
    retry::{RetryPolicy, retry},
    telemetry::chain,
};

/// How long an operator waits for the disk, and for the audit.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long actions of operators may take at the shutdown of the daemon.
const END_MAX: Duration = Duration::from_secs(3);

/// The result of a stop, or of the end of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopChange {
    /// Whether it changed something.
    pub is_new: bool,
    /// The earlier stop, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<StopRecord>,
    /// Whether the journal has the command. True for actions without a command.
    pub is_known: bool,
    /// It is in effect; this step is still retried.
    #[serde(rename = "not_yet", default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingStep>,
}

/// A step of an action in effect that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingStep {
    /// The write to the state, and then to the audit.
    #[serde(rename = "saved")]
    Save,
    /// The write to the audit.
    #[serde(rename = "recorded")]
    Record,
}

/// An action of an operator: what, about which command, by whom, and why.
#[derive(Debug, Clone)]
struct OperatorAction {
    action: Option<String>,
    id: Option<String>,
    /// None: not a user of this machine; `requested_by` says who it is.
    user: Option<LocalUser>,
    requested_by: Option<String>,
    reason: Option<String>,
}

impl Engine {
    /// Releases a tripped limit on behalf of `user`; returns whether it had tripped. Has an audit record before and
    /// after.
    pub async fn release(
        self: &Arc<Self>,
        wanted: &ReleaseLimit,
        user: Option<&LocalUser>,
    ) -> Result<bool, EngineError> {
        let limit = wanted.limit.clone();
        let operation = OperatorAction::new(user, wanted.requested_by.as_ref(), wanted.reason.as_ref());
        let operation = OperatorAction { action: Some(limit.clone()), ..operation };
        let engine = Arc::clone(self);
        let released = self.see_through(2 * PATIENCE, |so_far| async move {
            engine.record_first(Decision::Releasing, &operation, "the limit is not released").await?;
            let (limiter, limits) = (&engine.admission.limiter, engine.admission.policy.limits());
            so_far.send_replace(Some(limiter.release(&limit, limits).await?));
            engine.record(Decision::Released, &operation).await;
            Ok(())
        });
        released.await?.ok_or(EngineError::NotSaved { standing: "the limit is not released yet" })
    }

    /// Pauses the section until it is resumed. Has an audit record.
    pub async fn pause(
        self: &Arc<Self>,
        wanted: &PauseCommands,
        user: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        let operation = OperatorAction::new(user, wanted.requested_by.as_ref(), wanted.reason.as_ref());
        self.admission.stops.require_loaded().await?;
        let turn = self.recording_order.join();
        let earlier = self.admission.stops.pause(self.stopped_by(&operation));
        let paused = StopChange { is_new: earlier.is_none(), earlier, is_known: true, pending: None };
        let engine = Arc::clone(self);
        self.hold(paused, |so_far| async move {
            engine.admission.stops.save_pause().await?;
            so_far.send_replace(Some(PendingStep::Record));
            turn.wait().await;
            engine.record(Decision::Paused, &operation).await;
            drop(turn);
            so_far.send_replace(None);
            Ok(())
        })
        .await
    }

    /// Resumes the section. Has an audit record before and after.
    pub async fn resume(
        self: &Arc<Self>,
        wanted: &PauseCommands,
        user: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        const STANDING: &str = "the commands are still paused";
        let operation = OperatorAction::new(user, wanted.requested_by.as_ref(), wanted.reason.as_ref());
        self.admission.stops.require_loaded().await?;
        let turn = self.recording_order.join();
        // A pause from here on comes after this, however long it takes until it holds.
        let pauses = self.admission.stops.pauses();
        let engine = Arc::clone(self);
        let resumed = self.see_through(2 * PATIENCE, |so_far| async move {
            let not_recorded = EngineError::NotRecorded { standing: STANDING };
            timeout(PATIENCE, turn.wait()).await.map_err(|_| not_recorded)?;
            engine.record_first(Decision::Resuming, &operation, STANDING).await?;
            let earlier = engine.admission.stops.resume(pauses).await?;
            let resumed = StopChange { is_new: earlier.is_some(), earlier, is_known: true, pending: None };
            so_far.send_replace(Some(StopChange { pending: Some(PendingStep::Record), ..resumed.clone() }));
            engine.record(Decision::Resumed, &operation).await;
            drop(turn);
            so_far.send_replace(Some(resumed));
            Ok(())
        });
        resumed.await?.ok_or(EngineError::NotSaved { standing: STANDING })
    }

    /// Who has paused the section, if it is paused.
    pub async fn paused(&self) -> Result<Option<StopRecord>, EngineError> {
        self.admission.stops.require_loaded().await?;
        Ok(self.admission.stops.paused())
    }

    /// Cancels a command that has not ended, whether or not it has arrived. Has an audit record.
    pub async fn cancel(
        self: &Arc<Self>,
        wanted: &CancelCommand,
        user: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        let id = wanted.id.clone();
        if !is_good_id(&id) {
            return Err(EngineError::ImpossibleId { id: shortened(&id) });
        }
        let operation = OperatorAction::new(user, wanted.requested_by.as_ref(), wanted.reason.as_ref());
        let operation = OperatorAction { id: Some(id.clone()), ..operation };
        let found = self.journal().find(&id).await?;
        if let JournalEntry::Record(saved) = &found
            && saved.record.has_ended()
        {
            return Err(EngineError::AlreadyEnded { id, standing: saved.record.status_name() });
        }
        let stops = &self.admission.stops;
        stops.require_loaded().await?;
        let earlier = stops.cancelled(&id);
        let is_new = stops.cancel(&id, self.stopped_by(&operation))?;
        let is_known = !matches!(found, JournalEntry::Missing);
        let engine = Arc::clone(self);
        self.hold(StopChange { is_new, earlier, is_known, pending: None }, |so_far| async move {
            engine.admission.stops.save_cancelled(&id).await?;
            so_far.send_replace(Some(PendingStep::Record));
            engine.record(Decision::Cancelled, &operation).await;
            so_far.send_replace(None);
            // Notes of commands that never came are removed by and by.
            engine.admission.load_stops().await
        })
        .await
    }

    /// Waits for a while until the actions of operators are saved and recorded. Accepts no further action.
    pub async fn end_operations(&self) {
        self.operations.close();
        // What is not recorded by then is in the state, as far as the disk accepted it.
        let _ = timeout(END_MAX, self.operations.wait()).await;
    }

    /// Completes `work` of a stop that is in effect already; returns after a while with the step that is still to come.
    async fn hold<F: Future<Output = Result<(), EngineError>> + Send + 'static>(
        &self,
        holds: StopChange,
        work: impl FnOnce(watch::Sender<Option<PendingStep>>) -> F,
    ) -> Result<StopChange, EngineError> {
        let (so_far, told) = watch::channel(Some(PendingStep::Save));
        self.wait_for(PATIENCE, work(so_far)).await?;
        let pending = *told.borrow();
        Ok(StopChange { pending, ..holds })
    }

    /// Completes `work`; returns its result, or what there is of it after a while.
    async fn see_through<T: Clone, F: Future<Output = Result<(), EngineError>> + Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(watch::Sender<Option<T>>) -> F,
    ) -> Result<Option<T>, EngineError> {
        let (so_far, told) = watch::channel(None);
        self.wait_for(patience, work(so_far)).await?;
        let brought = told.borrow().clone();
        Ok(brought)
    }

    /// Waits for `work` for a while. It continues after that.
    async fn wait_for(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<(), EngineError>> + Send + 'static,
    ) -> Result<(), EngineError> {
        match timeout(patience, self.operations.spawn(work)).await {
            Ok(Ok(done)) => done,
            Ok(Err(err)) => {
                tracing::error!(commands = self.name(), error = %err, "an act of an operator panicked: this is a bug");
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    fn stopped_by(&self, operation: &OperatorAction) -> StopRecord {
        let OperatorAction { user, requested_by, reason, .. } = operation;
        let by_system = |user: &LocalUser| user.name.clone().unwrap_or_else(|| format!("user {}", user.uid));
        let by = requested_by.clone().or_else(|| user.as_ref().map(by_system));
        StopRecord { at: self.seams.clock.now(), by, reason: reason.clone() }
    }

    /// Writes the audit record before an action. Fails if that takes too long, and nothing is done.
    async fn record_first(
        &self,
        decision: Decision,
        operation: &OperatorAction,
        standing: &'static str,
    ) -> Result<(), EngineError> {
        let recorded = timeout(PATIENCE, self.record(decision, operation)).await;
        recorded.map_err(|_| EngineError::NotRecorded { standing })
    }

    /// Writes an audit record, with retries.
    async fn record(&self, decision: Decision, operation: &OperatorAction) {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Audit);
        let audit = retry(&mut backoff, || self.open_audit(), |err| reporter.report(&chain(err))).await;
        drop(reporter);
        let record = AuditRecord {
            action: operation.action.as_deref(),
            command_id: operation.id.as_deref(),
            requested_by: operation.requested_by.as_deref(),
            local_user: operation.user.as_ref(),
            reason: operation.reason.as_deref(),
            ..audit.decision(decision)
        };
        audit.record(&record).await;
        audit.close().await;
    }
}

impl OperatorAction {
    fn new(user: Option<&LocalUser>, requested_by: Option<&String>, reason: Option<&String>) -> Self {
        let (requested_by, reason) = (requested_by.cloned(), reason.cloned());
        Self { action: None, id: None, user: user.cloned(), requested_by, reason }
    }
}
