//! The outcomes and errors that do not come from Okta, and what outcomes show of secrets. Pure.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::command::{
    Outcome, OutcomeError, OutcomeValue, RevealedSecret, Status,
    audit::Decision,
    message::{Command, Undecodable},
    record::Record,
};

/// The member with the names of secrets that are not shown.
const WITHHELD: &str = "withheld";
/// The member with the names of secrets that only the first answer shows.
const WITHHELD_ON_REPEAT: &str = "withheld_on_repeat";

/// The codes of the errors that are made here and in the engine, in the order of the documentation.
pub const CODES: &[(&str, &str)] = &[
    ("expired", "The command came to its turn at its `expires_at` or later."),
    ("cancelled", "An operator has cancelled the command."),
    ("id_reused", "Another command has the same id."),
    ("not_approved", "No second key has approved the command within `approve_within`."),
    (
        "approval_impossible",
        "A second key must approve the action, and the command was not signed by a first.",
    ),
    ("nothing_to_approve", "No command of that id waits for approval, or not any more."),
    ("another_command", "The fingerprint that the approval names is not that of the command."),
    ("approver_without_key", "The approval is not signed."),
    ("too_old", "The message is older than the journal remembers, so it may have been carried out before."),
    (
        "parked_unreadable",
        "What the state kept of the command until its time cannot be read; the daemon's dead letters have it.",
    ),
    ("cannot_wait", "The command's `not_before` is too far off for it to be kept until then."),
    (
        "journal_unreadable",
        "What the journal has of the command cannot be read, so it is not known whether it was done.",
    ),
    (
        "attempts_exhausted",
        "The command was begun as often as `attempts_max` allows, and did not come to an end.",
    ),
];

/// The end of a message about a command that has changed nothing.
const NOTHING_SENT: &str = "; nothing was sent";

/// An outcome without result or error.
pub(super) fn outcome(id: &str, record: &Record, status: Status, now: Timestamp) -> Outcome {
    Outcome {
        command_id: id.to_owned(),
        action: record.action.clone(),
        status,
        repeated: false,
        result: OutcomeValue::default(),
        error: None,
        okta_request_id: None,
        before: None,
        after: None,
        attempts: record.attempts(),
        received_at: record.received_at,
        finished_at: now,
    }
}

/// The outcome of a message that is refused.
pub(super) fn refused(id: &str, action: Option<&str>, error: OutcomeError, now: Timestamp) -> Outcome {
    let record = Record::new(action.unwrap_or_default(), "", None, now);
    Outcome { error: Some(error), ..outcome(id, &record, Status::Refused, now) }
}

pub(super) fn undecodable(undecodable: &Undecodable, id: &str, now: Timestamp) -> Outcome {
    refused(id, undecodable.action.as_deref(), undecodable.error.clone(), now)
}

/// An error that adds the id in the message, for an outcome whose id is the place of the message.
pub(super) fn of_message(error: OutcomeError, id: &str) -> OutcomeError {
    OutcomeError { message: format!("{}; the message says the id `{id}`", error.message), ..error }
}

pub(super) fn expired(command: &Command) -> OutcomeError {
    let at = command.expires_at.map(|at| format!(" at {at}")).unwrap_or_default();
    error("expired", format!("it has expired{at}{NOTHING_SENT}"), "send it again with a later `expires_at`")
}

pub(super) fn id_reused(id: &str) -> OutcomeError {
    let message = format!(
        "another command has the id `{id}`; that one is not touched, and this one is not carried out"
    );
    error("id_reused", message, "give each command an id of its own, and copies of it the same content")
}

/// The error of a command that was not approved in time.
pub(super) fn not_approved(within: Duration) -> OutcomeError {
    let message = format!("no second key has approved it within {} s{NOTHING_SENT}", within.as_secs());
    error("not_approved", message, "send it again with a new `id`, and have it approved in time")
}

pub(super) fn approval_revoked() -> OutcomeError {
    let message =
        "what a second key has approved counts no more, or a second key must approve it by now".to_owned();
    error("not_approved", message, "send it again with a new `id`, and have it approved")
}

/// Why a command ends for which something was sent before.
pub(super) fn cut_short(error: OutcomeError) -> OutcomeError {
    let reason = error.message.strip_suffix(NOTHING_SENT).unwrap_or(&error.message);
    let message = format!("{reason}; something may have been sent for it before, and what was done stays");
    OutcomeError { message, ..error }
}

