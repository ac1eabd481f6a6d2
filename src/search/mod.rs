//! Scheduled searches.

mod plan;

pub use plan::{LeftOut, Next, Plan, Progress, Run};
