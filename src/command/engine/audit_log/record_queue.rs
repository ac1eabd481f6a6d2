//! Decisions that wait to be recorded, in their order, and how many of them are written together. Writes nothing.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::command::{
    AddressTemplate, Status,
    audit::{AuditRecord, BatchRoom},
};

/// A queue of decisions. It has one for each command that is at work, at most.
#[derive(Debug, Default)]
pub(super) struct RecordQueue(Mutex<VecDeque<QueuedRecord>>);

/// A decision that somebody waits for.
#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) json: String,
    pub(super) fields: AddressFields,
    pub(super) written: oneshot::Sender<()>,
}

/// What an address in a sink goes by.
#[derive(Debug, Default)]
pub(super) struct AddressFields {
    pub(super) command_id: String,
    pub(super) action: String,
    pub(super) status: Option<Status>,
    pub(super) at: Timestamp,
}

impl RecordQueue {
    /// Puts a record behind the others; what comes back tells when it is written.
    pub(super) fn push(&self, json: String, fields: AddressFields) -> oneshot::Receiver<()> {
        let (written, told) = oneshot::channel();
        self.lock().push_back(QueuedRecord { json, fields, written });
        told
    }

    /// Takes the first of them, as many as one batch has room for. Those that nobody waits for any more are left out.
    pub(super) fn take(&self) -> Vec<QueuedRecord> {
        let mut waiting = self.lock();
        waiting.retain(|record| !record.written.is_closed());
        let mut room = BatchRoom::default();
        let count = waiting.iter().take_while(|record| room.takes(&record.json)).count();
        let behind = waiting.split_off(count);
        mem::replace(&mut *waiting, behind).into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<QueuedRecord>> {
        // Nothing in here panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressFields {
    pub(super) fn of(record: &AuditRecord<'_>) -> Self {
        Self {
            command_id: record.command_id.unwrap_or_default().to_owned(),
            action: record.action.unwrap_or_default().to_owned(),
            status: record.status,
            at: record.at,
        }
    }

    pub(super) fn address(&self, template: &AddressTemplate, org: &str) -> String {
        let status = self.status.unwrap_or(Status::Done);
        template.render(&self.action, status, org, &self.command_id)
    }
}
