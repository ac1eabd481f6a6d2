//! What a server has read from files, such as its token, is read again now and then, and at once where that is asked for.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How long whoever asks waits: a disk may hang.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Has it read again at once.
#[derive(Debug, Clone)]
pub(crate) struct RefreshHandle(mpsc::Sender<oneshot::Sender<()>>);

/// Where that is asked for.
#[derive(Debug)]
pub(crate) struct RefreshRequests(mpsc::Receiver<oneshot::Sender<()>>);

/// Who has asked; told when this is dropped.
#[derive(Debug)]
pub(crate) struct RefreshAudience(Option<oneshot::Sender<()>>);

/// A handle, and where its requests arrive.
pub(crate) fn refresh_channel() -> (RefreshHandle, RefreshRequests) {
    let (requests, arriving) = mpsc::channel(1);
    (RefreshHandle(requests), RefreshRequests(arriving))
}

impl RefreshHandle {
    /// Returns when it was read again, or the server has ended.
    pub(crate) async fn refresh(&self) {
        let (done, is_done) = oneshot::channel();
        let asking = async {
            if self.0.send(done).await.is_ok() {
                // The end of it tells.
                let _ = is_done.await;
            }
        };
        if timeout(WAIT_MAX, asking).await.is_err() {
            tracing::warn!(
                "a secret or certificate of this daemon's own pages is still being read: the disk does not answer"
            );
        }
    }
}

impl RefreshRequests {
    /// Waits until it is asked for, at most for `every`.
    pub(crate) async fn next_within(&mut self, every: Duration) -> RefreshAudience {
        match timeout(every, self.0.recv()).await {
            Ok(Some(done)) => RefreshAudience(Some(done)),
            Ok(None) => {
                // Nobody can ask any more.
                tokio::time::sleep(every).await;
                RefreshAudience(None)
            }
            Err(_) => RefreshAudience(None),
        }
    }
}

impl Drop for RefreshAudience {
    fn drop(&mut self) {
        // Who has left need not know.
        self.0.take().map(|done| done.send(()));
    }
}
