//! Text that came from outside, as it may be shown in a log, on a terminal or on a page: the one place where it is cleaned.
//!
//! A line break would forge a line, an escape sequence would command the terminal, and marks of direction would show
//! something else than what is there. They are shown by their codes, so that nothing is hidden and nothing is lost.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// `text` on one line, with what cannot be seen shown by its code.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The same line by line, for messages of several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// The JSON document `json`, with what a terminal must not get escaped as JSON has it: it says the same.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    // JSON itself escapes what is below U+0020; what is left of it is between its tokens.
    let is_escaped = |character: char| is_hidden(character) && character >= '\u{7f}';
    if !json.contains(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to memory cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// What cannot be seen and does something: control characters, line separators, marks of direction, tags, and what has no
/// width. Not the joiners, which languages and emoji need.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Passes JSON on, cleaned.
#[derive(Debug)]
pub(super) struct PrintableJson<W>(pub(super) W);

impl<W: Write> Write for PrintableJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match str::from_utf8(bytes) {
            Ok(json) => self.0.write_all(printable_json(json).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_and_the_rest_stays() {
        for text in ["", "J\u{fc}rgen \"x\" \u{1f468}\u{200d}\u{1f469}", "\\n", "日本"] {
            assert_eq!(printable(text), text);
            assert_eq!(printable_json(text), text);
        }
        assert_eq!(printable("a\nb\r\tc\u{1b}[2J"), "a\\nb\\r\\tc\\u{1b}[2J");
        assert_eq!(
            printable("\u{9b}31m\u{202e}x\u{2028}\u{e0041}"),
            "\\u{9b}31m\\u{202e}x\\u{2028}\\u{e0041}"
        );
        assert_eq!(printable_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
    }

    #[test]
    fn a_document_says_the_same_without_what_a_terminal_must_not_get() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}d\u{1b}e\n";
        let json = serde_json::to_string(text).unwrap();
        let shown = printable_json(&json);
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
