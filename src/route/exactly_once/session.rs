//! One session of a route: pages become transactions, one after another, until something is in doubt. Then it ends, and the
//! next one begins with what the bus has.
//!
//! The next transaction is handed to the sink while the bus commits the last one; one commit at most is outstanding.

use std::{future::pending, ops::Range, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    letters::TransactionLetters,
    local_copy::LocalCopy,
    record::{CheckpointRecord, Generations, Owner, RecordProblem},
    refusals::{Decision, Refusals, RefusedPart, refused_count},
    transaction::{Transaction, WaitingPages},
};
use crate::{
    halt::Stopped,
    invariant::Invariant,
    message::Messages,
    retry::Backoff,
    route::{
        IntoBatch as _, RouteError,
        delivery::{CHECK_EVERY, breaker::Ruling, patient, report_unanswered},
        pages::PageInFlight,
        status::{RouteStatus, RouteTask, Undelivered},
    },
    sink::{CommitError, CommitReceipt, Rejected, SinkError, TransactionalSink, payload_bytes_max},
    telemetry::metrics,
};

/// Why a session ended before everything was committed.
#[derive(Debug)]
pub(super) enum Interruption {
    /// It was stopped while the sink did not work.
    Stopped,
    /// The sink failed; what the last transaction became is to be read from the bus.
    Sink(SinkError),
    /// Somebody else writes, or a late commit of our own was applied.
    Fenced(String),
    /// What is sent next is another transaction.
    Regrouped,
    /// The bus refuses messages, and so the same.
    Narrowed { reason: String },
    /// The sink refuses messages, and it is not known yet whether they or the sink are wrong. So many wait, those behind them
    /// included.
    Held { ruling: Ruling, messages: usize, reason: String },
    /// Somebody else has taken the route over for good.
    Superseded(Owner),
    /// The route cannot go on.
    Failed(RouteError),
}

/// What lasts from one session to the next.
#[derive(Debug)]
pub(super) struct Continuity {
    pub(super) status: Arc<RouteStatus>,
    pub(super) letters: TransactionLetters,
    pub(super) copy: LocalCopy,
    pub(super) refusals: Refusals,
    /// Grows with each session that committed nothing.
    pub(super) backoff: Backoff,
    /// Of the route, as its records bear it.
    pub(super) identity: String,
    pub(super) generations: Generations,
    pub(super) heartbeat: Option<Duration>,
    /// A commit failed, and none has been applied since.
    pub(super) is_commit_due: bool,
    /// Since when the bus refuses transactions and has applied none.
    pub(super) narrowing_since: Option<Instant>,
    /// What the last session left for this one.
    pub(super) waiting: Option<Undelivered>,
}

/// A session that owns its route.
pub(super) struct Session<'a> {
    sink: &'a mut dyn TransactionalSink,
    continuity: &'a mut Continuity,
    stop: &'a CancellationToken,
    /// What the bus has.
    record: CheckpointRecord,
    /// What the stream asks today.
    question: &'a str,
    pages: WaitingPages,
    outstanding: Option<Outstanding>,
    committed_at: Instant,
}

/// A commit that the bus is asked for.
struct Asked {
    receipt: CommitReceipt,
    record: CheckpointRecord,
    refused: Vec<RefusedPart>,
}

/// A commit of which the bus has not said whether it is applied.
struct Outstanding {
    receipt: CommitReceipt,
    transaction: Transaction,
    record: CheckpointRecord,
    refused: Vec<RefusedPart>,
    /// For how long the bus was waited for, as far as this process ran.
    waited: Duration,
}

impl<'a> Session<'a> {
    /// One that goes on after `record`, which is the bus's own.
    pub(super) fn new(
        sink: &'a mut dyn TransactionalSink,
        continuity: &'a mut Continuity,
        stop: &'a CancellationToken,
        record: CheckpointRecord,
        question: &'a str,
    ) -> Self {
        let (pages, committed_at) = (WaitingPages::default(), Instant::now());
        Self { sink, continuity, stop, record, question, pages, outstanding: None, committed_at }
    }

