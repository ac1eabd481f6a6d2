//! The rate limiter: a request waits here until the budget of its bucket has room for it. One bucket never waits for another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::budget::{Bucket, Budget, BudgetStatus, Line, Priority, RateLimit};

/// The budgets of all buckets of one org, made as they are needed.
#[derive(Debug)]
pub(super) struct RateLimiter {
    share: f64,
    by_bucket: Mutex<BTreeMap<Bucket, Arc<BucketLimiter>>>,
}

/// The budget of one bucket, and the requests that wait for it.
#[derive(Debug)]
struct BucketLimiter {
    queue: Mutex<Queue>,
    /// Wakes waiters after a change.
    changed: Notify,
}

#[derive(Debug)]
struct Queue {
    budget: Budget,
    line: Line,
}

/// The permit for one request. Report the result with [`Permit::answered`] or [`Permit::refused`]; dropped, it counts
/// as a request without an answer.
#[derive(Debug)]
pub(super) struct Permit {
    /// The bucket on which the request counts.
    pub(super) bucket: Bucket,
    limiter: Arc<BucketLimiter>,
    is_over: bool,
}

impl RateLimiter {
    /// Budgets that use at most `share` of each bucket.
    pub(super) fn new(share: f64) -> Self {
        Self { share, by_bucket: Mutex::default() }
    }

    /// Waits for a permit for one request that counts on `bucket`. May be dropped at any time.
    pub(super) async fn permit(&self, bucket: Bucket, priority: Priority) -> Permit {
        self.limiter(bucket).permit(bucket, priority).await
    }

    /// How the budget of `bucket` stands.
    pub(super) fn status(&self, bucket: Bucket) -> BudgetStatus {
        self.limiter(bucket).lock().budget.status(Instant::now())
    }

    /// How the budget of every bucket stands, used or not.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (Bucket, BudgetStatus)> {
        Bucket::ALL.iter().map(|&bucket| {
            let limiter = self.lock().get(&bucket).map(Arc::clone);
            let status = limiter.map(|limiter| limiter.lock().budget.status(Instant::now()));
            (bucket, status.unwrap_or_default())
        })
    }

    fn limiter(&self, bucket: Bucket) -> Arc<BucketLimiter> {
        let mut by_bucket = self.lock();
        let limiter = by_bucket.entry(bucket).or_insert_with(|| {
            let budget = Budget::new(self.share, fastrand::u64(..));
            let queue = Mutex::new(Queue { budget, line: Line::default() });
            Arc::new(BucketLimiter { queue, changed: Notify::new() })
        });
        Arc::clone(limiter)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Bucket, Arc<BucketLimiter>>> {
        // No code panics while it holds the lock.
        self.by_bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BucketLimiter {
    async fn permit(self: Arc<Self>, bucket: Bucket, priority: Priority) -> Permit {
        if self.lock().admit_at_once(priority) {
            return Permit { bucket, limiter: self, is_over: false };
        }
        let waiter = Waiter { limiter: &self, ticket: self.lock().line.join(priority) };
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that no change is missed.
            changed.as_mut().enable();
            let next = self.lock().admit(waiter.ticket);
            match next {
                Next::Go => break,
                Next::Behind => changed.await,
                Next::At(instant) => {
                    // In both cases look again.
                    let _ = tokio::time::timeout_at(instant, changed).await;
                }
            }
        }
        drop(waiter);
        Permit { bucket, limiter: self, is_over: false }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a waiter may proceed.
enum Next {
    Go,
    /// Not before this time.
    At(Instant),
    /// After other requests.
    Behind,
}

impl Queue {
    /// If no request waits, there is no need to queue.
    fn admit_at_once(&mut self, priority: Priority) -> bool {
        self.line.is_empty() && self.budget.admit(priority, Instant::now()).is_ok()
    }

    fn admit(&mut self, ticket: u64) -> Next {
        let Some(priority) = self.line.turn_of(ticket) else { return Next::Behind };
        match self.budget.admit(priority, Instant::now()) {
            Ok(()) => {
                self.line.serve(ticket);
                Next::Go
            }
            Err(until) => Next::At(until),
        }
    }
}

/// A place in the queue, given up on drop.
struct Waiter<'a> {
    limiter: &'a BucketLimiter,
    ticket: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.limiter.lock().line.leave(self.ticket);
        self.limiter.changed.notify_waiters();
    }
}

impl Permit {
    /// An answer other than 429 has arrived.
    pub(super) fn answered(self, headers: RateLimit) {
        self.end(|budget| budget.observe(headers, Instant::now()));
    }

    /// A 429 has arrived; returns how long no request may be sent to the bucket.
    pub(super) fn refused(self, headers: RateLimit) -> Duration {
        self.end(|budget| budget.refuse(headers, Instant::now()))
    }

    fn end<T>(mut self, learn: impl FnOnce(&mut Budget) -> T) -> T {
        self.is_over = true;
        let learned = learn(&mut self.limiter.lock().budget);
        self.limiter.changed.notify_waiters();
        learned
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_over {
            self.limiter.lock().budget.give_up();
            self.limiter.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: u64, remaining: u64) -> RateLimit {
        RateLimit {
            limit: Some(limit),
            remaining: Some(remaining),
            reset_epoch_seconds: Some(1_030),
            server_epoch_seconds: Some(1_000),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_bucket_or_org_holds_up_no_other() {
        let (org, other) = (RateLimiter::new(0.5), RateLimiter::new(0.5));
        let start = Instant::now();
        let wait = org.permit(Bucket::Logs, Priority::Stream).await.refused(headers(120, 0));
        drop(org.permit(Bucket::Token, Priority::Stream).await);
        drop(other.permit(Bucket::Logs, Priority::Stream).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(org.permit(Bucket::Logs, Priority::Stream).await);
        assert!(start.elapsed() >= wait && wait >= Duration::from_secs(31));
    }

    #[tokio::test(start_paused = true)]
    async fn the_urgent_overtake_and_who_gives_up_holds_nobody_up() {
        let org = Arc::new(RateLimiter::new(0.5));
        org.permit(Bucket::Logs, Priority::Stream).await.refused(headers(120, 0));
        let served = Arc::new(Mutex::new(Vec::new()));
        let wait = |priority| {
            let (org, served) = (Arc::clone(&org), Arc::clone(&served));
            async move {
                let permit = org.permit(Bucket::Logs, priority).await;
                served.lock().unwrap().push(priority);
                permit.answered(headers(120, 60));
            }
        };
        let (search, look_up) = (tokio::spawn(wait(Priority::Search)), tokio::spawn(wait(Priority::LookUp)));
        tokio::time::sleep(Duration::from_millis(10)).await;
        let impatient = tokio::time::timeout(Duration::from_secs(1), wait(Priority::Stream)).await;
        assert!(impatient.is_err());
        let stream = tokio::spawn(wait(Priority::Stream));
        for task in [search, look_up, stream] {
            task.await.unwrap();
        }
        assert_eq!(*served.lock().unwrap(), [Priority::Stream, Priority::LookUp, Priority::Search]);
    }
}
