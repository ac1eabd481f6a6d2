//! How Okta writes a small map into one member: as JSON, as JSON in a text (escaped once or more), or as Java prints its
//! maps, `{a=b, c=d}`, with or without the braces and the blanks.
//!
//! Knows no fact. What fits no notation gives no entries: nothing is guessed.

use std::{borrow::Cow, ops::Range};

use crate::{event::says_nothing, format::object::Object};

/// How often JSON may stand in a text of JSON.
const TEXTS_IN_TEXTS_MAX: usize = 3;

/// What stands around names and values: braces of maps, brackets of lists, blanks, and the marks of an encoding that
/// nobody sees.
const AROUND: [char; 10] = ['{', '}', '[', ']', ' ', '\t', '\r', '\n', '\u{feff}', '\u{200b}'];
/// Letters that nobody sees: marks of an encoding that stand before a text.
pub(super) const UNSEEN: [char; 2] = ['\u{feff}', '\u{200b}'];
/// What a map begins with, behind the name of its class where Java prints one: `Risk{level=LOW}`.
const OPENING: [char; 3] = ['{', '(', '['];

/// What the JSON of a member says, with the texts around it taken off: JSON of an object or array, or a plain text. None
/// if it says that there is nothing.
pub(in crate::format) fn content(json: &str) -> Option<Cow<'_, str>> {
    let mut content = Cow::Borrowed(json.trim_ascii());
    for _ in 0..TEXTS_IN_TEXTS_MAX {
        let inner = match &content {
            Cow::Borrowed(text) => inner(text),
            Cow::Owned(text) => inner(text).map(|inner| Cow::Owned(inner.into_owned())),
        };
        let Some(inner) = inner else { break };
        content = inner;
    }
    (!says_nothing(&content)).then_some(content)
}

/// What is written in the text that `text` is.
fn inner(text: &str) -> Option<Cow<'_, str>> {
    if let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        if !inside.contains('\\') {
            return Some(Cow::Borrowed(inside.trim_ascii()));
        }
        return serde_json::from_str::<String>(text)
            .ok()
            .map(|inner| Cow::Owned(inner.trim_ascii().to_owned()));
    }
    // JSON whose quotes were escaped once too often.
    let may_be_escaped = text.starts_with(['{', '[']) && text.contains('\\');
    let is_escaped = may_be_escaped && text.contains("\\\"") && !is_json(text);
    let inner: String = is_escaped.then(|| serde_json::from_str(&["\"", text, "\""].concat()).ok())??;
    is_json(&inner).then_some(Cow::Owned(inner))
}

fn is_json(text: &str) -> bool {
    Object::read(text).is_some() || Object::read_elements(text).is_some()
}

/// The entries of a map whose names are plain words, such as `{level=HIGH, reasons=A, B}`: a value ends where the next
/// name begins. `is_name` tells names that may stand before a colon too, as Python and YAML write them, and have blanks
/// in them. With it whether every part of the text belongs to an entry: what stands before the first may be the very
/// thing that is looked for.
pub(in crate::format) fn entries_by_name(
    text: &str,
    is_name: impl Fn(&str) -> bool,
) -> (Vec<(&str, &str)>, bool) {
    let mut entries: Vec<(&str, Range<usize>)> = Vec::new();
    let mut is_whole = true;
    let mut at = 0;
    for piece in text.split([',', ';']) {
        let end = at + piece.len();
        match (name_of(piece, &is_name), entries.last_mut()) {
            (Some((name, value)), _) => entries.push((name, end - value.len()..end)),
            (None, Some((_, value))) => value.end = end,
            (None, None) => is_whole &= bare(piece).is_empty(),
        }
        at = end + 1;
    }
    // Only now, so that no byte is looked at for each piece of a value anew.
    let entries = entries.into_iter().map(|(name, value)| (name, bare(without_closing(&text[value]))));
    (entries.collect(), is_whole)
}

