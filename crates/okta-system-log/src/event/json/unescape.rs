//! What strings say.

use std::borrow::Cow;

use super::scan::unit;

/// What the string says between whose quotation marks `inside` stands. Half of a surrogate pair is told as it was written,
/// backslash and all.
#[inline]
pub(super) fn unescape(inside: &str) -> Cow<'_, str> {
    match memchr::memchr(b'\\', inside.as_bytes()) {
        None => Cow::Borrowed(inside),
        Some(first) => Cow::Owned(unescape_from(inside, first)),
    }
}

fn unescape_from(inside: &str, first: usize) -> String {
    let bytes = inside.as_bytes();
    let mut said = String::with_capacity(inside.len());
    let (mut copied, mut at) = (0, first);
    loop {
        said.push_str(inside.get(copied..at).unwrap_or_default());
        let (c, length) = escaped(bytes, at);
        match c {
            Some(c) => said.push(c),
            None => said.push_str(inside.get(at..at + length).unwrap_or_default()),
        }
        copied = at + length;
        match bytes.get(copied..).and_then(|rest| memchr::memchr(b'\\', rest)) {
            Some(found) => at = copied + found,
            None => break,
        }
    }
    said.push_str(inside.get(copied..).unwrap_or_default());
    said
}

/// The character that the escape at `at` means, if it is one, and the escape's bytes.
fn escaped(bytes: &[u8], at: usize) -> (Option<char>, usize) {
    let c = match bytes.get(at + 1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return escaped_unit(bytes, at),
        Some(other) => char::from(*other),
        None => return (None, 1),
    };
    (Some(c), 2)
}

fn escaped_unit(bytes: &[u8], at: usize) -> (Option<char>, usize) {
    let Some(first) = unit(bytes, at) else { return (None, 2) };
    if let (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) = (first, unit(bytes, at + 6)) {
        let both = 0x1_0000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
        return (char::from_u32(both), 12);
    }
    (char::from_u32(first.into()), 6)
}

/// The string with each half of a surrogate pair as it was written; none if there is none.
pub(crate) fn with_whole_characters(quoted: &str) -> Option<String> {
    let bytes = quoted.as_bytes();
    let (mut whole, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(quoted.get(copied..at).unwrap_or_default());
                whole.push('\\');
                copied = at;
                at += 6;
            }
            _ => at += 2,
        }
    }
    if copied == 0 {
        return None;
    }
    whole.push_str(quoted.get(copied..).unwrap_or_default());
    Some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_of_pairs_are_told_as_they_were_written() {
        for (inside, said) in [
            (r"\ud800", r"\ud800"),
            (r"\uDC00\uD800x\ud83d\ude00\ud83d", "\\uDC00\\uD800x\u{1f600}\\ud83d"),
            (r#"\\\ud800\""#, r#"\\ud800""#),
            (r"\ud800\n\u0041", "\\ud800\nA"),
        ] {
            assert_eq!(unescape(inside), said);
        }
    }

    proptest! {
        #[test]
        fn what_is_unicode_is_read_as_serde_json_reads_it(text in "\\PC{0,8}[\n\t\"\\\\/\u{8}\u{c}\u{1f600}é]{0,6}") {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            let plain = serde_json::to_string(&text).unwrap();
            for quoted in [plain, format!("\"{escaped}\"")] {
                prop_assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text.as_str());
            }
        }
    }
}
