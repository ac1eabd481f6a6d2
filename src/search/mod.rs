//! Scheduled searches: a window of the log is read whole, and then goes out as events, batches or a summary.
//!
//! `plan` decides what is due and which window it covers; `shared` reads each window once for all routes that run it, into
//! a `spool` on the disk, which `files` names by its window; `compose` makes messages of it, the same ones every time;
//! `route` delivers them with the care of any route and keeps how far it is; `once` delivers what was found by hand and
//! keeps nothing. Each slot runs once, and a run that was cut short goes on where it stood.

mod checkpoint;
mod compose;
mod envelope;
mod files;
mod once;
mod outgoing;
mod plan;
mod route;
mod shared;
#[cfg(test)]
pub(crate) mod simulation;
mod spool;

pub(crate) use checkpoint::{NOTES, SavedProgress, problem_of_note};
pub use compose::ComposeError;
pub(crate) use envelope::RunDescription;
pub use envelope::{BATCH_TYPE, SUMMARY_TYPE};
pub use files::ReadingId;
pub(crate) use once::{Publication, PublishError};
pub use plan::{Next, Plan, Progress, Run, SkipReason};
pub use route::{SearchError, SearchRoute};
pub use shared::Search;
pub use spool::SpoolError;
pub(crate) use spool::SpoolWriter;