/// The entries of a whole map as Java prints it, `{a=b, c={d=e, f=g}}`, with its braces or without: a name is a plain word. None
/// if the text is anything else: if something in it belongs to no entry, or is not closed, so that nobody knows where a value
/// ends.
pub(in crate::format) fn printed_map(text: &str) -> Option<Vec<(&str, &str)>> {
    let text = text.trim_matches(UNSEEN).trim_ascii();
    let inside = match text.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}')?,
        None => text,
    };
    let mut entries: Vec<(&str, Range<usize>)> = Vec::new();
    let mut add = |range: Range<usize>| {
        let piece = &inside[range.clone()];
        match (piece.split_once('=').filter(|(name, _)| is_word(name.trim_ascii())), entries.last_mut()) {
            (Some((name, value)), _) => entries.push((name.trim_ascii(), range.end - value.len()..range.end)),
            (None, Some((_, value))) => value.end = range.end,
            (None, None) => return piece.trim_ascii().is_empty(),
        }
        true
    };
    let (mut open, mut start) = (Vec::new(), 0);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' | b'[' => open.push(byte),
            b'}' | b']' if open.pop()? != byte - 2 => return None,
            b',' if open.is_empty() => {
                if !add(start..at) {
                    return None;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    let is_whole = open.is_empty() && add(start..inside.len());
    let entries = entries.into_iter().map(|(name, value)| (name, inside[value].trim_ascii()));
    let entries: Vec<_> = entries.collect();
    (is_whole && !entries.is_empty() && entries.iter().all(|(_, value)| is_one_value(value)))
        .then_some(entries)
}

/// Whether nothing in `value`, which stands between two entries, may be an entry too: one that is told apart by another sign than
/// a comma, or whose name is no plain word.
fn is_one_value(value: &str) -> bool {
    if value.starts_with(['{', '[']) {
        return is_closed_at_its_end(value);
    }
    let unpadded = value.trim_end_matches('=');
    if unpadded.is_empty() {
        return value.is_empty();
    }
    // Only an address has this sign in it, and neither blanks nor brackets.
    let is_address = || unpadded.starts_with('/') || unpadded.contains("://");
    let ends_address = |letter: char| letter.is_whitespace() || ",;{}[]".contains(letter);
    if unpadded.contains('=') && (!is_address() || unpadded.contains(ends_address)) {
        return false;
    }
    !value.split([',', ';', '\n', '\r']).skip(1).any(begins_like_an_entry)
}

/// Whether the bracket with which `value` begins is closed at its end and not before.
fn is_closed_at_its_end(value: &str) -> bool {
    let mut depth = 0_usize;
    let mut ends = value.bytes().enumerate().filter_map(|(at, byte)| {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at + 1)
    });
    ends.next() == Some(value.len())
}

/// Whether `piece` begins with a name and a colon.
fn begins_like_an_entry(piece: &str) -> bool {
    let Some((name, _)) = piece.split_once(':') else { return false };
    let name = name.trim_ascii().trim_matches(['"', '\'']);
    // Browsers write `(X11; Linux x86_64; rv:109.0)`.
    name != "rv"
        && name.contains(|letter: char| letter.is_alphabetic())
        && name.split(['.', '-']).all(is_word)
}

fn name_of<'t>(piece: &'t str, is_name: &impl Fn(&str) -> bool) -> Option<(&'t str, &'t str)> {
    let (name, value) = piece.split_once(['=', ':'])?;
    let separator = piece.as_bytes()[name.len()];
    let (class, name) = name.rsplit_once(OPENING).unwrap_or(("", name));
    // Of JSON that was cut, a quote may be missing.
    let name = bare(name).trim_matches(['"', '\'']);
    let is_plain = separator == b'=' && is_word(name) && is_class(class);
    (is_plain || is_name(name)).then_some((name, value))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether this may stand before the brace of a map: nothing, or the name of a class.
fn is_class(text: &str) -> bool {
    let name = text.trim_matches(AROUND).trim_matches(OPENING);
    name.is_empty() || name.split(['.', '$']).all(is_word)
}

/// A value without the parenthesis that closes the map, if it closes none of the value's own.
fn without_closing(value: &str) -> &str {
    let value = value.trim_matches(AROUND);
    match value.strip_suffix(')') {
        Some(inside) if inside.matches('(').count() <= inside.matches(')').count() => inside,
        _ => value,
    }
}

/// The entries of a map whose values are plain words, such as `{New City, far=POSITIVE, Velocity=NEGATIVE}`: a name
/// begins where the last value ended. `is_value` tells values that may stand behind a colon too. With it whether every part
/// of the text belongs to an entry.
pub(in crate::format) fn entries_by_value(
    text: &str,
    is_value: impl Fn(&str) -> bool,
) -> (Vec<(&str, &str)>, bool) {
    let mut entries = Vec::new();
    let mut is_whole = true;
    let mut start = 0;
    let mut at = 0;
    for piece in text.split([',', ';']) {
        let end = at + piece.len();
        // The pieces before, which are a part of the name, have no such sign.
        let by_colon = || piece.rsplit_once(':').filter(|(_, value)| is_value(bare(value)));
        if let Some((_, value)) = piece.rsplit_once('=').or_else(by_colon) {
            let name = &text[start..end - value.len() - 1];
            // A name in which another value stands would tell of one of them only.
            is_whole &= !name.contains('=');
            let inside = name.rsplit_once('{').filter(|(class, _)| is_class(class));
            entries.push((bare(inside.map_or(name, |(_, name)| name)), bare(value)));
            start = end + 1;
        }
        at = end + 1;
    }
    is_whole &= text.get(start..).unwrap_or_default().trim_matches(AROUND).is_empty();
    (entries, is_whole)
}

/// A name or value without what stands around it; quotes only if there are two, or one before it where JSON was cut.
fn bare(text: &str) -> &str {
    let text = text.trim_matches(AROUND);
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.strip_suffix(quote).unwrap_or(inside);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(text: &str) -> Vec<(&str, &str)> {
        entries_by_name(text, |name| name == "level").0
    }

    #[test]
    fn a_value_ends_where_the_next_name_begins() {
        let expected = [("level", "HIGH"), ("reasons", "A, B c"), ("detectionName", "x=y")];
        for text in [
            "{level=HIGH, reasons=A, B c, detectionName=x=y}",
            "level=HIGH, reasons=A, B c, detectionName=x=y",
            "{level=HIGH,reasons=A, B c,detectionName=x=y",
            "{'level': 'HIGH', reasons=A, B c, detectionName=x=y}",
        ] {
            assert_eq!(by_name(text), expected, "{text}");
        }
        assert_eq!(
            by_name("{reasons=New City: far, level: LOW}"),
            [("reasons", "New City: far"), ("level", "LOW")]
        );
        for odd in ["", "{", "{}", "HIGH", "{level}", "{=}", ",,", "a b=c", "é,ü"] {
            assert!(by_name(odd).is_empty(), "{odd}");
        }
    }

    #[test]
    fn the_class_that_java_prints_before_a_map_is_no_part_of_a_name() {
        for text in [
            "Risk{level=HIGH, reasons=A (b)}",
            "com.okta.Risk {level=HIGH, reasons=A (b)}",
            "Risk(level=HIGH, reasons=A (b))",
            "(level=HIGH, reasons=A (b))",
            "[Risk{level=HIGH, reasons=A (b)}]",
            "\u{feff}{level=HIGH, reasons=A (b)}",
        ] {
            let expected = (vec![("level", "HIGH"), ("reasons", "A (b)")], true);
            assert_eq!(entries_by_name(text, |_| false), expected, "{text}");
        }
        assert_eq!(
            entries_by_value("Behaviors{New IP=POSITIVE}", |_| false),
            (vec![("New IP", "POSITIVE")], true)
        );
    }

    #[test]
    fn a_printed_map_is_read_whole_or_not_at_all() {
        for (text, expected) in [
            (
                "{a=b, c={d=e, f=g}, h=[{i=1}, {i=2}]}",
                vec![("a", "b"), ("c", "{d=e, f=g}"), ("h", "[{i=1}, {i=2}]")],
            ),
            ("{name=Levi, Dana, id=1}", vec![("name", "Levi, Dana"), ("id", "1")]),
            ("risk={level=HIGH}", vec![("risk", "{level=HIGH}")]),
            ("url=/a?b=c", vec![("url", "/a?b=c")]),
        ] {
            assert_eq!(printed_map(text), Some(expected), "{text}");
        }
        for odd in [
            "",
            "{}",
            "x",
            "{a}",
            "{a=b",
            "a={b",
            "a=b}",
            "a=b=c",
            "the risk is high",
            "{x, a=b}",
            "Actor{a=b}",
            "ä=b",
        ] {
            assert_eq!(printed_map(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_belongs_to_no_entry_is_told() {
        for text in ["HIGH, reasons=x", "{the risk is HIGH, reasons=x}", "a b=HIGH, reasons=x"] {
            assert_eq!(entries_by_name(text, |_| false), (vec![("reasons", "x")], false), "{text}");
        }
        assert!(!entries_by_value("{New IP=POSITIVE New Device=NEGATIVE}", |_| false).1);
    }

    #[test]
    fn a_name_begins_where_the_last_value_ended() {
        let (entries, is_whole) =
            entries_by_value("{New City, far=POSITIVE, Where: Country=NEGATIVE,Velocity=UNKNOWN}", |_| false);
        assert_eq!(
            entries,
            [("New City, far", "POSITIVE"), ("Where: Country", "NEGATIVE"), ("Velocity", "UNKNOWN")]
        );
        assert!(is_whole);
        let is_value = |value: &str| value == "POSITIVE";
        assert!(!entries_by_value("{New City=POSITIVE, Velo", is_value).1);
        assert!(entries_by_value("{}", is_value).1 && entries_by_value("", is_value).1);
        assert_eq!(
            entries_by_value("{New IP:POSITIVE, Where: a, b=NEGATIVE}", is_value),
            (vec![("New IP", "POSITIVE"), ("Where: a, b", "NEGATIVE")], true)
        );
    }

    #[test]
    fn a_text_is_taken_off_what_it_holds_however_often_it_was_escaped() {
        let map = r#"{"level":"HIGH"}"#;
        let once = serde_json::to_string(map).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        let escaped = serde_json::to_string(&map.replace('"', "\\\"")).unwrap();
        for json in [map, &once, &twice, &escaped, r#"  {"level":"HIGH"} "#] {
            assert_eq!(content(json).as_deref(), Some(map), "{json}");
        }
        assert_eq!(
            content(r#""{level=HIGH, reasons=Device named \"x\"}""#).unwrap(),
            r#"{level=HIGH, reasons=Device named "x"}"#
        );
        for nothing in ["\"\"", "\" \"", "null", "\"NULL\"", "\"none\""] {
            assert_eq!(content(nothing), None, "{nothing}");
        }
    }
}