    /// Commits `items` until there are no more.
    pub(super) async fn run(mut self, mut items: mpsc::Receiver<PageInFlight>) -> Result<(), Interruption> {
        let ended = self.commit_all(&mut items).await;
        if ended.is_err() {
            self.wait_on();
        }
        ended
    }

    /// The next session reads what waits again; until it has, the route is as far behind as now.
    fn wait_on(&mut self) {
        self.continuity.waiting = self.continuity.status.still_undelivered();
    }

    async fn commit_all(&mut self, items: &mut mpsc::Receiver<PageInFlight>) -> Result<(), Interruption> {
        let mut check = tokio::time::interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_more = true;
        self.decide_letters().await?;
        loop {
            while let Ok(item) = items.try_recv() {
                self.take(item)?;
            }
            if let Some(transaction) = self.next_transaction() {
                self.commit(transaction, false).await?;
                continue;
            }
            if !is_more && self.outstanding.is_none() {
                return self.release().await;
            }
            let beat_at = self.beat_at();
            tokio::select! {
                biased;
                answer = answer(&mut self.outstanding) => self.answered(answer).await?,
                item = items.recv(), if is_more => match item {
                    Some(item) => self.take(item)?,
                    None => is_more = false,
                },
                () = tokio::time::sleep_until(beat_at.unwrap_or(self.committed_at)), if beat_at.is_some() => {
                    self.commit(Transaction::empty(), false).await?;
                }
                _ = check.tick() => self.check_stall()?,
            }
        }
    }

    /// Commits the checkpoint once more if a transaction of the session before, with letters, may still be committed in its place.
    async fn decide_letters(&mut self) -> Result<(), Interruption> {
        if !self.continuity.letters.are_undecided() {
            return Ok(());
        }
        self.commit(Transaction::empty(), false).await?;
        self.settle().await
    }

    /// What goes to the sink next: a full transaction at any time, a smaller one when the bus has nothing to commit. So
    /// transactions grow under load, and a single event does not wait.
    fn next_transaction(&mut self) -> Option<Transaction> {
        let messages_max = self.messages_max();
        let is_time = self.outstanding.is_none() || self.pages.messages() >= messages_max;
        let refusals = &self.continuity.refusals;
        let is_left_out = |messages: &Messages, index| refusals.reason(messages, index).is_some();
        if is_time { self.pages.next_transaction(messages_max, is_left_out) } else { None }
    }

    /// Messages that a transaction may send.
    fn messages_max(&self) -> usize {
        self.sink.messages_max().min(self.continuity.refusals.messages_max())
    }

    fn take(&mut self, item: PageInFlight) -> Result<(), Interruption> {
        let bytes_max = payload_bytes_max(self.sink.message_bytes_max());
        let (batch, permit) = item.into_batch(bytes_max).map_err(Interruption::Failed)?;
        self.pages.push(batch.messages, batch.checkpoint, permit);
        Ok(())
    }

    /// When the checkpoint has to move although there is nothing to deliver.
    fn beat_at(&self) -> Option<Instant> {
        let heartbeat = self.continuity.heartbeat.filter(|_| self.outstanding.is_none())?;
        Some(self.committed_at + heartbeat)
    }

    /// Leaves the route to a standby.
    async fn release(&mut self) -> Result<(), Interruption> {
        if self.continuity.heartbeat.is_none() {
            return Ok(());
        }
        self.commit(Transaction::empty(), true).await?;
        self.settle().await
    }

    /// Hands a transaction to the sink, and to the bus once the one before is committed.
    async fn commit(&mut self, mut transaction: Transaction, is_released: bool) -> Result<(), Interruption> {
        match self.ask(&mut transaction, is_released).await {
            Ok(Asked { receipt, record, refused }) => {
                let waited = Duration::ZERO;
                self.outstanding = Some(Outstanding { receipt, transaction, record, refused, waited });
                Ok(())
            }
            Err(interruption) => {
                // While its pages count.
                self.wait_on();
                Err(interruption)
            }
        }
    }

