//! The messages in flight, and who waits for their results. Does not know Kafka's client.
//!
//! Every message handed over has a ticket, a number that grows by one from message to message. It is all that travels
//! with the message, so that nothing is allocated for one.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{
    deliveries::{Deliveries, Verdict},
    fault::Fault,
};

/// A wait for a result ends after this long even if nothing was settled.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A message that the cluster will never take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Its index in the batch.
    pub(crate) index: usize,
    /// Why, for people.
    pub(crate) reason: String,
}

/// What became of the messages of one batch. Indexes are those of the batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The messages that the cluster will never take.
    pub(crate) rejected: Vec<Rejection>,
    /// The first message that the cluster may not have, and why.
    pub(crate) undelivered: Option<(usize, Fault)>,
}

/// The messages in flight of one client.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    settled_some: Notify,
}

#[derive(Debug, Default)]
struct State {
    next_ticket: usize,
    /// In the order of their tickets, which leave no gaps between them.
    entries: VecDeque<Entry>,
    /// Why this client can no longer be used; the first reason that says more than that the cluster is away.
    fault: Option<Fault>,
    /// The tickets of messages whose record batches the cluster refused for one of their records.
    refused: Vec<usize>,
    /// When a message was last settled, or was handed over with no other on its way.
    moved_at: Option<Instant>,
}

/// The messages of one batch that is not settled, or is younger than one that is not.
#[derive(Debug)]
struct Entry {
    first_ticket: usize,
    indexes: Range<usize>,
    unsettled: usize,
    outcome: Outcome,
    /// Taken once the batch is settled.
    receipt: Option<oneshot::Sender<Outcome>>,
}

impl Ledger {
    /// Enters the messages of a batch with these indexes. Gives the ticket of the first one.
    pub(crate) fn enter(&self, indexes: Range<usize>) -> (usize, oneshot::Receiver<Outcome>) {
        let (sender, receipt) = oneshot::channel();
        let mut state = self.state();
        let first_ticket = state.next_ticket;
        if indexes.is_empty() {
            // There is nobody at the other end only if the receipt is not wanted.
            let _ = sender.send(Outcome::default());
            return (first_ticket, receipt);
        }
        if state.entries.is_empty() {
            state.moved_at = Some(Instant::now());
        }
        state.next_ticket += indexes.len();
        state.entries.push_back(Entry {
            first_ticket,
            unsettled: indexes.len(),
            indexes,
            outcome: Outcome::default(),
            receipt: Some(sender),
        });
        (first_ticket, receipt)
    }

    /// Notes that the messages of the youngest batch from `ticket` on were never handed over.
    pub(crate) fn abandon(&self, ticket: usize, fault: &Fault) {
        let mut state = self.state();
        let messages = state.next_ticket - ticket;
        if messages > 0 {
            state.settle(ticket, messages, Verdict::Undelivered(fault.clone()));
        }
    }

    /// Returns when something was settled since the last call, and after a tenth of a second in any case.
    pub(crate) async fn settled_some(&self) {
        let _ = tokio::time::timeout(LOOK_AGAIN_AFTER, self.settled_some.notified()).await;
    }

    /// Whether no message is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().entries.is_empty()
    }

    /// The tickets of messages whose record batches the cluster refused for one of their records.
    pub(crate) fn refused(&self) -> Vec<usize> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deliveries for Ledger {
    fn settle(&self, ticket: usize, verdict: Verdict) {
        self.state().settle(ticket, 1, verdict);
        self.settled_some.notify_one();
    }

    fn give_up(&self, fault: &Fault) {
        let mut state = self.state();
        state.note(fault);
        state.entries.drain(..).for_each(|entry| entry.give_up(fault));
        drop(state);
        self.settled_some.notify_one();
    }

    fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    fn stalled_for(&self) -> Option<Duration> {
        let state = self.state();
        if state.entries.is_empty() {
            return None;
        }
        state.moved_at.map(|at| at.elapsed())
    }
}

impl State {
    fn note(&mut self, fault: &Fault) {
        // What a client gives up for the fault of one record may be told before that fault.
        if self.fault.as_ref().is_none_or(|noted| !noted.is_specific() && fault.is_specific()) {
            self.fault = Some(fault.clone());
        }
    }

    fn settle(&mut self, ticket: usize, messages: usize, verdict: Verdict) {
        self.moved_at = Some(Instant::now());
        if let Verdict::Undelivered(fault) = &verdict {
            self.note(fault);
            if matches!(fault, Fault::RefusedBatch(_)) {
                self.refused.push(ticket);
            }
        }
        let after = self.entries.partition_point(|entry| entry.first_ticket <= ticket);
        if let Some(entry) = after.checked_sub(1).and_then(|at| self.entries.get_mut(at)) {
            entry.settle(ticket, messages, verdict);
        }
        while self.entries.front().is_some_and(|entry| entry.receipt.is_none()) {
            self.entries.pop_front();
        }
    }
}

impl Entry {
    fn settle(&mut self, ticket: usize, messages: usize, verdict: Verdict) {
        let index = self.indexes.start + (ticket - self.first_ticket);
        match verdict {
            Verdict::Delivered => {}
            Verdict::Rejected(reason) => self.outcome.rejected.push(Rejection { index, reason }),
            Verdict::Undelivered(fault) => self.outcome.note_undelivered(index, fault),
        }
        self.unsettled = self.unsettled.saturating_sub(messages);
        if self.unsettled == 0
            && let Some(receipt) = self.receipt.take()
        {
            self.outcome.rejected.sort_unstable_by_key(|rejected| rejected.index);
            // There is nobody at the other end only if the receipt is not wanted.
            let _ = receipt.send(std::mem::take(&mut self.outcome));
        }
    }
}

