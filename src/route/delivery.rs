//! The delivering half of a route: batches to the sink, proofs to the feed, in order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::FutureExt as _;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    RouteError,
    durable::Committed,
    feed::Feed,
    opening::{SINK_RETRY_FIRST, SINK_RETRY_MAX},
    status::{RouteStatus, class_name},
};
use crate::{
    event::Batch,
    invariant::Invariant,
    sink::{DeadLetters, Delivered, Failure, Receipt, Rejected, Settled, Sink, SinkError},
    stream::Backoff,
    telemetry::{chain, metrics},
};

/// How long a batch may stay unsettled before the sink is said to be in trouble.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked.
const STALL_LOOK: Duration = Duration::from_secs(1);
/// How long receipts behind a failed one are awaited before they are given up.
const REST_MAX: Duration = Duration::from_secs(10);

/// How delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Everything that was read is proved.
    Drained,
    /// It was told to stop while the sink did not work; what is left will be read again.
    GivenUp,
}

/// Delivers what a feed is fed with to one sink.
#[derive(Debug)]
pub(crate) struct Delivery<F: Feed> {
    feed: F,
    sink: Sink,
    dead_letters: DeadLetters,
    status: Arc<RouteStatus>,
    unsettled: VecDeque<Unsettled<F::Item>>,
    in_flight_max: usize,
    backoff: Backoff,
}

/// A batch that the sink has and has not settled.
struct Unsettled<T> {
    batch: Arc<Batch>,
    /// The first message to publish, should it have to be done again.
    from: usize,
    /// Messages before it that are rejected for good.
    rejected: Vec<Rejected>,
    /// None if the batch is not with the sink, because it failed.
    receipt: Option<Receipt>,
    published_at: Instant,
    /// Keeps its room until the batch is proved.
    _item: T,
}

impl<T> std::fmt::Debug for Unsettled<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Unsettled").field("batch", &self.batch.id).field("from", &self.from).finish()
    }
}

impl<F: Feed> Delivery<F> {
    /// Delivery of at most `in_flight_max` items at a time.
    pub(crate) fn new(
        feed: F,
        in_flight_max: usize,
        sink: Sink,
        dead_letters: DeadLetters,
        status: Arc<RouteStatus>,
    ) -> Self {
        let backoff = Backoff::new(SINK_RETRY_FIRST, SINK_RETRY_MAX, fastrand::u64(..));
        Self { feed, sink, dead_letters, status, unsettled: VecDeque::new(), in_flight_max, backoff }
    }

    /// Delivers `items` until there are no more and all are proved. After `stop` a sink that does not work is no longer
    /// waited for.
    pub(crate) async fn run(
        mut self,
        mut items: mpsc::Receiver<F::Item>,
        stop: &CancellationToken,
    ) -> Result<Stop, RouteError> {
        let mut is_more = true;
        // Ticks on whatever else happens: pages may keep coming while nothing is acknowledged.
        let mut look = tokio::time::interval(STALL_LOOK);
        loop {
            let carried_on = tokio::select! {
                biased;
                settled = front(&mut self.unsettled), if !self.unsettled.is_empty() => {
                    self.take_settled(settled, stop).await?
                }
                item = items.recv(), if is_more => match item {
                    Some(item) => self.take(item, stop).await?,
                    None => {
                        is_more = false;
                        Some(())
                    }
                },
                _ = look.tick(), if !self.unsettled.is_empty() => {
                    self.report_stall();
                    // What cannot arrive cannot be drained either.
                    (!stop.is_cancelled() || !self.sink.is_cut_off()).then_some(())
                }
                else => break,
            };
            if carried_on.is_none() {
                self.sink.close().await;
                return Ok(Stop::GivenUp);
            }
        }
        self.sink.close().await;
        Ok(Stop::Drained)
    }

    /// Hands an item to the sink. None: told to stop while the sink did not work.
    async fn take(&mut self, item: F::Item, stop: &CancellationToken) -> Result<Option<()>, RouteError> {
        let Some(batch) = self.feed.batch(&item, self.sink.payload_bytes_max())? else { return Ok(Some(())) };
        let published = self.sink.publish(&batch, 0).await;
        let (receipt, error) = match published {
            Ok(receipt) => (Some(receipt), None),
            Err(error) => (None, Some(error)),
        };
        let published_at = Instant::now();
        let unsettled =
            Unsettled { batch, from: 0, rejected: Vec::new(), receipt, published_at, _item: item };
        self.unsettled.push_back(unsettled);
        Invariant::InFlightIsBounded.check(self.unsettled.len() <= self.in_flight_max);
        match error {
            None => Ok(Some(())),
            Some(error) => self.redeliver(&error, stop).await,
        }
    }

    /// The oldest batch is settled or has failed; so may those behind it be, and one commit serves them all.
    async fn take_settled(
        &mut self,
        first: Result<Settled, Failure>,
        stop: &CancellationToken,
    ) -> Result<Option<()>, RouteError> {
        let mut proofs = Vec::new();
        let mut next = Some(first);
        while let Some(settled) = next {
            match settled {
                Ok(settled) => match self.prove(&settled, stop).await {
                    Some(proof) => proofs.push(proof),
                    None => return Ok(None),
                },
                Err(failure) => {
                    if self.advance(proofs).await?.is_none() {
                        return Ok(None);
                    }
                    let error = self.note_failure(failure);
                    return self.redeliver(&error, stop).await;
                }
            }
            next = self.unsettled.front_mut().and_then(|front| front.receipt.as_mut()?.now_or_never());
        }
        self.advance(proofs).await
    }