    async fn ask(&mut self, transaction: &mut Transaction, is_released: bool) -> Result<Asked, Interruption> {
        let staged = self.stage(transaction).await;
        // A bus that has refused what is outstanding takes nothing behind it: the reason is in that answer.
        self.settle().await?;
        let refused = staged?;
        self.judge(transaction, &refused)?;

        let mut cursor = transaction.cursor_after(&self.record.cursor, self.question);
        cursor.delivered += (transaction.messages() - refused_count(&refused)) as u64;
        cursor.advanced_at = jiff::Timestamp::now();
        let record = CheckpointRecord {
            generation: self.continuity.generations.next_after(self.record.generation),
            is_released,
            cursor,
            ..self.record.clone()
        };
        let bytes = record.to_bytes(&self.continuity.identity);
        let bytes = bytes.map_err(|source| self.unwritable(source))?;
        transaction.committing();
        let (status, stop) = (Arc::clone(&self.continuity.status), self.stop);
        let letters = &mut self.continuity.letters;
        if refused.is_empty() {
            letters.committing(record.number(), stop).await?;
        } else {
            letters.keep(&refused, record.number(), self.record.number(), stop).await?;
        }
        let stall_reason = self.sink.stall_reason();
        let committing = patient(&status, stop, &*stall_reason, self.sink.commit(bytes)).await?;
        let receipt = committing.map_err(|err| self.failed(err, transaction, &refused))?;
        Ok(Asked { receipt, record, refused })
    }

    /// Hands the messages of a transaction over. Gives those that are refused.
    async fn stage(&mut self, transaction: &Transaction) -> Result<Vec<RefusedPart>, Interruption> {
        let (mut refused, mut offset) = (Vec::new(), 0);
        for part in transaction.parts() {
            let (messages, range) = (&part.messages, part.range.clone());
            let mut rejected: Vec<Rejected> = Vec::new();
            let mut begin = range.start;
            for index in range.clone() {
                let Some(reason) = self.continuity.refusals.reason(messages, index) else { continue };
                let rejection = Rejected { index, reason: reason.clone() };
                rejected.extend(self.hand_over(messages, begin..index).await?);
                rejected.push(rejection);
                begin = index + 1;
            }
            rejected.extend(self.hand_over(messages, begin..range.end).await?);
            if !rejected.is_empty() {
                refused.push(RefusedPart {
                    messages: Arc::clone(messages),
                    offset,
                    from: range.start,
                    rejected,
                });
            }
            offset += range.len();
        }
        Ok(refused)
    }

