//! The audit of the commands of one name: into a file or a sink, before anything goes on. The end of its chain is kept in the
//! state before a record is written (`command::audit`). Decisions that come while others are written share the next write, and
//! what anybody may bring about is summed up where it is too much (`flood_limiter`).

mod flood_limiter;
mod record_queue;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_util::sync::CancellationToken;

use super::{EngineError, journal::Journal, status::EngineStatus, trouble::Trouble};
use crate::{
    clock::Clock,
    command::{
        AddressTemplate,
        audit::{AuditChain, AuditFile, AuditRecord, Decision, SavedChain, SealedBatch},
        publisher::{self, Publication, Publisher, Records},
    },
    config::{AuditConfig, CommandsConfig},
    retry::RetryPolicy,
    state::NoteChange,
    telemetry::chain,
};

use flood_limiter::{FloodLimiter, SUMMED_EVERY};
use record_queue::{AddressFields, RecordQueue};

/// How long whoever closes the audit log waits for the last sum to be recorded.
const LAST_SUM_MAX: Duration = Duration::from_secs(5);

/// The audit log while anybody uses it: two of them would write to the same files.
#[derive(Debug, Default)]
pub(super) struct SharedAuditLog(AsyncMutex<Weak<AuditLog>>);

/// Where decisions are recorded.
#[derive(Debug)]
pub(super) struct AuditLog {
    status: Arc<EngineStatus>,
    clock: Arc<dyn Clock>,
    journal: Journal,
    destination: Destination,
    queue: RecordQueue,
    flood_limiter: Mutex<FloodLimiter>,
    end: AsyncMutex<ChainEnd>,
}

/// Where that is.
#[derive(Debug)]
pub(super) enum Destination {
    File(Arc<Mutex<AuditFile>>),
    Sink { publisher: Arc<dyn Publisher>, address: Option<AddressTemplate>, org: String },
}

/// Where the chain stands.
#[derive(Debug)]
struct ChainEnd {
    chain: AuditChain,
    /// Of the note.
    generation: u64,
    /// What is kept, and may not be written yet. It comes before everything else.
    unwritten: Option<PendingBatch>,
}

#[derive(Debug)]
struct PendingBatch {
    batch: SealedBatch,
    /// One for each of its lines.
    address_fields: Vec<AddressFields>,
    is_kept: bool,
    /// Whether a process before this one may have written it.
    is_in_doubt: bool,
    /// Whoever waits for it.
    written: Vec<oneshot::Sender<()>>,
}

impl SharedAuditLog {
    /// The audit log that is open, or a new one.
    pub(super) async fn open(
        &self,
        config: &CommandsConfig,
        journal: &Journal,
        clock: &Arc<dyn Clock>,
        status: &Arc<EngineStatus>,
    ) -> Result<Arc<AuditLog>, EngineError> {
        let mut open = self.0.lock().await;
        if let Some(log) = open.upgrade() {
            return Ok(log);
        }
        let destination = match &config.audit {
            AuditConfig::File(path) => Destination::File(Arc::new(Mutex::new(AuditFile::new(path)))),
            AuditConfig::Sink(to) => {
                let publisher = publisher::open(&to.sink, status.name(), Records::Audit, &[])?;
                Destination::Sink { publisher, address: to.address.clone(), org: config.org.clone() }
            }
        };
        let log = AuditLog::open(destination, journal.clone(), Arc::clone(clock), Arc::clone(status)).await?;
        let log = Arc::new(log);
        *open = Arc::downgrade(&log);
        Ok(log)
    }

    /// Whether all that the state keeps now is written, as far as this process knows.
    pub(super) async fn is_settled(&self) -> bool {
        let Some(log) = self.0.lock().await.upgrade() else { return false };
        // Who holds it is writing.
        log.end.try_lock().is_ok_and(|end| end.unwritten.is_none())
    }
}

