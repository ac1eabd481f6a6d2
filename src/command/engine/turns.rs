//! The turns of commands: a position in the order that is released when the turn is dropped, however its command ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::ordering::{Ordering, OrderingKey, SequenceNumber};

/// The order of all commands, with a channel for each that waits.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    ordering: Ordering,
    calls: HashMap<SequenceNumber, oneshot::Sender<()>>,
}

/// The position of one command in the order.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    sequence: SequenceNumber,
    /// Completes when the command may run; none if it may.
    call: Option<oneshot::Receiver<()>>,
}

impl Turns {
    /// Adds a command at the end of the order.
    pub(super) fn join(self: &Arc<Self>, keys: Vec<OrderingKey>) -> Turn {
        let mut waiting = self.waiting();
        let (sequence, may_go) = waiting.ordering.join(keys);
        let call = (!may_go).then(|| waiting.expect(sequence));
        drop(waiting);
        Turn { turns: Arc::clone(self), sequence, call }
    }

    /// The number of copies of the command `id` in the order.
    pub(super) fn copies(&self, id: &str) -> usize {
        self.waiting().ordering.copies(id)
    }

    /// The number of commands in the order, and how many of them wait for others.
    pub(super) fn counts(&self) -> (usize, usize) {
        let waiting = self.waiting();
        (waiting.ordering.len(), waiting.ordering.waiting())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn expect(&mut self, sequence: SequenceNumber) -> oneshot::Receiver<()> {
        let (call, called) = oneshot::channel();
        self.calls.insert(sequence, call);
        called
    }

    fn call(&mut self, sequences: &[SequenceNumber]) {
        for sequence in sequences {
            if let Some(call) = self.calls.remove(sequence) {
                // The receiver was dropped: its command is about to leave the order.
                let _ = call.send(());
            }
        }
    }
}

impl Turn {
    /// Waits for the turn. Cancel-safe.
    pub(super) async fn wait(&mut self) {
        let Some(call) = &mut self.call else { return };
        // The sender is kept until it has sent.
        let _ = call.await;
        self.call = None;
    }

    /// Replaces the keys of the command, whose turn it is. Returns whether it may continue at once; otherwise it must
    /// [wait](Self::wait) again.
    pub(super) fn settle(&mut self, keys: Vec<OrderingKey>) -> bool {
        let mut waiting = self.turns.waiting();
        let (may_go, called) = waiting.ordering.settle(self.sequence, keys);
        waiting.call(&called);
        self.call = (!may_go).then(|| waiting.expect(self.sequence));
        may_go
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.turns.waiting();
        waiting.calls.remove(&self.sequence);
        let called = waiting.ordering.leave(self.sequence);
        waiting.call(&called);
    }
}
