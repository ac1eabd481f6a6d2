//! The audit of the commands of one name: into a file or a sink, before anything goes on.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Mutex as AsyncMutex;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    status::{EngineStatus, Trouble},
};
use crate::{
    clock::Clock,
    command::{
        AddressTemplate, Status,
        audit::{AuditFile, AuditRecord, Decision},
        publisher::{self, Publication, Publisher, Records},
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
    destination: Destination,
}

/// Where that is.
#[derive(Debug)]
pub(super) enum Destination {
    File(Arc<Mutex<AuditFile>>),
    Sink { publisher: Arc<dyn Publisher>, address: Option<AddressTemplate>, org: String },
}

impl SharedAuditLog {
    /// The audit log that is open, or a new one.
    pub(super) async fn open(
        &self,
        config: &CommandsConfig,
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
        let log = Arc::new(AuditLog::new(destination, Arc::clone(clock), Arc::clone(status)));
        *open = Arc::downgrade(&log);
        Ok(log)
    }
}

impl AuditLog {
    pub(super) fn new(destination: Destination, clock: Arc<dyn Clock>, status: Arc<EngineStatus>) -> Self {
        Self { status, clock, destination }
    }

    /// The record of a decision now.
    pub(super) fn decision(&self, decision: Decision) -> AuditRecord<'_> {
        AuditRecord::new(self.clock.now(), self.status.name(), decision)
    }

    /// Records a decision, however long that takes.
    pub(super) async fn record(&self, record: &AuditRecord<'_>) {
        let Ok(line) = serde_json::to_vec(record) else { return };
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        while let Err(reason) = self.try_record(record, &line).await {
            self.status.fails(Trouble::Audit, &reason);
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::Audit);
    }

    async fn try_record(&self, record: &AuditRecord<'_>, line: &[u8]) -> Result<(), String> {
        match &self.destination {
            Destination::File(file) => {
                let (file, line) = (Arc::clone(file), line.to_vec());
                let appended = tokio::task::spawn_blocking(move || {
                    // What a panic left behind is a file that is opened anew.
                    file.lock().unwrap_or_else(PoisonError::into_inner).append_line(&line)
                });
                match appended.await {
                    Ok(appended) => appended.map_err(|err| chain(&err)),
                    Err(err) => Err(err.to_string()),
                }
            }
            Destination::Sink { publisher, address, org } => {
                let id = record.command_id.unwrap_or_default();
                let publication = Publication::audit(self.status.name(), id, record.at, line.to_vec().into());
                let publication = match address {
                    Some(address) => {
                        let status = record.status.unwrap_or(Status::Done);
                        publication.to(address.render(record.action.unwrap_or_default(), status, org, id))
                    }
                    None => publication,
                };
                publisher.publish(&publication).await.map_err(|err| chain(&err))
            }
        }
    }

    /// Closes it, unless somebody else uses it.
    pub(super) async fn close(self: Arc<Self>) {
        let Some(log) = Arc::into_inner(self) else { return };
        if let Destination::Sink { publisher, .. } = log.destination {
            publisher.close().await;
        }
    }
}
