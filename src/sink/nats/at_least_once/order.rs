//! How messages are sent so that none is stored before one that it must follow, though many are on their way at a time.
//!
//! A server may lose or refuse one message and store those behind it, so what order rests on is that nothing which must
//! stay behind is on its way too.
//!
//! * Where the stream takes atomic batches, messages go in such batches, and one is committed when the one before it is
//!   answered: the order of the whole route holds. While it is awaited the next one is staged. Where it takes fast ingest too,
//!   such a batch goes that way, and none of it is sent before the one before it is answered.
//! * Elsewhere each key has one message on its way at a time: the order of each key holds.
//!
//! Awaits no answer itself.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use super::acknowledgements::Acknowledgements;
use crate::sink::nats::atomic_batch::BATCH_MESSAGES_MAX;

/// What keeps the order.
#[derive(Debug)]
pub(super) enum Order {
    /// Atomic batches of at most so many messages.
    Batches { messages_max: usize },
    /// One message of a key at a time.
    Keys(Keys),
}

/// The last message of each key that may be on its way, counted from the session's start.
#[derive(Debug, Default)]
pub(super) struct Keys {
    last: HashMap<u64, u64>,
    hasher: RandomState,
    /// Above so many, keys without a message on its way are forgotten.
    kept_max: usize,
}

impl Order {
    /// For a stream that takes atomic batches or not, with at most `unacknowledged_max` messages on their way.
    pub(super) fn new(takes_batches: bool, unacknowledged_max: usize) -> Self {
        if takes_batches {
            // One is awaited while the next one is staged.
            return Self::Batches { messages_max: (unacknowledged_max / 2).clamp(1, BATCH_MESSAGES_MAX) };
        }
        Self::Keys(Keys { kept_max: 2 * unacknowledged_max, ..Keys::default() })
    }

    /// How many messages are to be composed before any of them is sent.
    pub(super) fn group_max(&self) -> usize {
        match self {
            Self::Batches { messages_max } => *messages_max,
            Self::Keys(_) => 1,
        }
    }
}

impl Keys {
    /// How many messages have to be settled before the next one, which is number `number`, may be sent with `key`.
    pub(super) fn await_before(&mut self, key: &str, number: u64, settled: u64) -> u64 {
        if key.is_empty() {
            return 0;
        }
        if self.last.len() > self.kept_max {
            self.last.retain(|_, last| *last > settled);
        }
        // Two keys of one hash wait for each other without need.
        self.last.insert(self.hasher.hash_one(key), number).unwrap_or(0)
    }
}

/// Waits until everything handed over before the message with `key` is answered that it must not overtake.
pub(super) async fn wait_for_key(
    keys: &mut Keys,
    acknowledgements: &mut Acknowledgements,
    key: &str,
) -> bool {
    let number = acknowledgements.handed_over() + 1;
    let before = keys.await_before(key, number, acknowledgements.settled());
    acknowledgements.until_settled(before).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_for_the_one_before_it_of_its_key_alone() {
        let Order::Keys(mut keys) = Order::new(false, 2) else { panic!() };
        assert_eq!(keys.await_before("ada", 1, 0), 0);
        assert_eq!(keys.await_before("bob", 2, 0), 0);
        assert_eq!(keys.await_before("ada", 3, 0), 1);
        assert_eq!(keys.await_before("", 4, 0), 0);
        assert_eq!(keys.await_before("ada", 5, 2), 3);
    }

    #[test]
    fn keys_with_nothing_on_its_way_are_forgotten() {
        let Order::Keys(mut keys) = Order::new(false, 2) else { panic!() };
        for number in 1..=100 {
            keys.await_before(&number.to_string(), number, number - 1);
        }
        assert!(keys.last.len() <= 6, "{}", keys.last.len());
    }

    #[test]
    fn a_batch_is_half_of_what_may_be_on_its_way_and_no_more_than_the_server_takes() {
        for (unacknowledged_max, expected) in [(1, 1), (100, 50), (4_096, 1_000)] {
            assert_eq!(Order::new(true, unacknowledged_max).group_max(), expected);
        }
    }
}
