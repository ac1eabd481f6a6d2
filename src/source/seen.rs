//! The events that a reader has read last, so that what Okta gives again is known: on a page, across pages, and after a
//! refused link.

use std::collections::{HashSet, VecDeque};

use crate::state::{RecentIds, fingerprint};

/// Events that are remembered while the reader lives: many pages, so that links that lead in a circle are seen too. Over
/// a restart the cursor remembers fewer.
const CAPACITY: usize = 16_384;

/// Fingerprints of the last events, in their order.
#[derive(Debug)]
pub(super) struct Seen {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Seen {
    /// Begins with the events that were delivered last.
    pub(super) fn new(recent: &RecentIds) -> Self {
        let order: VecDeque<_> = recent.fingerprints().collect();
        Self { known: order.iter().copied().collect(), order }
    }

    /// Remembers the event with this identity; false if it is known.
    pub(super) fn insert(&mut self, identity: &str) -> bool {
        let fingerprint = fingerprint(identity);
        if !self.known.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_known_and_those_that_were_delivered_before() {
        let mut recent = RecentIds::default();
        for number in 0..2_000 {
            recent.remember(&format!("old-{number}"));
        }
        let mut seen = Seen::new(&recent);
        assert!(!seen.insert("old-1999") && !seen.insert("old-976") && seen.insert("old-975"));
        for number in 0..CAPACITY {
            assert!(seen.insert(&format!("new-{number}")));
        }
        assert!(!seen.insert("new-0") && seen.insert("old-1999"));
        assert_eq!((seen.order.len(), seen.known.len()), (CAPACITY, CAPACITY));
    }
}
