//! What became of a command: the one answer to it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OutcomeValue, Status, milliseconds};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The command.
    pub command_id: String,
    /// What it asked for, as it was written: it may be no action at all.
    pub action: String,
    /// How it ended.
    pub status: Status,
    /// Whether this is the answer to another copy of a command that had ended before.
    pub repeated: bool,
    /// What it brought, by the action; without secrets unless they were asked for and are allowed.
    #[schemars(with = "Value")]
    pub result: OutcomeValue,
    /// Why it did not end well.
    pub error: Option<OutcomeError>,
    /// Okta's id of the last request that changed something or failed: the System Log names it too.
    pub okta_request_id: Option<String>,
    /// What concerns the command, before it: a user's status, for example.
    pub before: Option<Value>,
    /// The same, after it.
    pub after: Option<Value>,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was received first.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub received_at: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub finished_at: Timestamp,
}

impl Outcome {
    /// The JSON Schema 2020-12 of an outcome.
    pub fn schema() -> Value {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings.into_generator().into_root_schema_for::<Self>().to_value();
        schema["title"] = "The outcome of a command to oktabus".into();
        schema
    }
}

/// Why a command did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeError {
    /// For programs: `user_not_found`, for example. Listed in the documentation.
    pub code: String,
    /// For people.
    pub message: String,
    /// What can be done about it.
    pub remedy: Option<String>,
}