impl AuditLog {
    /// The audit log that goes on where the state says.
    pub(super) async fn open(
        destination: Destination,
        journal: Journal,
        clock: Arc<dyn Clock>,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let (generation, kept) = saved_chain(&journal, &status).await?;
        let unwritten = kept.unwritten().map(|batch| {
            let fields = || AddressFields { at: clock.now(), ..AddressFields::default() };
            let address_fields = batch.lines.iter().map(|_| fields()).collect();
            PendingBatch { batch, address_fields, is_kept: true, is_in_doubt: true, written: Vec::new() }
        });
        let end = AsyncMutex::new(ChainEnd { chain: AuditChain::after(&kept), generation, unwritten });
        let (queue, flood_limiter) = (RecordQueue::default(), Mutex::default());
        Ok(Self { status, clock, journal, destination, queue, flood_limiter, end })
    }

    /// The record of a decision now.
    pub(super) fn decision(&self, decision: Decision) -> AuditRecord<'_> {
        AuditRecord::new(self.clock.now(), self.status.name(), decision)
    }

    /// Records a decision, however long that takes. May be dropped at any time: then it is recorded or not.
    pub(super) async fn record(&self, record: &AuditRecord<'_>) {
        let Ok(json) = record.to_json() else { return };
        let mut written = self.queue.push(json, AddressFields::of(record));
        loop {
            // Whoever has the end writes for all who wait.
            let mut end = tokio::select! {
                biased;
                // It is never dropped unsent: it waits, or is with what is unwritten, as long as we are here.
                _ = &mut written => return,
                end = self.end.lock() => end,
            };
            self.write_next(&mut end).await;
        }
    }

    /// Records a decision about a message that nobody vouches for, or counts it where there are too many or the disk has not
    /// much room: nobody without a key makes the audit grow as they like.
    pub(super) async fn record_unauthenticated(&self, record: &AuditRecord<'_>) {
        let takes = self.flood_limiter().takes(record.at);
        if takes && self.has_room_to_spare().await {
            return self.record(record).await;
        }
        self.flood_limiter().leave_out(record);
    }

    /// Records now and then how many decisions were left out, until `stop`.
    pub(super) async fn run_summaries(&self, stop: &CancellationToken) {
        let summing = async {
            loop {
                tokio::time::sleep(SUMMED_EVERY).await;
                self.sum_up().await;
            }
        };
        stop.run_until_cancelled(summing).await;
    }

    /// Records how many decisions were left out since the last time, if there were any.
    async fn sum_up(&self) {
        let Some(left_out) = self.flood_limiter().sum() else { return };
        let record = AuditRecord { left_out: Some(&left_out), ..self.decision(Decision::LeftOut) };
        self.record(&record).await;
        self.flood_limiter().is_recorded();
    }

    async fn has_room_to_spare(&self) -> bool {
        let Destination::File(file) = &self.destination else { return true };
        let file = Arc::clone(file);
        let has_room = tokio::task::spawn_blocking(move || locked(&file).has_room_to_spare());
        has_room.await.unwrap_or(false)
    }

    fn flood_limiter(&self) -> MutexGuard<'_, FloodLimiter> {
        // Nothing in there panics between two changes.
        self.flood_limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps and writes what somebody who was stopped has left, and then as much of what waits as may be kept at once.
    async fn write_next(&self, end: &mut ChainEnd) {
        self.complete(end).await;
        let next = self.queue.take();
        if next.is_empty() {
            return;
        }
        let (mut records, mut address_fields, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for waiting in next {
            records.push(waiting.json);
            address_fields.push(waiting.fields);
            written.push(waiting.written);
        }
        let batch = end.chain.seal(&records);
        end.unwritten =
            Some(PendingBatch { batch, address_fields, is_kept: false, is_in_doubt: false, written });
        self.complete(end).await;
    }

    /// Keeps and writes what is not written yet. Whoever is stopped in the middle leaves it to the next.
    async fn complete(&self, end: &mut ChainEnd) {
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Audit);
        while let Err(reason) = self.try_complete(end).await {
            reporter.report(&reason);
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn try_complete(&self, end: &mut ChainEnd) -> Result<(), String> {
        let Some(unwritten) = &mut end.unwritten else { return Ok(()) };
        if !unwritten.is_kept {
            match self.keep(end.generation, &unwritten.batch.kept).await {
                Ok(generation) => end.generation = generation,
                Err(reason) => {
                    // It may have been written by one who was stopped before they knew.
                    let stored =
                        self.journal.note(&note_name(&self.status)).await.map_err(|err| chain(&err))?;
                    end.generation = stored.map_or(0, |note| note.generation);
                    return Err(reason);
                }
            }
            unwritten.is_kept = true;
        }
        self.try_write(unwritten).await?;
        for written in end.unwritten.take().into_iter().flat_map(|unwritten| unwritten.written) {
            // Whoever waited may be gone.
            let _ = written.send(());
        }
        Ok(())
    }

    /// Writes the note that is at this generation; gives the next.
    async fn keep(&self, generation: u64, kept: &SavedChain) -> Result<u64, String> {
        let content = serde_json::to_string(kept).map_err(|err| err.to_string())?;
        let note = NoteChange { name: note_name(&self.status), expected: generation, content };
        self.journal.save_note(&note).await.map_err(|err| chain(&err))?;
        Ok(generation + 1)
    }

    async fn try_write(&self, unwritten: &PendingBatch) -> Result<(), String> {
        match &self.destination {
            Destination::File(file) => {
                let (file, lines) = (Arc::clone(file), unwritten.batch.lines.clone());
                let is_in_doubt = unwritten.is_in_doubt;
                let appended = tokio::task::spawn_blocking(move || {
                    let mut file = locked(&file);
                    if is_in_doubt { file.complete(&lines) } else { file.append(&lines) }
                });
                match appended.await {
                    Ok(appended) => appended.map_err(|err| chain(&err)),
                    Err(err) => Err(err.to_string()),
                }
            }
            Destination::Sink { publisher, address, org } => {
                let lines = unwritten.batch.lines.iter().zip(&unwritten.address_fields);
                for (sequence, (line, fields)) in (unwritten.batch.first_sequence..).zip(lines) {
                    let (id, line) = (&fields.command_id, line.clone().into_bytes().into());
                    let publication = Publication::audit(self.status.name(), id, sequence, fields.at, line);
                    let publication = match address {
                        Some(address) => publication.to(fields.address(address, org)),
                        None => publication,
                    };
                    publisher.publish(&publication).await.map_err(|err| chain(&err))?;
                }
                Ok(())
            }
        }
    }

    /// Closes it, unless somebody else uses it.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(log) = Arc::into_inner(self) else { return };
        // Where it cannot be written, it is lost: how many there were is in the metrics, and the latest are in the dead letters.
        let _ = tokio::time::timeout(LAST_SUM_MAX, log.sum_up()).await;
        let mut end = log.end.lock().await;
        if end.unwritten.is_none() && end.generation > 0 {
            // So that nobody takes records off the end and it looks like a crash. Without it, it does.
            let settled = SavedChain { lines: Vec::new(), ..end.chain.seal(&[]).kept };
            let _ = log.keep(end.generation, &settled).await;
        }
        drop(end);
        if let Destination::Sink { publisher, .. } = log.destination {
            publisher.close().await;
        }
    }
}

fn locked(file: &Mutex<AuditFile>) -> MutexGuard<'_, AuditFile> {
    // What a panic left behind is a file that is opened anew.
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the state keeps of the end of the chain, and the note's generation.
pub(super) async fn saved_chain(
    journal: &Journal,
    status: &EngineStatus,
) -> Result<(u64, SavedChain), EngineError> {
    let Some(note) = journal.note(&note_name(status)).await? else { return Ok((0, SavedChain::default())) };
    let unreadable = |source| EngineError::of_note(&note.name, status.name(), source);
    Ok((note.generation, serde_json::from_str(&note.content).map_err(unreadable)?))
}

/// The name of the note with the end of the chain.
fn note_name(status: &EngineStatus) -> String {
    format!("audit/{}", status.name())
}

#[cfg(test)]
mod tests;