pub(super) fn approval_impossible() -> OutcomeError {
    let message = "a second key must approve it, and it has no first: it was not signed".to_owned();
    error("approval_impossible", message, "put it on the queue: `oktabus command publish --sign-key FILE`")
}

pub(super) fn nothing_to_approve(id: &str) -> OutcomeError {
    let message = format!("no command `{id}` waits for approval: it never did, or has gone on, or has ended");
    error("nothing_to_approve", message, "`oktabus command list --status awaits_approval` shows what waits")
}

pub(super) fn another_command(id: &str) -> OutcomeError {
    let message = format!("the fingerprint is not that of the command `{id}`, which is not approved");
    error(
        "another_command",
        message,
        "`oktabus command show` has the fingerprint of what waits, and of whom it is about now",
    )
}

pub(super) fn approver_without_key() -> OutcomeError {
    let message = "an approval must be signed, and the command line has no key".to_owned();
    error("approver_without_key", message, "publish it: `oktabus command publish --sign-key FILE`")
}

/// The error of a cancelled command; `message` says who cancelled it.
pub(super) fn cancelled(message: String) -> OutcomeError {
    error("cancelled", message, "send a new command if it is wanted after all")
}

pub(super) fn too_old(published_at: Timestamp, keep: Duration) -> OutcomeError {
    let days = keep.as_secs() / 86_400;
    let message = format!(
        "the message is of {published_at:.0}, and the journal remembers {days} days: it may have been carried out before"
    );
    error("too_old", message, "send it again with a new `id`, if it is still wanted")
}

pub(super) fn cannot_wait(due: Timestamp) -> OutcomeError {
    let message = format!(
        "it is to wait until {due:.0}, and cannot be kept until then: it has a secret, is too large, is due later than \
         the journal remembers, or too many wait"
    );
    error("cannot_wait", message, "send it when it is due")
}

pub(super) fn parked_unreadable(problem: &str, is_begun: bool) -> OutcomeError {
    let sent =
        if is_begun { "it was begun, and whether it was done is not known" } else { "nothing was sent" };
    let message = format!("what the state kept of it until its time cannot be read ({problem}); {sent}");
    error("parked_unreadable", message, "send it again with a new `id`; the dead letters have what was kept")
}

pub(super) fn journal_unreadable(problem: &str) -> OutcomeError {
    let message = format!("what the journal has of it cannot be read ({problem}); nothing was sent now");
    let remedy = "look at the user or group in Okta, and send a new command if it is not done";
    error("journal_unreadable", message, remedy)
}

pub(super) fn too_many_attempts(max: u32, record: &Record) -> OutcomeError {
    let known = if record.may_be_done() { "; whether it was done is not known" } else { NOTHING_SENT };
    let message = format!("it was begun {max} times and cut short each time{known}");
    error("attempts_exhausted", message, "look at the user or group in Okta, and at the daemon's log")
}

/// The audit's word for an outcome of `status`.
pub(super) fn decision(status: Status) -> Decision {
    match status {
        Status::Refused => Decision::Refused,
        Status::Expired => Decision::Refused,
        Status::Done | Status::Already | Status::Failed | Status::DryRun => Decision::Ended,
    }
}

fn error(code: &str, message: String, remedy: &str) -> OutcomeError {
    debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is documented");
    OutcomeError { code: code.to_owned(), message, remedy: Some(remedy.to_owned()) }
}

/// `result` as the journal keeps it: with the names of the `names` of secrets instead of the secrets. `shown` says
/// whether the first answer shows them.
pub(super) fn without(result: impl Into<OutcomeValue>, names: &[&str], shown: bool) -> OutcomeValue {
    let result = result.into();
    if names.is_empty() {
        return result;
    }
    let key = if shown { WITHHELD_ON_REPEAT } else { WITHHELD };
    result.with_members(|members| {
        members.insert(key.to_owned(), json!(names));
    })
}

/// `result` with the secrets, for the first answer only.
pub(super) fn with(result: OutcomeValue, revealed: &[RevealedSecret]) -> OutcomeValue {
    if revealed.is_empty() {
        return result;
    }
    result.with_members(|members| {
        members.remove(WITHHELD_ON_REPEAT);
        for RevealedSecret { name, secret } in revealed {
            members.insert((*name).to_owned(), json!(secret.expose_secret()));
        }
    })
}
