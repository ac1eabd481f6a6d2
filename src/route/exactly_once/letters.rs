//! Dead letters of a transaction: nobody sees them before it is committed, and they are forgotten if it can never be. So a message
//! that is delivered after all is no dead letter beside that, and none is nowhere.
//!
//! A commit without an answer may still be applied as long as the bus has the checkpoint that it follows: a look at the bus does
//! not say that it failed. Only what is committed in its place does. Where that cannot be known, its letters count: one too many
//! can be told from the message that was delivered, and one too few is a loss.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{record::CheckpointRecord, refusals::RefusedPart};
use crate::{
    halt::Stopped,
    retry::{RetryPolicy, retry_until},
    route::status::RouteStatus,
    sink::{DeadLetters, DeadLettersError, UncommittedTransaction},
    state::BusCheckpoint,
    telemetry::{chain, metrics},
};

/// The dead letters of a route's transactions, of which one at most is undecided.
#[derive(Debug)]
pub(super) struct TransactionLetters {
    letters: DeadLetters,
    status: Arc<RouteStatus>,
    /// The transaction that may or may not be committed, and whose letters wait for that.
    undecided: Option<UncommittedTransaction>,
}

impl TransactionLetters {
    /// As the run before has left them.
    pub(super) async fn open(
        letters: DeadLetters,
        status: Arc<RouteStatus>,
        stop: &CancellationToken,
    ) -> Result<Self, Stopped> {
        let undecided = retried(&status, stop, || letters.uncommitted()).await?;
        Ok(Self { letters, status, undecided })
    }

    /// Whether the next commit has to decide what waits, before other letters can.
    pub(super) fn are_undecided(&self) -> bool {
        self.undecided.is_some()
    }

    /// Keeps what is `refused` until it is known what became of `checkpoint`, which is about to be committed behind `before`.
    pub(super) async fn keep(
        &mut self,
        refused: &[RefusedPart],
        checkpoint: BusCheckpoint,
        before: BusCheckpoint,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let transaction = UncommittedTransaction { checkpoint, before, instead: Vec::new() };
        retried(&self.status, stop, || {
            let refused = refused.iter().map(|part| (&*part.messages, &part.rejected[..]));
            self.letters.keep_uncommitted(refused, &transaction)
        })
        .await?;
        self.undecided = Some(transaction);
        Ok(())
    }

    /// `checkpoint` is about to be committed. It follows what the bus had when what waits was looked at last.
    pub(super) async fn committing(
        &mut self,
        checkpoint: BusCheckpoint,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(transaction) = &mut self.undecided else { return Ok(()) };
        if transaction.checkpoint == checkpoint {
            return Ok(());
        }
        transaction.is_followed_instead_by(checkpoint);
        retried(&self.status, stop, || self.letters.note_uncommitted(transaction)).await
    }

    /// A checkpoint of this run, `record`, is committed.
    pub(super) async fn committed(
        &mut self,
        record: &CheckpointRecord,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(transaction) = &self.undecided else { return Ok(()) };
        if is_any(record, &transaction.instead) {
            retried(&self.status, stop, || self.letters.forget_uncommitted()).await?;
            self.undecided = None;
            return Ok(());
        }
        self.count(stop).await
    }

    /// The bus has `found`, and nobody else writes there. As long as that is what the transaction was to follow, it may still be
    /// committed.
    pub(super) async fn found(
        &mut self,
        found: Option<&CheckpointRecord>,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(transaction) = &self.undecided else { return Ok(()) };
        let is_outstanding =
            |found: &CheckpointRecord| found.is(&transaction.before) || is_any(found, &transaction.instead);
        if found.is_some_and(is_outstanding) { Ok(()) } else { self.count(stop).await }
    }

    /// Another daemon has the route, and the bus has `found`, or has had it a moment ago.
    pub(super) async fn seen(
        &mut self,
        found: Option<&CheckpointRecord>,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(transaction) = &self.undecided else { return Ok(()) };
        let is_later = |found: &&CheckpointRecord| found.epoch >= transaction.checkpoint.epoch;
        match found.filter(is_later) {
            Some(found) => self.found(Some(found), stop).await,
            None => Ok(()),
        }
    }

    /// What waits is a dead letter like others, whatever becomes of its transaction.
    pub(super) async fn count(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        if self.undecided.is_some() {
            retried(&self.status, stop, || self.letters.count_uncommitted()).await?;
            self.undecided = None;
        }
        Ok(())
    }
}

/// What waits is a dead letter like others, since the route delivers at least once from now on.
pub(in crate::route) async fn count_all(
    letters: &DeadLetters,
    status: &RouteStatus,
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    retried(status, stop, || letters.count_uncommitted()).await
}

fn is_any(record: &CheckpointRecord, checkpoints: &[BusCheckpoint]) -> bool {
    checkpoints.iter().any(|checkpoint| record.is(checkpoint))
}

async fn retried<T, F: Future<Output = Result<T, DeadLettersError>>>(
    status: &RouteStatus,
    stop: &CancellationToken,
    attempt: impl FnMut() -> F,
) -> Result<T, Stopped> {
    let mut backoff = RetryPolicy::STATE.backoff();
    retry_until(&mut backoff, stop, attempt, |err| report(status, err)).await
}

