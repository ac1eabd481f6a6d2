//! Something that is there at once for who asks for it by id, and a moment later for who lists or searches.

use std::collections::VecDeque;

/// A thing and what it was a moment ago.
#[derive(Debug)]
pub(super) struct Versioned<T> {
    /// When each version began, in epoch milliseconds, oldest first; `None` is gone. Never empty.
    versions: VecDeque<(i64, Option<T>)>,
}

impl<T> Versioned<T> {
    /// A new thing.
    pub(super) fn new(at_ms: i64, thing: T) -> Self {
        Self { versions: VecDeque::from([(at_ms, Some(thing))]) }
    }

    /// As it is now.
    pub(super) fn now(&self) -> Option<&T> {
        self.versions.back().and_then(|(_, thing)| thing.as_ref())
    }

    /// As it was at that time.
    pub(super) fn at(&self, ms: i64) -> Option<&T> {
        let version = self.versions.iter().rev().find(|(since_ms, _)| *since_ms <= ms);
        version.and_then(|(_, thing)| thing.as_ref())
    }

    /// Makes it another, or nothing, and forgets what nobody asks for who asks for `oldest_ms` or later.
    pub(super) fn become_at(&mut self, at_ms: i64, thing: Option<T>, oldest_ms: i64) {
        self.versions.push_back((at_ms, thing));
        while self.versions.get(1).is_some_and(|(since_ms, _)| *since_ms <= oldest_ms) {
            self.versions.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_kept_as_long_as_it_is_asked_for() {
        let mut thing = Versioned::new(100, 'a');
        thing.become_at(200, Some('b'), 150);
        thing.become_at(300, None, 250);
        assert_eq!((thing.at(99), thing.at(199), thing.at(299)), (None, None, Some(&'b')));
        assert_eq!((thing.now(), thing.at(300)), (None, None));
        assert_eq!(thing.versions.len(), 2);
    }
}
