//! Writes JSON straight into bytes. What turns out to be empty is not written at all: neither OCSF nor ECS has a use
//! for nulls, `{}` and `[]`.

use crate::event::json::is_plain;

/// Writes one JSON object.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    text_bytes_max: usize,
}

/// Writes the members of one object. Each has a comma before it; that before the first becomes the opening brace.
#[derive(Debug)]
pub(super) struct ObjectWriter<'w> {
    out: &'w mut Vec<u8>,
    text_bytes_max: usize,
}

/// Writes the elements of one array. Each has a comma before it; that before the first becomes the opening bracket.
#[derive(Debug)]
pub(super) struct ArrayWriter<'w> {
    out: &'w mut Vec<u8>,
    text_bytes_max: usize,
}

/// Most names that are written have no more bytes.
const SHORT_NAME_BYTES_MAX: usize = 60;

impl Writer {
    /// A writer that cuts texts after `text_bytes_max` bytes, with room for `bytes`.
    pub(super) fn with_room(bytes: usize, text_bytes_max: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), text_bytes_max }
    }

    #[cfg(test)]
    pub(super) fn new(text_bytes_max: usize) -> Self {
        Self::with_room(0, text_bytes_max)
    }

    /// The bytes of the object with the members that `write` writes.
    pub(super) fn object_bytes(mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
        if !object(&mut self.out, self.text_bytes_max, write) {
            self.out.extend_from_slice(b"{}");
        }
        self.out
    }

    #[cfg(test)]
    pub(super) fn object(self, write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        String::from_utf8(self.object_bytes(write)).unwrap()
    }
}

