//! The messages of which the server awaits an acknowledgement by this consumer, by their sequence in the stream, and
//! how far the queue is acknowledged. Pure.
//!
//! The server counts delivered and unacknowledged messages. Those of them that are not held here were lost when a
//! connection broke, or are held by a process that ended, or by another living one. They are delivered again in time;
//! later messages must not overtake them.

use std::collections::BTreeMap;

use async_nats::Subject;

/// All messages that are held. Bounded by the consumer's maximum of unacknowledged messages.
#[derive(Debug, Default)]
pub(super) struct AckPending {
    messages: BTreeMap<u64, Message>,
    /// The number of deliveries so far.
    deliveries: u64,
    stream: Incarnation,
    /// The sequence up to which everything is acknowledged, as the server last reported; zero: unknown.
    floor: u64,
}

/// A stream may be deleted and recreated, and then its sequences stand for other messages.
#[derive(Debug, Default)]
struct Incarnation {
    /// The server's time of its creation, in nanoseconds since 1970.
    created_ns: i128,
    number: u64,
}

/// One delivery of a message. If the server delivers the message again, the earlier delivery no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryId {
    stream: u64,
    sequence: u64,
    number: u64,
}

#[derive(Debug)]
struct Message {
    /// The number of its last delivery.
    number: u64,
    /// The acknowledgement subject.
    reply: Subject,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server is to wait.
    InHand,
    /// The final acknowledgement is in flight or confirmed.
    Told,
    /// Put back or dropped. It is delivered again in time, and the server counts it until then.
    PutBack,
}

impl AckPending {
    /// Sets the creation time of the stream. If it is another stream than before, messages of the former are forgotten.
    pub(super) fn enter_stream(&mut self, created_ns: i128) {
        if self.stream.created_ns == created_ns {
            return;
        }
        self.stream = Incarnation { created_ns, number: self.stream.number + 1 };
        self.messages.clear();
        self.floor = 0;
    }

    /// Whether the delivery is of the current stream, not of a former one with the same name.
    pub(super) fn is_of_stream(&self, id: DeliveryId) -> bool {
        id.stream == self.stream.number
    }

    /// The sequence up to which everything is acknowledged; zero: unknown.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Everything up to `floor` is acknowledged. Messages below it that were put back went to another consumer, and are
    /// not delivered here again.
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

    /// The final acknowledgement is in flight.
    pub(super) fn tell(&mut self, id: DeliveryId) {
        self.enter(id, Stage::Told);
    }

    /// The server has confirmed that it is put back.
    pub(super) fn put_back(&mut self, id: DeliveryId) {
        self.enter(id, Stage::PutBack);
    }

    /// It was dropped without an acknowledgement, unless one is in flight.
    pub(super) fn drop_silently(&mut self, id: DeliveryId) {
        if self.message(id).is_some_and(|message| message.stage == Stage::InHand) {
            self.enter(id, Stage::PutBack);
        }
    }

    /// The server awaits no acknowledgement any more, or the acknowledgement failed.
    pub(super) fn forget(&mut self, id: DeliveryId) {
        if self.message(id).is_some() {
            self.messages.remove(&id.sequence);
        }
    }

    /// The subjects at which to report progress.
    pub(super) fn in_hand(&self) -> Vec<Subject> {
        let in_hand = self.messages.values().filter(|message| message.stage == Stage::InHand);
        in_hand.map(|message| message.reply.clone()).collect()
    }

    /// Whether there are such.
    pub(super) fn has_in_hand(&self) -> bool {
        self.messages.values().any(|message| message.stage == Stage::InHand)
    }

    /// The subjects at which to put back all messages without a final acknowledgement.
    pub(super) fn put_back_all(&mut self) -> Vec<Subject> {
        let left = self.messages.values_mut().filter(|message| message.stage != Stage::Told);
        left.map(|message| {
            message.stage = Stage::PutBack;
            message.reply.clone()
        })
        .collect()
    }

    /// How many of the `unacknowledged` messages that the server counts may be neither held here nor `set_aside`. A
    /// message whose acknowledgement is in flight does not help, since it is unknown whether the server counts it.
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
