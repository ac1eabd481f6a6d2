//! What is done to the checkpoint of a simulated transactional bus from outside: by an operator, a backup, a lost disk, or a
//! program that writes where it should not.

use bytes::Bytes;

use super::transactions::TransactionalBus;

/// Something that happens to the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckpointDamage {
    /// It is gone, and all that came before it.
    Deleted,
    /// Something else is in its place, until an operator deletes that.
    Junk,
    /// It is an older one, so many commits ago; the messages are still there.
    Older(usize),
    /// Messages and checkpoint are those of so many commits ago.
    Restored(usize),
}

/// In place of a checkpoint: none of them is one.
const JUNK: [&[u8]; 3] = [b"", b"junk", br#"{"version":99,"shards":[]}"#];

impl TransactionalBus {
    /// This happens to the checkpoint, if there is one. What was expected to follow it follows nothing any more.
    pub(crate) fn damage(&self, damage: CheckpointDamage) {
        let mut inner = self.inner();
        if inner.history.is_empty() {
            return;
        }
        let at = |back: usize, length: usize| (length - 1).saturating_sub(back);
        match damage {
            CheckpointDamage::Deleted => {
                inner.checkpoints = [None, None];
                inner.history.clear();
                // Where such messages are is part of a checkpoint.
                inner.uncounted.clear();
            }
            CheckpointDamage::Junk => {
                let junk = Bytes::from_static(JUNK[inner.random.usize(..JUNK.len())]);
                let [last, before] = &mut inner.checkpoints;
                *before = last.replace(junk);
            }
            CheckpointDamage::Older(back) => {
                let older = inner.history[at(back, inner.history.len())].bytes.clone();
                inner.checkpoints = [Some(older), None];
                inner.uncounted.clear();
            }
            CheckpointDamage::Restored(back) => {
                let end = at(back, inner.history.len());
                let restored = inner.history[end].clone();
                inner.history.truncate(end + 1);
                inner.log.truncate(restored.messages);
                inner.checkpoints = [Some(restored.bytes), None];
                inner.uncounted = restored.uncounted;
                // The bus does not know whoever has committed since.
                inner.token += 1;
            }
        }
        inner.sequence += 1;
        self.observer.damaged(damage, &inner.log);
    }

    /// An operator deletes what is in place of the checkpoint, if something else than a checkpoint is.
    pub(crate) fn delete_junk(&self) {
        let is_junk = |last: &Option<Bytes>| last.as_ref().is_some_and(|last| JUNK.contains(&&last[..]));
        if is_junk(&self.inner().checkpoints[0]) {
            self.damage(CheckpointDamage::Deleted);
        }
    }
}