impl ObjectWriter<'_> {
    /// What a text has at most.
    pub(super) fn text_bytes_max(&self) -> usize {
        self.text_bytes_max
    }

    /// A text, cut if it is too long.
    #[inline(always)]
    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        push_text(cut(text, self.text_bytes_max), self.out);
    }

    /// A text under a name of Okta's, cut if it is too long.
    pub(super) fn okta_text(&mut self, name: &str, text: &str) {
        self.okta_name(name);
        push_text(cut(text, self.text_bytes_max), self.out);
    }

    /// A text that is made of parts, cut if it is too long.
    pub(super) fn text_of(&mut self, name: &'static str, parts: &[&str]) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if bytes > self.text_bytes_max || !parts.iter().all(|part| is_plain(part.as_bytes())) {
            return self.text(name, &parts.concat());
        }
        self.name(name);
        self.out.push(b'"');
        parts.iter().for_each(|part| self.out.extend_from_slice(part.as_bytes()));
        self.out.push(b'"');
    }

    /// A text of a format's own that is made of two parts with a dot between, and has nothing in it that has to be escaped.
    #[inline(always)]
    pub(super) fn path(&mut self, name: &'static str, [path, member]: [&'static str; 2]) {
        debug_assert!(is_plain(path.as_bytes()) && is_plain(member.as_bytes()), "{path}.{member}");
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(path.as_bytes());
        if !path.is_empty() {
            self.out.push(b'.');
        }
        self.out.extend_from_slice(member.as_bytes());
        self.out.push(b'"');
    }

    /// Members that are the same in all events, as JSON: `"a":1,"b":"x"`.
    #[inline(always)]
    pub(super) fn members(&mut self, json: &'static str) {
        self.out.push(b',');
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A text if there is one.
    #[inline(always)]
    pub(super) fn text_if(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An integer.
    #[inline(always)]
    pub(super) fn integer(&mut self, name: &'static str, integer: impl Into<i64>) {
        self.name(name);
        push_integer(integer.into(), self.out);
    }

    /// A truth value.
    #[inline(always)]
    pub(super) fn flag(&mut self, name: &'static str, flag: bool) {
        self.name(name);
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    /// A value that is JSON already.
    #[inline(always)]
    pub(super) fn raw(&mut self, name: &'static str, json: &str) {
        self.name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A value that is JSON already, under a name of Okta's.
    pub(super) fn okta_raw(&mut self, name: &str, json: &str) {
        self.okta_name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A member of Okta's that is JSON already: `"a":1`.
    pub(super) fn okta_member(&mut self, json: &str) {
        self.out.push(b',');
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A list of texts, unless it is empty.
    pub(super) fn texts<T: AsRef<str>>(&mut self, name: &'static str, texts: impl IntoIterator<Item = T>) {
        self.array(name, |array| texts.into_iter().for_each(|text| array.text(text.as_ref())));
    }

    /// An object, unless `write` writes nothing; false then.
    #[inline]
    pub(super) fn object(&mut self, name: &'static str, write: impl FnOnce(&mut ObjectWriter<'_>)) -> bool {
        let start = self.out.len();
        self.name(name);
        let is_written = object(self.out, self.text_bytes_max, write);
        if !is_written {
            self.out.truncate(start);
        }
        is_written
    }

    /// The same object under two names, unless `write` writes nothing.
    pub(super) fn object_twice(
        &mut self,
        names: [&'static str; 2],
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        let [name, other] = names;
        let start = self.out.len();
        self.name(name);
        let object_start = self.out.len();
        if !object(self.out, self.text_bytes_max, write) {
            return self.out.truncate(start);
        }
        let object_end = self.out.len();
        self.name(other);
        self.out.extend_from_within(object_start..object_end);
    }

    /// An array, unless `write` writes nothing.
    #[inline]
    pub(super) fn array(&mut self, name: &'static str, write: impl FnOnce(&mut ArrayWriter<'_>)) {
        let start = self.out.len();
        self.name(name);
        let array_start = self.out.len();
        write(&mut ArrayWriter { out: &mut *self.out, text_bytes_max: self.text_bytes_max });
        if !enclose(self.out, array_start, [b'[', b']']) {
            self.out.truncate(start);
        }
    }

    /// Writes a name of the format's own, which has nothing in it that has to be escaped.
    #[inline(always)]
    fn name(&mut self, name: &'static str) {
        debug_assert!(is_plain(name.as_bytes()), "{name}");
        self.plain_name(name);
    }

    fn okta_name(&mut self, name: &str) {
        if is_plain(name.as_bytes()) { self.plain_name(name) } else { self.odd_name(name) }
    }

    /// Writes a comma and the name: all at once, which is less work than part by part, and hardly any where the compiler
    /// knows the name.
    #[inline(always)]
    fn plain_name(&mut self, name: &str) {
        if name.len() > SHORT_NAME_BYTES_MAX {
            return self.odd_name(name);
        }
        let end = name.len() + 2;
        let mut piece = [b'"'; SHORT_NAME_BYTES_MAX + 4];
        piece[0] = b',';
        piece[2..end].copy_from_slice(name.as_bytes());
        piece[end + 1] = b':';
        self.out.extend_from_slice(&piece[..end + 2]);
    }

    #[cold]
    fn odd_name(&mut self, name: &str) {
        self.out.push(b',');
        push_escaped(name, self.out);
        self.out.push(b':');
    }
}

impl ArrayWriter<'_> {
    /// A text, cut if it is too long.
    pub(super) fn text(&mut self, text: &str) {
        self.out.push(b',');
        push_text(cut(text, self.text_bytes_max), self.out);
    }

    /// An object, unless `write` writes nothing.
    #[inline]
    pub(super) fn object(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        let start = self.out.len();
        self.out.push(b',');
        if !object(self.out, self.text_bytes_max, write) {
            self.out.truncate(start);
        }
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, json: &str) {
        self.out.push(b',');
        self.out.extend_from_slice(json.as_bytes());
    }
}

/// Bytes that most events have when they are rendered, `raw` being as Okta sent them.
pub(super) fn room_for(raw: &str) -> usize {
    2 * raw.len() + 1_024
}

/// Writes an object, unless `write` writes nothing; false then.
#[inline]
fn object(out: &mut Vec<u8>, text_bytes_max: usize, write: impl FnOnce(&mut ObjectWriter<'_>)) -> bool {
    let start = out.len();
    write(&mut ObjectWriter { out, text_bytes_max });
    enclose(out, start, [b'{', b'}'])
}

/// Puts brackets around what was written from `start` on, the first in place of a comma; false if that is nothing.
#[inline]
fn enclose(out: &mut Vec<u8>, start: usize, [opening, closing]: [u8; 2]) -> bool {
    let Some(comma) = out.get_mut(start) else { return false };
    *comma = opening;
    out.push(closing);
    true
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    if !is_plain(text.as_bytes()) {
        return push_escaped(text, out);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn push_integer(integer: i64, out: &mut Vec<u8>) {
    match u8::try_from(integer) {
        // Most are numbers of a list.
        Ok(digit @ 0..=9) => out.push(b'0' + digit),
        _ => out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
    }
}

#[cold]
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    // Writing text into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// The beginning of `text` that has `bytes_max` bytes or a few less.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max { text } else { &text[..text.floor_char_boundary(bytes_max)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_leaves_no_trace() {
        let json = Writer::new(usize::MAX).object(|out| {
            out.object("a", |_| {});
            out.array("b", |array| array.object(|_| {}));
            out.object("c", |out| {
                out.object("d", |_| {});
                out.integer("e", -1);
            });
            out.texts::<&str>("f", []);
            out.flag("g", false);
            out.object_twice(["h", "i"], |out| out.integer("j", 1));
            out.object_twice(["k", "l"], |_| {});
        });
        assert_eq!(json, r#"{"c":{"e":-1},"g":false,"h":{"j":1},"i":{"j":1}}"#);
    }

    #[test]
    fn texts_are_escaped_and_cut_between_characters() {
        let json = Writer::new(4).object(|out| {
            out.okta_text("a\"", "é\"é\n");
            out.texts("b", ["abcdef", "x"]);
            out.text_of("c", &["ab", "cd", "e"]);
            out.text_of("d", &["a", "\"", "b"]);
        });
        assert_eq!(json, r#"{"a\"":"é\"","b":["abcd","x"],"c":"abcd","d":"a\"b"}"#);
    }

    #[test]
    fn a_name_may_have_any_length() {
        for length in [0, 1, 2, 3, 7, SHORT_NAME_BYTES_MAX, SHORT_NAME_BYTES_MAX + 1, 200] {
            let name = "n".repeat(length);
            let json = Writer::new(usize::MAX).object(|out| {
                out.okta_raw(&name, "1");
                out.okta_raw(&name, "2");
            });
            assert_eq!(json, format!(r#"{{"{name}":1,"{name}":2}}"#));
        }
    }
}
