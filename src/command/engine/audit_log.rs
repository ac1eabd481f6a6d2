//! Writes the audit records of a section to a file or sink, before the command continues. The end of the chain is saved
//! in the state before a record is written (`command::audit`). Records that arrive during a write share the next one.
//! Records that anybody could cause are summed up in a flood (`flood_limiter`).

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
        audit::{AuditChain, AuditFile, AuditRecord, Decision, RemovedAudits, SavedChain, SealedBatch},
        publisher::{self, Publication, Publisher, Records},
    },
    config::{AuditConfig, CommandsConfig},
    retry::RetryPolicy,
    state::NoteChange,
    telemetry::{chain, metrics},
};

use flood_limiter::{FloodLimiter, SUMMED_EVERY};
use record_queue::{AddressFields, RecordQueue};

/// How long closing waits for the last sum to be recorded.
const LAST_SUM_MAX: Duration = Duration::from_secs(5);

/// The audit log while it is in use. There is one for a section: two would write to the same files.
#[derive(Debug, Default)]
pub(super) struct SharedAuditLog(AsyncMutex<Weak<AuditLog>>);

/// Writes audit records.
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

/// Where the records go.
#[derive(Debug)]
pub(super) enum Destination {
    File(Arc<Mutex<AuditFile>>),
    Sink { publisher: Arc<dyn Publisher>, address: Option<AddressTemplate>, org: String },
}

/// The end of the chain.
#[derive(Debug)]
struct ChainEnd {
    chain: AuditChain,
    /// The generation of the note.
    generation: u64,
    /// A batch that is saved in the state and may not be written yet. It is written before all others.
    unwritten: Option<PendingBatch>,
}

#[derive(Debug)]
struct PendingBatch {
    batch: SealedBatch,
    /// The address fields of each line.
    address_fields: Vec<AddressFields>,
    is_kept: bool,
    /// Whether an earlier process may have written it.
    is_in_doubt: bool,
    /// The senders of those who wait for it.
    written: Vec<oneshot::Sender<()>>,
}

impl SharedAuditLog {
    /// The open audit log, or a new one.
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
            AuditConfig::File(file) => Destination::File(Arc::new(Mutex::new(AuditFile::of(file)))),
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

    /// Whether everything that the state has is written, as far as this process knows.
    pub(super) async fn is_settled(&self) -> bool {
        let Some(log) = self.0.lock().await.upgrade() else { return false };
        // A locked end is being written.
        log.end.try_lock().is_ok_and(|end| end.unwritten.is_none())
    }
}

impl AuditLog {
    /// Opens the audit log where the state says that it ended.
    pub(super) async fn open(
        destination: Destination,
        journal: Journal,
        clock: Arc<dyn Clock>,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let (generation, saved) = saved_chain(&journal, &status).await?;
        let unwritten = saved.unwritten().map(|batch| {
            let fields = || AddressFields { at: clock.now(), ..AddressFields::default() };
            let address_fields = batch.lines.iter().map(|_| fields()).collect();
            PendingBatch { batch, address_fields, is_kept: true, is_in_doubt: true, written: Vec::new() }
        });
        let end = AsyncMutex::new(ChainEnd { chain: AuditChain::after(&saved), generation, unwritten });
        let (queue, flood_limiter) = (RecordQueue::default(), Mutex::default());
        Ok(Self { status, clock, journal, destination, queue, flood_limiter, end })
    }

