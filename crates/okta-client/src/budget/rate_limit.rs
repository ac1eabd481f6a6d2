//! The rate-limit headers of one answer, checked for plausibility.

use std::time::Duration;

/// The state of the bucket by the headers of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) limit: Option<u64>,
    pub(crate) remaining: Option<u64>,
    pub(crate) reset_epoch_seconds: Option<u64>,
    pub(crate) server_epoch_seconds: Option<u64>,
}

/// Windows last a minute; in thousands of recorded answers the reset was never further ahead. A little is allowed for.
const UNTIL_RESET_MAX: Duration = Duration::from_secs(65);

impl RateLimit {
    /// Whether the answer says anything of a rate limit, as only Okta's do.
    pub(crate) fn is_told(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some() || self.reset_epoch_seconds.is_some()
    }

    /// How long until the bucket is full again, by the server's own clock, in whole seconds: up to a second off either
    /// way. A reset that is past, missing or absurdly far ahead says nothing.
    pub(super) fn until_reset(&self) -> Option<Duration> {
        let seconds = self.reset_epoch_seconds?.checked_sub(self.server_epoch_seconds?)?;
        Some(Duration::from_secs(seconds)).filter(|until| *until <= UNTIL_RESET_MAX)
    }

    /// A 429 with a limit of zero tells of too many requests at once, not of an empty bucket.
    pub(super) fn is_concurrency(&self) -> bool {
        self.limit == Some(0)
    }
}
