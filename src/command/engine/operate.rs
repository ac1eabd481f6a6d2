//! What operators do to commands: pause and resume all, cancel one, release a limit. Each is in the audit.

use serde::{Deserialize, Serialize};

use super::{
    CancelCommand, Engine, EngineError, PauseCommands, ReleaseLimit, journal::Found, switch::Stopped,
};
use crate::command::{
    LocalUser,
    audit::{AuditRecord, Decision},
};

/// What a stop, or the end of one, has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// Whether it was not so before.
    pub is_new: bool,
    /// Who had stopped it before, if anybody had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Stopped>,
    /// Whether the journal has the command that is meant, if one is.
    pub is_known: bool,
}

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

    /// Lets nothing be sent any more for these commands, until they are resumed. It is in the audit.
    pub async fn pause(&self, wanted: &PauseCommands, user: &LocalUser) -> Result<Switched, EngineError> {
        let (by, reason) = (who(wanted.requested_by.as_deref(), user), wanted.reason.clone());
        let stopped = Stopped { at: self.seams.clock.now(), by, reason };
        let earlier = self.switch(Some(stopped), Decision::Paused, wanted, user).await?;
        Ok(Switched { is_new: earlier.is_none(), earlier, is_known: true })
    }

    /// Lets commands be carried out again. It is in the audit.
    pub async fn resume(&self, wanted: &PauseCommands, user: &LocalUser) -> Result<Switched, EngineError> {
        let earlier = self.switch(None, Decision::Resumed, wanted, user).await?;
        Ok(Switched { is_new: earlier.is_some(), earlier, is_known: true })
    }

    /// Who has paused these commands, if anybody has.
    pub async fn paused(&self) -> Result<Option<Stopped>, EngineError> {
        self.admission.load_switch().await?;
        Ok(self.admission.switch.paused())
    }

    async fn switch(
        &self,
        paused: Option<Stopped>,
        decision: Decision,
        wanted: &PauseCommands,
        by: &LocalUser,
    ) -> Result<Option<Stopped>, EngineError> {
        self.admission.load_switch().await?;
        let earlier = self.admission.switch.set_paused(paused).await?;
        self.status.paused(self.admission.switch.paused());
        let what = Operated { decision, action: None, id: None, by };
        self.record(what, wanted.requested_by.as_deref(), wanted.reason.as_deref()).await?;
        Ok(earlier)
    }

    /// Lets nothing more be sent for a command that has not ended, come already or not. It is in the audit.
    pub async fn cancel(&self, wanted: &CancelCommand, user: &LocalUser) -> Result<Switched, EngineError> {
        let CancelCommand { id, requested_by, reason, .. } = wanted;
        let found = self.journal().find(id).await?;
        if let Found::Record(kept) = &found
            && kept.record.has_ended()
        {
            return Err(EngineError::AlreadyEnded { id: id.clone(), standing: kept.record.standing() });
        }
        self.admission.load_switch().await?;
        let earlier = self.admission.switch.cancelled(id);
        let (by, at) = (who(requested_by.as_deref(), user), self.seams.clock.now());
        let is_new = self.admission.switch.cancel(id, Stopped { at, by, reason: reason.clone() }).await?;
        let what = Operated { decision: Decision::Cancelled, action: None, id: Some(id), by: user };
        self.record(what, requested_by.as_deref(), reason.as_deref()).await?;
        Ok(Switched { is_new, earlier, is_known: !matches!(found, Found::Nothing) })
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

/// Who stops something: as they say, or as the operating system does.
fn who(requested_by: Option<&str>, user: &LocalUser) -> Option<String> {
    let by_system = || user.name.clone().unwrap_or_else(|| format!("user {}", user.uid));
    Some(requested_by.map_or_else(by_system, str::to_owned))
}

/// What an operator has done.
struct Operated<'a> {
    decision: Decision,
    action: Option<&'a str>,
    id: Option<&'a str>,
    by: &'a LocalUser,
}
