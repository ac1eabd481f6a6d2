//! What a client tells of its requests to whoever counts them. Knows no metrics.

use std::fmt;

/// Is told of every request. Called from within the request, so it should only count.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request to the org of this name was answered with this HTTP status, or without one was not answered.
    fn requested(&self, org: &str, status: Option<u16>);
}
