//! Routes of one stream that stand at the same link share one request and one copy of the page.
//!
//! Single flight: whoever comes while a page is being read awaits the same reading; nobody's leaving stops it. A page is
//! kept while there is room. A page without events is not a fact but the news that nothing is new, so it soon counts for
//! nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use url::Url;

use super::Page;
use crate::okta::OktaError;

/// What a reading brought, for all who awaited it.
pub(super) type Fetched = Result<Arc<Page>, Arc<OktaError>>;

type Reading = Shared<BoxFuture<'static, Fetched>>;

/// Pages by the link that was asked.
#[derive(Debug)]
pub(super) struct PageCache {
    max_bytes: usize,
    /// How long a page without events is news.
    empty_for: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    readings: HashMap<Url, Reading>,
    /// The pages that are kept, oldest first, with their sizes.
    kept: VecDeque<(Url, usize)>,
    kept_bytes: usize,
}

impl PageCache {
    pub(super) fn new(max_bytes: usize, empty_for: Duration) -> Self {
        Self { max_bytes, empty_for, entries: Mutex::default() }
    }

    /// The page at `url`, from the cache or from `fetch`.
    pub(super) async fn get(
        &self,
        url: &Url,
        fetch: impl FnOnce() -> BoxFuture<'static, Fetched>,
    ) -> Fetched {
        let reading = {
            let mut entries = self.entries();
            entries.forget_stale(url, self.empty_for);
            entries.readings.entry(url.clone()).or_insert_with(|| fetch().shared()).clone()
        };
        let fetched = reading.clone().await;
        self.entries().keep(url, &reading, &fetched, self.max_bytes);
        fetched
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing panics while the lock is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn forget_stale(&mut self, url: &Url, empty_for: Duration) {
        let Some(Ok(page)) = self.readings.get(url).and_then(Shared::peek) else { return };
        if page.events.is_empty() && page.read_at.elapsed() > empty_for {
            self.forget(url);
        }
    }

    fn keep(&mut self, url: &Url, reading: &Reading, fetched: &Fetched, max_bytes: usize) {
        let is_ours = self.readings.get(url).is_some_and(|known| known.ptr_eq(reading));
        if !is_ours || self.kept.iter().any(|(kept, _)| kept == url) {
            return;
        }
        let Ok(page) = fetched else {
            self.readings.remove(url);
            return;
        };
        let size = page.events.size_bytes();
        self.kept.push_back((url.clone(), size));
        self.kept_bytes += size;
        while self.kept_bytes > max_bytes {
            let Some((oldest, _)) = self.kept.front().cloned() else { return };
            self.forget(&oldest);
        }
        // With no room at all even a page without a byte is not kept.
        if max_bytes == 0 {
            self.forget(url);
        }
    }

    fn forget(&mut self, url: &Url) {
        self.readings.remove(url);
        if let Some(at) = self.kept.iter().position(|(kept, _)| kept == url)
            && let Some((_, size)) = self.kept.remove(at)
        {
            self.kept_bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::event::Events;

    struct Source {
        cache: PageCache,
        requests: AtomicUsize,
        gate: tokio::sync::Notify,
    }

    impl Source {
        fn new(max_bytes: usize) -> Arc<Self> {
            let cache = PageCache::new(max_bytes, Duration::from_secs(5));
            Arc::new(Self { cache, requests: AtomicUsize::new(0), gate: tokio::sync::Notify::new() })
        }

        async fn get(self: &Arc<Self>, number: usize, answer: Option<&'static str>) -> Fetched {
            let url = url(number);
            let source = Arc::clone(self);
            let asked = url.clone();
            let fetch = move || {
                source.requests.fetch_add(1, Ordering::Relaxed);
                async move {
                    source.gate.notified().await;
                    source.gate.notify_one();
                    let body = answer.ok_or_else(|| Arc::new(OktaError::NoNextLink))?;
                    Ok(Arc::new(Page::new(&asked, Events::parse(body.into()).unwrap(), asked.clone())))
                }
                .boxed()
            };
            self.cache.get(&url, fetch).await
        }

        fn requests(&self) -> usize {
            self.requests.load(Ordering::Relaxed)
        }
    }

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://a/?after={number}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn many_routes_make_one_request_and_share_the_page() {
        let source = Source::new(1 << 20);
        let routes: Vec<_> = (0..20)
            .map(|_| {
                let source = Arc::clone(&source);
                tokio::spawn(async move { source.get(1, Some("[1]")).await.unwrap() })
            })
            .collect();
        // The one that began the reading leaves, which must not matter.
        tokio::task::yield_now().await;
        routes[0].abort();
        source.gate.notify_one();
        let mut pages = Vec::new();
        for route in routes.into_iter().skip(1) {
            pages.push(route.await.unwrap());
        }
        pages.push(source.get(1, Some("[1]")).await.unwrap());
        assert!(pages.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
        assert_eq!(source.requests(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_is_bounded_in_bytes_and_gives_up_the_oldest() {
        let source = Source::new(2_000);
        source.gate.notify_one();
        let body: &'static str = Box::leak(format!("[\"{}\"]", "x".repeat(700)).into_boxed_str());
        for number in 1..=5 {
            source.get(number, Some(body)).await.unwrap();
            assert!(source.cache.entries().kept_bytes <= 2_000);
        }
        source.get(5, Some(body)).await.unwrap();
        assert_eq!(source.requests(), 5);
        source.get(1, Some(body)).await.unwrap();
        assert_eq!(source.requests(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_a_failure_or_without_room() {
        let source = Source::new(0);
        source.gate.notify_one();
        source.get(1, None).await.unwrap_err();
        source.get(1, Some("[1]")).await.unwrap();
        source.get(1, Some("[]")).await.unwrap();
        assert_eq!(source.requests(), 3);
        assert!(source.cache.entries().readings.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn that_nothing_is_new_is_soon_no_news() {
        let source = Source::new(1 << 20);
        source.gate.notify_one();
        source.get(1, Some("[]")).await.unwrap();
        tokio::time::advance(Duration::from_secs(4)).await;
        source.get(1, Some("[]")).await.unwrap();
        assert_eq!(source.requests(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        source.get(1, Some("[]")).await.unwrap();
        assert_eq!(source.requests(), 2);
    }
}
