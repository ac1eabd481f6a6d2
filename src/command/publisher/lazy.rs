//! A resource that is opened at its first use, and again after a failure.

use std::sync::Arc;

use tokio::sync::Mutex;

/// The open resource, if any, shared by concurrent users.
#[derive(Debug)]
pub(super) struct Lazy<T>(Mutex<Option<Arc<T>>>);

impl<T> Lazy<T> {
    /// Opens nothing.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The open resource if it `is_fit`, else the result of `opening`.
    pub(super) async fn get<E>(
        &self,
        is_fit: impl FnOnce(&T) -> bool,
        opening: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut open = self.0.lock().await;
        if let Some(open) = open.as_ref().filter(|open| is_fit(open)) {
            return Ok(Arc::clone(open));
        }
        *open = None;
        Ok(Arc::clone(open.insert(Arc::new(opening.await?))))
    }

    /// Drops the resource, unless it was replaced already.
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub(super) async fn give_up(&self, failed: &Arc<T>) {
        self.0.lock().await.take_if(|open| Arc::ptr_eq(open, failed));
    }

    /// Takes the open resource, unless it is in use elsewhere.
    pub(super) async fn take(&self) -> Option<T> {
        Arc::into_inner(self.0.lock().await.take()?)
    }
}

#[cfg(all(test, any(feature = "kafka", feature = "nats")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_opened_when_it_is_needed_and_anew_when_it_failed() {
        let lazy = Lazy::new();
        let failed = lazy.get(|_: &u8| true, async { Err("no") }).await;
        assert_eq!(failed, Err("no"), "and the next one tries again");
        let first = lazy.get(|_| true, async { Ok::<_, ()>(1) }).await.unwrap();
        assert_eq!(*lazy.get(|_| true, async { Ok::<_, ()>(2) }).await.unwrap(), 1);
        lazy.give_up(&first).await;
        assert_eq!(*lazy.get(|_| true, async { Ok::<_, ()>(3) }).await.unwrap(), 3);
        lazy.give_up(&first).await;
        assert_eq!(
            *lazy.get(|_| true, async { Ok::<_, ()>(4) }).await.unwrap(),
            3,
            "it is not the one that failed"
        );
        assert_eq!(*lazy.get(|_| false, async { Ok::<_, ()>(5) }).await.unwrap(), 5);
        assert_eq!(lazy.take().await, Some(5));
        assert_eq!(lazy.take().await, None);
    }
}
