//! Scheduled searches.

mod compose;
mod envelope;
mod plan;
mod spool;

pub use plan::{LeftOut, Next, Plan, Progress, Run};
