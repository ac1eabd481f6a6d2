//! The grammar: one pass over a text that writes its values on a tape and says what readers would stumble over.
//!
//! Holds its own stack, since JSON may be nested more deeply than a thread's, and takes time in proportion to the text.

use std::ops::Range;

use super::{
    scan::{self, Text, skip_space},
    tape::{Key, Node, TEXT_BYTES_MAX, Tape},
    unescape::unescape,
};

/// Up to so many names of an object are compared with those before them; of more, all are sorted at its end.
const FEW: u32 = 64;

/// Events of Okta's are no deeper.
const DEPTH: usize = 8;

/// A value that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    /// Its node.
    pub(crate) at: u32,
    /// The place behind it.
    pub(crate) end: usize,
    /// Whether the strictest reader (RFC 7493, I-JSON) refuses it: it has a name twice in an object, half of a surrogate
    /// pair, or a number beyond a double.
    pub(crate) is_odd: bool,
}

/// An object or an array that is not closed yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// Its place among what is pending; what is in it stands behind.
    at: usize,
    is_object: bool,
    names: u32,
    /// The bits of their keys.
    seen: u64,
}

/// The name of the member that comes next, if one does.
#[derive(Debug, Clone, Copy)]
struct Name {
    start: u32,
    key: Key,
}

impl Name {
    const NONE: Self = Self { start: 0, key: Key::NONE };
}

/// One pass.
struct Reader<'r> {
    text: &'r str,
    tape: &'r mut Tape,
    /// The values in what is not closed yet.
    pending: Vec<Node>,
    open: Vec<Open>,
    is_odd: bool,
}

impl Tape {
    /// The tape of `text`, whose only value is at its beginning.
    pub(crate) fn of(text: &str) -> Option<(Self, Read)> {
        let bytes = text.as_bytes();
        let at = skip_space(bytes, 0);
        // Most texts that are no JSON, such as `{level=HIGH}`, are known by their first bytes.
        let may_be_json = match bytes.get(at)? {
            b'{' => matches!(bytes.get(skip_space(bytes, at + 1))?, b'"' | b'}'),
            b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => true,
            _ => false,
        };
        if !may_be_json {
            return None;
        }
        let mut tape = Self::default();
        tape.expect(text.len());
        let read = tape.read(text, at).ok()?;
        (skip_space(text.as_bytes(), read.end) == text.len()).then_some((tape, read))
    }

    /// Reads the value that begins at `at` in `text`, in which all on the tape lies; the place of what makes it none
    /// otherwise.
    pub(crate) fn read(&mut self, text: &str, at: usize) -> Result<Read, usize> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(at);
        }
        let mark = self.mark();
        let pending = std::mem::take(&mut self.pending);
        let mut reader = Reader { text, tape: self, pending, open: Vec::with_capacity(DEPTH), is_odd: false };
        let read = reader.read(at);
        let (mut pending, is_odd) = (reader.pending, reader.is_odd);
        let root = self.len();
        // What is left is the value itself.
        self.nodes.extend_from_slice(&pending);
        pending.clear();
        self.pending = pending;
        match read {
            Ok(end) => Ok(Read { at: root, end, is_odd }),
            Err(at) => {
                self.rewind(mark);
                Err(at)
            }
        }
    }
}

