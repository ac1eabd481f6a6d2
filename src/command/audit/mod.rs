//! The audit: one JSON line for each decision about a command, durable before the command continues.
//!
//! Never has a secret: parameters are omitted, and subjects are ids and names. Each record has the hash of the previous
//! one (`chain`), so that a change or removal shows; `verification` checks it.

mod chain;
mod closed_files;
mod file;
mod verification;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub use chain::{AuditChain, BatchRoom, ChainHead, SavedChain, SealedBatch};
pub use closed_files::{ClosedAudit, RemovedAudits, closed_audits};
pub use file::{AuditError, AuditFile};
pub use verification::{ChainReport, Flaw, Verification, VerifiedHead};

use super::{LocalUser, Status, Subjects, milliseconds};
use crate::telemetry::printable_json;

/// What was decided about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is refused or cannot be understood: `error` has the code.
    Refused,
    /// It is allowed and started.
    Begun,
    /// It has ended: `status` has the result.
    Ended,
    /// It is a copy of an ended command, and is answered with the same outcome.
    Repeated,
    /// It can never be a command, and is in the dead letters.
    DeadLetter,
    /// The number of decisions that are not recorded one by one, because there were too many: see `left_out`.
    LeftOut,
    /// An operator is about to release a limit.
    Releasing,
    /// The limit has been released.
    Released,
    /// An operator has paused the section.
    Paused,
    /// An operator is about to resume the section.
    Resuming,
    /// The section is resumed.
    Resumed,
    /// An operator has cancelled the command.
    Cancelled,
    /// It waits for approval; the approval must name `fingerprint`.
    AwaitsApproval,
    /// The second key in `signed_by` has approved it.
    Approved,
    /// The oldest files of the audit are about to be removed, because of their age or size: `removed` is the last record in
    /// them.
    Removing,
}

/// One decision. Members that are unknown or do not apply are omitted.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// When it was decided.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// The name of the section.
    pub commands: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The command, if it has an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<&'a str>,
    /// The action, or the limit that is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    /// Whether it is a dry run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<&'a Subjects>,
    /// The requester, as claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<&'a str>,
    /// The user of this machine who asks, according to the kernel: `peer_uid` and, if known, `os_user`.
    #[serde(flatten)]
    pub local_user: Option<&'a LocalUser>,
    /// The key of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<&'a str>,
    /// The second key that has approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<&'a str>,
    /// The fingerprint of a command that waits for approval or is approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a str>,
    /// The configured key that an untrusted message claims to be signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_key: Option<&'a str>,
    /// The reason that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The status of the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The code of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Okta's id of the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub okta_request_id: Option<&'a str>,
    /// The place in the queue; none: the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
    /// The omitted records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<&'a OmittedRecords>,
    /// The last record of those that are removed with their files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<&'a ChainHead>,
}

/// Records about unauthenticated messages that were omitted and only counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OmittedRecords {
    /// Their number.
    pub count: u64,
    /// The time of the first.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub from: Timestamp,
    /// The time of the last.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub to: Timestamp,
    /// Their number for each reason: the code of a refusal, `dead_letter` or `repeated`.
    pub reasons: BTreeMap<String, u64>,
}

impl<'a> AuditRecord<'a> {
    /// A record of the section `commands` without further members.
    pub fn new(at: Timestamp, commands: &'a str, decision: Decision) -> Self {
        Self {
            at,
            commands,
            decision,
            command_id: None,
            action: None,
            dry_run: false,
            subjects: None,
            requested_by: None,
            local_user: None,
            signed_by: None,
            approved_by: None,
            fingerprint: None,
            claimed_key: None,
            reason: None,
            status: None,
            error: None,
            okta_request_id: None,
            place: None,
            left_out: None,
            removed: None,
        }
    }

    /// The line for [`AuditChain::seal`]. Escapes control characters: people read it in a terminal, and senders choose
    /// parts of its content.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|json| printable_json(&json).into_owned())
    }
}
