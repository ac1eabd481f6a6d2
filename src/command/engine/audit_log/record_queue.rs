//! Audit records that wait to be written, in order, and how many of them share a batch. Writes nothing.

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

/// A queue of audit records. Each command in progress has at most one in it.
#[derive(Debug, Default)]
pub(super) struct RecordQueue(Mutex<VecDeque<QueuedRecord>>);

/// A record, and a sender for the task that waits for it.
#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) json: String,
    pub(super) fields: AddressFields,
    pub(super) written: oneshot::Sender<()>,
}

/// The fields for an address in a sink.
#[derive(Debug, Default)]
pub(super) struct AddressFields {
    pub(super) command_id: String,
    pub(super) action: String,
    pub(super) status: Option<Status>,
    pub(super) at: Timestamp,
}

impl RecordQueue {
    /// Adds a record at the end; the receiver completes when it is written.
    pub(super) fn push(&self, json: String, fields: AddressFields) -> oneshot::Receiver<()> {
        let (written, told) = oneshot::channel();
        self.lock().push_back(QueuedRecord { json, fields, written });
        told
    }

    /// Takes as many records as fit into one batch, first in first out. Drops records for which no task waits any more.
    pub(super) fn take(&self) -> Vec<QueuedRecord> {
        let mut waiting = self.lock();
        waiting.retain(|record| !record.written.is_closed());
        let mut room = BatchRoom::default();
        let count = waiting.iter().take_while(|record| room.takes(&record.json)).count();
        let behind = waiting.split_off(count);
        mem::replace(&mut *waiting, behind).into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<QueuedRecord>> {
        // Nothing panics between two changes.
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
