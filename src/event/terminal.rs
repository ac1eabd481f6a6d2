//! Text from outside where it meets a person's terminal: what a terminal would obey, or what would show another text than
//! there is, is shown as an escape.

use std::{borrow::Cow, fmt::Write as _};

/// Characters that are not seen and change how others are: the categories Cf, Zl and Zp of Unicode 16.
const UNSEEN: [(u32, u32); 22] = [
    (0xad, 0xad),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x2064),
    (0x2066, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0001, 0xe0001),
    (0xe0020, 0xe007f),
    (0xe0100, 0xe01ef),
];

/// `text` as it may be shown: control and format characters as `\u{1b}`.
pub(crate) fn for_terminal(text: &str) -> Cow<'_, str> {
    cleaned(text, |_| false, |c, out| out.extend(c.escape_unicode()))
}

/// The same of text in lines that are ours.
pub(crate) fn lines_for_terminal(text: &str) -> Cow<'_, str> {
    cleaned(text, |c| c == '\n', |c, out| out.extend(c.escape_unicode()))
}

/// JSON that means the same: what must not be shown can only stand in strings, where it has escapes of its own.
pub(crate) fn json_for_terminal(json: &str) -> Cow<'_, str> {
    cleaned(
        json,
        |c| matches!(c, '\n' | '\r' | '\t'),
        |c, out| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to memory cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

fn cleaned(text: &str, is_ours: impl Fn(char) -> bool, push: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let is_shown = |c: char| is_ours(c) || !(c.is_control() || is_unseen(c));
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_shown(c) { shown.push(c) } else { push(c, &mut shown) }
    }
    Cow::Owned(shown)
}

fn is_unseen(c: char) -> bool {
    let code = u32::from(c);
    code >= 0xad && UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_and_what_hides_something_is_shown() {
        for (text, expected) in [
            ("J\u{fc}rgen \u{5d0}\u{1f600} \\ \"", "J\u{fc}rgen \u{5d0}\u{1f600} \\ \""),
            ("a\u{1b}[2Jb\u{9b}\u{7f}\0", r"a\u{1b}[2Jb\u{9b}\u{7f}\u{0}"),
            ("a\r\nb\tc", r"a\u{d}\u{a}b\u{9}c"),
            ("\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}", r"\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}"),
            ("\u{2028}\u{ad}\u{e0041}", r"\u{2028}\u{ad}\u{e0041}"),
        ] {
            assert_eq!(for_terminal(text), expected);
            assert_eq!(for_terminal(expected), expected);
        }
        assert_eq!(lines_for_terminal("a\nb\u{1b}"), "a\nb\\u{1b}");
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let json = "{\n\"a\u{202e}\":\"\u{9b}\u{e0041}x\"}\n";
        let shown = json_for_terminal(json);
        assert_eq!(shown, "{\n\"a\\u202e\":\"\\u009b\\udb40\\udc41x\"}\n");
        let [before, after] =
            [json, &*shown].map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap());
        assert_eq!(before, after);
    }
}
