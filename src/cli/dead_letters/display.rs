//! How dead letters, and what becomes of them, look on a terminal and to programs.

use serde::Serialize;

use crate::{
    cli::{
        span::{since, span},
        table::table,
    },
    dead_letters::{KeptLetter, LetterKind, LetterOwner, LetterResult, LetterRetry},
    telemetry::{printable, printable_json},
};

/// One line each.
pub(super) fn list(letters: &[KeptLetter], json: bool) -> String {
    if json {
        return lines(letters);
    }
    let heading = ["LETTER", "KEPT", "OF", "WHAT", "REASON"].map(str::to_owned).to_vec();
    let row = |letter: &KeptLetter| {
        let ago = format!("{} ago", span(since(letter.at)));
        vec![letter.letter.to_string(), ago, owner(letter), what(letter), letter.reason.clone()]
    };
    table(&[vec![heading], letters.iter().map(row).collect()].concat())
}

/// Everything about each.
pub(super) fn details(letters: &[KeptLetter], json: bool) -> String {
    if json {
        return lines(letters);
    }
    let each = letters.iter().map(|letter| {
        let mut rows = vec![
            ("letter", letter.letter.to_string()),
            ("kept", format!("{} ({} ago)", letter.at, span(since(letter.at)))),
            ("of", owner(letter)),
            ("reason", letter.reason.clone()),
        ];
        let more = [
            ("id", &letter.id),
            ("event type", &letter.event_type),
            ("published", &letter.published),
            ("place", &letter.place),
        ];
        rows.extend(more.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        rows.push(("size", format!("{} bytes", letter.bytes)));
        let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        let content = letter.content.as_ref().map(|content| indented(content.get())).unwrap_or_default();
        format!("{}{content}", table(&rows))
    });
    each.collect::<Vec<_>>().join("\n")
}

/// What became of each, and in the end of all.
pub(super) fn retries(retries: &[LetterRetry], json: bool) -> String {
    if json {
        return lines(retries);
    }
    let rows = retries.iter().map(|retry| {
        let (word, reason) = match &retry.result {
            LetterResult::Delivered => ("delivered", ""),
            LetterResult::DeliveredAndKept(reason) => ("delivered, but not removed", reason.as_str()),
            LetterResult::Rejected(reason) => ("refused by the sink again", reason.as_str()),
            LetterResult::Failed(reason) => ("not delivered", reason.as_str()),
            LetterResult::Refused(reason) => ("not tried", reason.as_str()),
            LetterResult::Unknown => ("not there any more", ""),
        };
        let id = retry.id.clone().unwrap_or_else(|| "-".to_owned());
        vec![retry.letter.to_string(), id, word.to_owned(), reason.to_owned()]
    });
    table(&rows.collect::<Vec<_>>())
}

/// A line of JSON each. What cannot be written as JSON cannot be there.
pub(super) fn lines<T: Serialize>(values: &[T]) -> String {
    let line = |value: &T| serde_json::to_string(value).ok();
    values.iter().filter_map(line).map(|line| format!("{}\n", printable_json(&line))).collect()
}

fn owner(letter: &KeptLetter) -> String {
    match &letter.owner {
        LetterOwner::Route(route) => route.clone(),
        LetterOwner::Commands(commands) => format!("commands {commands}"),
    }
}

fn what(letter: &KeptLetter) -> String {
    let what = match letter.kind {
        LetterKind::Message => letter.event_type.as_ref().or(letter.id.as_ref()),
        LetterKind::Command => letter.place.as_ref(),
    };
    what.cloned().unwrap_or_else(|| "-".to_owned())
}

/// `json` over several lines, as it can be seen on a terminal.
fn indented(json: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(json).ok();
    let text = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = text.unwrap_or_else(|| json.to_owned());
    text.lines().map(|line| format!("  {}\n", printable(line))).collect()
}
