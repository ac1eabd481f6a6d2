//! The trait by which a client reports its requests, for metrics. Does not know a metrics library.

use std::{fmt, time::Duration};

/// Called for every request, from within it, so it should only count.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request to the org of this name that counts on the rate-limit bucket `bucket` was answered with this HTTP status,
    /// or without one was not answered, after the time that it `took`.
    fn requested(&self, org: &str, bucket: &'static str, status: Option<u16>, took: Duration);
}
