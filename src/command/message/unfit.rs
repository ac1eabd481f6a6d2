//! Why a message is not a command: messages for people and codes for programs. Values are not repeated: they may be
//! secrets.

use super::{
    ID_BYTES_MAX, PAYLOAD_BYTES_MAX, shortened,
    strict_json::{INEXACT, TWICE},
};
use crate::{
    command::{Action, OutcomeError},
    config::{nearest, unknown_key},
};

/// Where the form of commands is described.
const SEE_SCHEMA: &str = "`oktabus schema --what commands` prints the schema";

fn error(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> OutcomeError {
    OutcomeError { code: code.to_owned(), message: message.into(), remedy: Some(remedy.into()) }
}

pub(super) fn too_large(bytes: usize) -> OutcomeError {
    let message = format!("{bytes} bytes are more than a command may have: {PAYLOAD_BYTES_MAX}");
    error("too_large", message, "make several commands of it")
}

pub(super) fn not_json(err: &serde_json::Error) -> OutcomeError {
    let reason = err.to_string();
    if reason.starts_with(TWICE) {
        return error("duplicate_name", reason, "each name may stand once in an object");
    }
    if reason.starts_with(INEXACT) {
        return error("inexact_number", reason, "write it as a text, or smaller");
    }
    error("not_json", format!("the payload is not JSON: {reason}"), "send one JSON object in UTF-8")
}

pub(super) fn not_an_object() -> OutcomeError {
    error("not_an_object", "the payload is JSON, but not an object", SEE_SCHEMA)
}

pub(super) fn cloud_event(reason: &str) -> OutcomeError {
    error("bad_cloud_event", format!("the CloudEvent has no command: {reason}"), SEE_SCHEMA)
}

pub(super) fn missing_id() -> OutcomeError {
    let message = "`id` is missing, and the message has none that is good enough";
    error("missing_id", message, "give each command an id of its own, and its copies the same one")
}

pub(super) fn bad_id() -> OutcomeError {
    let message =
        format!("`id` must have 1 to {ID_BYTES_MAX} bytes, no control characters, and no blanks around it");
    error("bad_id", message, "a UUID does well")
}

pub(super) fn id_of_a_place() -> OutcomeError {
    let message =
        "`id` has the form of a place in a queue, such as `COMMANDS@5` or `topic/0@12`, which names refusals";
    error("bad_id", message, "a UUID does well")
}

pub(super) fn unknown_action(action: &str) -> OutcomeError {
    let names = || Action::ALL.iter().map(|action| action.name());
    let remedy = match nearest(action, names()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    error("unknown_action", format!("`{}` is no action", shortened(action)), remedy)
}

pub(super) fn too_long(name: &str, bytes_max: usize) -> OutcomeError {
    error("too_long", format!("`{name}` may have {bytes_max} bytes"), "shorten it")
}

/// An invalid member of a command, in serde's words.
pub(super) fn member(path: &str, reason: &str) -> OutcomeError {
    misfit("bad_member", path, reason)
}

/// Invalid parameters, in serde's words with the path before them.
pub(super) fn parameters(action: Action, reason: &str) -> OutcomeError {
    let misfit = misfit("bad_parameters", "parameters", reason);
    OutcomeError { message: format!("{}: {}", action.name(), misfit.message), ..misfit }
}

fn misfit(code: &str, path: &str, reason: &str) -> OutcomeError {
    const UNKNOWN: &str = "unknown field `";
    if let Some((unknown, known)) = reason.find(UNKNOWN).and_then(|at| unknown_key(&reason[at..])) {
        let remedy = match nearest(unknown, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        // The name is not shown, either: it may be a misplaced secret.
        let inside = match path.strip_suffix(unknown) {
            _ if path == "." => String::new(),
            Some("") => String::new(),
            Some(path) if path.ends_with('.') => format!(" in {}", shortened(path.trim_end_matches('.'))),
            Some(_) | None => format!(" in {}", shortened(path)),
        };
        return error("unknown_name", format!("the name of a member is unknown{inside}"), remedy);
    }
    let reason = without_value(reason);
    let message = if path == "." { reason } else { format!("{}: {reason}", shortened(path)) };
    error(code, message, SEE_SCHEMA)
}

/// Removes the value that serde repeats: `invalid type: integer `5`, expected a string`.
fn without_value(reason: &str) -> String {
    const KINDS: [&str; 2] = ["invalid type: ", "invalid value: "];
    let Some(at) = KINDS.iter().find_map(|kind| Some(reason.find(kind)? + kind.len())) else {
        return reason.to_owned();
    };
    let Some(expected) = reason.rfind(", expected ").filter(|expected| *expected >= at) else {
        return reason[..at].trim_end_matches([':', ' ']).to_owned();
    };
    let kind = reason[at..expected].split(['`', '"']).next().unwrap_or_default().trim_end();
    format!("{}{kind}{}", &reason[..at], &reason[expected..])
}
