//! The audit: one JSON line a decision about a command, durable before what was decided goes on.
//!
//! Never has a secret in it: parameters are left out, and subjects are ids and names. Each record has the hash of the one
//! before it (`chain`), so that nothing can be changed or taken out unseen; `verification` looks.

mod chain;
mod file;
mod verification;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub use chain::{AuditChain, BatchRoom, ChainHead, SavedChain, SealedBatch};
pub use file::{AuditError, AuditFile};
pub use verification::{ChainReport, Flaw, Verification, VerifiedHead};

use super::{LocalUser, Status, Subjects, milliseconds};
use crate::telemetry::printable_json;

/// What was decided about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may not be done, or cannot be understood: `error` says why.
    Refused,
    /// It is allowed, and is begun.
    Begun,
    /// It has ended, well or not: `status` says how.
    Ended,
    /// It is a copy of one that has ended, and is answered with the outcome of that.
    Repeated,
    /// It can never be a command, and is in the dead letters.
    DeadLetter,
    /// Such decisions were made and are not recorded one by one, because there were too many: `left_out` says how many.
    LeftOut,
    /// An operator asks for the release of a limit, which is about to happen.
    Releasing,
    /// The limit has been released.
    Released,
    /// An operator has stopped all commands.
    Paused,
    /// An operator asks that they go on, which is about to happen.
    Resuming,
    /// They go on.
    Resumed,
    /// An operator has cancelled the command.
    Cancelled,
    /// It waits for a second key; `fingerprint` is what that must name.
    AwaitsApproval,
    /// A second key, which is in `signed_by`, has approved it.
    Approved,
}

/// One decision. What is not known, or does not concern it, is left out.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// When it was decided.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// The commands' name in the configuration.
    pub commands: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The command, if it has an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<&'a str>,
    /// What it asks for, or the limit that was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    /// Whether it only tells which requests would be sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whom and what it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<&'a Subjects>,
    /// Who is said to want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<&'a str>,
    /// The user of this machine who asks, as the kernel says: `peer_uid` and, where it is known, `os_user`.
    #[serde(flatten)]
    pub local_user: Option<&'a LocalUser>,
    /// The key that it was signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<&'a str>,
    /// The second key that has approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<&'a str>,
    /// Of the command that waits for approval, or is approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a str>,
    /// The key of ours that a message which was not let in claims to be signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_key: Option<&'a str>,
    /// Why it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Okta's id of the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub okta_request_id: Option<&'a str>,
    /// Where it stood in the queue; none: the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
    /// What is not recorded one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<&'a OmittedRecords>,
}

/// Decisions about messages that nobody vouches for, which are not recorded one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OmittedRecords {
    /// How many.
    pub count: u64,
    /// When the first of them was made.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub from: Timestamp,
    /// When the last of them was made.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub to: Timestamp,
    /// How many for each reason: the code of a refusal, `dead_letter` or `repeated`.
    pub reasons: BTreeMap<String, u64>,
}

impl<'a> AuditRecord<'a> {
    /// A decision about the commands `commands`, and nothing more yet.
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
        }
    }

    /// As a line, which [`AuditChain::seal`] takes. People look at it in a terminal, and senders choose what it says of them.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|json| printable_json(&json).into_owned())
    }
}
