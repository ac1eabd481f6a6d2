//! The approval of a command by a second key: a message of its own, which asks nothing of Okta.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fingerprint, ID_BYTES_MAX, envelope::Envelope, unfit};
use crate::command::OutcomeError;

/// The `action` of an approval.
pub const APPROVE: &str = "command.approve";

/// The longest fingerprint in an approval: the audit records it, whatever it is.
const FINGERPRINT_BYTES_MAX: usize = 256;

/// A message that approves a command.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The same for all copies.
    pub id: String,
    /// Whether the payload has the id.
    pub is_id_in_payload: bool,
    /// The id of the approved command.
    pub command: String,
    /// The fingerprint of that command and its subjects, as in the journal: nothing else is approved.
    pub command_fingerprint: String,
    /// The address of the approval's outcome.
    pub reply_to: Option<String>,
    /// The reason, for the audit.
    pub reason: Option<String>,
    /// The approver, for the audit: a claim beside the key.
    pub requested_by: Option<String>,
    /// A digest of the approval.
    pub fingerprint: Fingerprint,
}

/// Which command is approved.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ApproveCommand {
    /// Its id.
    #[schemars(length(min = 1, max = 256))]
    command: String,
    /// What is approved of it, as the audit and `oktabus command show` have it.
    #[schemars(length(max = 256))]
    fingerprint: String,
}

/// The JSON Schema of an approval, as one of the alternatives of a command.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Value {
    json!({
        "title": APPROVE,
        "description": "Lets a command go on that a second key must approve",
        "required": ["parameters"],
        "properties": {
            "action": { "const": APPROVE },
            "parameters": generator.subschema_for::<ApproveCommand>(),
            "not_before": { "type": "null" },
            "expires_at": { "type": "null" },
            "dry_run": { "const": false },
            "reveal": { "const": false },
            "expect": { "maxProperties": 0 },
        },
    })
}

impl Approval {
    /// Reads an approval with this id from its members.
    pub(super) fn read(
        envelope: Envelope,
        (id, is_id_in_payload): (String, bool),
        fingerprint: Fingerprint,
    ) -> Result<Self, OutcomeError> {
        let is_more = envelope.not_before.is_some()
            || envelope.expires_at.is_some()
            || envelope.dry_run
            || envelope.reveal
            || !envelope.expect.is_empty();
        if is_more {
            let reason = "an approval has no `not_before`, `expires_at`, `dry_run`, `reveal` and `expect`";
            return Err(unfit::member(".", reason));
        }
        let read: Result<ApproveCommand, _> =
            serde_path_to_error::deserialize(Value::Object(envelope.parameters));
        let ApproveCommand { command, fingerprint: command_fingerprint } =
            read.map_err(|err| unfit::member("parameters", &err.inner().to_string()))?;
        for (name, text, bytes_max) in [
            ("parameters.command", &command, ID_BYTES_MAX),
            ("parameters.fingerprint", &command_fingerprint, FINGERPRINT_BYTES_MAX),
        ] {
            if text.len() > bytes_max {
                return Err(unfit::too_long(name, bytes_max));
            }
        }
        Ok(Self {
            id,
            is_id_in_payload,
            command,
            command_fingerprint,
            reply_to: envelope.reply_to,
            reason: envelope.reason,
            requested_by: envelope.requested_by,
            fingerprint,
        })
    }
}
