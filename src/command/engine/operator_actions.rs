//! What operators do to commands: pause and resume all, cancel one, release a limit. Each is in the audit.
//!
//! What stops something holds at once, whatever disk and audit do; what lets something go on is recorded first. Once begun it is
//! the engine's to see it through: whoever asked may go away, and is not kept waiting for long.

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
    retry::RetryPolicy,
    telemetry::chain,
};

/// How long an operator is kept waiting for the disk, and for the audit.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long operators' acts have to come to their end when the daemon ends.
const END_MAX: Duration = Duration::from_secs(3);

/// What a stop, or the end of one, has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopChange {
    /// Whether it was not so before.
    pub is_new: bool,
    /// Who had stopped it before, if anybody had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<StopRecord>,
    /// Whether the journal has the command that is meant, if one is.
    pub is_known: bool,
    /// It holds; this is still to come, and is tried on.
    #[serde(rename = "not_yet", default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingStep>,
}

/// What is still to come of an act that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingStep {
    /// The state does not know it, and after it the audit.
    #[serde(rename = "saved")]
    Save,
    /// The audit does not have it.
    #[serde(rename = "recorded")]
    Record,
}

/// Who does something to commands, to what of them, and why.
#[derive(Debug, Clone)]
struct OperatorAction {
    action: Option<String>,
    id: Option<String>,
    user: LocalUser,
    requested_by: Option<String>,
    reason: Option<String>,
}

impl Engine {
    /// Lets changes through a limit again, as `user` asks; says whether it had tripped. The audit has it before and after.
    pub async fn release(
        self: &Arc<Self>,
        wanted: &ReleaseLimit,
        user: &LocalUser,
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

    /// Lets nothing be sent any more for these commands, until they are resumed. It is in the audit.
    pub async fn pause(
        self: &Arc<Self>,
        wanted: &PauseCommands,
        user: &LocalUser,
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
            turn.come().await;
            engine.record(Decision::Paused, &operation).await;
            drop(turn);
            so_far.send_replace(None);
            Ok(())
        })
        .await
    }

    /// Lets commands be carried out again. The audit has it before and after.
    pub async fn resume(
        self: &Arc<Self>,
        wanted: &PauseCommands,
        user: &LocalUser,
    ) -> Result<StopChange, EngineError> {
        const STANDING: &str = "the commands are still paused";
        let operation = OperatorAction::new(user, wanted.requested_by.as_ref(), wanted.reason.as_ref());
        self.admission.stops.require_loaded().await?;
        let turn = self.recording_order.join();
        let engine = Arc::clone(self);
        let resumed = self.see_through(2 * PATIENCE, |so_far| async move {
            let not_recorded = EngineError::NotRecorded { standing: STANDING };
            timeout(PATIENCE, turn.come()).await.map_err(|_| not_recorded)?;
            engine.record_first(Decision::Resuming, &operation, STANDING).await?;
            let earlier = engine.admission.stops.resume().await?;
            let resumed = StopChange { is_new: earlier.is_some(), earlier, is_known: true, pending: None };
            so_far.send_replace(Some(StopChange { pending: Some(PendingStep::Record), ..resumed.clone() }));
            engine.record(Decision::Resumed, &operation).await;
            drop(turn);
            so_far.send_replace(Some(resumed));
            Ok(())
        });
        resumed.await?.ok_or(EngineError::NotSaved { standing: STANDING })
    }

    /// Who has paused these commands, if anybody has.
    pub async fn paused(&self) -> Result<Option<StopRecord>, EngineError> {
        self.admission.stops.require_loaded().await?;
        Ok(self.admission.stops.paused())
    }

    /// Lets nothing more be sent for a command that has not ended, come already or not. It is in the audit.
    pub async fn cancel(
        self: &Arc<Self>,
        wanted: &CancelCommand,
        user: &LocalUser,
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
            // Those that never came are forgotten now and then.
            engine.admission.load_stops().await
        })
        .await
    }

    /// Waits a while until what operators have done is saved and recorded. Nothing new is to be done.
    pub async fn end_operations(&self) {
        self.operations.close();
        // What is not recorded by then is kept in the state, as far as that takes it.
        let _ = timeout(END_MAX, self.operations.wait()).await;
    }

    /// Sees `work` of a stop through, which holds already; says after a while what of it is still to come.
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

    /// Sees `work` through; gives what it has brought about after a while at most.
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

    /// Waits for `work`, for a while. It goes on without whoever waits.
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
        let by_system = || user.name.clone().unwrap_or_else(|| format!("user {}", user.uid));
        let by = Some(requested_by.clone().unwrap_or_else(by_system));
        StopRecord { at: self.seams.clock.now(), by, reason: reason.clone() }
    }

    /// Records what an operator is about to do. Where that takes too long nothing is done.
    async fn record_first(
        &self,
        decision: Decision,
        operation: &OperatorAction,
        standing: &'static str,
    ) -> Result<(), EngineError> {
        let recorded = timeout(PATIENCE, self.record(decision, operation)).await;
        recorded.map_err(|_| EngineError::NotRecorded { standing })
    }

    /// Records what an operator does, however long that takes.
    async fn record(&self, decision: Decision, operation: &OperatorAction) {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Audit);
        let audit = loop {
            match self.open_audit().await {
                Ok(audit) => break audit,
                Err(err) => reporter.report(&chain(&err)),
            }
            tokio::time::sleep(backoff.next_wait()).await;
        };
        drop(reporter);
        let record = AuditRecord {
            action: operation.action.as_deref(),
            command_id: operation.id.as_deref(),
            requested_by: operation.requested_by.as_deref(),
            local_user: Some(&operation.user),
            reason: operation.reason.as_deref(),
            ..audit.decision(decision)
        };
        audit.record(&record).await;
        audit.close().await;
    }
}

impl OperatorAction {
    fn new(user: &LocalUser, requested_by: Option<&String>, reason: Option<&String>) -> Self {
        let (requested_by, reason) = (requested_by.cloned(), reason.cloned());
        Self { action: None, id: None, user: user.clone(), requested_by, reason }
    }
}
