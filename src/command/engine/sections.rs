//! The commands of all sections of a configuration.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use okta_client::Client;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Listed, ListedLimit, StopChange, StopRecord};
use crate::{
    command::{LocalUser, audit::SavedChain},
    config::Config,
    state::State,
};

/// The engines of all sections, by name: of those that there are now.
#[derive(Debug, Clone, Default)]
pub struct Engines(Arc<RwLock<EnginesByName>>);

type EnginesByName = Arc<BTreeMap<String, Arc<Engine>>>;

/// Which commands to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListCommands {
    /// The name of a section; none: all.
    pub commands: Option<String>,
    /// The id of a command; none: all.
    pub id: Option<String>,
    /// The status of the outcome, or `received` or `started`; none: all.
    pub status: Option<String>,
    /// The most commands to list, newest first.
    pub limit: usize,
}

/// A request to release a limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseLimit {
    /// The name of the section; not needed if there is only one.
    pub commands: Option<String>,
    /// The action pattern of the limit, as in the configuration.
    pub limit: String,
    /// Who asks, for the audit.
    pub requested_by: Option<String>,
    /// The reason, for the audit.
    pub reason: Option<String>,
}

/// The end of an audit chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedChain {
    /// The name of the section.
    pub commands: String,
    /// The end, as the state has it.
    pub chain: SavedChain,
}

/// A paused section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedPause {
    /// The name of the section.
    pub commands: String,
    /// Who has paused it.
    pub paused: StopRecord,
}

/// A request to pause or resume a section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PauseCommands {
    /// The name of the section; not needed if there is only one.
    pub commands: Option<String>,
    /// Who asks, for the audit.
    pub requested_by: Option<String>,
    /// The reason, for the audit.
    pub reason: Option<String>,
}

/// A request to cancel a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelCommand {
    /// The name of the section; not needed if there is only one.
    pub commands: Option<String>,
    /// The id of the command.
    pub id: String,
    /// Who asks, for the audit.
    pub requested_by: Option<String>,
    /// The reason, for the audit.
    pub reason: Option<String>,
}

/// The section cannot be determined.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownCommands {
    /// The configuration has no section.
    #[error("the configuration has no `[commands.NAME]`")]
    None,
    /// No section has this name.
    #[error("there are no commands `{0}`; there are {1}")]
    Name(String, String),
    /// There are several sections, and no name was given.
    #[error("say which commands are meant with `--commands`: {0}")]
    Several(String),
}

/// The entry of `all` with this name; without a name, the only one.
pub fn pick<'a, T>(all: &'a BTreeMap<String, T>, name: Option<&str>) -> Result<&'a T, UnknownCommands> {
    let names = || all.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (name, all.len()) {
        (_, 0) => Err(UnknownCommands::None),
        (Some(name), _) => all.get(name).ok_or_else(|| UnknownCommands::Name(name.to_owned(), names())),
        (None, 1) => all.values().next().ok_or(UnknownCommands::None),
        (None, _) => Err(UnknownCommands::Several(names())),
    }
}

impl Engines {
    /// The engines of `config`, with the clients of their orgs. Makes no connection.
    pub fn new(
        config: &Config,
        clients: &BTreeMap<String, Arc<Client>>,
        state: &State,
    ) -> Result<Self, EngineError> {
        let mut engines = BTreeMap::new();
        for (name, commands) in &config.commands {
            // The configuration was checked: each section has an org.
            let Some(client) = clients.get(&commands.org) else { continue };
            let engine = Engine::new(commands.clone(), Arc::clone(client), state.clone())?;
            engines.insert(name.clone(), Arc::new(engine));
        }
        Ok(Self::of(engines))
    }

    /// These engines.
    pub fn of(engines: BTreeMap<String, Arc<Engine>>) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(engines))))
    }

    /// These are the engines from now on, for everybody who has a clone of this.
    pub fn exchange(&self, engines: BTreeMap<String, Arc<Engine>>) {
        // Nothing panics while the lock is held.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engines);
    }

    /// The engine of the section `name`; without a name, the only one.
    pub fn get(&self, name: Option<&str>) -> Result<Arc<Engine>, UnknownCommands> {
        pick(&self.by_name(), name).cloned()
    }

    /// The engine of the section `name`; without a name, all.
    pub fn some(&self, name: Option<&str>) -> Result<Vec<Arc<Engine>>, UnknownCommands> {
        match (name, self.all()) {
            (None, all) if !all.is_empty() => Ok(all),
            _ => Ok(vec![self.get(name)?]),
        }
    }

    /// The records that are asked for.
    pub async fn list(&self, wanted: &ListCommands) -> Result<Vec<Listed>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(wanted.commands.as_deref())? {
            match &wanted.id {
                Some(id) => listed.extend(engine.find(id).await?),
                None => listed.extend(engine.latest(wanted.limit, wanted.status.clone()).await?),
            }
        }
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.record.received_at));
        listed.truncate(wanted.limit);
        Ok(listed)
    }

    /// The limits of the section `name`, or of all.
    pub async fn list_limits(&self, name: Option<&str>) -> Result<Vec<ListedLimit>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            listed.extend(engine.limits().await?);
        }
        Ok(listed)
    }

    /// The ends of the audit chains of the section `name`, or of all.
    pub async fn audit_chains(&self, name: Option<&str>) -> Result<Vec<ListedChain>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            let (commands, chain) = (engine.name().to_owned(), engine.audit_chain().await?);
            listed.push(ListedChain { commands, chain });
        }
        Ok(listed)
    }

    /// Releases a limit on behalf of `by`; returns whether it had tripped.
    pub async fn release(&self, wanted: &ReleaseLimit, by: Option<&LocalUser>) -> Result<bool, EngineError> {
        let engine = self.get(wanted.commands.as_deref())?;
        let limits = engine.limits().await?;
        if !limits.iter().any(|listed| listed.limit == wanted.limit) {
            let known =
                limits.into_iter().map(|listed| format!("`{}`", listed.limit)).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(EngineError::UnknownLimit { limit: wanted.limit.clone(), known });
        }
        engine.release(wanted, by).await
    }

    /// Reads the keys of all signatures again.
    pub async fn reload_keys(&self) {
        for engine in self.all() {
            engine.reload_keys().await;
        }
    }

    /// The pauses of the section `name`, or of all.
    pub async fn list_pauses(&self, name: Option<&str>) -> Result<Vec<ListedPause>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            let commands = engine.name().to_owned();
            listed.extend(engine.paused().await?.map(|paused| ListedPause { commands, paused }));
        }
        Ok(listed)
    }

    /// Pauses a section.
    pub async fn pause(
        &self,
        wanted: &PauseCommands,
        by: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.pause(wanted, by).await
    }

    /// Resumes a section.
    pub async fn resume(
        &self,
        wanted: &PauseCommands,
        by: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.resume(wanted, by).await
    }

    /// Cancels a command.
    pub async fn cancel(
        &self,
        wanted: &CancelCommand,
        by: Option<&LocalUser>,
    ) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.cancel(wanted, by).await
    }

    /// Waits for a while until the actions of operators are saved and recorded.
    pub async fn end_operations(&self) {
        let all = self.all();
        futures_util::future::join_all(all.iter().map(|engine| engine.end_operations())).await;
    }

    /// All engines.
    pub fn all(&self) -> Vec<Arc<Engine>> {
        self.by_name().values().cloned().collect()
    }

    fn by_name(&self) -> EnginesByName {
        // Nothing panics while the lock is held.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
