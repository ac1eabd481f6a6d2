//! Attempts that are repeated until one works: endless, with capped and jittered waits, and visible to whoever is told.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::{halt::Stopped, source::Backoff};

/// Repeats `attempt` until it works; `tell` hears of each one that did not.
pub(crate) async fn retry_until<T, E, F>(
    backoff: &mut Backoff,
    stop: &CancellationToken,
    mut attempt: impl FnMut() -> F,
    mut tell: impl FnMut(&E),
) -> Result<T, Stopped>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(err) => tell(&err),
        }
        stop.run_until_cancelled(tokio::time::sleep(backoff.next_wait())).await.ok_or(Stopped)?;
    }
}
