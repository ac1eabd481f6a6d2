//! How far a route is behind: the age of the oldest event that Okta has shown it, or may have, and that the sink has not
//! proved. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

/// Up to where Okta's log was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Frontier {
    /// There is more, which was published at about this time or later.
    MoreFrom(Timestamp),
    /// There was nothing more when Okta was asked.
    NothingSince(Instant),
}

/// What the sink lacks.
#[derive(Debug, Default)]
pub(super) struct Lag {
    frontier: Option<Frontier>,
    /// Of each page that was read and is not proved, when its oldest event was published.
    undelivered: BTreeMap<u64, Timestamp>,
    next: u64,
}

impl Lag {
    /// So much was read.
    pub(super) fn read_to(&mut self, frontier: Frontier) {
        self.frontier = Some(frontier);
    }

    /// A page with an event of this age waits to be proved. Gives its number.
    pub(super) fn add(&mut self, oldest: Timestamp) -> u64 {
        self.next += 1;
        self.undelivered.insert(self.next, oldest);
        self.next
    }

    /// The page of this number waits no longer.
    pub(super) fn remove(&mut self, number: u64) {
        self.undelivered.remove(&number);
    }

    /// When the oldest event of the pages that wait was published, if any do.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.undelivered.values().min().copied()
    }

    /// Whether there are pages that wait to be proved.
    pub(super) fn is_undelivered(&self) -> bool {
        !self.undelivered.is_empty()
    }

    /// The age; none if nothing is known yet.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        let since =
            |published: Timestamp| Duration::try_from(now.duration_since(published)).unwrap_or_default();
        let unread = self.frontier.map(|frontier| match frontier {
            Frontier::MoreFrom(published) => since(published),
            Frontier::NothingSince(asked_at) => asked_at.elapsed(),
        });
        let undelivered = self.oldest().map(since);
        unread.max(undelivered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_grows_while_okta_is_away() {
        let mut lag = Lag::default();
        assert_eq!(lag.age(Timestamp::UNIX_EPOCH), None);
        lag.read_to(Frontier::NothingSince(Instant::now()));
        tokio::time::advance(300 * SECOND).await;
        assert_eq!(lag.age(Timestamp::UNIX_EPOCH), Some(300 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_that_of_the_oldest_event_without_proof_whatever_is_read_behind_it() {
        let now = Timestamp::now();
        let mut lag = Lag::default();
        let (younger, older) = (lag.add(now - 10 * SECOND), lag.add(now - 60 * SECOND));
        lag.read_to(Frontier::NothingSince(Instant::now()));
        assert_eq!(lag.age(now), Some(60 * SECOND));
        lag.remove(older);
        assert_eq!(lag.age(now), Some(10 * SECOND));
        lag.remove(younger);
        assert!(!lag.is_undelivered());
        assert_eq!(lag.age(now), Some(Duration::ZERO));
    }

    #[test]
    fn it_is_that_of_what_comes_next_while_there_is_more_to_read() {
        let now = Timestamp::now();
        let mut lag = Lag::default();
        lag.add(now - 30 * SECOND);
        lag.read_to(Frontier::MoreFrom(now - 90 * SECOND));
        assert_eq!(lag.age(now), Some(90 * SECOND));
        // Clocks disagree; a time to come is no age.
        lag.read_to(Frontier::MoreFrom(now + 90 * SECOND));
        assert_eq!(lag.age(now), Some(30 * SECOND));
    }
}
