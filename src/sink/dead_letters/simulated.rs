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
    /// The ids of messages whose letters were ever uncommitted.
    hidden: Vec<String>,
}

/// The disk of one daemon of the route.
#[derive(Debug)]
struct OfDaemon {
    letters: Arc<SimulatedLetters>,
    uncommitted: Mutex<Option<UncommittedLetters>>,
}

impl SimulatedLetters {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner { random: Rng::with_seed(seed), full: 0, ids: Vec::new(), hidden: Vec::new() };
        Arc::new(Self { path: "simulated".into(), inner: Mutex::new(inner) })
    }

    /// As the route of one daemon uses them, over all its lives.
    pub(crate) fn of_route(self: &Arc<Self>, route: &str) -> DeadLetters {
        let of_daemon = OfDaemon { letters: Arc::clone(self), uncommitted: Mutex::default() };
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

    /// Whether the message with this id was kept, or will be once its transaction is known to be committed.
    pub(crate) fn has(&self, id: &str) -> bool {
        let inner = self.inner();
        inner.ids.iter().chain(&inner.hidden).any(|kept| kept == id)
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

impl OfDaemon {
    fn uncommitted(&self) -> MutexGuard<'_, Option<UncommittedLetters>> {
        self.uncommitted.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn hide(&self, letters: UncommittedLetters) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        let hidden = self.letters.work(|inner| {
            inner.hidden.extend(ids(&letters.lines));
            *self.uncommitted() = Some(letters);
        });
        hidden.boxed()
    }

    fn hidden(&self) -> BoxFuture<'_, Result<Option<UncommittedLetters>, DeadLettersError>> {
        async move { Ok(self.uncommitted().clone()) }.boxed()
    }

    fn forget_hidden(&self) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        self.letters.work(|_| *self.uncommitted() = None).boxed()
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
