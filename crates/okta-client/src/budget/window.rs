//! The server's window as we know it: when it ends at the latest, and how many requests we have made in it at most.
//!
//! Errors are always on the safe side: the end is taken to be later than it is, and a request that is in flight while
//! windows change counts in both.

use std::time::Duration;

use tokio::time::Instant;

/// Windows last a minute, not aligned to the clock's minutes.
pub(super) const LENGTH: Duration = Duration::from_secs(60);
/// Header times are whole seconds, so that the true end is up to a second later or earlier than they say.
const ROUNDING: Duration = Duration::from_secs(1);
/// An end that is later or earlier than the known one by more than this is that of another window.
const IS_ANOTHER: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Window {
    /// When it ends at the latest; None before an answer told so.
    end: Option<Instant>,
    /// When it is taken to end as long as no answer has told: there must be an end to what is counted.
    assumed_end: Option<Instant>,
    /// Requests that we have made in it at most.
    used: u64,
    /// Those of them that have not been answered.
    in_flight: u64,
    /// Those of them that never were: nobody knows in which window they were counted.
    lost: u64,
}

/// The window that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Current,
    /// A new one, which is the current one now.
    Next,
    /// The one before: the answer was overtaken by one out of the current.
    Past,
}

impl Window {
    /// Begins anew if the known window is over; true if it was.
    pub(super) fn roll(&mut self, now: Instant) -> bool {
        let is_over = self.end.or(self.assumed_end).is_some_and(|end| end <= now);
        if is_over {
            self.begin();
            self.end = None;
        }
        is_over
    }

    /// A request is sent.
    pub(super) fn depart(&mut self, now: Instant) {
        self.assumed_end.get_or_insert(now + LENGTH);
        self.used += 1;
        self.in_flight += 1;
    }

    /// An answer says how far off the reset is.
    pub(super) fn observe(&mut self, until_reset: Duration, now: Instant) -> Seen {
        let end = now + until_reset + ROUNDING;
        match self.end {
            None => self.end = Some(end),
            Some(known) if end + IS_ANOTHER < known => return Seen::Past,
            Some(known) if end > known + IS_ANOTHER => {
                self.begin();
                self.end = Some(end);
                return Seen::Next;
            }
            Some(known) => self.end = Some(known.min(end)),
        }
        Seen::Current
    }

    /// A request has been answered.
    pub(super) fn arrive(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A request ended without an answer.
    pub(super) fn lose(&mut self) {
        self.arrive();
        self.lost += 1;
    }

    /// Begins to count anew. What is under way, the request whose answer tells of the new window among it, may have been
    /// counted in either.
    fn begin(&mut self) {
        self.used = self.in_flight + self.lost;
        self.lost = 0;
        self.assumed_end = None;
    }

    /// When it ends, as far as that is known.
    pub(super) fn end(&self, now: Instant) -> Instant {
        self.end.or(self.assumed_end).unwrap_or(now + LENGTH)
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// What is left of the window; all of it while nothing is known.
    pub(super) fn left(&self, now: Instant) -> Duration {
        (self.end(now) - now).min(LENGTH)
    }
}
