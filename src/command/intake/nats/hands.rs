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
    messages: BTreeMap<u64, Message>,
}

#[derive(Debug)]
struct Message {
    /// Where a word about it is said.
    reply: Subject,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server is to wait for us.
    Held,
    /// The last word about it is on its way, or with the server already.
    Told,
    /// It is given back or let fall. It comes again in its time, and the server counts it until then.
    Back,
}

impl Hands {
    /// A message was taken, for the first time or again.
    pub(super) fn take(&mut self, sequence: u64, reply: Subject) {
        self.messages.insert(sequence, Message { reply, stage: Stage::Held });
    }

    /// The last word about it is on its way.
    pub(super) fn tell(&mut self, sequence: u64) {
        self.enter(sequence, Stage::Told);
    }

    /// The server knows that it is given back.
    pub(super) fn gave_back(&mut self, sequence: u64) {
        self.enter(sequence, Stage::Back);
    }

    /// It was let fall without a word.
    pub(super) fn let_fall(&mut self, sequence: u64) {
        if self.messages.get(&sequence).is_some_and(|message| message.stage == Stage::Held) {
            self.enter(sequence, Stage::Back);
        }
    }

    /// The server waits for no word about it any more, or has not heard the last one.
    pub(super) fn let_go(&mut self, sequence: u64) {
        self.messages.remove(&sequence);
    }

    /// All up to `floor` is acknowledged. What was given back, and is among it, went to another and does not come again.
    pub(super) fn forget_below(&mut self, floor: u64) {
        self.messages.retain(|sequence, message| *sequence > floor || message.stage != Stage::Back);
    }

    /// Where the server is to be told to wait.
    pub(super) fn held(&self) -> Vec<Subject> {
        let held = self.messages.values().filter(|message| message.stage == Stage::Held);
        held.map(|message| message.reply.clone()).collect()
    }

    /// Where to give back all of which the last word is not said.
    pub(super) fn give_back(&mut self) -> Vec<Subject> {
        let left = self.messages.values_mut().filter(|message| message.stage != Stage::Told);
        left.map(|message| {
            message.stage = Stage::Back;
            message.reply.clone()
        })
        .collect()
    }

    fn enter(&mut self, sequence: u64, stage: Stage) {
        if let Some(message) = self.messages.get_mut(&sequence) {
            message.stage = stage;
        }
    }

    /// How many of the `unacknowledged` messages that the server counts may be neither in our hands nor `set_aside`. Of what
    /// is being told it is not known whether the server counts it, so it helps nobody.
    pub(super) fn lost(&self, unacknowledged: usize, set_aside: impl Iterator<Item = u64>) -> usize {
        let is_sure = |message: &Message| message.stage != Stage::Told;
        let sure = self.messages.values().filter(|message| is_sure(message)).count();
        let is_more = |sequence: &u64| !self.messages.get(sequence).is_some_and(is_sure);
        unacknowledged.saturating_sub(sure + set_aside.filter(is_more).count())
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
    }

    #[test]
    fn what_was_given_back_and_went_to_another_is_forgotten() {
        let mut hands = hands(&[1, 2, 3]);
        for sequence in [1, 3] {
            hands.let_fall(sequence);
        }
        hands.forget_below(2);
        // Of the two that the server counts we have the second, and know of the third.
        assert_eq!(hands.lost(2, [].into_iter()), 0);
        assert_eq!(hands.lost(3, [].into_iter()), 1);
    }

    #[test]
    fn the_server_is_told_to_wait_for_what_is_held_alone() {
        let mut hands = hands(&[1, 2, 3, 4]);
        hands.tell(2);
        hands.let_fall(3);
        assert_eq!(hands.held(), ["ack.1".into(), "ack.4".into()]);
        hands.let_fall(2);
        assert_eq!(hands.give_back(), ["ack.1".into(), "ack.3".into(), "ack.4".into()]);
        assert_eq!(hands.held(), []);
    }
}
