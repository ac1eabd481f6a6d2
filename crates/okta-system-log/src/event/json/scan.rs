//! Where tokens end. Reads eight bytes at a time where it can.

use std::ops::Range;

/// Decimal digits that a double may need before the point.
const DOUBLE_DIGITS: usize = 300;

/// A string of JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// The place behind its last quotation mark.
    pub(super) end: usize,
    pub(super) has_escapes: bool,
    /// Whether it has half of a surrogate pair, which is JSON and no Unicode.
    pub(super) has_halves: bool,
}

/// A number of JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) end: usize,
    /// Whether it is beyond a double.
    pub(super) is_huge: bool,
}

/// The place of the first byte at `at` or after it that is no white space.
#[inline]
pub(super) fn skip_space(json: &[u8], mut at: usize) -> usize {
    while matches!(json.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The string whose first byte behind the quotation mark is at `at`; the place of what makes it none otherwise.
#[inline]
pub(super) fn string(json: &[u8], at: usize) -> Result<Text, usize> {
    let at = skip_plain(json, at);
    match json.get(at) {
        Some(b'"') => Ok(Text { end: at + 1, has_escapes: false, has_halves: false }),
        Some(b'\\') => string_with_escapes(json, at),
        _ => Err(at),
    }
}

#[cold]
fn string_with_escapes(json: &[u8], mut at: usize) -> Result<Text, usize> {
    let mut has_halves = false;
    loop {
        match json.get(at) {
            Some(b'"') => return Ok(Text { end: at + 1, has_escapes: true, has_halves }),
            Some(b'\\') => {
                let (length, is_half) = escape(json, at).ok_or(at)?;
                has_halves |= is_half;
                at = skip_plain(json, at + length);
            }
            _ => return Err(at),
        }
    }
}

/// The bytes of the escape at `at`, both halves of a pair together, and whether it is half of one.
fn escape(json: &[u8], at: usize) -> Option<(usize, bool)> {
    match json.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some((2, false)),
        b'u' => match (unit(json, at)?, unit(json, at + 6)) {
            (0xd800..=0xdbff, Some(0xdc00..=0xdfff)) => Some((12, false)),
            (0xd800..=0xdfff, _) => Some((6, true)),
            _ => Some((6, false)),
        },
        _ => None,
    }
}

/// The UTF-16 code unit that the escape at `at` says, if it is one.
pub(super) fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// The place of the first byte at `at` or after it that cannot stand in a string as it is: a quotation mark, a backslash,
/// a control character, or the end.
#[inline]
pub(super) fn skip_plain(json: &[u8], mut at: usize) -> usize {
    while let Some(word) = json.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while json.get(at).is_some_and(|byte| !is_special(*byte)) {
        at += 1;
    }
    at
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The upper bit of the first byte that is special, and maybe of some after it.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const UPPER: u64 = ONES << 7;
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    // None of them has the upper bit itself.
    (control | quote | backslash) & !word & UPPER
}

/// Whether `text` has to be escaped nowhere to stand in a string.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) if text.len() <= 16 => {
            let found = special_bytes(u64::from_le_bytes(*first)) | special_bytes(u64::from_le_bytes(*last));
            found == 0
        }
        (Some(_), Some(_)) => is_long_plain(text),
        _ => match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                let both = u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
                special_bytes(both) == 0
            }
            _ => match text {
                [first, .., last] => {
                    !(is_special(*first) || is_special(text[text.len() / 2]) || is_special(*last))
                }
                _ => !text.iter().any(|byte| is_special(*byte)),
            },
        },
    }
}

/// The same of a text of 16 bytes or more: without an early end the compiler takes all bytes of a chunk at once.
fn is_long_plain(text: &[u8]) -> bool {
    let (chunks, _) = text.as_chunks::<16>();
    let mut found = [0; 16];
    chunks.iter().chain(text.last_chunk()).for_each(|chunk| {
        found.iter_mut().zip(chunk).for_each(|(found, byte)| *found |= u8::from(is_special(*byte)));
    });
    found == [0; 16]
}

/// Whether two texts are the same; quick for short ones.
#[inline]
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() || one.len() > 32 {
        return one == other;
    }
    if let (Some(first), Some(same)) = (one.first_chunk::<16>(), other.first_chunk::<16>()) {
        return first == same && one.last_chunk::<16>() == other.last_chunk();
    }
    match (one.first_chunk::<8>(), other.first_chunk::<8>()) {
        (Some(first), Some(same)) => first == same && one.last_chunk::<8>() == other.last_chunk(),
        _ => match (one.first_chunk::<4>(), other.first_chunk::<4>()) {
            (Some(first), Some(same)) => first == same && one.last_chunk::<4>() == other.last_chunk(),
            _ => one.iter().eq(other),
        },
    }
}

/// The number that begins at `at`; the place of what makes it none otherwise.
#[inline]
pub(super) fn number(json: &[u8], at: usize) -> Result<Number, usize> {
    let integer = at + usize::from(json.get(at) == Some(&b'-'));
    let mut end = match json.get(integer) {
        Some(b'0') => integer + 1,
        _ => digits(json, integer)?,
    };
    if json.get(end) == Some(&b'.') {
        end = digits(json, end + 1)?;
    }
    let has_exponent = matches!(json.get(end), Some(b'e' | b'E'));
    if has_exponent {
        let signed = end + 1;
        end = digits(json, signed + usize::from(matches!(json.get(signed), Some(b'+' | b'-'))))?;
    }
    let is_huge = (has_exponent || end - at > DOUBLE_DIGITS) && is_beyond_a_double(json, at..end);
    Ok(Number { end, is_huge })
}

/// The place behind the digits at `at`, of which there has to be one.
#[inline]
fn digits(json: &[u8], at: usize) -> Result<usize, usize> {
    let mut end = at;
    while json.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    if end > at { Ok(end) } else { Err(at) }
}

/// Whether `number`, which is one, is beyond a double.
pub(crate) fn is_huge(number: &str) -> bool {
    self::number(number.as_bytes(), 0).is_ok_and(|number| number.is_huge)
}

#[cold]
fn is_beyond_a_double(json: &[u8], number: Range<usize>) -> bool {
    let number = json.get(number).and_then(|number| str::from_utf8(number).ok()).unwrap_or_default();
    number.parse::<f64>().is_ok_and(f64::is_infinite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_if_all_bytes_are() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..40 {
            let one = &text[..length];
            assert!(is_same(one, one) && !is_same(one, &text[..length + 1]));
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] ^= 1;
                assert!(!is_same(one, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for length in 0..40 {
                let mut text = vec![0xc3; length];
                text.extend([special, b'"', b'x', 0x7f, b'!', b' ', 0x80, 0xff, 0x21, b'[', b']']);
                assert_eq!(skip_plain(&text, 0), length, "{special}");
                assert!(!is_plain(&text[..=length]) && is_plain(&text[..length]), "{special}");
            }
        }
        for plain in (0x20..=0xff_u8).filter(|byte| !is_special(*byte)) {
            assert!((0..40).all(|length| is_plain(&vec![plain; length])), "{plain}");
        }
    }
}
