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
    /// The pages that were read and are not proved.
    undelivered: BTreeMap<u64, UndeliveredPage>,
    next: u64,
}

/// A page that was read and is not proved.
#[derive(Debug, Clone, Copy)]
struct UndeliveredPage {
    /// When its oldest event was published.
    oldest: Timestamp,
    /// How many events it has; none where that is not known any more.
    events: Option<u64>,
}

impl Lag {
    /// So much was read.
    pub(super) fn read_to(&mut self, frontier: Frontier) {
        self.frontier = Some(frontier);
    }

    /// A page of so many events, if that is known, the oldest of this age, waits to be proved. Gives its number.
    pub(super) fn add(&mut self, oldest: Timestamp, events: Option<u64>) -> u64 {
        self.next += 1;
        self.undelivered.insert(self.next, UndeliveredPage { oldest, events });
        self.next
    }

    /// The page of this number waits no longer.
    pub(super) fn remove(&mut self, number: u64) {
        self.undelivered.remove(&number);
    }

    /// When the oldest event of the pages that wait was published, if any do.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.undelivered.values().map(|page| page.oldest).min()
    }

    /// How many events wait to be proved; none while Okta has more, since nobody knows how many.
    pub(super) fn events(&self) -> Option<u64> {
        match self.frontier? {
            Frontier::MoreFrom(_) => None,
            Frontier::NothingSince(_) => self.undelivered.values().map(|page| page.events).sum(),
        }
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
        let (younger, older) = (lag.add(now - 10 * SECOND, Some(7)), lag.add(now - 60 * SECOND, Some(5)));
        lag.read_to(Frontier::NothingSince(Instant::now()));
        assert_eq!((lag.age(now), lag.events()), (Some(60 * SECOND), Some(12)));
        lag.remove(older);
        assert_eq!(lag.age(now), Some(10 * SECOND));
        lag.remove(younger);
        assert!(!lag.is_undelivered());
        assert_eq!((lag.age(now), lag.events()), (Some(Duration::ZERO), Some(0)));
        lag.add(now, None);
        assert_eq!(lag.events(), None, "what is read again is not counted yet");
    }

    #[test]
    fn it_is_that_of_what_comes_next_while_there_is_more_to_read() {
        let now = Timestamp::now();
        let mut lag = Lag::default();
        lag.add(now - 30 * SECOND, Some(3));
        lag.read_to(Frontier::MoreFrom(now - 90 * SECOND));
        assert_eq!((lag.age(now), lag.events()), (Some(90 * SECOND), None));
        // Clocks disagree; a time to come is no age.
        lag.read_to(Frontier::MoreFrom(now + 90 * SECOND));
        assert_eq!(lag.age(now), Some(30 * SECOND));
    }
}
