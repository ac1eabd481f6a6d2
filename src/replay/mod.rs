//! Replays: a window of the past, delivered once more to the sink of a route exactly as the route would.
//!
//! A replay is cut into slices (`plan`), read side by side with what the streams leave of the budget (`reader`), and
//! delivered like pages. Its progress (`progress`) is one `note` in the state, written with each proof, so that the
//! same request resumes after any end. Moves no cursor. Works alike in the daemon and in a command's own process.

mod error;
mod note;
mod plan;
mod progress;
mod reader;
mod registry;
mod report;
mod request;
mod run;
#[cfg(test)]
mod simulation;
mod tally;

pub use error::{InvalidReplay, ReplayError};
pub use registry::Replays;
#[cfg(test)]
pub(crate) use registry::tests;
pub use report::{Advance, Beginning, Report, Summary};
pub use request::Request;
pub use run::Replay;
