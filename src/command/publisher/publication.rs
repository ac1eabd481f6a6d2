//! A publication: bytes with CloudEvents attributes and an address.

use bytes::Bytes;
use jiff::Timestamp;
use okta_system_log::event::push_printable;

use crate::{
    command::{Outcome, message_id, milliseconds},
    message::Attributes,
};

const OUTCOME_TYPE: &str = "oktabus.outcome";
const AUDIT_TYPE: &str = "oktabus.audit";
const COMMAND_TYPE: &str = "oktabus.command";

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The topic or subject; none: that of the sink. Files and standard output have no addresses.
    pub address: Option<String>,
    /// Whether the address is a command's reply address: a listener there may be without a stream.
    pub is_reply: bool,
    /// Whether it has secrets: only the streams that are configured for them may store it.
    pub is_secret: bool,
    /// `id` is the same for all copies; `partition_key` orders publications.
    pub attributes: Attributes,
    /// One JSON value.
    pub payload: Bytes,
    /// The signature of `payload`, for the header of commands.
    pub signature: Option<String>,
    /// The trace that it is part of, for a header.
    pub traceparent: Option<String>,
}

impl Publication {
    /// The outcome of a command of the section `name`, about the user with the id `user`. `copy` is the number of the
    /// answer; the first is zero.
    pub fn outcome(
        name: &str,
        outcome: &Outcome,
        user: Option<&str>,
        copy: u64,
    ) -> Result<Self, serde_json::Error> {
        let id = message_id::of_answer(&outcome.command_id, copy);
        let attributes = Attributes {
            id,
            source: format!("oktabus/{name}"),
            event_type: OUTCOME_TYPE.to_owned(),
            subject: user.unwrap_or_default().to_owned(),
            time: milliseconds::text(outcome.finished_at),
            data_schema: None,
            partition_key: printable(user.unwrap_or(&outcome.command_id)),
        };
        Ok(Self::of(attributes, serde_json::to_vec(outcome)?.into()))
    }

    /// The refusal of a message that is not a command. The id in `outcome` is the place of the message: the same for
    /// the same message, and never a command's.
    pub fn refusal(name: &str, outcome: &Outcome) -> Result<Self, serde_json::Error> {
        let mut publication = Self::outcome(name, outcome, None, 0)?;
        publication.attributes.id = message_id::of_refusal(&outcome.command_id);
        Ok(publication)
    }

    /// A command for the intake of the section `name`. `key` orders commands: the user whom it names.
    pub fn command(name: &str, id: &str, key: Option<&str>, payload: Bytes) -> Self {
        let attributes = Attributes {
            id: id.to_owned(),
            source: format!("oktabus/{name}"),
            event_type: COMMAND_TYPE.to_owned(),
            partition_key: printable(key.unwrap_or(id)),
            ..Attributes::default()
        };
        Self::of(attributes, payload)
    }

    /// An audit record of the section `name`, about the command `id`, with its number in the chain.
    pub fn audit(name: &str, id: &str, sequence: u64, at: Timestamp, payload: Bytes) -> Self {
        let attributes = Attributes {
            id: message_id::of_audit(id, sequence),
            source: format!("oktabus/{name}"),
            event_type: AUDIT_TYPE.to_owned(),
            time: milliseconds::text(at),
            partition_key: printable(id),
            ..Attributes::default()
        };
        Self::of(attributes, payload)
    }

    fn of(attributes: Attributes, payload: Bytes) -> Self {
        Self {
            address: None,
            is_reply: false,
            is_secret: false,
            attributes,
            payload,
            signature: None,
            traceparent: None,
        }
    }

    /// Adds a signature.
    #[must_use]
    pub fn signed(self, signature: Option<String>) -> Self {
        Self { signature, ..self }
    }

    /// Sets the address.
    #[must_use]
    pub fn to(self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), is_reply: false, ..self }
    }

    /// Sets the reply address of a command.
    #[must_use]
    pub fn in_reply_to(self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), is_reply: true, ..self }
    }
}

/// An attribute in the form that CloudEvents requires, whatever a command contains.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    push_printable(text, &mut printable);
    printable
}
