//! Dead letters of a simulation: in memory, on a disk that may be full, and that a crash may outrun.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{DeadLetters, DeadLettersError, LetterStore};
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
}

impl SimulatedLetters {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner { random: Rng::with_seed(seed), full: 0, ids: Vec::new() };
        Arc::new(Self { path: "simulated".into(), inner: Mutex::new(inner) })
    }

    /// As a route uses them.
    pub(crate) fn of_route(self: &Arc<Self>, route: &str) -> DeadLetters {
        DeadLetters { route: route.into(), letters: Arc::<Self>::clone(self) }
    }

    /// From now on the disk is full so often in a thousand.
    pub(crate) fn set_full(&self, thousandths: u32) {
        self.inner().full = thousandths;
    }

    /// The ids of the messages that were kept.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.inner().ids.clone()
    }

    /// Whether the message with this id was kept.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.inner().ids.iter().any(|kept| kept == id)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn kept(&self, lines: &[u8]) -> Result<u64, DeadLettersError> {
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
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let letter: serde_json::Value = serde_json::from_slice(line).unwrap();
            happens("a dead letter is kept");
            self.inner().ids.push(letter["id"].as_str().unwrap().to_owned());
        }
        tokio::time::sleep(after).await;
        Ok(0)
    }
}

impl LetterStore for SimulatedLetters {
    fn path(&self) -> &Path {
        &self.path
    }

    fn keep(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<u64, DeadLettersError>> {
        async move { self.kept(&lines).await }.boxed()
    }
}
