//! How the daemon is observed: the set-up of logging, and the names of all metrics.

mod chain;
pub mod logging;
pub mod metrics;

pub use chain::chain;
