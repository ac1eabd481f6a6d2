//! Why a signature is not accepted: codes for programs and messages for people.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{KeyName, SIGNATURE_HEADER};
use crate::{
    command::{Action, OutcomeError, policy::refusal},
    config::SIGNED_AHEAD_MAX,
};

pub(super) fn missing(audience: &str) -> OutcomeError {
    let remedy = format!("sign it for `{audience}`: the documentation of commands says how");
    refusal("not_signed", "the message has no signature, and one is required", &remedy)
}

pub(super) fn malformed(reason: &str) -> OutcomeError {
    let message = format!("the header `{SIGNATURE_HEADER}` is not understood: {reason}");
    let remedy =
        "it must be a detached JWS with the payload unencoded: the documentation of commands says how";
    refusal("bad_signature", &message, remedy)
}

pub(super) fn v1() -> OutcomeError {
    let message = "signatures of the form `v1` are not taken here: they say not for which commands they are";
    let remedy = "sign with a detached JWS; `signature.accept_v1 = true` takes both for a time";
    refusal("bad_signature", message, remedy)
}

pub(super) fn unknown_key() -> OutcomeError {
    let remedy = "name one of `signature.keys`";
    refusal("bad_signature", "the key that the signature names is not known here", remedy)
}

pub(super) fn another_algorithm(expected: &str) -> OutcomeError {
    let remedy = format!("sign with {expected}, or name another key");
    refusal("bad_signature", "the key that the signature names is of another algorithm", &remedy)
}

pub(super) fn bad() -> OutcomeError {
    let remedy =
        "sign the header as it is sent, a dot and the payload byte for byte, with the key that it names";
    refusal("bad_signature", "the signature does not fit the payload", remedy)
}

pub(super) fn wrong_audience(audience: &str) -> OutcomeError {
    let message = format!("it was signed for other commands than `{audience}`");
    refusal("wrong_audience", &message, &format!("sign it with `aud` `{audience}`"))
}

pub(super) fn unsigned_id() -> OutcomeError {
    let remedy = "put `id` into the command: what only the transport says is not signed";
    refusal("unsigned_id", "the signature does not cover the id", remedy)
}

pub(super) fn not_allowed_to_key(action: Action, key: &KeyName) -> OutcomeError {
    let message = format!("`{}` is not allowed to the key `{key}`", action.name());
    refusal("not_allowed", &message, &format!("`signature.keys.{key}.allow` says what is"))
}

pub(super) fn same_key(key: &KeyName) -> OutcomeError {
    let message = format!("the key `{key}` has signed the command itself, under this or another name");
    refusal("same_key", &message, "somebody else must approve it, with a key of their own")
}

pub(super) fn not_approved_by(action: Action, key: &KeyName) -> OutcomeError {
    let message = format!("the key `{key}` may not approve `{}`", action.name());
    refusal("not_allowed", &message, &format!("`signature.keys.{key}.approve` says what it may"))
}

pub(super) fn no_approver(key: &KeyName) -> OutcomeError {
    let message = format!("the key `{key}` may approve nothing");
    refusal("not_allowed", &message, &format!("`signature.keys.{key}.approve` says what it may"))
}

/// Fails if a signature of `at` is too old at `now`, or from the future.
pub(super) fn require_fresh(at: Timestamp, max_age: Duration, now: Timestamp) -> Result<(), OutcomeError> {
    let age = now.duration_since(at);
    if age > SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX) {
        let message = format!("the signature is of {at}, which is too long ago");
        let remedy = "sign it again with the same `id`, or raise `signature.max_age` if the queue is slow";
        return Err(refusal("signature_too_old", &message, remedy));
    }
    if age < -SignedDuration::try_from(SIGNED_AHEAD_MAX).unwrap_or(SignedDuration::ZERO) {
        let message = format!("the signature is of {at}, which is yet to come");
        return Err(refusal("signature_in_future", &message, "set the signer's clock"));
    }
    Ok(())
}
