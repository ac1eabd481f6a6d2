//! Decides about a command before anything is sent: who signed it, whether it is allowed, and whether it touches
//! something protected.
//!
//! Reads no clock, and does no I/O except to read keys, so that every decision can be repeated. The engine saves the
//! counts of `Limits`; the journal prevents that a command is executed twice.

mod limits;
mod protected;
mod signature;

pub use limits::{LIMIT_TRIPPED, Limits, TrippedLimit};
pub use protected::Protected;
pub use signature::{
    KeyName, RejectedSignature, SIGNATURE_HEADER, Signatures, Signer, SignerError, Verified, audience,
};

use super::{AddressPattern, OutcomeError, Subjects, message::Command};
use crate::{
    command::Effect,
    config::{ActionPattern, CommandsConfig, LimitConfig, RevealConfig},
};

/// The policy of a section.
#[derive(Debug)]
pub struct Policy {
    allow: Vec<ActionPattern>,
    limits: Vec<LimitConfig>,
    list_max: usize,
    reply_to: Vec<AddressPattern>,
    reveal: RevealConfig,
}

impl Policy {
    /// The policy in `config`.
    pub fn new(config: &CommandsConfig) -> Self {
        Self {
            allow: config.allow.clone(),
            limits: config.limits.clone(),
            list_max: config.list_max,
            reply_to: config.reply_to.clone(),
            reveal: config.reveal.clone(),
        }
    }

    /// Whether `command` is allowed, as far as that is known without look-ups.
    pub fn admit(&self, command: &Command) -> Result<(), OutcomeError> {
        let action = command.request.action();
        if !self.allow.iter().any(|pattern| pattern.allows(action)) {
            let message = format!("`{}` is not allowed here", action.name());
            return Err(refusal("not_allowed", &message, "`allow` of the commands says what is"));
        }
        let changes = command.request.changes().named();
        if changes > self.list_max {
            let message = format!("it asks for {changes} changes at once, and {} are allowed", self.list_max);
            return Err(refusal("list_too_long", &message, "make several commands of it"));
        }
        if let Some(reply_to) = &command.reply_to
            && !self.reply_to.iter().any(|pattern| pattern.matches(reply_to))
        {
            let message = "`reply_to` is no address that is allowed";
            return Err(refusal(
                "reply_to_not_allowed",
                message,
                "`reply_to` of the commands says which are",
            ));
        }
        if command.reveal && !self.reveals(command) {
            let message = "`reveal` is not allowed here, or not with this `reply_to`";
            let remedy =
                "reply to an address that `reveal.private` names; by hand it takes `reveal.allowed` alone";
            return Err(refusal("reveal_not_allowed", message, remedy));
        }
        Ok(())
    }

    /// Whether `command`, which is about `subjects`, is allowed.
    pub fn judge(
        &self,
        command: &Command,
        subjects: &Subjects,
        protected: &Protected,
    ) -> Result<(), OutcomeError> {
        self.admit(command)?;
        if command.request.action().effect() == Effect::Read {
            return Ok(());
        }
        match why_protected(command, subjects, protected) {
            None => Ok(()),
            Some(reason) => {
                let remedy =
                    "do it at Okta by hand, or take it out of `protect`; a command is refused as a whole";
                Err(refusal("protected", &reason, remedy))
            }
        }
    }

    /// Whether the outcome of `command` may show its secrets: the command asks for them, the policy allows it, and the
    /// reply address is private.
    pub fn reveals(&self, command: &Command) -> bool {
        let is_private =
            |address: &String| self.reveal.private.iter().any(|pattern| pattern.matches(address));
        command.reveal && self.reveal.allowed && command.reply_to.as_ref().is_some_and(is_private)
    }

    /// The limits, for [`Limits::take`].
    pub fn limits(&self) -> &[LimitConfig] {
        &self.limits
    }
}

/// The error of a command whose secrets would be stored at its `reply_to`.
pub fn address_is_stored(reason: &str) -> OutcomeError {
    let message = format!("its secrets would be stored at `reply_to`: {reason}");
    let remedy = "ask for an address that no stream stores, or name the stream in `reveal.stored_in`";
    refusal("reveal_not_allowed", &message, remedy)
}

/// The error of a command with too many subjects for the journal.
pub fn too_many_names() -> OutcomeError {
    let message = "its users and groups take more room than the journal has for one command";
    refusal("list_too_long", message, "make several commands of it")
}

/// Why a subject of `command` is protected, if one is.
fn why_protected(command: &Command, subjects: &Subjects, protected: &Protected) -> Option<String> {
    let request = &command.request;
    let why = protected.why(subjects).or_else(|| protected.why_renamed(request));
    why.or_else(|| protected.why_blocked(request))
}

fn refusal(code: &str, message: &str, remedy: &str) -> OutcomeError {
    OutcomeError { code: code.to_owned(), message: message.to_owned(), remedy: Some(remedy.to_owned()) }
}

#[cfg(test)]
pub(in crate::command) mod tests;
