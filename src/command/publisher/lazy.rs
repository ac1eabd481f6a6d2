//! Something that is opened when it is needed first, and anew after it failed.

use std::sync::Arc;

use tokio::sync::Mutex;

/// What is open, if anything is. Those who need it at the same time share it.
#[derive(Debug)]
pub(super) struct Lazy<T>(Mutex<Option<Arc<T>>>);

impl<T> Lazy<T> {
    /// Nothing is open yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What is open if it `is_fit`, else what `opening` gives.
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

    /// Lets the next one have another, unless there is another already.
    #[cfg(any(feature = "kafka", feature = "nats"))]
    pub(super) async fn give_up(&self, failed: &Arc<T>) {
        self.0.lock().await.take_if(|open| Arc::ptr_eq(open, failed));
    }

    /// What is open, if nobody else uses it.
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
