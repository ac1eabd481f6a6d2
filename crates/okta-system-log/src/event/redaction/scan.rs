//! Walks over JSON by its bytes. What is walked over was read before and is JSON; should it not be, the walk ends.

use std::borrow::Cow;

/// The place of the next token at `at` or after it.
pub(super) fn skip_space(json: &[u8], at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count()
}

/// The place behind the string that begins at `at`.
pub(super) fn skip_string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The place behind the value that begins at `at`, however deep it is.
pub(super) fn skip_value(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => at = skip_string(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            _ => at = skip_word(json, at)?,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The place behind a number, `true`, `false` or `null`.
fn skip_word(json: &[u8], at: usize) -> Option<usize> {
    let length = json
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        .count();
    (length > 0).then_some(at + length)
}

/// What the string `quoted` says. What JSON allows and Unicode does not, a lone surrogate, stays as it is written.
pub(super) fn text(quoted: &[u8]) -> Cow<'_, str> {
    let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inside).is_some()
        && let Ok(text) = serde_json::from_slice::<String>(quoted)
    {
        return Cow::Owned(text);
    }
    String::from_utf8_lossy(inside)
}

/// The place behind the name of a member, which begins at `at`, and its colon: where the value begins.
pub(super) fn skip_name(json: &[u8], at: usize) -> Option<(Cow<'_, str>, usize)> {
    let end = if json.get(at)? == &b'"' { skip_string(json, at)? } else { return None };
    let colon = skip_space(json, end);
    (json.get(colon)? == &b':').then(|| (text(&json[at..end]), skip_space(json, colon + 1)))
}

/// The string in the member `type` of the object whose first member begins at `at`; in the last of them, which counts for
/// every reader.
pub(super) fn type_of(json: &[u8], at: usize) -> Option<Cow<'_, str>> {
    let mut at = skip_space(json, at);
    let mut found = None;
    loop {
        let Some((name, value)) = skip_name(json, at) else { return found };
        let end = skip_value(json, value)?;
        if name == "type" {
            found = (json[value] == b'"').then(|| text(&json[value..end]));
        }
        at = skip_space(json, end);
        if json.get(at)? != &b',' {
            return found;
        }
        at = skip_space(json, at + 1);
    }
}
