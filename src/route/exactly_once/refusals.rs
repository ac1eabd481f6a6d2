//! Messages that the sink refuses, over all sessions of a run: which one of a transaction it is, and whether it may go to the dead
//! letters.
//!
//! A bus that refuses a transaction for one of its messages need not say which: transactions get smaller until it is alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::Arc,
};

use super::transaction::Transaction;
use crate::{
    message::Messages,
    route::delivery::breaker::{Answer, CircuitBreaker, Ruling},
    sink::Rejected,
};

#[derive(Debug)]
pub(super) struct Refusals {
    breaker: CircuitBreaker,
    /// Messages that a transaction may have while the bus refuses one.
    messages_max: usize,
    /// Why the bus refused these messages, each alone in its transaction. By id.
    by_bus: BTreeMap<String, String>,
    /// The ids of messages that were refused before, so that this is the second time.
    tried: BTreeSet<String>,
    /// The ids of messages that are dead letters already, of a transaction that is not committed.
    kept: BTreeSet<String>,
    /// What is thought of the transaction that the bus is asked to commit.
    asked: Option<Answer>,
    /// The bus refused more than was thought, and has taken nothing since.
    is_unproved: bool,
}

/// The messages of one part of a transaction that are not delivered.
#[derive(Debug)]
pub(super) struct RefusedPart {
    /// Of the page.
    pub(super) messages: Arc<Messages>,
    /// Where the part begins in the transaction.
    pub(super) offset: usize,
    /// Where it begins in the page.
    pub(super) from: usize,
    /// Indices of the page, ascending.
    pub(super) rejected: Vec<Rejected>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            breaker: CircuitBreaker::default(),
            messages_max: usize::MAX,
            by_bus: BTreeMap::new(),
            tried: BTreeSet::new(),
            kept: BTreeSet::new(),
            asked: None,
            is_unproved: false,
        }
    }
}

impl Refusals {
    pub(super) fn messages_max(&self) -> usize {
        self.messages_max
    }

    /// The bus refused `transaction` for one of its messages, and nothing of it is committed.
    pub(super) fn narrow(&mut self, transaction: &Transaction, reason: String) {
        let messages = transaction.messages();
        self.messages_max = (messages / 2).max(1);
        if let Some(asked) = self.asked.take().filter(|asked| !asked.refused.is_empty()) {
            // Messages became dead letters because the bus was thought to take the others, and it does not.
            let refused = asked.refused.len();
            self.breaker.pass(&Answer {
                messages: refused,
                refused: (0..refused).collect(),
                is_tried_again: true,
            });
            self.is_unproved = true;
        }
        let mut parts = transaction.parts().iter().filter(|part| !part.range.is_empty());
        if messages == 1
            && let Some(part) = parts.next()
            && let Some(id) = id(&part.messages, part.range.start)
        {
            self.by_bus.insert(id, reason);
        }
    }

    /// Why the bus refused the message at `index` of `messages`, if it did.
    pub(super) fn reason(&self, messages: &Messages, index: usize) -> Option<&String> {
        if self.by_bus.is_empty() {
            return None;
        }
        self.by_bus.get(&id(messages, index)?)
    }

    /// What it means that these messages of a transaction are refused, if the bus takes the others.
    pub(super) fn judge(&mut self, messages: usize, refused: &[RefusedPart]) -> Ruling {
        let ids: Vec<_> = ids(refused).collect();
        let is_tried_again = ids.iter().all(|id| self.tried.contains(id));
        let in_transaction = |part: &RefusedPart| {
            let (offset, from) = (part.offset, part.from);
            part.rejected.iter().map(move |rejected| offset + rejected.index - from).collect::<Vec<_>>()
        };
        let indices = refused.iter().flat_map(in_transaction);
        let answer = if self.is_unproved {
            Answer { messages: ids.len(), refused: (0..ids.len()).collect(), is_tried_again }
        } else {
            Answer { messages, refused: indices.collect(), is_tried_again }
        };
        let ruling = self.breaker.judge(&answer, []);
        match ruling {
            Ruling::Odd => self.asked = Some(answer),
            Ruling::Doubtful | Ruling::Open => {
                self.tried.extend(ids);
                // The bus is asked again: it may have been mended.
                self.by_bus.clear();
            }
        }
        ruling
    }

    /// Those of `part` that are to be kept as dead letters and are not yet.
    pub(super) fn not_kept<'a>(&'a self, part: &'a RefusedPart) -> Vec<Rejected> {
        let is_kept = |rejected: &&Rejected| self.is_kept(&part.messages, rejected.index);
        part.rejected.iter().filter(|rejected| !is_kept(rejected)).cloned().collect()
    }

    /// Whether the message at `index` of `messages` is a dead letter.
    pub(super) fn is_kept(&self, messages: &Messages, index: usize) -> bool {
        !self.kept.is_empty() && id(messages, index).is_some_and(|id| self.kept.contains(&id))
    }

    /// The refused messages of `part` are dead letters.
    pub(super) fn keep(&mut self, part: &RefusedPart) {
        let ids: Vec<_> = ids(slice::from_ref(part)).collect();
        self.kept.extend(ids);
    }

    /// The transaction that was judged last is committed, with so many messages delivered.
    pub(super) fn committed(&mut self, delivered: usize) {
        if let Some(asked) = self.asked.take() {
            self.breaker.pass(&asked);
            if !asked.refused.is_empty() {
                self.by_bus.clear();
                self.tried.clear();
                self.kept.clear();
            }
        }
        if delivered > 0 {
            self.messages_max = self.messages_max.saturating_mul(2);
            self.is_unproved = false;
        }
    }
}

fn ids(refused: &[RefusedPart]) -> impl Iterator<Item = String> {
    refused.iter().flat_map(|part| part.rejected.iter().filter_map(|one| id(&part.messages, one.index)))
}

fn id(messages: &Messages, index: usize) -> Option<String> {
    let mut id = String::new();
    messages.get(index)?.write_id(&mut id);
    Some(id)
}
