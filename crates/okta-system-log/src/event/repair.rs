//! JSON as the strictest reader takes it (RFC 7493, I-JSON): no name twice in an object, no half of a surrogate pair, no
//! number beyond a double. Okta sends none of that, and no event is refused for it.
//!
//! Holds its own stack, since events may be nested more deeply than a thread's, and takes time in proportion to the text.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::Range,
};

/// Up to so many names are compared one by one, which is faster than a set.
const FEW: usize = 16;
/// Decimal digits that a double may need before the point.
const DOUBLE_DIGITS: usize = 300;

/// What becomes of a number beyond a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Huge {
    /// It becomes a text of its digits.
    Text,
    /// It counts as no value.
    Null,
}

/// `json`, which is one JSON value, with everything in it in a form that any reader takes; nothing is lost.
///
/// Where a name occurs twice the last one keeps it, as most readers have it, and the others become `name#1` and so on. Half
/// of a surrogate pair is told as it was written, backslash and all. A number beyond a double becomes a text.
pub fn repaired(json: &str) -> Cow<'_, str> {
    repair(json, Huge::Text)
}

/// The same for those who look for texts alone: a number is none.
pub(super) fn readable(json: &str) -> Cow<'_, str> {
    repair(json, Huge::Null)
}

fn repair(json: &str, huge: Huge) -> Cow<'_, str> {
    let mut edits = Walk { json, huge, edits: Vec::new(), names: Vec::new(), open: Vec::new() }.edits();
    if edits.is_empty() {
        return Cow::Borrowed(json);
    }
    edits.sort_unstable_by_key(|edit| edit.range.start);
    let mut whole = String::with_capacity(json.len() + 64);
    let mut copied = 0;
    for Edit { range, text } in edits {
        whole.push_str(&json[copied..range.start]);
        whole.push_str(&text);
        copied = range.end;
    }
    whole.push_str(&json[copied..]);
    Cow::Owned(whole)
}

/// What stands in place of a part of the text.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    text: String,
}

/// A member's name in an object that is not closed yet.
#[derive(Debug)]
struct Name<'a> {
    range: Range<usize>,
    text: Cow<'a, str>,
    /// Whether it has to be rewritten, even if it is shared.
    is_odd: bool,
}

/// An object or an array that is not closed yet.
#[derive(Debug)]
struct Open {
    is_object: bool,
    /// Where its names begin among those of all that is open.
    names_from: usize,
    expects_name: bool,
}

/// One walk over the text.
#[derive(Debug)]
struct Walk<'a> {
    json: &'a str,
    huge: Huge,
    edits: Vec<Edit>,
    names: Vec<Name<'a>>,
    open: Vec<Open>,
}

impl<'a> Walk<'a> {
    fn edits(mut self) -> Vec<Edit> {
        let bytes = self.json.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at = match byte {
                b'"' => self.string(at),
                b'-' | b'0'..=b'9' => self.number(at),
                b'{' | b'[' => {
                    let is_object = *byte == b'{';
                    self.open.push(Open { is_object, names_from: self.names.len(), expects_name: is_object });
                    at + 1
                }
                b'}' | b']' => {
                    self.close();
                    at + 1
                }
                b',' => {
                    if let Some(open) = self.open.last_mut() {
                        open.expects_name = open.is_object;
                    }
                    at + 1
                }
                _ => at + 1,
            };
        }
        self.edits
    }

    /// Looks at the string that begins at `at`, and gives the place behind it.
    fn string(&mut self, at: usize) -> usize {
        let end = string_end(self.json.as_bytes(), at);
        let quoted = &self.json[at..end];
        let fixed = with_whole_characters(quoted);
        let is_name = self.open.last_mut().is_some_and(|open| std::mem::take(&mut open.expects_name));
        match (is_name, fixed) {
            (true, fixed) => {
                let is_odd = fixed.is_some();
                let text = unquoted(fixed.map_or(Cow::Borrowed(quoted), Cow::Owned));
                self.names.push(Name { range: at..end, text, is_odd });
            }
            (false, Some(text)) => self.edits.push(Edit { range: at..end, text }),
            (false, None) => {}
        }
        end
    }

    fn number(&mut self, at: usize) -> usize {
        let rest = &self.json[at..];
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = rest.bytes().take_while(is_part).count();
        let number = &rest[..length];
        let may_be_huge = length > DOUBLE_DIGITS || number.contains(['e', 'E']);
        if may_be_huge && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            let text = match self.huge {
                Huge::Text => format!("\"{number}\""),
                Huge::Null => "null".to_owned(),
            };
            self.edits.push(Edit { range: at..at + length, text });
        }
        at + length
    }

    /// Ends what was opened last, and settles the names in it.
    fn close(&mut self) {
        let Some(Open { names_from, .. }) = self.open.pop() else { return };
        let names = &self.names[names_from..];
        if has_repeats(names) {
            self.edits.extend(told_apart(self.names.split_off(names_from)));
            return;
        }
        let odd = names.iter().filter(|name| name.is_odd);
        self.edits.extend(odd.map(|name| Edit { text: quoted(&name.text), range: name.range.clone() }));
        self.names.truncate(names_from);
    }
}

