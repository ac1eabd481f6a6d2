//! Dead letters of a simulation: in memory, on a disk that may be full, and that a crash may outrun.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{DeadLetters, DeadLettersError, LetterStore, UncommittedLetters};
use crate::simulation::happens;

/// The dead letters of one simulated route.
#[derive(Debug)]
pub(crate) struct SimulatedLetters {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    random: Rng,
    /// How often in a thousand the disk is full.
    full: u32,
    ids: Vec<String>,
    /// Those of each daemon that wait for their transaction.
    uncommitted: Vec<Option<UncommittedLetters>>,
}

/// The disk of one daemon of the route.
#[derive(Debug)]
struct OfDaemon {
    letters: Arc<SimulatedLetters>,
    number: usize,
}

impl SimulatedLetters {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner { random: Rng::with_seed(seed), full: 0, ids: Vec::new(), uncommitted: Vec::new() };
        Arc::new(Self { path: "simulated".into(), inner: Mutex::new(inner) })
    }

    /// As the route of one daemon uses them, over all its lives.
    pub(crate) fn of_route(self: &Arc<Self>, route: &str) -> DeadLetters {
        let mut inner = self.inner();
        let of_daemon = OfDaemon { letters: Arc::clone(self), number: inner.uncommitted.len() };
        inner.uncommitted.push(None);
        DeadLetters { route: route.into(), letters: Arc::new(of_daemon) }
    }

    /// From now on the disk is full so often in a thousand.
    pub(crate) fn set_full(&self, thousandths: u32) {
        self.inner().full = thousandths;
    }

    /// The ids of the messages that were kept.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.inner().ids.clone()
    }

    /// Whether the message with this id was kept, or waits to be.
    pub(crate) fn has(&self, id: &str) -> bool {
        let inner = self.inner();
        let waits = |letters: &UncommittedLetters| ids(&letters.lines).iter().any(|waits| waits == id);
        inner.ids.iter().any(|kept| kept == id) || inner.uncommitted.iter().flatten().any(waits)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk works at something; it may be full for that.
    async fn work(&self, is_done: impl FnOnce(&mut Inner)) -> Result<(), DeadLettersError> {
        let (before, is_full, after) = {
            let mut inner = self.inner();
            let full = inner.full;
            let wait = |random: &mut Rng| Duration::from_millis(random.u64(1..20));
            (wait(&mut inner.random), inner.random.u32(..1000) < full, wait(&mut inner.random))
        };
        tokio::time::sleep(before).await;
        if is_full {
            happens("a dead letter cannot be kept");
            return Err(DeadLettersError {
                path: self.path.clone(),
                source: io::ErrorKind::StorageFull.into(),
            });
        }
        is_done(&mut self.inner());
        tokio::time::sleep(after).await;
        Ok(())
    }
}

impl LetterStore for OfDaemon {
    fn path(&self) -> &Path {
        &self.letters.path
    }

    fn keep(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<u64, DeadLettersError>> {
        async move {
            let kept = self.letters.work(|inner| {
                happens("a dead letter is kept");
                inner.ids.extend(ids(&lines));
            });
            kept.await.map(|()| 0)
        }
        .boxed()
    }

    fn end_with(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<bool, DeadLettersError>> {
        let is_end = self.letters.inner().ids.ends_with(&ids(&lines));
        std::future::ready(Ok(is_end)).boxed()
    }

    fn hide(&self, letters: UncommittedLetters) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        let hidden = self.letters.work(|inner| {
            if !letters.transaction.instead.is_empty() {
                happens("a commit decides on the letters of the one before");
            }
            inner.uncommitted[self.number] = Some(letters);
        });
        hidden.boxed()
    }

    fn hidden(&self) -> BoxFuture<'_, Result<Option<UncommittedLetters>, DeadLettersError>> {
        let letters = self.letters.inner().uncommitted[self.number].clone();
        std::future::ready(Ok(letters)).boxed()
    }

    fn forget_hidden(&self) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        let forgotten = self.letters.work(|inner| {
            let letters = inner.uncommitted[self.number].take();
            let waited = letters.map_or_else(Vec::new, |letters| ids(&letters.lines));
            if waited.iter().any(|id| !inner.ids.contains(id)) {
                happens("the letters of a transaction that is not committed are forgotten");
            }
        });
        forgotten.boxed()
    }
}

fn ids(lines: &[u8]) -> Vec<String> {
    let letters = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let id = |line| {
        let letter: serde_json::Value = serde_json::from_slice(line).unwrap();
        letter["id"].as_str().unwrap().to_owned()
    };
    letters.map(id).collect()
}
