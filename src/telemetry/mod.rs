//! How the daemon is observed: the set-up of logging, the names of all metrics, and traces.

mod chain;
pub(crate) mod ended_series;
pub(crate) mod histogram;
pub mod logging;
pub mod metrics;
pub(crate) mod polling_metrics;
mod printable;
mod process;
pub mod traces;

pub use chain::chain;
pub use printable::{printable, printable_json, printable_lines};
