//! What a command must pass at the moment of the act: policy, with those who are protected as Okta knows them now, and
//! limits, which are counted in the same commit as the journal's entry. Where that cannot be found out, commands wait.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    ledger::{Kept, Ledger, lasting},
    status::{EngineStatus, Trouble},
};
use crate::{
    command::{
        Effect, Failed, OutcomeError, Request, Subjects,
        execute::{Code, Executor},
        journal::Record,
        message::Command,
        policy::{Limits, Policy, Protected},
    },
    config::{CommandsConfig, ProtectConfig},
    state::State,
    stream::Backoff,
};

/// How old what is known of the protected may be for a change.
const FRESH_FOR_WRITE: Duration = Duration::from_secs(300);
/// And for what cannot be taken back.
const FRESH_FOR_DESTROY: Duration = Duration::from_secs(60);

/// Policy and what it goes by.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) policy: Policy,
    protect: ProtectConfig,
    executor: Executor,
    state: State,
    status: Arc<EngineStatus>,
    protected: Mutex<Option<(Instant, Arc<Protected>)>>,
    limits: Mutex<Option<KeptLimits>>,
}

/// The limits as they are on the disk.
#[derive(Debug, Clone, Default)]
struct KeptLimits {
    generation: u64,
    limits: Limits,
}

impl Gate {
    pub(super) fn new(
        config: &CommandsConfig,
        policy: Policy,
        executor: Executor,
        state: State,
        status: Arc<EngineStatus>,
    ) -> Self {
        let protect = config.protect.clone();
        Self {
            policy,
            protect,
            executor,
            state,
            status,
            protected: Mutex::default(),
            limits: Mutex::default(),
        }
    }

    /// Whether `command`, which is about `subjects`, is allowed as things are now. None if we stop before that is known.
    pub(super) async fn judge(
        &self,
        command: &Command,
        subjects: &Subjects,
        stop: &CancellationToken,
    ) -> Option<Result<(), OutcomeError>> {
        let protected = stop.run_until_cancelled(self.protected(&command.request)).await?;
        Some(self.policy.judge(command, subjects, &protected))
    }

    /// Counts what `request` changes, if no limit is exceeded by it, and writes `record`, which comes after `kept`, in the
    /// same commit: so it is counted once, whatever happens.
    pub(super) async fn count(
        &self,
        request: &Request,
        ledger: &Ledger,
        (id, kept, record): (&str, &Kept, Record),
    ) -> Result<Result<Kept, OutcomeError>, EngineError> {
        let (limits, action) = (self.policy.limits(), request.action());
        if !limits.iter().any(|limit| limit.is_about(action)) {
            return ledger.keep(id, kept, record).await.map(Ok);
        }
        let mut known = self.limits.lock().await;
        let mut next = self.known(&mut known).await?;
        let taken = next.limits.take(limits, action, request.changes().named(), Timestamp::now());
        if let Err(tripped) = taken {
            tracing::warn!(
                commands = self.status.name(),
                "{tripped}: nothing it is about is done until it is released"
            );
            self.keep(&mut known, next).await?;
            return Ok(Err(tripped.into()));
        }
        next.limits.keep_only(limits);
        let content = serde_json::to_string(&next.limits).map_err(|source| self.not_ours(source))?;
        let name = self.note_name();
        let note = (name.as_str(), next.generation, content.as_str());
        let (kept, generation) = ledger.keep_with_note(id, kept, record, note).await?;
        *known = Some(KeptLimits { generation, ..next });
        Ok(Ok(kept))
    }

    /// Those who are protected, as fresh as `request` demands.
    async fn protected(&self, request: &Request) -> Arc<Protected> {
        let fresh_for = match request.action().effect() {
            Effect::Read => return Arc::default(),
            Effect::Write => FRESH_FOR_WRITE,
            Effect::Destroy | Effect::Empower => FRESH_FOR_DESTROY,
        };
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        // Whoever waits here wants the same.
        let mut known = self.protected.lock().await;
        loop {
            if let Some((at, protected)) = known.as_ref()
                && at.elapsed() < fresh_for
            {
                return Arc::clone(protected);
            }
            let asked_at = Instant::now();
            match self.look_up().await {
                Ok(protected) => {
                    self.status.works(Trouble::Protected);
                    *known = Some((asked_at, Arc::new(protected)));
                }
                Err(failed) => {
                    let reason = failed.error.message;
                    let text = format!("who is protected cannot be found out, so changes wait: {reason}");
                    self.status.fails(Trouble::Protected, &text);
                    tokio::time::sleep(waits.next_wait().max(failed.retry_after.unwrap_or_default())).await;
                }
            }
        }
    }

    async fn look_up(&self) -> Result<Protected, Failed> {
        let mut protected = Protected::named(&self.protect);
        for name in &self.protect.users {
            // A user who does not exist cannot come to harm, and may be one who is yet to come.
            if let Some(user) = self.executor.find_user(name).await? {
                protected.add_user(&user);
            }
        }
        for name in &self.protect.groups {
            let group = self.executor.find_group(name).await?;
            let id = group.and_then(|group| group.id).ok_or_else(|| {
                Code::GroupNotFound.because(format!("there is no group `{name}`, which `protect` names"))
            })?;
            protected.add_group(name, &id, self.executor.members_of(&id).await?);
        }
        Ok(protected)
    }

    /// Lets changes through the limit `pattern` again; says whether it had tripped.
    pub(super) async fn release(&self, pattern: &str) -> Result<bool, EngineError> {
        let mut kept = self.limits.lock().await;
        let mut next = self.known(&mut kept).await?;
        let had_tripped = next.limits.release(pattern);
        self.keep(&mut kept, next).await?;
        Ok(had_tripped)
    }

    /// What is kept of the limits, told to the status.
    pub(super) async fn load_limits(&self) -> Result<Limits, EngineError> {
        let mut kept = self.limits.lock().await;
        Ok(self.known(&mut kept).await?.limits)
    }

    async fn known(&self, kept: &mut Option<KeptLimits>) -> Result<KeptLimits, EngineError> {
        if let Some(known) = kept {
            return Ok(known.clone());
        }
        let name = self.note_name();
        let found = match lasting(&self.status, || self.state.note(&name)).await? {
            None => KeptLimits::default(),
            Some(note) => {
                let limits = serde_json::from_str(&note.content).map_err(|source| self.not_ours(source))?;
                KeptLimits { generation: note.generation, limits }
            }
        };
        self.status.tripped(tripped(&found.limits));
        Ok(kept.insert(found).clone())
    }

    async fn keep(&self, kept: &mut Option<KeptLimits>, mut next: KeptLimits) -> Result<(), EngineError> {
        next.limits.keep_only(self.policy.limits());
        let content = serde_json::to_string(&next.limits).map_err(|source| self.not_ours(source))?;
        let (name, expected) = (self.note_name(), next.generation);
        next.generation =
            lasting(&self.status, || self.state.keep_note(&name, expected, content.clone())).await?;
        self.status.tripped(tripped(&next.limits));
        *kept = Some(next);
        Ok(())
    }

    fn not_ours(&self, source: serde_json::Error) -> EngineError {
        EngineError::Limits { commands: self.status.name().to_owned(), source }
    }

    fn note_name(&self) -> String {
        format!("limits/{}", self.status.name())
    }
}

fn tripped(limits: &Limits) -> Vec<String> {
    limits.tripped().map(|(pattern, _)| pattern.to_owned()).collect()
}
