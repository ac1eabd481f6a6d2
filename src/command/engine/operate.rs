//! What operators do to commands: pause and resume all, cancel one, release a limit. Each is in the audit.

use super::{CancelCommand, Engine, EngineError, PauseCommands, ReleaseLimit, switch::Stopped};
use crate::command::{
    LocalUser,
    audit::{AuditRecord, Decision},
};

impl Engine {
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
