//! The members of a command around its parameters, and the JSON Schema of the whole.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{TEXT_BYTES_MAX, approval, unfit};
use crate::command::{Action, Expect, OutcomeError, object_only};

/// A time with its offset, for validators that do not know formats.
const TIME: &str = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*([Zz]|[+-]\d\d:?\d\d)$";

/// A place in a queue: of a message in a topic, or in a stream.
const PLACE: &str = r"^([A-Za-z0-9._-]*/[0-9]+|[^\s\x00-\x1f\x7f.*>/\\]+)@[0-9]+$";

/// A request to do something at Okta.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    /// What copies of the command have in common: a second one is answered with the first one's outcome. May be left out
    /// where the CloudEvent or the message has a good id. No control characters, no blanks around it, at most 256 bytes, and
    /// not the form of a place in a queue, such as `COMMANDS@5` or `topic/0@12`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\s\x00-\x1f\x7f](.*[^\s\x00-\x1f\x7f])?$"))]
    #[schemars(extend("not" = { "pattern": PLACE }))]
    pub(super) id: Option<String>,
    /// What to do.
    pub(super) action: String,
    /// With what.
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    /// It must not be begun before.
    #[schemars(extend("pattern" = TIME))]
    pub(super) not_before: Option<Timestamp>,
    /// It must not be begun at this time or later.
    #[schemars(extend("pattern" = TIME))]
    pub(super) expires_at: Option<Timestamp>,
    /// Whether it only asks what would be done.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Where the outcome is to go, in place of where outcomes go: a subject or a topic that policy allows.
    #[schemars(length(min = 1, max = 1024))]
    pub(super) reply_to: Option<String>,
    /// Why it is wanted, for the audit.
    #[schemars(length(max = 1024))]
    pub(super) reason: Option<String>,
    /// Who wants it, for the audit.
    #[schemars(length(max = 1024))]
    pub(super) requested_by: Option<String>,
    /// What must hold at Okta, looked at before each step that changes something; else the command fails.
    #[serde(default, deserialize_with = "object_only::required")]
    pub(super) expect: Expect,
    /// Whether the outcome shall have the secrets that come up, such as a temporary password; policy must allow it.
    #[serde(default)]
    pub(super) reveal: bool,
}

impl Envelope {
    /// Reads a command's members; what the action takes is another matter.
    pub(super) fn read(object: Map<String, Value>) -> Result<Self, OutcomeError> {
        let read: Result<Self, _> = serde_path_to_error::deserialize(Value::Object(object));
        let envelope =
            read.map_err(|err| unfit::member(&err.path().to_string(), &err.inner().to_string()))?;
        let texts = [
            ("reply_to", &envelope.reply_to),
            ("reason", &envelope.reason),
            ("requested_by", &envelope.requested_by),
        ];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
                return Err(unfit::too_long(name, TEXT_BYTES_MAX));
            }
        }
        let Expect { status, profile, in_groups } = &envelope.expect;
        let expected = [
            ("expect.status", status.iter().map(String::len).sum()),
            ("expect.profile", profile.keys().map(String::len).max().unwrap_or_default()),
            ("expect.in_groups", in_groups.iter().map(String::len).max().unwrap_or_default()),
        ];
        // What is expected and does not hold is in the outcome.
        if let Some((name, _)) = expected.into_iter().find(|(_, bytes)| *bytes > TEXT_BYTES_MAX) {
            return Err(unfit::too_long(name, TEXT_BYTES_MAX));
        }
        if envelope.reply_to.as_ref().is_some_and(String::is_empty) {
            return Err(unfit::member("reply_to", "is empty: leave it out"));
        }
        if let (Some(not_before), Some(expires_at)) = (envelope.not_before, envelope.expires_at)
            && not_before >= expires_at
        {
            return Err(unfit::member("expires_at", "is not after `not_before`: it could never be begun"));
        }
        Ok(envelope)
    }
}

/// The JSON Schema 2020-12 of a command, one alternative an action.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let mut generator = settings.into_generator();
    let mut schema = generator.root_schema_for::<Envelope>().to_value();
    let mut alternatives: Vec<_> =
        Action::ALL.iter().map(|action| alternative(*action, &mut generator)).collect();
    alternatives.push(approval::schema(&mut generator));
    let definitions = generator.take_definitions(true);
    schema["title"] = json!("A command to oktabus");
    schema["oneOf"] = alternatives.into();
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn alternative(action: Action, generator: &mut schemars::SchemaGenerator) -> Value {
    let parameters = action.parameters_schema(generator).to_value();
    let name = parameters["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let definition = generator.definitions().get(name);
    // Parameters may be left out where none of them is needed.
    let needs_parameters =
        definition.is_some_and(|of| ["required", "oneOf", "allOf"].iter().any(|key| of.get(key).is_some()));
    let required = if needs_parameters { json!(["parameters"]) } else { json!([]) };
    json!({
        "title": action.name(),
        "description": action.about(),
        "required": required,
        "properties": { "action": { "const": action.name() }, "parameters": parameters },
    })
}
