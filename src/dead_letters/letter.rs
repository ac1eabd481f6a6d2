//! One dead letter as it is kept: a message of a route, or a message that was no command. Pure.

use jiff::Timestamp;
use okta_system_log::event::json::EventView;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::sink::LetterId;

/// What the stems of the files of commands begin with.
const COMMANDS_PREFIX: &str = "commands.";

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// A message of a route that its sink can never take.
    Message,
    /// A message of a queue that can never be a command, or whose sender is not trusted.
    Command,
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterOwner {
    /// The route.
    Route(String),
    /// The name of `[commands.NAME]`.
    Commands(String),
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct KeptLetter {
    /// Which one.
    pub letter: LetterId,
    /// What could not be done.
    pub kind: LetterKind,
    /// Whose it is.
    #[serde(flatten)]
    pub owner: LetterOwner,
    /// When it was kept.
    pub at: Timestamp,
    /// Why, and what to change.
    pub reason: String,
    /// The id of the message; of a command there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The type of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// When the event was published, as Okta wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The place in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The size of the event, or of the message that came.
    pub bytes: u64,
    /// What was kept: the event, or what may be seen of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<RawValue>>,
}

/// A line about a message.
#[derive(Deserialize)]
struct MessageLine<'a> {
    at: Timestamp,
    route: String,
    id: String,
    reason: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// A line about what was no command.
#[derive(Deserialize)]
struct CommandLine {
    at: Timestamp,
    place: String,
    reason: String,
    bytes: u64,
    headers: Box<RawValue>,
    payload: Option<String>,
    beginning: Option<String>,
}

/// What may be seen of a message that was no command.
#[derive(Serialize)]
struct CommandContent {
    headers: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beginning: Option<String>,
}

impl KeptLetter {
    /// The letter of a line in a file with this stem; none if it is none. `is_whole`: with what was kept.
    pub(super) fn parse(stem: &str, letter: LetterId, line: &[u8], is_whole: bool) -> Option<Self> {
        match stem.strip_prefix(COMMANDS_PREFIX).filter(|commands| !commands.contains('.')) {
            // A stream may be called `commands` too: the line decides.
            Some(commands) => Self::command(commands, letter.clone(), line, is_whole)
                .or_else(|| Self::message(letter, line, is_whole)),
            None => Self::message(letter, line, is_whole),
        }
    }

    fn message(letter: LetterId, line: &[u8], is_whole: bool) -> Option<Self> {
        let MessageLine { at, route, id, reason, event } = serde_json::from_slice(line).ok()?;
        let view = EventView::at(event.get().as_bytes());
        let text = |path: &str| Some(view.text(path).into_owned()).filter(|text| !text.is_empty());
        Some(Self {
            letter,
            kind: LetterKind::Message,
            owner: LetterOwner::Route(route),
            at,
            reason,
            id: Some(id),
            event_type: text("/eventType"),
            published: text("/published"),
            place: None,
            bytes: event.get().len() as u64,
            content: is_whole.then(|| event.to_owned()),
        })
    }

    fn command(commands: &str, letter: LetterId, line: &[u8], is_whole: bool) -> Option<Self> {
        let CommandLine { at, place, reason, bytes, headers, payload, beginning } =
            serde_json::from_slice(line).ok()?;
        let content = CommandContent { headers, payload, beginning };
        let content = if is_whole { serde_json::value::to_raw_value(&content).ok() } else { None };
        Some(Self {
            letter,
            kind: LetterKind::Command,
            owner: LetterOwner::Commands(commands.to_owned()),
            at,
            reason,
            id: None,
            event_type: None,
            published: None,
            place: Some(place),
            bytes,
            content,
        })
    }
}
