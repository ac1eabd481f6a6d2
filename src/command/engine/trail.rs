//! The audit trail of the commands of one name: into a file or a sink, before anything goes on. The chain's end is kept in
//! the state before the record is written (`command::audit`).

use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    ledger::lasting,
    status::{EngineStatus, Trouble},
};
use crate::{
    command::{
        AddressTemplate, Status,
        audit::{AuditChain, AuditFile, AuditRecord, Decision, KeptChain, SealedBatch},
        outlet::{Outlet, Parcel},
    },
    config::{AuditConfig, CommandsConfig},
    state::State,
    stream::Backoff,
    telemetry::chain,
};

/// The trail while anybody uses it: two of them would write to the same files.
#[derive(Debug, Default)]
pub(super) struct SharedTrail(AsyncMutex<Weak<Trail>>);

/// Where decisions are recorded.
#[derive(Debug)]
pub(super) struct Trail {
    status: Arc<EngineStatus>,
    state: State,
    destination: Destination,
    end: AsyncMutex<End>,
}

#[derive(Debug)]
enum Destination {
    File(Arc<Mutex<AuditFile>>),
    Sink { outlet: Box<Outlet>, address: Option<AddressTemplate>, org: String },
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

#[derive(Debug, Clone)]
struct Unwritten {
    batch: SealedBatch,
    about: About,
    is_kept: bool,
    /// Whether a process before this one may have written it.
    is_in_doubt: bool,
}

/// What an address in a sink goes by.
#[derive(Debug, Clone, Default)]
struct About {
    command_id: String,
    action: String,
    status: Option<Status>,
    at: Timestamp,
}

/// The name of the note with the end of the chain of `commands`.
pub(super) fn note_name(commands: &str) -> String {
    format!("audit/{commands}")
}

impl SharedTrail {
    /// The trail that is open, or a new one.
    pub(super) async fn open(
        &self,
        config: &CommandsConfig,
        state: &State,
        status: Arc<EngineStatus>,
    ) -> Result<Arc<Trail>, EngineError> {
        let mut open = self.0.lock().await;
        if let Some(trail) = open.upgrade() {
            return Ok(trail);
        }
        let trail = Arc::new(Trail::open(config, state.clone(), status).await?);
        *open = Arc::downgrade(&trail);
        Ok(trail)
    }
}

impl SharedTrail {
    /// Whether all that the state keeps now is written, as far as this process knows.
    pub(super) async fn is_settled(&self) -> bool {
        let Some(trail) = self.0.lock().await.upgrade() else { return false };
        // Who holds it is writing.
        trail.end.try_lock().is_ok_and(|end| end.unwritten.is_none())
    }
}

impl Trail {
    async fn open(
        config: &CommandsConfig,
        state: State,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let destination = match &config.audit {
            AuditConfig::File(path) => Destination::File(Arc::new(Mutex::new(AuditFile::new(path)))),
            AuditConfig::Sink(to) => {
                let outlet = Box::new(Outlet::open_for_audit(&to.sink, status.name()).await?);
                Destination::Sink { outlet, address: to.address.clone(), org: config.org.clone() }
            }
        };
        let (generation, kept) = kept(&state, &status).await?;
        let chain = AuditChain::after(&kept);
        let unwritten = kept.unwritten().map(|batch| {
            let about = About { at: Timestamp::now(), ..About::default() };
            Unwritten { batch, about, is_kept: true, is_in_doubt: true }
        });
        let end = AsyncMutex::new(End { chain, generation, unwritten });
        Ok(Self { status, state, destination, end })
    }

    /// Records a decision, however long that takes.
    pub(super) async fn record(&self, record: &AuditRecord<'_>) -> Result<(), EngineError> {
        let Ok(json) = record.to_json() else { return Ok(()) };
        let mut end = self.end.lock().await;
        self.complete(&mut end).await?;
        let about = About {
            command_id: record.command_id.unwrap_or_default().to_owned(),
            action: record.action.unwrap_or_default().to_owned(),
            status: record.status,
            at: record.at,
        };
        let batch = end.chain.seal(&[json]);
        end.unwritten = Some(Unwritten { batch, about, is_kept: false, is_in_doubt: false });
        self.complete(&mut end).await
    }

    /// Keeps and writes what is not written yet. Whoever is stopped in the middle leaves it to the next.
    async fn complete(&self, end: &mut End) -> Result<(), EngineError> {
        let Some(unwritten) = &mut end.unwritten else { return Ok(()) };
        if !unwritten.is_kept {
            let name = note_name(self.status.name());
            let content = serde_json::to_string(&unwritten.batch.kept).unwrap_or_default();
            // One who was stopped before they knew may have written it.
            let stored = lasting(&self.status, || self.state.note(&name)).await?;
            let expected = stored.map_or(0, |note| note.generation);
            let keep = || self.state.keep_note(&name, expected, content.clone());
            end.generation = lasting(&self.status, keep).await?;
            unwritten.is_kept = true;
        }
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while let Err(reason) = self.try_write(unwritten).await {
            self.status.fails(Trouble::Audit, &reason);
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::Audit);
        end.unwritten = None;
        Ok(())
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
            Destination::Sink { outlet, address, org } => {
                let About { command_id, action, status, at } = &unwritten.about;
                for (sequence, line) in (unwritten.batch.first_sequence..).zip(&unwritten.batch.lines) {
                    let line = line.clone().into_bytes().into();
                    let parcel = Parcel::audit(self.status.name(), command_id, sequence, *at, line);
                    let parcel = match address {
                        Some(address) => {
                            let status = status.unwrap_or(Status::Done);
                            parcel.to(address.render(action, status, org, command_id))
                        }
                        None => parcel,
                    };
                    outlet.publish(&parcel).await.map_err(|err| chain(&err))?;
                }
                Ok(())
            }
        }
    }

    /// Closes the trail, unless somebody else uses it.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(trail) = Arc::into_inner(self) else { return };
        let mut end = trail.end.into_inner();
        if end.unwritten.is_none() && end.generation > 0 {
            // So that nobody takes records off the end and it looks like a crash. Without it, it does.
            let settled = KeptChain { lines: Vec::new(), ..end.chain.seal(&[]).kept };
            let content = serde_json::to_string(&settled).unwrap_or_default();
            let name = note_name(trail.status.name());
            let _ = trail.state.keep_note(&name, end.generation, content).await;
        }
        if let Destination::Sink { outlet, .. } = trail.destination {
            outlet.close().await;
        }
    }
}

/// What the state keeps of the end of the chain, and the note's generation.
pub(super) async fn kept(state: &State, status: &EngineStatus) -> Result<(u64, KeptChain), EngineError> {
    let name = note_name(status.name());
    let Some(note) = lasting(status, || state.note(&name)).await? else {
        return Ok((0, KeptChain::default()));
    };
    let kept = serde_json::from_str(&note.content)
        .map_err(|source| EngineError::AuditChain { commands: status.name().to_owned(), source })?;
    Ok((note.generation, kept))
}

/// The record of a decision now.
pub(super) fn decision(commands: &str, decision: Decision) -> AuditRecord<'_> {
    AuditRecord::new(Timestamp::now(), commands, decision)
}
