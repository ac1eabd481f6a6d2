//! Of which messages the server waits for an acknowledgement by us, by their sequence in the stream, and how far the queue is
//! acknowledged. Pure.
//!
//! The server counts the messages that it has delivered and that are not acknowledged. Those of them that are in nobody's
//! hands here were lost on the way when a connection broke, or were held by a process that is gone, or by another that
//! lives. They come again by themselves, in their time; what is behind them must not overtake them.

use std::collections::BTreeMap;

use async_nats::Subject;

/// All messages that we have. Bounded by what the server lets a consumer leave unacknowledged.
#[derive(Debug, Default)]
pub(super) struct AckPending {
    messages: BTreeMap<u64, Message>,
    /// How many were delivered so far.
    deliveries: u64,
    stream: Incarnation,
    /// The sequence up to which everything is acknowledged, as the server last said; zero: not known.
    floor: u64,
}

/// A stream may be deleted and created anew, and then its sequences stand for other messages.
#[derive(Debug, Default)]
struct Incarnation {
    /// When it was created, in nanoseconds since 1970, by the server's clock.
    created_ns: i128,
    number: u64,
}

/// One delivery of a message. The server may deliver it again while we have it, and then this one counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryId {
    stream: u64,
    sequence: u64,
    number: u64,
}

#[derive(Debug)]
struct Message {
    /// Of its last delivery.
    number: u64,
    /// Where it is acknowledged.
    reply: Subject,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server is to wait for us.
    InHand,
    /// The last word about it is on its way, or with the server already.
    Told,
    /// It is put back or dropped. It comes again in its time, and the server counts it until then.
    PutBack,
}

impl AckPending {
    /// The stream was created at that time. If it is another than before, what we have of that one is nothing to this.
    pub(super) fn enter_stream(&mut self, created_ns: i128) {
        if self.stream.created_ns == created_ns {
            return;
        }
        self.stream = Incarnation { created_ns, number: self.stream.number + 1 };
        self.messages.clear();
        self.floor = 0;
    }

    /// Whether the delivery is of the stream as it is, and not of one that was there before under its name.
    pub(super) fn is_of_stream(&self, id: DeliveryId) -> bool {
        id.stream == self.stream.number
    }

    /// The sequence up to which everything is acknowledged; zero: not known.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Everything up to `floor` is acknowledged. What was put back, and is among it, went to another and does not come again.
    pub(super) fn set_floor(&mut self, floor: u64) {
        self.floor = floor;
        self.messages.retain(|sequence, message| *sequence > floor || message.stage != Stage::PutBack);
    }

    /// A message was delivered, for the first time or again.
    pub(super) fn deliver(&mut self, sequence: u64, reply: Subject) -> DeliveryId {
        self.deliveries += 1;
        let number = self.deliveries;
        self.messages.insert(sequence, Message { number, reply, stage: Stage::InHand });
        DeliveryId { stream: self.stream.number, sequence, number }
    }

    /// The last word about it is on its way.
    pub(super) fn tell(&mut self, id: DeliveryId) {
        self.enter(id, Stage::Told);
    }

    /// The server knows that it is put back.
    pub(super) fn put_back(&mut self, id: DeliveryId) {
        self.enter(id, Stage::PutBack);
    }

    /// It was dropped without a word, unless the last word is on its way.
    pub(super) fn drop_silently(&mut self, id: DeliveryId) {
        if self.message(id).is_some_and(|message| message.stage == Stage::InHand) {
            self.enter(id, Stage::PutBack);
        }
    }

    /// The server waits for no word about it any more, or has not heard the last one.
    pub(super) fn forget(&mut self, id: DeliveryId) {
        if self.message(id).is_some() {
            self.messages.remove(&id.sequence);
        }
    }

    /// Where the server is to be told that they are in progress.
    pub(super) fn in_hand(&self) -> Vec<Subject> {
        let in_hand = self.messages.values().filter(|message| message.stage == Stage::InHand);
        in_hand.map(|message| message.reply.clone()).collect()
    }

    /// Whether there are such.
    pub(super) fn has_in_hand(&self) -> bool {
        self.messages.values().any(|message| message.stage == Stage::InHand)
    }

    /// Where to put back all of which the last word is not said.
    pub(super) fn put_back_all(&mut self) -> Vec<Subject> {
        let left = self.messages.values_mut().filter(|message| message.stage != Stage::Told);
        left.map(|message| {
            message.stage = Stage::PutBack;
            message.reply.clone()
        })
        .collect()
    }

    /// How many of the `unacknowledged` messages that the server counts may be neither with us nor `set_aside`. Of what is
    /// being told it is not known whether the server counts it, so it helps nobody.
    pub(super) fn lost(&self, unacknowledged: usize, set_aside: impl Iterator<Item = u64>) -> usize {
        let is_sure = |message: &Message| message.stage != Stage::Told;
        let sure = self.messages.values().filter(|message| is_sure(message)).count();
        let is_more = |sequence: &u64| !self.messages.get(sequence).is_some_and(is_sure);
        unacknowledged.saturating_sub(sure + set_aside.filter(is_more).count())
    }

