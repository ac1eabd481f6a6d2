//! The trait by which a client reports its requests, for metrics. Does not know a metrics library.

use std::fmt;

/// Called for every request, from within it, so it should only count.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request to the org of this name was answered with this HTTP status, or without one was not answered.
    fn requested(&self, org: &str, status: Option<u16>);
}
