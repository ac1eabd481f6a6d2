//! The protected users, groups and apps, as Okta has them now. Ids that were found once are saved in the state: they
//! stay protected whatever happens to the names. Changes wait while a name that was never found cannot be found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use super::super::{EngineError, journal::Journal, status::EngineStatus, trouble::Trouble};
use crate::{
    command::{
        ActionFailure, Effect, Request, UserSubject,
        execute::{Code, Executor},
        policy::Protected,
    },
    config::ProtectConfig,
    retry::RetryPolicy,
    state::NoteChange,
};

/// The maximum age of the protection for a change.
const FRESH_FOR_WRITE: Duration = Duration::from_secs(300);
/// The maximum age for an irreversible change.
const FRESH_FOR_DESTROY: Duration = Duration::from_secs(60);

/// A look-up that takes longer is reported.
const LOOK_UP_USUAL: Duration = Duration::from_secs(10);

/// Looks up and caches who is protected.
#[derive(Debug)]
pub(super) struct Protection {
    config: ProtectConfig,
    executor: Executor,
    journal: Journal,
    status: Arc<EngineStatus>,
    known: Mutex<ProtectionCache>,
}

#[derive(Debug, Default)]
struct ProtectionCache {
    protected: Option<(Instant, Arc<Protected>)>,
    /// The ids that each name of a user has stood for.
    seen: ProtectedIds,
    generation: u64,
}

pub(in crate::command::engine) type ProtectedIds = BTreeMap<String, BTreeSet<String>>;

impl Protection {
    pub(super) fn new(
        config: ProtectConfig,
        executor: Executor,
        journal: Journal,
        status: Arc<EngineStatus>,
    ) -> Self {
        Self { config, executor, journal, status, known: Mutex::default() }
    }

    /// Loads the saved ids.
    pub(super) async fn load(&self) -> Result<(), EngineError> {
        let Some(note) = self.journal.note(&self.note_name()).await? else { return Ok(()) };
        let mut seen: ProtectedIds =
            serde_json::from_str(&note.content).map_err(|source| self.not_ours(source))?;
        // A user whose name was removed from the configuration is not protected any more.
        seen.retain(|name, _| self.config.users.contains(name));
        let mut known = self.known.lock().await;
        (known.seen, known.generation) = (seen, note.generation);
        Ok(())
    }

    /// The protected objects, as fresh as `request` requires.
    pub(super) async fn of(&self, request: &Request) -> Result<Arc<Protected>, EngineError> {
        let fresh_for = match request.action().effect() {
            Effect::Read => return Ok(Arc::default()),
            Effect::Write => FRESH_FOR_WRITE,
            Effect::Destroy | Effect::Empower => FRESH_FOR_DESTROY,
        };
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        // Waiting tasks use the result of the one that has the lock.
        let mut known = self.known.lock().await;
        let mut reporter = self.status.trouble_reporter(Trouble::Protected);
        loop {
            if let Some((at, protected)) = &known.protected
                && at.elapsed() < fresh_for
            {
                return Ok(Arc::clone(protected));
            }
            let asked_at = Instant::now();
            let looked = {
                let mut looking = std::pin::pin!(self.look_up(&mut known));
                match tokio::time::timeout(LOOK_UP_USUAL, &mut looking).await {
                    Ok(looked) => looked,
                    Err(_) => {
                        let text =
                            "who is protected is asked for, and there is no answer yet, so changes wait";
                        reporter.report(text);
                        looking.await
                    }
                }
            };
            match looked? {
                Ok(protected) => {
                    reporter.clear();
                    known.protected = Some((asked_at, Arc::new(protected)));
                }
                Err(failed) => {
                    let reason = failed.error.message;
                    let text = format!("who is protected cannot be found out, so changes wait: {reason}");
                    reporter.report(&text);
                    tokio::time::sleep(backoff.next_wait().max(failed.retry_after.unwrap_or_default())).await;
                }
            }
        }
    }

    async fn look_up(
        &self,
        known: &mut ProtectionCache,
    ) -> Result<Result<Protected, ActionFailure>, EngineError> {
        let mut protected = Protected::named(&self.config);
        let mut lost = Vec::new();
        for name in &self.config.users {
            let found = match self.executor.find_protected(name).await {
                Ok(found) => found,
                Err(failed) => return Ok(Err(failed)),
            };
            let seen = known.seen.get(name);
            if found.is_empty() {
                if seen.is_none() {
                    let message = format!("there is no user `{name}`, whom `protect` names");
                    return Ok(Err(Code::UserNotFound.because(message)));
                }
                lost.push(name.clone());
            }
            // If several users match, all are protected only while they match: a sender may have created them.
            if let [only] = found.as_slice() {
                self.keep_seen(name, only, known).await?;
            }
            found.iter().for_each(|user| protected.add_user(user));
            known.seen.get(name).into_iter().flatten().for_each(|id| protected.add_user_id(id));
        }
        for name in &self.config.groups {
            match self.members(name).await {
                Ok((id, members)) => protected.add_group(name, &id, members),
                Err(failed) => return Ok(Err(failed)),
            }
        }
        for name in &self.config.apps {
            match self.executor.find_apps(name).await {
                Ok(apps) if apps.is_empty() => {
                    let message = format!("there is no app `{name}`, which `protect` names");
                    return Ok(Err(Code::AppNotFound.because(message)));
                }
                Ok(apps) => protected.add_apps(apps),
                Err(failed) => return Ok(Err(failed)),
            }
        }
        self.status.lost_names(lost);
        Ok(Ok(protected))
    }

    async fn members(&self, name: &str) -> Result<(String, BTreeSet<String>), ActionFailure> {
        let group = self.executor.find_group(name).await?;
        let id = group.and_then(|group| group.id).ok_or_else(|| {
            Code::GroupNotFound.because(format!("there is no group `{name}`, which `protect` names"))
        })?;
        let members = self.executor.members_of(&id).await?;
        Ok((id, members))
    }

    /// Saves the id that `name` stands for, before it is used in a decision.
    async fn keep_seen(
        &self,
        name: &str,
        found: &UserSubject,
        known: &mut ProtectionCache,
    ) -> Result<(), EngineError> {
        let Some(id) = &found.id else { return Ok(()) };
        if known.seen.get(name).is_some_and(|seen| seen.contains(id)) {
            return Ok(());
        }
        known.seen.entry(name.to_owned()).or_default().insert(id.clone());
        let content = serde_json::to_string(&known.seen).map_err(|source| self.not_ours(source))?;
        let note = NoteChange { name: self.note_name(), expected: known.generation, content };
        self.journal.save_note(&note).await?;
        known.generation += 1;
        Ok(())
    }

    fn not_ours(&self, source: serde_json::Error) -> EngineError {
        EngineError::of_note(&self.note_name(), self.status.name(), source)
    }

    fn note_name(&self) -> String {
        format!("protected/{}", self.status.name())
    }
}
