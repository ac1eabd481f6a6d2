//! The loops that run as long as the daemon does, of routes and of commands, in one type for the supervisor.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::{
    command::engine::{Engine, EnginePhase},
    halt::Halt,
    overview::RouteView,
    route::Route,
    search::SearchRoute,
};

/// One supervised loop: of a route, or of one `[commands.NAME]`.
#[derive(Debug, Clone)]
pub(super) enum Loop {
    /// With the longest time between two polls.
    Stream(Arc<Route>, Duration),
    Search(Arc<SearchRoute>),
    /// With how long the journal remembers.
    Commands(Arc<Engine>, Duration),
}

impl Loop {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Stream(route, _) => route.name(),
            Self::Search(route) => route.name(),
            Self::Commands(engine, _) => engine.name(),
        }
    }

    /// What it is called among all that the daemon runs.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Stream(..) | Self::Search(_) => format!("route {}", self.name()),
            Self::Commands(..) => format!("commands {}", self.name()),
        }
    }

    /// Loops with the same turn are not at work before and after a change of the configuration at a time: the routes of a
    /// search share its files, and commands may go from one section to another.
    pub(super) fn turn(&self) -> String {
        match self {
            Self::Stream(..) => self.title(),
            Self::Search(route) => format!("search {}", route.search().config().name),
            Self::Commands(..) => "commands".to_owned(),
        }
    }

    /// Whether both are the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stream(route, _), Self::Stream(other, _)) => Arc::ptr_eq(route, other),
            (Self::Search(route), Self::Search(other)) => Arc::ptr_eq(route, other),
            (Self::Commands(engine, _), Self::Commands(other, _)) => Arc::ptr_eq(engine, other),
            _ => false,
        }
    }

    /// It has ended and will not be started again.
    pub(super) fn end(&self) {
        match self {
            Self::Stream(route, _) => route.status().end(),
            Self::Search(route) => route.status().end(),
            Self::Commands(engine, _) => engine.status().enter(EnginePhase::Ended),
        }
    }

    /// The route, if it is one.
    pub(super) fn view(&self) -> Option<RouteView> {
        let (status, poll_interval) = match self {
            Self::Stream(route, poll_interval) => (route.status(), *poll_interval),
            // It reports that it is alive while it waits.
            Self::Search(route) => (route.status(), Duration::ZERO),
            Self::Commands(..) => return None,
        };
        Some(RouteView { status, poll_interval })
    }

    /// Whether there is no end to what it reads: a queue is never known to be empty for good.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::Commands(..))
    }

    /// Runs until `stop`, or, if `until_caught_up`, until everything that Okta had is delivered. What is endless runs until
    /// `stop` whatever is asked.
    pub(super) async fn run(
        &self,
        stop: &CancellationToken,
        until_caught_up: bool,
    ) -> Result<(), Halt<AppError>> {
        match self {
            Self::Stream(route, _) => route.run(stop, until_caught_up).await.map_err(Halt::widen),
            Self::Search(route) => route.run(stop, until_caught_up).await.map_err(Halt::widen),
            Self::Commands(engine, remember) => {
                engine.run(*remember, stop).await;
                Err(Halt::Stopped)
            }
        }
    }
}