    async fn hand_over(
        &mut self,
        messages: &Arc<Messages>,
        range: Range<usize>,
    ) -> Result<Vec<Rejected>, Interruption> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (status, stop) = (Arc::clone(&self.continuity.status), self.stop);
        let stall_reason = self.sink.stall_reason();
        let staged = patient(&status, stop, &*stall_reason, self.sink.stage(messages, range)).await?;
        staged.map_err(|err| self.failed_with(err))
    }

    /// Waits until the outstanding commit is decided.
    async fn settle(&mut self) -> Result<(), Interruption> {
        if self.outstanding.is_none() {
            return Ok(());
        }
        let (status, stop) = (Arc::clone(&self.continuity.status), self.stop);
        let stall_reason = self.sink.stall_reason();
        let answer = patient(&status, stop, &*stall_reason, answer(&mut self.outstanding)).await?;
        self.answered(answer).await
    }

    /// The bus has said what became of the outstanding commit.
    async fn answered(&mut self, answer: Result<(), CommitError>) -> Result<(), Interruption> {
        let Some(outstanding) = self.outstanding.take() else { return Ok(()) };
        let Outstanding { transaction, record, refused, .. } = outstanding;
        if let Err(err) = answer {
            let interruption = self.failed(err, &transaction, &refused);
            self.wait_on();
            return Err(interruption);
        }
        Invariant::GenerationIncreases.check(record.generation > self.record.generation);
        self.record = record;
        self.committed_at = Instant::now();
        let Continuity {
            status,
            letters,
            copy,
            refusals,
            backoff,
            is_commit_due,
            narrowing_since,
            waiting,
            ..
        } = &mut *self.continuity;
        let is_about_letters = transaction.parts().is_empty() && letters.are_undecided();
        letters.committed(&self.record, self.stop).await?;
        copy.follow(&self.record);
        if is_about_letters {
            // It shows nothing of whether the sink takes messages.
            status.cursor_moved(self.record.generation, &self.record.cursor, 0);
            return Ok(());
        }
        refused.iter().for_each(|part| status.dead_letters_kept(&part.messages, &part.rejected));
        *is_commit_due = false;
        if !transaction.parts().is_empty() {
            *waiting = None;
        }
        for part in transaction.parts() {
            let is_dead_letter = |index| refused.iter().any(|refused| refused.has(&part.messages, index));
            status.tap().pass(&part.messages, part.range.clone(), is_dead_letter);
        }
        let refused = refused_count(&refused);
        let delivered = transaction.messages() - refused;
        refusals.committed(delivered);
        backoff.reset();
        *narrowing_since = None;
        status.hold(0);
        status.cursor_moved(self.record.generation, &self.record.cursor, refused as u64);
        metrics::page_delivered(status.name(), delivered as u64, refused as u64);
        transaction.parts().iter().for_each(|part| status.settled(&part.messages, part.range.clone()));
        if status.sink_recovered() {
            tracing::info!(route = status.name(), "the sink works again");
        }
        // What is committed needs no permit any more.
        transaction.committed();
        Ok(())
    }

    fn failed(
        &mut self,
        error: CommitError,
        transaction: &Transaction,
        refused: &[RefusedPart],
    ) -> Interruption {
        match error {
            // There is nothing to leave out.
            CommitError::Refused { reason, .. } if transaction.messages() == refused_count(refused) => {
                Interruption::Held { ruling: Ruling::Open, messages: self.waiting(transaction), reason }
            }
            CommitError::Refused { reason, ids } => {
                self.continuity.is_commit_due = true;
                self.continuity.refusals.narrow(transaction, refused, reason.clone(), ids);
                Interruption::Narrowed { reason }
            }
            CommitError::Fenced(reason) => Interruption::Fenced(reason),
            CommitError::Sink(err) => self.failed_with(err),
        }
    }

    /// Messages that wait for `transaction`, with its own.
    fn waiting(&self, transaction: &Transaction) -> usize {
        transaction.messages() + self.pages.messages()
    }

    fn failed_with(&mut self, error: SinkError) -> Interruption {
        self.continuity.is_commit_due = true;
        Interruption::Sink(error)
    }

    /// A cursor can always be written; this keeps the route from going on without.
    fn unwritable(&self, source: RecordProblem) -> Interruption {
        let (route, place) = (self.continuity.status.name().to_owned(), self.sink.checkpoint_place());
        Interruption::Failed(RouteError::Checkpoint { route, place, source })
    }

    /// Ends the session if it may be the sink's fault that messages are refused.
    fn judge(&mut self, transaction: &Transaction, refused: &[RefusedPart]) -> Result<(), Interruption> {
        let (messages, refused_messages) = (transaction.messages(), refused_count(refused));
        let is_full = messages - refused_messages >= self.messages_max();
        match self.continuity.refusals.judge(messages, is_full, refused) {
            Decision::Keep => Ok(()),
            Decision::CommitFront | Decision::SendMore => Err(Interruption::Regrouped),
            Decision::Hold(ruling) => {
                let first = refused.iter().find_map(|part| part.rejected.first());
                let reason = first.map_or_else(String::new, |first| first.reason.clone());
                Err(Interruption::Held { ruling, messages: self.waiting(transaction), reason })
            }
        }
    }

    /// Gives a sign of life, and reports a commit that stays outstanding. Stopped: there is one.
    fn check_stall(&mut self) -> Result<(), Stopped> {
        let status = &self.continuity.status;
        status.alive(RouteTask::Delivery);
        let Some(outstanding) = &mut self.outstanding else { return Ok(()) };
        outstanding.waited += CHECK_EVERY;
        report_unanswered(status, &*self.sink.stall_reason(), outstanding.waited, self.stop)
    }
}

impl From<Stopped> for Interruption {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// What the bus says of the outstanding commit. Never resolves if there is none.
async fn answer(outstanding: &mut Option<Outstanding>) -> Result<(), CommitError> {
    match outstanding {
        Some(outstanding) => (&mut outstanding.receipt).await,
        None => pending().await,
    }
}