fn has_repeats(names: &[Name<'_>]) -> bool {
    if names.len() <= FEW {
        return names
            .iter()
            .enumerate()
            .any(|(index, name)| names[..index].iter().any(|other| other.text == name.text));
    }
    let mut known = HashSet::with_capacity(names.len());
    !names.iter().all(|name| known.insert(&*name.text))
}

/// The names that have to be written in another way, so that all of them differ.
fn told_apart(names: Vec<Name<'_>>) -> Vec<Edit> {
    let last: HashMap<String, usize> =
        names.iter().enumerate().map(|(index, name)| (name.text.clone().into_owned(), index)).collect();
    let mut taken: HashSet<String> = last.keys().cloned().collect();
    let mut counted: HashMap<String, usize> = HashMap::new();
    let mut edits = Vec::new();
    for (index, Name { range, text, is_odd }) in names.into_iter().enumerate() {
        if last.get(&*text) == Some(&index) {
            if is_odd {
                edits.push(Edit { range, text: quoted(&text) });
            }
            continue;
        }
        let count = counted.entry(text.clone().into_owned()).or_default();
        let free = loop {
            *count += 1;
            let candidate = format!("{text}#{count}");
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        edits.push(Edit { range, text: quoted(&free) });
    }
    edits
}

/// The place behind the string that begins at `at`.
fn string_end(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// The string with each half of a surrogate pair as it was written; none if there is none.
fn with_whole_characters(quoted: &str) -> Option<String> {
    memchr::memchr(b'\\', quoted.as_bytes())?;
    let bytes = quoted.as_bytes();
    let (mut whole, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match (unit(bytes, at), unit(bytes, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(&quoted[copied..at]);
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
    whole.push_str(&quoted[copied..]);
    Some(whole)
}

/// The UTF-16 code unit that the escape at `at` says, if it is one.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// What a string without halves of surrogate pairs says.
fn unquoted(quoted: Cow<'_, str>) -> Cow<'_, str> {
    match quoted {
        Cow::Borrowed(quoted) if !quoted.contains('\\') => {
            Cow::Borrowed(quoted.get(1..quoted.len() - 1).unwrap_or_default())
        }
        // It was read as JSON before.
        quoted => Cow::Owned(serde_json::from_str(&quoted).unwrap_or_else(|_| quoted.into_owned())),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_any_reader_takes_stays_byte_for_byte() {
        for json in [
            r#"{ "a" : [1, 2.50, -1e3, {"b":"\ud83d\ude00 \\ud800 \" ,{"}], "c":{"a":null} , "" : true}"#,
            "5",
            "\"text\"",
            "[[],{}]",
            "",
        ] {
            assert!(matches!(repaired(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    #[test]
    fn names_that_occur_twice_are_told_apart_and_the_last_keeps_its_own() {
        for (json, expected) in [
            (r#"{"a":1,"a":2}"#, r#"{"a#1":1,"a":2}"#),
            (r#"{"a":1,"b":{"x":1,"x":2},"a":2,"a":3}"#, r#"{"a#1":1,"b":{"x#1":1,"x":2},"a#2":2,"a":3}"#),
            (r#"{"a":1,"a#1":2,"\u0061":3}"#, r#"{"a#2":1,"a#1":2,"\u0061":3}"#),
            (r#"[{"a":[{"b":1,"b":2}]},{"a":1}]"#, r#"[{"a":[{"b#1":1,"b":2}]},{"a":1}]"#),
            (r#"{"":1,"":2}"#, r##"{"#1":1,"":2}"##),
        ] {
            assert_eq!(repaired(json), expected);
        }
        let many: Vec<_> = (0..50).map(|number| format!("\"n{}\":{number}", number % 40)).collect();
        let repaired: Value = serde_json::from_str(&repaired(&format!("{{{}}}", many.join(",")))).unwrap();
        assert_eq!(repaired.as_object().unwrap().len(), 50);
        assert_eq!((&repaired["n3"], &repaired["n3#1"]), (&43.into(), &3.into()));
    }

    #[test]
    fn half_of_a_pair_is_told_as_it_was_written() {
        for (json, expected) in [
            (r#""\ud800""#, r#""\\ud800""#),
            (r#""\uDC00\uD800x\ud83d\ude00\ud83d""#, r#""\\uDC00\\uD800x\ud83d\ude00\\ud83d""#),
            (r#""\\\ud800\"""#, r#""\\\\ud800\"""#),
            (r#"{"\udfff":1,"b":"\ud800\ud800"}"#, r#"{"\\udfff":1,"b":"\\ud800\\ud800"}"#),
            (r#"{"\ud800":1,"\\ud800":2}"#, r#"{"\\ud800#1":1,"\\ud800":2}"#),
        ] {
            assert_eq!(repaired(json), expected);
            assert!(serde_json::from_str::<Value>(&repaired(json)).is_ok());
        }
    }

    #[test]
    fn numbers_beyond_a_double_become_texts_or_nothing() {
        let digits = "9".repeat(400);
        let json = format!("[1e999,-1E400,{digits},1e-999,1e308,{}]", "9".repeat(305));
        let expected = format!("[\"1e999\",\"-1E400\",\"{digits}\",1e-999,1e308,{}]", "9".repeat(305));
        assert_eq!(repaired(&json), expected);
        assert_eq!(readable("[1e999,1]"), "[null,1]");
    }

    #[test]
    fn depth_and_length_end_nothing() {
        let deep = format!("{}1e999{}", r#"{"a":1,"a":["#.repeat(200_000), "]}".repeat(200_000));
        let repaired = repaired(&deep);
        assert_eq!(repaired.matches("a#1").count(), 200_000);
        assert!(repaired.contains("\"1e999\""));
    }
}
