//! Routes of one stream that stand at the same link share one request and one copy of the page.
//!
//! Single flight: callers that ask for a page while it is being fetched share that request. Pages are kept within a
//! bound in bytes; the least recently used one is evicted first.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::BoxFuture;
use moka::{future::Cache, policy::EvictionPolicy};
use okta_client::OktaError;
use tokio::time::Instant;
use url::Url;

use super::Page;

/// The result of a fetch, for all callers that waited for it.
pub(super) type Fetched = Result<Arc<Page>, Arc<OktaError>>;

/// The memory of an entry in addition to the page: the link and the cache's own pointers. An estimate.
const ENTRY_BYTES: usize = 512;

/// Pages by the link that was asked.
#[derive(Debug)]
pub(super) struct PageCache {
    pages: Cache<Url, Fetched>,
    /// Whether several routes ask; a single one would never use a cached page.
    is_shared: AtomicBool,
}

impl PageCache {
    /// A cache of at most `max_bytes`, in addition to the pages that routes hold.
    pub(super) fn new(max_bytes: usize) -> Self {
        let weigh = |url: &Url, fetched: &Fetched| {
            let page_bytes = fetched.as_ref().map_or(0, |page| page.size_bytes());
            u32::try_from(ENTRY_BYTES + url.as_str().len() + page_bytes).unwrap_or(u32::MAX)
        };
        let pages = Cache::builder().max_capacity(max_bytes as u64).weigher(weigh);
        let pages = pages.eviction_policy(EvictionPolicy::lru()).build();
        Self { pages, is_shared: AtomicBool::new(true) }
    }

    /// Whether several routes ask from now on. If not, each request is made, and nothing is kept.
    pub(super) fn share(&self, is_shared: bool) {
        self.is_shared.store(is_shared, Ordering::Relaxed);
        if !is_shared {
            self.pages.invalidate_all();
        }
    }

    /// The page at `url`, from the cache or from `fetch`. What is no fact, that nothing is new or that a request
    /// failed, counts only if it was asked for after `fresh_since`, or while this waited.
    pub(super) async fn get(
        &self,
        url: &Url,
        fresh_since: Instant,
        fetch: impl FnOnce() -> BoxFuture<'static, Fetched> + Send,
    ) -> Fetched {
        if !self.is_shared.load(Ordering::Relaxed) {
            return fetch().await;
        }
        let is_stale = |fetched: &Fetched| match fetched {
            Ok(page) => page.is_news() && page.asked_at < fresh_since,
            Err(_) => true,
        };
        let entry = self.pages.entry_by_ref(url).or_insert_with_if(async { fetch().await }, is_stale).await;
        if entry.is_fresh() {
            // Else the cache would exceed its bound until it finds the time.
            self.pages.run_pending_tasks().await;
        }
        entry.into_value()
    }

    /// Forgets the page at `url`, whatever it is.
    pub(super) async fn forget(&self, url: &Url) {
        self.pages.invalidate(url).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures_util::future::FutureExt as _;

    use super::*;

    struct Source {
        cache: PageCache,
        requests: AtomicUsize,
        gate: tokio::sync::Notify,
    }

    impl Source {
        fn new(max_bytes: usize) -> Arc<Self> {
            let cache = PageCache::new(max_bytes);
            Arc::new(Self { cache, requests: AtomicUsize::new(0), gate: tokio::sync::Notify::new() })
        }

        async fn get(self: &Arc<Self>, number: usize, answer: Option<&'static str>) -> Fetched {
            self.get_since(number, answer, Instant::now() - Duration::from_secs(5)).await
        }

        async fn get_since(
            self: &Arc<Self>,
            number: usize,
            answer: Option<&'static str>,
            fresh_since: Instant,
        ) -> Fetched {
            let url = url(number);
            let source = Arc::clone(self);
            let asked = url.clone();
            let fetch = move || {
                source.requests.fetch_add(1, Ordering::Relaxed);
                async move {
                    source.gate.notified().await;
                    source.gate.notify_one();
                    let body = answer.ok_or_else(|| Arc::new(OktaError::NoNextLink))?;
                    Ok(Arc::new(Page::for_tests(&asked, body, &self::url(number + 1))))
                }
                .boxed()
            };
            self.cache.get(&url, fresh_since, fetch).await
        }

        fn requests(&self) -> usize {
            self.requests.load(Ordering::Relaxed)
        }

        fn kept_bytes(&self) -> u64 {
            self.cache.pages.weighted_size()
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
        tokio::task::yield_now().await;
        source.gate.notify_one();
        let mut pages = Vec::new();
        for route in routes {
            pages.push(route.await.unwrap());
        }
        pages.push(source.get(1, Some("[1]")).await.unwrap());
        assert!(pages.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
        assert_eq!(source.requests(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_leaves_the_page_to_those_who_wait() {
        let source = Source::new(1 << 20);
        let ask = || {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.get(1, Some("[1]")).await.unwrap() })
        };
        let (first, second) = (ask(), ask());
        tokio::task::yield_now().await;
        first.abort();
        source.gate.notify_one();
        assert_eq!(second.await.unwrap().events.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_is_bounded_in_bytes_and_gives_up_the_oldest() {
        let source = Source::new(10_000);
        source.gate.notify_one();
        let body: &'static str = Box::leak(format!("[\"{}\"]", "x".repeat(2_000)).into_boxed_str());
        for number in 1..=50 {
            source.get(number, Some(body)).await.unwrap();
            assert!(source.kept_bytes() <= 10_000);
        }
        source.get(50, Some(body)).await.unwrap();
        assert_eq!(source.requests(), 50);
        source.get(1, Some(body)).await.unwrap();
        assert_eq!(source.requests(), 51);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_without_events_count_too() {
        let source = Source::new(10_000);
        source.gate.notify_one();
        for number in 1..=500 {
            source.get(number, Some("[]")).await.unwrap();
        }
        let kept = source.cache.pages.entry_count();
        assert!((1..=20).contains(&kept), "{kept}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_a_failure_or_without_room() {
        let source = Source::new(1 << 20);
        source.gate.notify_one();
        source.get(1, None).await.unwrap_err();
        source.get(1, Some("[1]")).await.unwrap();
        assert_eq!(source.requests(), 2);
        let source = Source::new(0);
        source.gate.notify_one();
        source.get(1, Some("[1]")).await.unwrap();
        source.get(1, Some("[1]")).await.unwrap();
        assert_eq!((source.requests(), source.kept_bytes()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn that_nothing_is_new_is_soon_no_news() {
        let source = Source::new(1 << 20);
        source.gate.notify_one();
        let begin = Instant::now();
        source.get_since(1, Some("[]"), begin).await.unwrap();
        source.get_since(1, Some("[]"), begin).await.unwrap();
        assert_eq!(source.requests(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        source.get_since(1, Some("[]"), Instant::now()).await.unwrap();
        assert_eq!(source.requests(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_asked_for_again() {
        let source = Source::new(1 << 20);
        source.gate.notify_one();
        source.get(1, Some("[1]")).await.unwrap();
        source.cache.forget(&url(1)).await;
        source.get(1, Some("[1]")).await.unwrap();
        assert_eq!(source.requests(), 2);
    }
}
