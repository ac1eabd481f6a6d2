//! Why a replay does not begin, and why it cannot go on.

use okta_client::OktaError;
use okta_system_log::scim::FilterError;

use crate::{config::did_you_mean, halt::Halt, remedy::remedy, route::RouteError, state::StateError};

/// A request that makes no sense; nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReplay {
    /// No route has this name.
    #[error("there is no route `{route}`{}", did_you_mean(route, known.iter().map(String::as_str)))]
    UnknownRoute {
        /// What was typed.
        route: String,
        /// The routes of streams.
        known: Vec<String>,
    },
    /// Searches ask again by themselves.
    #[error(
        "`{0}` is a route of a search, and only routes of streams can be replayed: choose one of a stream"
    )]
    SearchRoute(String),
    /// A time that is none.
    #[error("--{argument}: {reason}")]
    Time {
        /// Which one.
        argument: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The window ends before it begins.
    #[error("the window begins at {since} and ends at {until}, which is before: exchange --from and --to")]
    Reversed {
        /// Where it begins.
        since: jiff::Timestamp,
        /// Where it ends.
        until: jiff::Timestamp,
    },
    /// There is nothing in it.
    #[error("the window begins and ends at {0}: there is nothing in it")]
    Empty(jiff::Timestamp),
    /// It has not begun.
    #[error("the window begins at {0}, which is in the future: correct --from")]
    NotYet(jiff::Timestamp),
    /// Nothing is known of the future.
    #[error("the window ends at {0}, which is in the future: use --to now")]
    Future(jiff::Timestamp),
    /// Okta has forgotten.
    #[error(
        "the window begins at {since}, but Okta keeps only 90 days: begin at {earliest} or later (--from -90d)"
    )]
    BeyondRetention {
        /// Where it begins.
        since: jiff::Timestamp,
        /// What Okta still has.
        earliest: jiff::Timestamp,
    },
    /// A filter that Okta would refuse.
    #[error("--filter: {0}")]
    Filter(FilterError),
    /// The name cannot be a part of a file's name.
    #[error("--name: `{0}` is not a name: up to 64 letters, digits, `-` and `_`")]
    Name(String),
    /// Too many or none.
    #[error("--slices: {slices} is not from 1 to {most}")]
    Slices {
        /// What was typed.
        slices: u16,
        /// The most.
        most: u16,
    },
    /// Another replay has the name.
    #[error(
        "the replay `{name}` is unfinished and asks for something else ({earlier}): repeat that one, choose another --name, or forget it with --anew"
    )]
    Different {
        /// The name.
        name: String,
        /// What it asks for.
        earlier: String,
    },
    /// The links that are kept answer another question.
    #[error(
        "the org or the filter of the stream has changed since the replay `{0}` began: begin again with --anew"
    )]
    OtherQuestion(String),
    /// Another version wrote it, or it is damaged.
    #[error("what is kept of the replay `{name}` cannot be understood: begin again with --anew")]
    Note {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A replay of this name is running.
    #[error("the replay `{0}` is under way already")]
    UnderWay(String),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A replay that cannot continue. What was delivered is recorded, and the same request resumes from there.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Okta does not answer the request, and an operator must act.
    #[error("{source}{}", remedy(source).map(|remedy| format!(": {remedy}")).unwrap_or_default())]
    Okta {
        /// What Okta said.
        source: OktaError,
    },
    /// Events cannot be rendered, or what was delivered cannot be kept.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The note cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A task panicked.
    #[error("a part of the replay ended abnormally: this is a bug ({0})")]
    Bug(String),
}

impl From<ReplayError> for Halt<ReplayError> {
    fn from(err: ReplayError) -> Self {
        Self::Failed(err)
    }
}