    /// A new record with the time of now.
    pub(super) fn decision(&self, decision: Decision) -> AuditRecord<'_> {
        AuditRecord::new(self.clock.now(), self.status.name(), decision)
    }

    /// Writes a record, with retries. May be dropped at any time: then it is written or not.
    pub(super) async fn record(&self, record: &AuditRecord<'_>) {
        let Ok(json) = record.to_json() else { return };
        let mut written = self.queue.push(json, AddressFields::of(record));
        loop {
            // The task that has the lock writes for all that wait.
            let mut end = tokio::select! {
                biased;
                // The sender is dropped only after it has sent: it is in the queue or in the pending batch while this
                // waits.
                _ = &mut written => return,
                end = self.end.lock() => end,
            };
            self.write_next(&mut end).await;
        }
    }

    /// Writes a record about an unauthenticated message; only counts it if there are too many or the disk is nearly
    /// full. So nobody without a key can make the audit grow at will.
    pub(super) async fn record_unauthenticated(&self, record: &AuditRecord<'_>) {
        let takes = self.flood_limiter().takes(record.at);
        if takes && self.has_room_to_spare().await {
            return self.record(record).await;
        }
        self.flood_limiter().leave_out(record);
    }

    /// Writes the sums of omitted records at intervals, and removes what is not kept any longer, until `stop`.
    pub(super) async fn run_summaries(&self, stop: &CancellationToken) {
        let summing = async {
            loop {
                self.sum_up().await;
                self.remove_old().await;
                tokio::time::sleep(SUMMED_EVERY).await;
            }
        };
        stop.run_until_cancelled(summing).await;
    }

    /// Writes the sum of the records omitted since the last one, if there are any.
    async fn sum_up(&self) {
        let Some(left_out) = self.flood_limiter().sum() else { return };
        let record = AuditRecord { left_out: Some(&left_out), ..self.decision(Decision::LeftOut) };
        self.record(&record).await;
        self.flood_limiter().is_recorded();
    }

    /// Removes the files that the audit's retention no longer keeps. First the audit says so: the chain begins after what is
    /// removed.
    async fn remove_old(&self) {
        let Destination::File(file) = &self.destination else { return };
        let (file, now) = (Arc::clone(file), self.clock.now());
        let looked = Arc::clone(&file);
        let due = match off_the_runtime(move || locked(&looked).due(now)).await {
            Ok(due) => due,
            Err(err) => return self.tell_not_removed(&err),
        };
        let Some(last) = due.last().map(|file| file.last.clone()) else { return };
        self.record(&AuditRecord { removed: Some(&last), ..self.decision(Decision::Removing) }).await;
        match off_the_runtime(move || locked(&file).remove(&due)).await {
            Ok(RemovedAudits { files, bytes }) => {
                metrics::audit_files_removed(self.status.name(), files);
                tracing::info!(
                    commands = self.status.name(),
                    files,
                    bytes,
                    last = last.sequence,
                    "files of the audit were removed, as its `retention` says: it begins after this record"
                );
            }
            Err(err) => self.tell_not_removed(&err),
        }
    }

    fn tell_not_removed(&self, error: &std::io::Error) {
        tracing::error!(
            commands = self.status.name(), %error,
            "old files of the audit cannot be removed: that is tried again"
        );
    }

    async fn has_room_to_spare(&self) -> bool {
        let Destination::File(file) = &self.destination else { return true };
        let file = Arc::clone(file);
        let has_room = tokio::task::spawn_blocking(move || locked(&file).has_room_to_spare());
        has_room.await.unwrap_or(false)
    }

    fn flood_limiter(&self) -> MutexGuard<'_, FloodLimiter> {
        // Nothing panics between two changes.
        self.flood_limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves and writes the batch that a cancelled task has left, and then as many queued records as fit into a batch.
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

    /// Saves and writes the pending batch, with retries. A cancelled task leaves it to the next.
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
            match self.keep(end.generation, &unwritten.batch.saved).await {
                Ok(generation) => end.generation = generation,
                Err(reason) => {
                    // A task that was cancelled may have saved it without noticing.
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
            // The waiting task may be gone.
            let _ = written.send(());
        }
        Ok(())
    }

    /// Replaces the note of this generation; returns the new generation.
    async fn keep(&self, generation: u64, saved: &SavedChain) -> Result<u64, String> {
        let content = serde_json::to_string(saved).map_err(|err| err.to_string())?;
        let note = NoteChange { name: note_name(&self.status), expected: generation, content };
        self.journal.save_note(&note).await.map_err(|err| chain(&err))?;
        Ok(generation + 1)
    }

    async fn try_write(&self, unwritten: &PendingBatch) -> Result<(), String> {
        match &self.destination {
            Destination::File(file) => {
                let (file, lines) = (Arc::clone(file), unwritten.batch.lines.clone());
                let (is_in_doubt, before) = (unwritten.is_in_doubt, unwritten.batch.before());
                let now = self.clock.now();
                let appended = tokio::task::spawn_blocking(move || {
                    let mut file = locked(&file);
                    if is_in_doubt {
                        return file.complete(&lines);
                    }
                    if let Some(before) = before {
                        file.close_if_due(now, &before);
                    }
                    file.append(&lines)
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

    /// Closes the log, unless it is still in use.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(log) = Arc::into_inner(self) else { return };
        // If the sum cannot be written, it is lost: the metrics have the count, and the dead letters the latest
        // messages.
        let _ = tokio::time::timeout(LAST_SUM_MAX, log.sum_up()).await;
        let mut end = log.end.lock().await;
        if end.unwritten.is_none() && end.generation > 0 {
            // Marks a clean end, so that records removed from the end cannot be explained by a crash.
            let settled = SavedChain { lines: Vec::new(), ..end.chain.seal(&[]).saved };
            let _ = log.keep(end.generation, &settled).await;
        }
        drop(end);
        if let Destination::Sink { publisher, .. } = log.destination {
            publisher.close().await;
        }
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|err| Err(std::io::Error::other(err)))
}

fn locked(file: &Mutex<AuditFile>) -> MutexGuard<'_, AuditFile> {
    // After a panic, the file is opened again.
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of the chain in the state, and the generation of its note.
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
