//! What is staged: which messages, and the atomic batch in which they were sent. The messages are kept until the commit is
//! answered, so that they can be sent again in another batch if the server gives this one up.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    message::{Message, Messages},
    sink::nats::atomic_batch::{AtomicBatch, BatchOwner},
};

/// A server gives a batch up that it has not heard of for ten seconds. One that has waited for so long is sent again.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// Messages that are to be committed together.
#[derive(Debug)]
pub(super) struct Transaction {
    parts: Vec<Part>,
    batch: Option<Begun>,
}

/// Messages of one page.
#[derive(Debug)]
struct Part {
    messages: Arc<Messages>,
    /// Those of them that are staged, by their indices.
    taken: Vec<usize>,
}

/// A batch that the server has in part.
#[derive(Debug)]
struct Begun {
    batch: AtomicBatch,
    sent_at: Instant,
}

impl Transaction {
    /// One in which nothing is staged.
    pub(super) fn new(owner: &BatchOwner) -> Self {
        let batch = AtomicBatch::of(owner);
        Self { parts: Vec::new(), batch: Some(Begun { batch, sent_at: Instant::now() }) }
    }

    /// The batch to send the next message in. None: the server may have given it up, and all have to be sent again.
    pub(super) fn batch(&mut self) -> Option<&mut AtomicBatch> {
        self.batch = self.batch.take().filter(Begun::is_fresh);
        let begun = self.batch.as_mut()?;
        begun.sent_at = Instant::now();
        Some(&mut begun.batch)
    }

    /// These messages of a page are staged.
    pub(super) fn add(&mut self, messages: &Arc<Messages>, taken: Vec<usize>) {
        if !taken.is_empty() {
            self.parts.push(Part { messages: Arc::clone(messages), taken });
        }
    }

    /// The batch to commit, if the server still has all of it.
    pub(super) fn take_batch(&mut self) -> Option<AtomicBatch> {
        self.batch.take().filter(Begun::is_fresh).map(|begun| begun.batch)
    }

    /// All messages, in their order.
    pub(super) fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.parts.iter().flat_map(|part| part.taken.iter().filter_map(|index| part.messages.get(*index)))
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.taken.len()).sum()
    }
}

impl Begun {
    fn is_fresh(&self) -> bool {
        self.batch.is_empty() || self.sent_at.elapsed() < SILENCE_MAX
    }
}