    fn enter(&mut self, id: DeliveryId, stage: Stage) {
        if let Some(message) = self.message(id) {
            message.stage = stage;
        }
    }

    /// The message of this delivery, unless it was delivered again.
    fn message(&mut self, id: DeliveryId) -> Option<&mut Message> {
        let message = self.messages.get_mut(&id.sequence)?;
        (message.number == id.number).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages that were delivered, in this order.
    fn delivered<const N: usize>(sequences: [u64; N]) -> (AckPending, [DeliveryId; N]) {
        let mut pending = AckPending::default();
        let ids = sequences.map(|sequence| pending.deliver(sequence, format!("ack.{sequence}").into()));
        (pending, ids)
    }

    #[test]
    fn what_a_former_process_held_is_lost_until_it_is_set_aside() {
        let pending = AckPending::default();
        assert_eq!(pending.lost(3, [].into_iter()), 3);
        assert_eq!(pending.lost(3, [7, 9].into_iter()), 1);
        // Something new came with them, and the server counts it too.
        assert_eq!(pending.lost(4, [7, 9, 30].into_iter()), 1);
        assert_eq!(pending.lost(4, [7, 9, 11, 30].into_iter()), 0);
    }

    #[test]
    fn what_we_have_is_not_lost_even_if_it_came_twice() {
        let (mut pending, [first, _]) = delivered([1, 2]);
        assert_eq!(pending.lost(2, [].into_iter()), 0);
        assert_eq!(
            pending.lost(3, [2].into_iter()),
            1,
            "a copy of what we have is not the one that is missing"
        );
        pending.deliver(2, "ack.again".into());
        assert_eq!(pending.lost(2, [].into_iter()), 0);
        pending.forget(first);
        assert_eq!(pending.lost(2, [].into_iter()), 1);
    }

    #[test]
    fn what_is_being_told_is_not_relied_on() {
        let (mut pending, [first, second]) = delivered([1, 2]);
        pending.tell(first);
        // The server may count it still, or count another that is lost.
        assert_eq!(pending.lost(2, [].into_iter()), 1);
        pending.put_back(first);
        assert_eq!(pending.lost(2, [].into_iter()), 0);
        pending.tell(second);
        pending.forget(second);
        assert_eq!(pending.lost(1, [].into_iter()), 0);
    }

    #[test]
    fn what_was_put_back_and_went_to_another_is_forgotten() {
        let (mut pending, [first, _, third]) = delivered([1, 2, 3]);
        pending.drop_silently(first);
        pending.drop_silently(third);
        pending.set_floor(2);
        // Of the two that the server counts we have the second, and know of the third.
        assert_eq!(pending.lost(2, [].into_iter()), 0);
        assert_eq!(pending.lost(3, [].into_iter()), 1);
    }

    #[test]
    fn the_server_is_told_to_wait_for_what_is_in_hand_alone() {
        let (mut pending, [_, second, third, _]) = delivered([1, 2, 3, 4]);
        pending.tell(second);
        pending.drop_silently(third);
        assert_eq!(pending.in_hand(), ["ack.1".into(), "ack.4".into()]);
        pending.drop_silently(second);
        assert_eq!(pending.put_back_all(), ["ack.1".into(), "ack.3".into(), "ack.4".into()]);
        assert_eq!(pending.in_hand(), []);
        assert!(!pending.has_in_hand());
    }

    #[test]
    fn what_becomes_of_a_copy_says_nothing_of_the_one_that_was_delivered_again() {
        let (mut pending, [first]) = delivered([1]);
        let again = pending.deliver(1, "ack.again".into());
        pending.drop_silently(first);
        pending.forget(first);
        assert_eq!(pending.in_hand(), ["ack.again".into()], "the server is told to wait for it");
        pending.forget(again);
        assert!(!pending.has_in_hand());
    }

    #[test]
    fn a_stream_that_was_created_anew_begins_at_its_beginning() {
        let (mut pending, [_]) = delivered([0]);
        pending.enter_stream(7);
        let old = pending.deliver(4, "ack.4".into());
        pending.set_floor(3);
        pending.enter_stream(7);
        assert!(pending.is_of_stream(old));
        assert_eq!((pending.floor(), pending.lost(1, [].into_iter())), (3, 0));

        pending.enter_stream(8);
        assert!(!pending.is_of_stream(old), "its sequence is another message's by now");
        assert_eq!((pending.floor(), pending.lost(1, [].into_iter())), (0, 1));
        let new = pending.deliver(4, "ack.4".into());
        pending.drop_silently(old);
        assert!(pending.is_of_stream(new) && pending.has_in_hand());
    }
}
