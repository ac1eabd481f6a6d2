//! The audit of the commands of one name: into a file or a sink, before anything goes on. The end of its chain is kept in the
//! state before a record is written (`command::audit`).

use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    journal::Journal,
    status::{EngineStatus, Trouble},
};
use crate::{
    clock::Clock,
    command::{
        AddressTemplate, Status,
        audit::{AuditChain, AuditFile, AuditRecord, Decision, KeptChain, SealedBatch},
        publisher::{self, Publication, Publisher, Records},
        store::NoteChange,
    },
    config::{AuditConfig, CommandsConfig},
    stream::Backoff,
    telemetry::chain,
};

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
    end: AsyncMutex<End>,
}

/// Where that is.
#[derive(Debug)]
pub(super) enum Destination {
    File(Arc<Mutex<AuditFile>>),
    Sink { publisher: Arc<dyn Publisher>, address: Option<AddressTemplate>, org: String },
}

/// Where the chain stands.
#[derive(Debug)]
struct End {
    chain: AuditChain,
    /// Of the note.
    generation: u64,
    /// What is kept, and may not be written yet. It comes before everything else.
    unwritten: Option<Unwritten>,
}

#[derive(Debug)]
struct Unwritten {
    batch: SealedBatch,
    about: About,
    is_kept: bool,
    /// Whether a process before this one may have written it.
    is_in_doubt: bool,
}

/// What an address in a sink goes by.
#[derive(Debug, Default)]
struct About {
    command_id: String,
    action: String,
    status: Option<Status>,
    at: Timestamp,
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
        let (generation, kept) = kept(&journal, &status).await?;
        let unwritten = kept.unwritten().map(|batch| {
            let about = About { at: clock.now(), ..About::default() };
            Unwritten { batch, about, is_kept: true, is_in_doubt: true }
        });
        let end = AsyncMutex::new(End { chain: AuditChain::after(&kept), generation, unwritten });
        Ok(Self { status, clock, journal, destination, end })
    }

    /// The record of a decision now.
    pub(super) fn decision(&self, decision: Decision) -> AuditRecord<'_> {
        AuditRecord::new(self.clock.now(), self.status.name(), decision)
    }

    /// Records a decision, however long that takes.
    pub(super) async fn record(&self, record: &AuditRecord<'_>) {
        let Ok(json) = record.to_json() else { return };
        let mut end = self.end.lock().await;
        self.complete(&mut end).await;
        let about = About {
            command_id: record.command_id.unwrap_or_default().to_owned(),
            action: record.action.unwrap_or_default().to_owned(),
            status: record.status,
            at: record.at,
        };
        let batch = end.chain.seal(&[json]);
        end.unwritten = Some(Unwritten { batch, about, is_kept: false, is_in_doubt: false });
        self.complete(&mut end).await;
    }

    /// Keeps and writes what is not written yet. Whoever is stopped in the middle leaves it to the next.
    async fn complete(&self, end: &mut End) {
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while let Err(reason) = self.try_complete(end).await {
            self.status.fails(Trouble::Audit, &reason);
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::Audit);
    }

    async fn try_complete(&self, end: &mut End) -> Result<(), String> {
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
        end.unwritten = None;
        Ok(())
    }

    /// Writes the note that is at this generation; gives the next.
    async fn keep(&self, generation: u64, kept: &KeptChain) -> Result<u64, String> {
        let content = serde_json::to_string(kept).map_err(|err| err.to_string())?;
        let note = NoteChange { name: note_name(&self.status), expected: generation, content };
        self.journal.keep_note(&note).await.map_err(|err| chain(&err))?;
        Ok(generation + 1)
    }

    async fn try_write(&self, unwritten: &Unwritten) -> Result<(), String> {
        match &self.destination {
            Destination::File(file) => {
                let (file, lines) = (Arc::clone(file), unwritten.batch.lines.clone());
                let is_in_doubt = unwritten.is_in_doubt;
                let appended = tokio::task::spawn_blocking(move || {
                    // What a panic left behind is a file that is opened anew.
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    if is_in_doubt { file.complete(&lines) } else { file.append(&lines) }
                });
                match appended.await {
                    Ok(appended) => appended.map_err(|err| chain(&err)),
                    Err(err) => Err(err.to_string()),
                }
            }
            Destination::Sink { publisher, address, org } => {
                let About { command_id, action, status, at } = &unwritten.about;
                for (sequence, line) in (unwritten.batch.first_sequence..).zip(&unwritten.batch.lines) {
                    let line = line.clone().into_bytes().into();
                    let publication = Publication::audit(self.status.name(), command_id, sequence, *at, line);
                    let publication = match address {
                        Some(address) => {
                            let status = status.unwrap_or(Status::Done);
                            publication.to(address.render(action, status, org, command_id))
                        }
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
        let mut end = log.end.lock().await;
        if end.unwritten.is_none() && end.generation > 0 {
            // So that nobody takes records off the end and it looks like a crash. Without it, it does.
            let settled = KeptChain { lines: Vec::new(), ..end.chain.seal(&[]).kept };
            let _ = log.keep(end.generation, &settled).await;
        }
        drop(end);
        if let Destination::Sink { publisher, .. } = log.destination {
            publisher.close().await;
        }
    }
}

/// What the state keeps of the end of the chain, and the note's generation.
pub(super) async fn kept(journal: &Journal, status: &EngineStatus) -> Result<(u64, KeptChain), EngineError> {
    let Some(note) = journal.note(&note_name(status)).await? else { return Ok((0, KeptChain::default())) };
    let unreadable =
        |source| EngineError::Note { what: "the audit", commands: status.name().to_owned(), source };
    Ok((note.generation, serde_json::from_str(&note.content).map_err(unreadable)?))
}

/// The name of the note with the end of the chain.
fn note_name(status: &EngineStatus) -> String {
    format!("audit/{}", status.name())
}
