//! The commands of all names of one configuration.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use okta_client::Client;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Listed, ListedLimit, StopChange, StopRecord};
use crate::{
    command::{LocalUser, audit::SavedChain},
    config::Config,
    state::State,
};

/// All commands of a configuration, by name.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    engines: BTreeMap<String, Arc<Engine>>,
    /// How long the journal remembers commands: as long as the most patient of them asks.
    remember: Duration,
}

/// Which commands to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListCommands {
    /// Those of this name alone.
    pub commands: Option<String>,
    /// The one with this id alone.
    pub id: Option<String>,
    /// Those whose outcome has this status, or that are `received` or `started`.
    pub status: Option<String>,
    /// How many at most, the latest first.
    pub limit: usize,
}

/// A limit to be released.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseLimit {
    /// The name of the commands; not needed where there is one.
    pub commands: Option<String>,
    /// The actions that it is about, as the configuration has them.
    pub limit: String,
    /// Who wants it, for the audit.
    pub requested_by: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
}

/// The end of an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedChain {
    /// The name of the commands.
    pub commands: String,
    /// What the state keeps.
    pub chain: SavedChain,
}

/// Commands that are paused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedPause {
    /// Their name.
    pub commands: String,
    /// By whom.
    pub paused: StopRecord,
}

/// Commands to be paused or resumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PauseCommands {
    /// The name of the commands; not needed where there is one.
    pub commands: Option<String>,
    /// Who wants it, for the audit.
    pub requested_by: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
}

/// A command to be cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelCommand {
    /// The name of the commands; not needed where there is one.
    pub commands: Option<String>,
    /// The command.
    pub id: String,
    /// Who wants it, for the audit.
    pub requested_by: Option<String>,
    /// Why, for the audit.
    pub reason: Option<String>,
}

/// Which commands are meant cannot be said.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownCommands {
    /// The configuration has none.
    #[error("the configuration has no `[commands.NAME]`")]
    None,
    /// There are none of this name.
    #[error("there are no commands `{0}`; there are {1}")]
    Name(String, String),
    /// There are several.
    #[error("say which commands are meant with `--commands`: {0}")]
    Several(String),
}

/// The one of `all` that `name` means; without a name, the only one.
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
    /// The commands of `config`, through `clients`. Talks to nobody.
    pub fn new(
        config: &Config,
        clients: &BTreeMap<String, Arc<Client>>,
        state: &State,
    ) -> Result<Self, EngineError> {
        let mut engines = BTreeMap::new();
        for (name, commands) in &config.commands {
            // Loading refused references to what does not exist.
            let Some(client) = clients.get(&commands.org) else { continue };
            let engine = Engine::new(commands.clone(), Arc::clone(client), state.clone())?;
            engines.insert(name.clone(), Arc::new(engine));
        }
        let remember = config.commands.values().map(|commands| commands.keep).max().unwrap_or_default();
        Ok(Self { engines, remember })
    }

    /// Those that `name` means; without a name, the only ones.
    pub fn get(&self, name: Option<&str>) -> Result<&Arc<Engine>, UnknownCommands> {
        pick(&self.engines, name)
    }

    /// Those that `name` means; without a name, all.
    pub fn some(&self, name: Option<&str>) -> Result<Vec<&Arc<Engine>>, UnknownCommands> {
        match name {
            None if !self.engines.is_empty() => Ok(self.engines.values().collect()),
            _ => Ok(vec![self.get(name)?]),
        }
    }

    /// What the journal says of the commands that are asked for.
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

    /// The limits of the commands `name`, or of all.
    pub async fn list_limits(&self, name: Option<&str>) -> Result<Vec<ListedLimit>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            listed.extend(engine.limits().await?);
        }
        Ok(listed)
    }

    /// What the state keeps of the ends of the audits of the commands `name`, or of all.
    pub async fn audit_chains(&self, name: Option<&str>) -> Result<Vec<ListedChain>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            let (commands, chain) = (engine.name().to_owned(), engine.audit_chain().await?);
            listed.push(ListedChain { commands, chain });
        }
        Ok(listed)
    }

    /// Lets changes through a limit again, as `by` asks; says whether it had tripped.
    pub async fn release(&self, wanted: &ReleaseLimit, by: &LocalUser) -> Result<bool, EngineError> {
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
        for engine in self.engines.values() {
            engine.reload_keys().await;
        }
    }

    /// Those of the commands `name`, or of all, that are paused.
    pub async fn list_pauses(&self, name: Option<&str>) -> Result<Vec<ListedPause>, EngineError> {
        let mut listed = Vec::new();
        for engine in self.some(name)? {
            let commands = engine.name().to_owned();
            listed.extend(engine.paused().await?.map(|paused| ListedPause { commands, paused }));
        }
        Ok(listed)
    }

    /// Lets nothing be sent any more for the commands that are meant.
    pub async fn pause(&self, wanted: &PauseCommands, by: &LocalUser) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.pause(wanted, by).await
    }

    /// Lets them go on.
    pub async fn resume(&self, wanted: &PauseCommands, by: &LocalUser) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.resume(wanted, by).await
    }

    /// Lets nothing more be sent for a command.
    pub async fn cancel(&self, wanted: &CancelCommand, by: &LocalUser) -> Result<StopChange, EngineError> {
        self.get(wanted.commands.as_deref())?.cancel(wanted, by).await
    }

    /// Waits a while until what operators have done is saved and recorded.
    pub async fn end_operations(&self) {
        futures_util::future::join_all(self.engines.values().map(|engine| engine.end_operations())).await;
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.engines.values()
    }

    /// How long the journal remembers commands.
    pub fn remember(&self) -> Duration {
        self.remember
    }
}