impl Entry {
    /// Which of its messages are settled is not known one by one, so all count as not.
    fn give_up(self, fault: &Fault) {
        if let Some(receipt) = self.receipt {
            let undelivered = Some((self.indexes.start, fault.clone()));
            // There is nobody at the other end only if the receipt is not wanted.
            let _ = receipt.send(Outcome { rejected: Vec::new(), undelivered });
        }
    }
}

impl Outcome {
    fn note_undelivered(&mut self, index: usize, fault: Fault) {
        if self.undelivered.as_ref().is_none_or(|(first, _)| index < *first) {
            self.undelivered = Some((index, fault));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        Fault::Unreachable(text.to_owned())
    }

    fn outcome(receipt: &mut oneshot::Receiver<Outcome>) -> Option<Outcome> {
        receipt.try_recv().ok()
    }

    #[test]
    fn a_batch_is_settled_with_its_last_message_in_whatever_order() {
        let ledger = Ledger::default();
        let (ticket, mut receipt) = ledger.enter(0..3);
        for message in [2, 0] {
            ledger.settle(ticket + message, Verdict::Delivered);
        }
        assert_eq!(outcome(&mut receipt), None);
        ledger.settle(ticket + 1, Verdict::Delivered);
        assert_eq!(outcome(&mut receipt), Some(Outcome::default()));
        assert!(ledger.is_idle());
    }

    #[test]
    fn a_batch_without_messages_is_settled_at_once_and_takes_no_ticket() {
        let ledger = Ledger::default();
        let (ticket, mut empty) = ledger.enter(7..7);
        assert_eq!(outcome(&mut empty), Some(Outcome::default()));
        let (next, mut receipt) = ledger.enter(0..1);
        assert_eq!(next, ticket);
        ledger.settle(next, Verdict::Delivered);
        assert_eq!(outcome(&mut receipt), Some(Outcome::default()));
    }

    #[test]
    fn verdicts_go_to_their_own_batch_and_index() {
        let ledger = Ledger::default();
        let (first, mut first_receipt) = ledger.enter(10..12);
        let (second, mut second_receipt) = ledger.enter(0..2);
        ledger.settle(second + 1, Verdict::Rejected("too large".to_owned()));
        ledger.settle(second, Verdict::Delivered);
        let rejected = vec![Rejection { index: 1, reason: "too large".to_owned() }];
        assert_eq!(outcome(&mut second_receipt), Some(Outcome { rejected, undelivered: None }));
        assert!(!ledger.is_idle(), "the first batch is on its way");

        ledger.settle(first + 1, Verdict::Undelivered(fault("later")));
        ledger.settle(first, Verdict::Undelivered(fault("earlier")));
        let undelivered = Some((10, fault("earlier")));
        assert_eq!(outcome(&mut first_receipt), Some(Outcome { rejected: Vec::new(), undelivered }));
        assert_eq!(ledger.fault(), Some(fault("later")), "the reason that came first");
        assert!(ledger.is_idle());
    }

    #[test]
    fn what_was_never_handed_over_is_undelivered() {
        let ledger = Ledger::default();
        let (ticket, mut receipt) = ledger.enter(5..105);
        ledger.settle(ticket, Verdict::Delivered);
        ledger.abandon(ticket + 2, &fault("gone"));
        assert_eq!(outcome(&mut receipt), None, "one message is on its way");
        ledger.settle(ticket + 1, Verdict::Delivered);
        assert_eq!(outcome(&mut receipt).unwrap().undelivered, Some((7, fault("gone"))));
        assert!(ledger.is_idle());
    }

    #[test]
    fn what_is_given_up_is_undelivered_whatever_is_said_of_it_later() {
        let ledger = Ledger::default();
        let (first, mut first_receipt) = ledger.enter(4..6);
        let (_, mut second_receipt) = ledger.enter(0..1);
        ledger.settle(first + 1, Verdict::Delivered);
        ledger.give_up(&fault("outdated"));
        assert_eq!(outcome(&mut first_receipt).unwrap().undelivered, Some((4, fault("outdated"))));
        assert_eq!(outcome(&mut second_receipt).unwrap().undelivered, Some((0, fault("outdated"))));
        assert!(ledger.is_idle());
        ledger.settle(first, Verdict::Delivered);
        assert_eq!(ledger.fault(), Some(fault("outdated")));
    }

    #[test]
    fn the_reason_is_the_first_that_says_more_than_that_the_cluster_is_away() {
        let ledger = Ledger::default();
        let (ticket, _receipt) = ledger.enter(0..3);
        ledger.settle(ticket, Verdict::Undelivered(fault("taken back")));
        let refused = Fault::RefusedBatch("too large".to_owned());
        ledger.settle(ticket + 1, Verdict::Undelivered(refused.clone()));
        ledger.settle(ticket + 2, Verdict::Undelivered(Fault::Poisoned("later".to_owned())));
        assert_eq!(ledger.fault(), Some(refused));
        assert_eq!(ledger.refused(), [ticket + 1]);
    }

    #[test]
    fn nothing_stalls_when_nothing_is_on_its_way() {
        let ledger = Ledger::default();
        assert_eq!(ledger.stalled_for(), None);
        let (ticket, _receipt) = ledger.enter(0..1);
        assert!(ledger.stalled_for().is_some());
        ledger.settle(ticket, Verdict::Delivered);
        assert_eq!(ledger.stalled_for(), None);
    }
}