    /// Keeps what the sink rejected of the oldest batch and lets the batch go. None: told to stop while the dead
    /// letters could not be kept.
    async fn prove(&mut self, settled: &Settled, stop: &CancellationToken) -> Option<Delivered> {
        let front = self.unsettled.front()?;
        let (batch, rejected) = (Arc::clone(&front.batch), front.rejected.clone());
        loop {
            match settled.prove(&batch, &rejected, &self.dead_letters).await {
                Ok(proof) => {
                    self.unsettled.pop_front();
                    return Some(proof);
                }
                Err(err) => {
                    if self.status.sink_failed(&chain(&err)) {
                        tracing::error!(
                            route = self.status.name(),
                            err = chain(&err),
                            "the batch is not proved; trying again"
                        );
                    }
                    stop.run_until_cancelled(tokio::time::sleep(self.backoff.next_wait())).await?;
                }
            }
        }
    }

    /// Moves on. None: told to stop while the state could not be written.
    async fn advance(&mut self, proofs: Vec<Delivered>) -> Result<Option<()>, RouteError> {
        if proofs.is_empty() {
            return Ok(Some(()));
        }
        let counts =
            proofs.iter().map(|proof| (proof.messages() as u64, proof.rejected() as u64)).collect::<Vec<_>>();
        if self.feed.advance(proofs).await? == Committed::GivenUp {
            return Ok(None);
        }
        for (messages, rejected) in &counts {
            metrics::page_delivered(self.status.name(), *messages, *rejected);
        }
        let rejected = counts.iter().map(|(_, rejected)| rejected).sum();
        if rejected > 0 {
            tracing::warn!(
                route = self.status.name(), rejected, file = %self.dead_letters.path().display(),
                "messages that can never be delivered were kept as dead letters"
            );
        }
        self.feed.tell(&self.status, rejected);
        if self.status.sink_recovered() {
            tracing::info!(route = self.status.name(), "the sink works again");
        }
        self.backoff.reset();
        Ok(Some(()))
    }

    /// Brings the sink to rest, makes it work again and publishes once more what is not proved, oldest first: the only
    /// way to keep the order of each key. Endless until `stop`, and visible. None: told to stop.
    async fn redeliver(
        &mut self,
        error: &SinkError,
        stop: &CancellationToken,
    ) -> Result<Option<()>, RouteError> {
        self.report(error);
        if self.bring_to_rest(stop).await?.is_none() {
            return Ok(None);
        }
        loop {
            let wait = tokio::time::sleep(self.backoff.next_wait());
            if stop.run_until_cancelled(wait).await.is_none() {
                return Ok(None);
            }
            let republished = match self.sink.recover().await {
                Ok(()) => self.republish().await,
                Err(error) => Err(error),
            };
            match republished {
                Ok(()) => return Ok(Some(())),
                Err(error) => self.report(&error),
            }
        }
    }

    /// Waits until the sink has nothing more to say of the batches that it has. Those that turn out to be settled
    /// before the first failed one count; those behind it have to be published again.
    async fn bring_to_rest(&mut self, stop: &CancellationToken) -> Result<Option<()>, RouteError> {
        let deadline = Instant::now() + REST_MAX;
        let mut proofs = Vec::new();
        while let Some(receipt) = self.unsettled.front_mut().and_then(|front| front.receipt.take()) {
            match tokio::time::timeout_at(deadline, receipt).await {
                Ok(Ok(settled)) => match self.prove(&settled, stop).await {
                    Some(proof) => proofs.push(proof),
                    None => break,
                },
                Ok(Err(failure)) => {
                    self.note_failure(failure);
                    break;
                }
                Err(_) => break,
            }
        }
        if self.advance(proofs).await?.is_none() {
            return Ok(None);
        }
        for later in &mut self.unsettled {
            if let Some(receipt) = later.receipt.take() {
                // Whatever it says: order demands that the batch comes after the failed one.
                let _ = tokio::time::timeout_at(deadline, receipt).await;
            }
        }
        Ok(Some(()))
    }

    async fn republish(&mut self) -> Result<(), SinkError> {
        for unsettled in &mut self.unsettled {
            let receipt = self.sink.publish(&unsettled.batch, unsettled.from).await?;
            unsettled.receipt = Some(receipt);
            unsettled.published_at = Instant::now();
        }
        Ok(())
    }

    /// Notes how far the oldest batch came.
    fn note_failure(&mut self, failure: Failure) -> SinkError {
        if let Some(front) = self.unsettled.front_mut() {
            front.from = failure.first_undelivered;
            front.rejected.extend(failure.rejected);
            front.receipt = None;
        }
        failure.error
    }

    fn report(&self, error: &SinkError) {
        let class = class_name(error.class());
        metrics::sink_failure(self.status.name(), class);
        if self.status.sink_failed(&chain(error)) {
            tracing::warn!(
                route = self.status.name(),
                class,
                error = chain(error),
                "delivery failed; trying again"
            );
        }
    }

    /// A bus's client may retry for ever by itself; somebody should know.
    fn report_stall(&self) {
        let Some(front) = self.unsettled.front() else { return };
        let waited = front.published_at.elapsed();
        if waited < STALLED_AFTER {
            return;
        }
        let trouble =
            self.sink.trouble().unwrap_or_else(|| "the bus does not acknowledge what it was sent".to_owned());
        if self.status.sink_failed(&trouble) {
            tracing::warn!(
                route = self.status.name(),
                waited_s = waited.as_secs(),
                "{trouble}; still trying"
            );
        }
    }
}

/// What the sink says of the oldest batch. May be dropped and asked again. Never resolves if the batch is not with the
/// sink, which is never so while delivery waits here.
async fn front<T>(unsettled: &mut VecDeque<Unsettled<T>>) -> Result<Settled, Failure> {
    match unsettled.front_mut().and_then(|front| front.receipt.as_mut()) {
        Some(receipt) => receipt.await,
        None => std::future::pending().await,
    }
}
