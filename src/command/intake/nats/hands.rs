//! Which messages of the queue are in our hands, by their sequence in the stream. Pure.
//!
//! The server counts the messages of which it waits for a word. Those of them that are in nobody's hands here were lost
//! on the way when a connection broke, or were held by a process that is gone, or by another that lives. They come again
//! by themselves, in their time; what is behind them must not overtake them.

use std::collections::BTreeMap;

use async_nats::Subject;

/// All messages in our hands. Bounded by what the server lets a consumer leave without a word.
#[derive(Debug, Default)]
pub(super) struct Hands {
    holds: BTreeMap<u64, Hold>,
}

#[derive(Debug)]
struct Hold {
    /// Where a word about it is said.
    reply: Subject,
    /// Whether the last word may be with the server already.
    is_told: bool,
}

impl Hands {
    /// A message was taken, for the first time or again.
    pub(super) fn take(&mut self, sequence: u64, reply: Subject) {
        self.holds.insert(sequence, Hold { reply, is_told: false });
    }

    /// The last word about it is on its way.
    pub(super) fn tell(&mut self, sequence: u64) {
        if let Some(hold) = self.holds.get_mut(&sequence) {
            hold.is_told = true;
        }
    }

    /// It is given back, and the server keeps it until it is due: it is not lost.
    pub(super) fn gave_back(&mut self, sequence: u64) {
        if let Some(hold) = self.holds.get_mut(&sequence) {
            hold.is_told = false;
        }
    }

    /// The server waits for no word about it any more, or has not heard the last one.
    pub(super) fn let_go(&mut self, sequence: u64) {
        self.holds.remove(&sequence);
    }

    /// Where to give back all that there is.
    pub(super) fn replies(&self) -> impl Iterator<Item = Subject> {
        self.holds.values().map(|hold| hold.reply.clone())
    }

    /// How many of the `unacknowledged` messages that the server counts may be neither in our hands nor `set_aside`. Of what
    /// is being told it is not known whether the server counts it, so it helps nobody.
    pub(super) fn lost(&self, unacknowledged: usize, set_aside: impl Iterator<Item = u64>) -> usize {
        let held = self.holds.values().filter(|hold| !hold.is_told).count();
        let is_elsewhere = |sequence: &u64| self.holds.get(sequence).is_none_or(|hold| hold.is_told);
        unacknowledged.saturating_sub(held + set_aside.filter(is_elsewhere).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hands(taken: &[u64]) -> Hands {
        let mut hands = Hands::default();
        taken.iter().for_each(|sequence| hands.take(*sequence, format!("ack.{sequence}").into()));
        hands
    }

    #[test]
    fn what_a_former_process_held_is_lost_until_it_is_set_aside() {
        let hands = hands(&[]);
        assert_eq!(hands.lost(3, [].into_iter()), 3);
        assert_eq!(hands.lost(3, [7, 9].into_iter()), 1);
        // Something new came with them, and the server counts it too.
        assert_eq!(hands.lost(4, [7, 9, 30].into_iter()), 1);
        assert_eq!(hands.lost(4, [7, 9, 11, 30].into_iter()), 0);
    }

    #[test]
    fn what_is_in_our_hands_is_not_lost_even_if_it_came_twice() {
        let mut hands = hands(&[1, 2]);
        assert_eq!(hands.lost(2, [].into_iter()), 0);
        assert_eq!(
            hands.lost(3, [2].into_iter()),
            1,
            "a copy of what we have is not the one that is missing"
        );
        hands.take(2, "ack.again".into());
        assert_eq!(hands.lost(2, [].into_iter()), 0);
        hands.let_go(1);
        assert_eq!(hands.lost(2, [].into_iter()), 1);
    }

    #[test]
    fn what_is_being_told_is_not_relied_on() {
        let mut hands = hands(&[1, 2]);
        hands.tell(1);
        // The server may count it still, or count another that is lost.
        assert_eq!(hands.lost(2, [].into_iter()), 1);
        hands.gave_back(1);
        assert_eq!(hands.lost(2, [].into_iter()), 0);
        hands.tell(2);
        hands.let_go(2);
        assert_eq!(hands.lost(1, [].into_iter()), 0);
        assert_eq!(hands.replies().map(|reply| reply.to_string()).collect::<Vec<_>>(), ["ack.1"]);
    }
}
