//! What is published: bytes with CloudEvents attributes and an address.

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

/// One thing to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The topic or subject; none: the sink's own. Files and standard output have no addresses.
    pub address: Option<String>,
    /// Whether a command asked for that address: somebody may listen there without a bus that keeps anything.
    pub is_reply: bool,
    /// Whether there are secrets in it: no stream stores it but those that may.
    pub is_secret: bool,
    /// `id` is what copies have in common, `partition_key` what orders publications.
    pub attributes: Attributes,
    /// One JSON value.
    pub payload: Bytes,
    /// The signature of `payload`, for the header that commands have it in.
    pub signature: Option<String>,
}

impl Publication {
    /// The outcome of a command of the commands `name`, which concerns the user with the id `user`. `copy` counts the
    /// answers to further copies of the command; zero is the answer to the first.
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

    /// The refusal of a message that is no command: `outcome` is named by the place where it stood. The id is the same for
    /// the same message, and no command's.
    pub fn refusal(name: &str, outcome: &Outcome) -> Result<Self, serde_json::Error> {
        let mut publication = Self::outcome(name, outcome, None, 0)?;
        publication.attributes.id = message_id::of_refusal(&outcome.command_id);
        Ok(publication)
    }

    /// A command to the intake of the commands `name`. `key` is what orders commands: the user whom it names.
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

    /// A record of the audit of the commands `name`, about the command `id`. A command has several.
    /// `sequence` is its number in the chain.
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
        Self { address: None, is_reply: false, is_secret: false, attributes, payload, signature: None }
    }

    /// The same, signed so.
    #[must_use]
    pub fn signed(self, signature: Option<String>) -> Self {
        Self { signature, ..self }
    }

    /// The same, to `address`.
    #[must_use]
    pub fn to(self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), is_reply: false, ..self }
    }

    /// The same, to the `address` that a command asks for.
    #[must_use]
    pub fn in_reply_to(self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), is_reply: true, ..self }
    }
}

/// An attribute as CloudEvents demands, whatever a command says.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    push_printable(text, &mut printable);
    printable
}
