//! A route that an operator has begin at another time, and why it does not. How that is done is `app`'s.

use jiff::Timestamp;

use super::Operator;
use crate::{command::audit::AuditError, route::CheckpointError, state::StateError};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RouteReset {
    /// The name of the route.
    pub route: String,
    /// Where it is to begin.
    pub to: Timestamp,
    /// Who asks, and why.
    pub by: Operator,
}

/// The route was not moved.
#[derive(Debug, thiserror::Error)]
pub enum RouteResetError {
    /// Nothing is called so.
    #[error("there is no route {route}; the routes are {known}")]
    NoSuchRoute {
        /// What was asked for.
        route: String,
        /// The names that there are.
        known: String,
    },
    /// Its place is not a link of Okta.
    #[error(
        "{route} is a route of a search, which has no place in the log to be moved: `oktabus search` runs a window of the past"
    )]
    OfSearch {
        /// The route.
        route: String,
    },
    /// Another daemon has it, or it does not have it yet.
    #[error("nothing was changed: {standing}")]
    NotOwned {
        /// How it stands.
        standing: String,
    },
    /// It ends by itself.
    #[error("nothing was changed: a run that ends when it has caught up goes on as it began")]
    RunsToAnEnd,
    /// The bus has its place, and does not show it.
    #[error(
        "nothing was changed: the route {route} delivers exactly once, and its bus, which has its place, does not show it"
    )]
    Checkpoint {
        /// The route.
        route: String,
        /// What is wrong.
        source: CheckpointError,
    },
    /// The same, and no answer comes.
    #[error(
        "nothing was changed: the route {route} delivers exactly once, and its bus, which has its place, does not answer"
    )]
    Silent {
        /// The route.
        route: String,
    },
    /// The decision cannot be recorded.
    #[error("nothing was changed: the reset cannot be recorded")]
    Record(#[source] AuditError),
    /// The state does not take it.
    #[error("it is not known whether the route {route} begins elsewhere: `oktabus state show` tells")]
    State {
        /// The route.
        route: String,
        /// What is wrong.
        source: StateError,
    },
    /// It could not be stopped or begun.
    #[error("nothing was changed: {0}")]
    NotBegun(String),
}