impl Reader<'_> {
    fn read(&mut self, mut at: usize) -> Result<usize, usize> {
        let text = self.text;
        let json = text.as_bytes();
        let mut name = Name::NONE;
        loop {
            let start = at;
            match json.get(at) {
                Some(b'"') => {
                    let Text { end, has_escapes, has_halves } = scan::string(json, at + 1)?;
                    self.is_odd |= has_halves;
                    self.push(name, start, end, has_escapes);
                    at = end;
                }
                Some(b'{') => {
                    self.open(name, start, true);
                    at = skip_space(json, at + 1);
                    if json.get(at) != Some(&b'}') {
                        (name, at) = self.name(at)?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.open(name, start, false);
                    at = skip_space(json, at + 1);
                    if json.get(at) != Some(&b']') {
                        name = Name::NONE;
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    let number = scan::number(json, at)?;
                    self.is_odd |= number.is_huge;
                    at = number.end;
                    self.push(name, start, at, false);
                }
                _ => {
                    at += word(json, at).ok_or(at)?;
                    self.push(name, start, at, false);
                }
            }
            // What may come behind a value.
            loop {
                let Some(open) = self.open.last() else { return Ok(at) };
                at = skip_space(json, at);
                match (json.get(at), open.is_object) {
                    (Some(b','), true) => {
                        (name, at) = self.name(skip_space(json, at + 1))?;
                        break;
                    }
                    (Some(b','), false) => {
                        (name, at) = (Name::NONE, skip_space(json, at + 1));
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        at += 1;
                        self.close(at);
                    }
                    _ => return Err(at),
                }
            }
        }
    }

    #[inline]
    fn push(&mut self, name: Name, start: usize, end: usize, has_escapes: bool) {
        let Name { start: name, key } = name;
        let (start, end, first) = (start as u32, end as u32, u32::from(has_escapes));
        self.pending.push(Node { name, key, start, end, first, count: 0 });
    }

    fn open(&mut self, name: Name, start: usize, is_object: bool) {
        self.open.push(Open { at: self.pending.len(), is_object, names: 0, seen: 0 });
        // Where it ends is known when it is closed.
        self.push(name, start, start, false);
    }

    fn close(&mut self, end: usize) {
        let Some(Open { at, names, .. }) = self.open.pop() else { return };
        if names > FEW && !self.is_odd {
            self.is_odd = self.has_repeats(at);
        }
        let first = self.tape.len();
        let inside = self.pending.get(at + 1..).unwrap_or_default();
        self.tape.nodes.extend_from_slice(inside);
        let count = inside.len() as u32;
        self.pending.truncate(at + 1);
        if let Some(node) = self.pending.last_mut() {
            (node.end, node.first, node.count) = (end as u32, first, count);
        }
    }

    /// Reads the name that begins at `at`, its colon, and the space before the value.
    #[inline]
    fn name(&mut self, at: usize) -> Result<(Name, usize), usize> {
        let (json, start) = (self.text.as_bytes(), at + 1);
        if json.get(at) != Some(&b'"') {
            return Err(at);
        }
        let read = scan::string(json, start)?;
        let inside = start..read.end - 1;
        let key = if read.has_escapes {
            self.escaped_name(inside.clone(), read)
        } else {
            Key::of_bytes(json.get(inside.clone()).unwrap_or_default())
        };
        self.note_name(key, inside);
        let colon = skip_space(json, read.end);
        if json.get(colon) != Some(&b':') {
            return Err(colon);
        }
        Ok((Name { start: start as u32, key }, skip_space(json, colon + 1)))
    }

    #[cold]
    fn escaped_name(&mut self, inside: Range<usize>, read: Text) -> Key {
        self.is_odd |= read.has_halves;
        let name = unescape(self.text.get(inside.clone()).unwrap_or_default());
        let key = Key::of(&name);
        self.tape.escaped_names.push((inside.start as u32, name.into()));
        key
    }

    /// Notes a name of the innermost object, whose node comes next, and whether it was there before.
    #[inline]
    fn note_name(&mut self, key: Key, inside: Range<usize>) {
        let Some(open) = self.open.last_mut() else { return };
        let may_be_known = open.seen & key.bit() != 0 && open.names <= FEW;
        open.seen |= key.bit();
        open.names += 1;
        if may_be_known && !self.is_odd {
            let at = open.at;
            self.is_odd = self.is_known(at, key, inside);
        }
    }

    /// Whether one of the members that the open object at `at` has so far has this name.
    fn is_known(&self, at: usize, key: Key, inside: Range<usize>) -> bool {
        let written = self.text.get(inside.clone()).unwrap_or_default();
        let name = self.tape.escaped_name(inside.start as u32).unwrap_or(written);
        let mut members = self.pending.iter().skip(at + 1);
        members.any(|node| node.key == key && self.tape.is_named(self.text, node, name))
    }

    /// Whether a name occurs twice in the object at `at`, which has many.
    #[cold]
    fn has_repeats(&self, at: usize) -> bool {
        let members = self.pending.iter().skip(at + 1);
        let mut names: Vec<_> = members.map(|node| (node.key, self.tape.name(self.text, node))).collect();
        names.sort_unstable();
        names.array_windows().any(|[one, other]| one == other)
    }
}

/// The bytes of the word that begins at `at`, if it is one of JSON's.
fn word(json: &[u8], at: usize) -> Option<usize> {
    let rest = json.get(at..)?;
    let words: [&[u8]; 3] = [b"null", b"true", b"false"];
    words.into_iter().find(|word| rest.starts_with(word)).map(<[u8]>::len)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::value::RawValue;

    use super::{super::Value, *};

    /// The value as serde_json has it.
    fn plain(value: Value<'_, '_>) -> serde_json::Value {
        match value.first_byte() {
            b'{' => value.members().map(|member| (member.name().to_owned(), plain(member))).collect(),
            b'[' => value.elements().map(plain).collect(),
            b'"' => value.string().unwrap().into_owned().into(),
            _ => serde_json::from_str(value.raw()).unwrap(),
        }
    }

    fn read(text: &str) -> Option<(serde_json::Value, bool)> {
        let (tape, read) = Tape::of(text)?;
        Some((plain(Value::new(text, &tape, read.at)), read.is_odd))
    }

    /// Whether serde_json, which is one of the most careful readers there are, takes it as JSON.
    fn is_json(text: &str) -> bool {
        serde_json::from_str::<&RawValue>(text).is_ok()
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<i32>().prop_map(|quarters| serde_json::json!(f64::from(quarters) / 4.0)),
            "[a-z\"\\\\\u{e9}\u{1f600}\n{}\\[\\],: ]{0,20}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Into::into),
                vec(("[a-z\"\\\\é]{0,20}", inner), 0..8)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_json_is_read_as_serde_json_reads_it(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(read(&text), Some((value.clone(), false)), "{}", text);
            }
        }

        #[test]
        fn what_is_none_is_refused_where_serde_json_refuses_it(pieces in vec(select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\"", "\"\\u00e9\\n\"", "\"\\ud800\"", "\"\\x\"", "\"\\u12g4\"",
            "\"", "\\", "\u{1}", "é", "0", "1", "-", "01", "1.", "1.5", ".5", "1e", "1e5", "-0.0E+1", "1e999", "+1",
            "true", "tru", "false", "null", "nulll", " ", "\n", "\t", "\r", "\u{b}", "\u{feff}",
        ]), 0..12)) {
            let text = pieces.concat();
            prop_assert_eq!(Tape::of(&text).is_some(), is_json(&text), "{}", text);
        }

        #[test]
        fn one_byte_more_or_less_is_seen_as_serde_json_sees_it(
            value in any_json(), at in any::<prop::sample::Index>(), other in select(vec!["", "{", "]", ",", "\"", "\\", "0", ":"]),
        ) {
            let mut text = value.to_string();
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary(start + 1);
            text.replace_range(start..end, other);
            prop_assert_eq!(Tape::of(&text).is_some(), is_json(&text), "{}", text);
        }
    }

    #[test]
    fn a_name_that_occurs_twice_is_seen_however_many_there_are() {
        for count in [1, 2, 63, 64, 65, 66, 200] {
            let names: Vec<_> = (0..count).map(|number| format!("\"name {number}\":1")).collect();
            let all = names.join(",");
            assert!(!read(&format!("{{{all}}}")).unwrap().1, "{count}");
            for twice in [&names[0], &names[count - 1], &names[count / 2]] {
                let escaped = twice.replacen('n', "\\u006e", 1);
                for text in [format!("{{{all},{twice}}}"), format!("[{{\"x\":{{{escaped},{all}}}}}]")] {
                    assert!(read(&text).unwrap().1, "{text}");
                }
            }
        }
        assert!(!read(r#"{"a":{"a":1},"b":{"a":[{"a":1},{"a":2}]}}"#).unwrap().1);
    }

    #[test]
    fn many_names_take_no_square_of_the_time() {
        // All of them have the same key.
        let names: Vec<_> = (0..100_000).map(|number| format!("\"12345678{number:06}12345678\":1")).collect();
        let started = std::time::Instant::now();
        assert!(Tape::of(&format!("{{{}}}", names.join(","))).is_some());
        assert!(started.elapsed() < std::time::Duration::from_secs(10));
    }
}