fn report(status: &RouteStatus, err: &DeadLettersError) {
    metrics::state_failure(status.name());
    if status.state_failed(&chain(err)) {
        tracing::error!(
            route = status.name(),
            error = chain(err),
            "dead letters cannot be kept; trying again"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::{super::record::Owner, *};
    use crate::{
        message::tests::batch,
        sink::{Rejected, SimulatedLetters},
        state::Cursor,
    };

    fn record(owner: &Owner, epoch: u64, generation: u64) -> CheckpointRecord {
        let cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs");
        CheckpointRecord { owner: owner.clone(), epoch, generation, is_released: false, cursor }
    }

    /// The letters of a daemon over its lives, with one that waits for `record`, which was to follow `before`.
    struct Scene {
        disk: Arc<SimulatedLetters>,
        of_route: DeadLetters,
        letters: TransactionLetters,
        stop: CancellationToken,
        me: Owner,
    }

    impl Scene {
        async fn waiting() -> Self {
            let (disk, stop, me) = (SimulatedLetters::new(1), CancellationToken::new(), Owner::of_this_run());
            let of_route = disk.of_route("log/siem");
            let letters = opened(&of_route, &stop).await;
            let mut scene = Self { disk, of_route, letters, stop, me };
            let rejected = vec![Rejected { index: 0, reason: "too large".to_owned() }];
            let messages = Arc::new(batch(r#"[{"uuid":"a"}]"#));
            let refused = RefusedPart { messages, offset: 0, from: 0, rejected };
            let (checkpoint, before) = (scene.own(6).number(), scene.own(5).number());
            let refused = slice::from_ref(&refused);
            scene.letters.keep(refused, checkpoint, before, &scene.stop).await.unwrap();
            scene
        }

        fn own(&self, generation: u64) -> CheckpointRecord {
            record(&self.me, 2, generation)
        }

        async fn found(&mut self, record: Option<&CheckpointRecord>) {
            self.letters.found(record, &self.stop).await.unwrap();
        }

        async fn dies(&mut self) {
            self.letters = opened(&self.of_route, &self.stop).await;
        }

        /// Whether it waits, and whether it is a dead letter.
        fn fate(&self) -> (bool, bool) {
            (self.letters.are_undecided(), !self.disk.ids().is_empty())
        }
    }

    async fn opened(of_route: &DeadLetters, stop: &CancellationToken) -> TransactionLetters {
        let status = Arc::new(RouteStatus::new("log/siem"));
        TransactionLetters::open(of_route.clone(), status, stop).await.unwrap()
    }

    const WAITS: (bool, bool) = (true, false);
    const COUNTS: (bool, bool) = (false, true);
    const IS_FORGOTTEN: (bool, bool) = (false, false);

    #[tokio::test(start_paused = true)]
    async fn a_letter_counts_when_the_bus_is_seen_to_have_its_checkpoint() {
        for dies in [false, true] {
            let mut scene = Scene::waiting().await;
            if dies {
                scene.dies().await;
            }
            assert_eq!(scene.fate(), WAITS);
            let own = scene.own(6);
            if dies {
                scene.found(Some(&own)).await;
            } else {
                scene.letters.committed(&own, &scene.stop).await.unwrap();
            }
            assert_eq!(scene.fate(), COUNTS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_is_forgotten_when_something_else_is_committed_in_its_place_and_no_sooner() {
        let mut scene = Scene::waiting().await;
        let before = scene.own(5);
        scene.found(Some(&before)).await;
        assert_eq!(scene.fate(), WAITS, "it may still be committed");
        // Two runs claim the route, and the first never hears of its claim.
        let claims = [3, 4].map(|epoch| record(&Owner::of_this_run(), epoch, 7));
        for claim in &claims {
            scene.dies().await;
            scene.found(Some(&before)).await;
            scene.letters.committing(claim.number(), &scene.stop).await.unwrap();
            assert_eq!(scene.fate(), WAITS);
        }
        scene.dies().await;
        scene.found(Some(&claims[0])).await;
        assert_eq!(scene.fate(), WAITS, "that was committed in its place");
        let last = record(&Owner::of_this_run(), 5, 8);
        scene.letters.committing(last.number(), &scene.stop).await.unwrap();
        scene.letters.committed(&last, &scene.stop).await.unwrap();
        assert_eq!(scene.fate(), IS_FORGOTTEN);
        scene.dies().await;
        assert_eq!(scene.fate(), IS_FORGOTTEN);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_can_know_it_a_letter_counts() {
        let other = Owner::of_this_run();
        let mut of_nobody = Scene::waiting().await;
        of_nobody.found(None).await;
        assert_eq!(of_nobody.fate(), COUNTS, "the checkpoint is lost");
        for generation in [4, 7] {
            let mut scene = Scene::waiting().await;
            let own = scene.own(generation);
            scene.found(Some(&own)).await;
            assert_eq!(scene.fate(), COUNTS, "the bus was set back, or nobody knows how it came to that");
        }
        for (epoch, expected) in [(1, WAITS), (2, COUNTS), (3, COUNTS)] {
            let mut scene = Scene::waiting().await;
            let others = record(&other, epoch, 9);
            scene.letters.seen(Some(&others), &scene.stop).await.unwrap();
            assert_eq!(scene.fate(), expected, "another daemon has it in epoch {epoch}");
            scene.found(Some(&others)).await;
            assert_eq!(scene.fate(), COUNTS);
        }
    }
}
