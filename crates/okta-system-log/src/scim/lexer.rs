//! From a filter to its words.

use super::FilterError;

/// One word and the byte at which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
    /// A JSON string, with its quotes.
    Text(&'a str),
    /// Anything else between spaces: an attribute, an operator, a number, `true`.
    Word(&'a str),
}

/// Cuts `filter` into words.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = filter[at..].chars().next() {
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '[' => (Kind::ListOpen, 1),
            ']' => (Kind::ListClose, 1),
            ',' => (Kind::Comma, 1),
            '\'' => return Err(FilterError::new(filter, at, "text stands in double quotes: \"…\"")),
            '"' => {
                let length = text_length(filter, at)?;
                (Kind::Text(&filter[at..at + length]), length)
            }
            _ => {
                let word = word(&filter[at..]);
                (Kind::Word(word), word.len())
            }
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    Ok(tokens)
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| c.is_whitespace() || "()[],\"'".contains(c)).unwrap_or(text.len());
    &text[..end]
}

/// The bytes of the JSON string that begins at `at`.
fn text_length(filter: &str, at: usize) -> Result<usize, FilterError> {
    let text = &filter[at..];
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    let Some((end, _)) = end else {
        return Err(FilterError::new(filter, at, "this text does not end: a closing quote is missing"));
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(&text[..=end]) {
        Ok(_) => Ok(end + 1),
        Err(err) => {
            // The column counts bytes from 1.
            let fault = at + err.column().saturating_sub(1).min(end);
            let fault = (at..=fault).rev().find(|byte| filter.is_char_boundary(*byte)).unwrap_or(at);
            Err(FilterError::new(
                filter,
                fault,
                "text must be a JSON string: a backslash is written \\\\, a quote \\\"",
            ))
        }
    }
}
