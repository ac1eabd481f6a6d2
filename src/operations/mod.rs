//! What an operator may do to the running daemon from afar: pause and resume a route, have it begin at another time, pause and
//! resume commands, release a limit, deliver dead letters once more.
//!
//! Each is logged and audited: what concerns commands in the audit of the commands, what concerns routes in a file of its own.
//! Whether somebody may do it is decided by whoever calls.

mod letter_retries;
mod operator_log;
mod reload;
mod route_pauses;
mod route_reset;

use std::sync::Arc;

pub use letter_retries::LetterRetryError;
pub use operator_log::OperatorLog;
pub use reload::{
    ConfigChange, LoopRequest, ReloadAudience, ReloadHandle, ReloadOutcome, ReloadRequests, reload_channel,
};
pub use route_pauses::{RoutePauseError, RoutePauses};
pub use route_reset::{RouteReset, RouteResetError};

use crate::{
    command::engine::{EngineError, Engines, PauseCommands, ReleaseLimit},
    dead_letters::LetterRetries,
    route::RouteStatus,
    state::{State, StateError},
};

/// What operators may do.
#[derive(Debug, Clone)]
pub struct Operations {
    routes: RoutePauses,
    engines: Engines,
    letters: Arc<LetterRetries>,
    log: OperatorLog,
}

/// Who asks, and why.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Who, for log and audit: `the status page, from 127.0.0.1`.
    pub name: String,
    /// Why, if they say so.
    pub reason: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Have the route read nothing more.
    PauseRoute(String),
    /// Have it go on.
    ResumeRoute(String),
    /// Have no command of the section carried out.
    PauseCommands(String),
    /// Have them carried out again.
    ResumeCommands(String),
    /// Release the limit of the section.
    ReleaseLimit {
        /// The section.
        commands: String,
        /// The limit, by its pattern.
        limit: String,
    },
    /// Deliver the dead letters of the route once more.
    RetryDeadLetters(String),
}

/// It was not done, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// Of a route.
    #[error(transparent)]
    Route(#[from] RoutePauseError),
    /// Of commands.
    #[error(transparent)]
    Commands(#[from] EngineError),
    /// Of dead letters.
    #[error(transparent)]
    Letters(#[from] LetterRetryError),
}

impl Operations {
    /// On these routes, commands and dead letters.
    pub fn new(
        routes: impl IntoIterator<Item = Arc<RouteStatus>>,
        engines: Engines,
        state: State,
        letters: Arc<LetterRetries>,
        log: OperatorLog,
    ) -> Self {
        Self { routes: RoutePauses::new(routes, state, log.clone()), engines, letters, log }
    }

    /// Pauses the routes that were paused when the daemon ended. Before they start.
    pub async fn load(&self) -> Result<(), StateError> {
        self.routes.load().await
    }

    /// These are the routes from now on; what is paused stays so under its name.
    pub async fn exchange_routes(
        &self,
        routes: impl IntoIterator<Item = Arc<RouteStatus>>,
    ) -> Result<(), StateError> {
        self.routes.exchange(routes).await
    }

    /// Where decisions about routes are kept.
    pub(crate) fn log(&self) -> &OperatorLog {
        &self.log
    }

    /// Does it. Gives, in a sentence, what is so now.
    pub async fn carry_out(&self, operation: &Operation, by: &Operator) -> Result<String, OperationError> {
        let Operator { name, reason } = by;
        let of_commands = |commands: &String| PauseCommands {
            commands: Some(commands.clone()),
            requested_by: Some(name.clone()),
            reason: reason.clone(),
        };
        Ok(match operation {
            Operation::PauseRoute(route) => self.routes.pause(route, by).await?,
            Operation::ResumeRoute(route) => self.routes.resume(route, by).await?,
            Operation::RetryDeadLetters(route) => {
                letter_retries::retry(&self.letters, &self.log, self.routes.known(route)?, by).await?
            }
            Operation::PauseCommands(commands) => {
                self.engines.pause(&of_commands(commands), None).await?;
                tracing::warn!(commands, by = name, reason, "the commands are paused");
                format!("The commands {commands} are paused.")
            }
            Operation::ResumeCommands(commands) => {
                self.engines.resume(&of_commands(commands), None).await?;
                tracing::warn!(commands, by = name, reason, "the commands are resumed");
                format!("The commands {commands} are resumed.")
            }
            Operation::ReleaseLimit { commands, limit } => {
                let wanted = ReleaseLimit {
                    commands: Some(commands.clone()),
                    limit: limit.clone(),
                    requested_by: Some(name.clone()),
                    reason: reason.clone(),
                };
                let had_tripped = self.engines.release(&wanted, None).await?;
                tracing::warn!(commands, limit, had_tripped, by = name, reason, "a limit is released");
                match had_tripped {
                    true => format!("The limit {limit} is released."),
                    false => format!("The limit {limit} had not tripped."),
                }
            }
        })
    }
}
