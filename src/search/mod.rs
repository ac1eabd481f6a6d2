//! Scheduled searches: a window of the log is read whole, and then goes out as events, batches or a summary.
//!
//! `plan` decides what is due and which window it covers; `shared` reads the window once for all routes, into a `spool` on
//! the disk; `compose` makes messages of it, the same ones every time; `route` delivers them with the care of any route
//! and keeps how far it is. Each slot runs once, and a run that was cut short goes on where it stood.

mod compose;
mod envelope;
mod feed;
mod plan;
mod route;
mod shared;
mod spool;

pub use compose::ComposeError;
pub use envelope::{BATCH_TYPE, SUMMARY_TYPE};
pub use plan::{LeftOut, Next, Plan, Progress, Run};
pub use route::{SearchError, SearchRoute};
pub use shared::Search;
pub use spool::SpoolError;
