//! The disk under a simulated store: it takes its time, and sometimes takes nothing, or takes what it is given and does not
//! say so. It may hang for a while too.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;

use super::happens;
use crate::state::StateError;

/// How often in a thousand it takes nothing, and says nothing.
const FULL: u32 = 60;
/// How often in a thousand it is slow.
const SLOW: u32 = 30;

#[derive(Debug)]
pub(super) struct Disk {
    bad_until: Instant,
    /// When it takes what it is given and does not answer.
    hangs: Option<Range<Instant>>,
    inner: Mutex<(Rng, Option<Instant>)>,
}

impl Disk {
    pub(super) fn new(seed: u64, bad_until: Instant) -> Self {
        Self { bad_until, hangs: None, inner: Mutex::new((Rng::with_seed(seed), None)) }
    }

    pub(super) fn hanging(self, hangs: Option<Range<Instant>>) -> Self {
        Self { hangs, ..self }
    }

    /// Waits while it hangs.
    pub(super) async fn hang(&self) {
        if let Some(hangs) = self.hangs.as_ref().filter(|hangs| hangs.contains(&Instant::now())) {
            happens("the disk hangs");
            tokio::time::sleep_until(hangs.end).await;
        }
    }

    /// Takes its time, and fails or not: before a write nothing is written then, behind it the answer is lost.
    pub(super) async fn answer(&self) -> Result<(), StateError> {
        let is_bad = Instant::now() < self.bad_until;
        let (wait, fails) = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let random = &mut inner.0;
            let wait =
                if is_bad && random.u32(..1_000) < SLOW { random.u64(500..3_000) } else { random.u64(1..12) };
            (Duration::from_millis(wait), is_bad && random.u32(..1_000) < FULL)
        };
        tokio::time::sleep(wait).await;
        if !fails {
            return Ok(());
        }
        happens("the disk takes nothing, or does not say so");
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(Instant::now());
        Err(StateError::NoRoom { path: "simulated".into(), free_bytes: 0, needed_bytes: 1 })
    }

    /// When it last failed.
    pub(super) fn last_fault_at(&self) -> Option<Instant> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
