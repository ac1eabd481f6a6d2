//! The grammar: one pass over a text that writes its values on a tape and says what readers would stumble over.
//!
//! Holds its own stack, since JSON may be nested more deeply than a thread's, and takes time in proportion to the text.

use super::{
    scan::{self, Text, skip_space},
    tape::{Key, Node, TEXT_BYTES_MAX, Tape},
    unescape::unescape,
};

/// Up to so many names of an object are compared with those before them; of more, all are sorted at its end.
const FEW: u32 = 64;

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
    at: u32,
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
    open: Vec<Open>,
    is_odd: bool,
}

impl Tape {
    /// The tape of `text`, whose only value is at its beginning.
    pub(crate) fn of(text: &str) -> Option<(Self, Read)> {
        let at = skip_space(text.as_bytes(), 0);
        if !matches!(text.as_bytes().get(at)?, b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') {
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
        let (mark, root) = (self.mark(), self.nodes.len() as u32);
        let mut reader = Reader { text, tape: self, open: Vec::new(), is_odd: false };
        match reader.read(at) {
            Ok(end) => Ok(Read { at: root, end, is_odd: reader.is_odd }),
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
                    let node = Node::new(name.start, name.key, start..end, self.tape.nodes.len() + 1);
                    self.tape.nodes.push(node.with_escapes(has_escapes));
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
                    self.push(name, start, at);
                }
                _ => {
                    at += word(json, at).ok_or(at)?;
                    self.push(name, start, at);
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
    fn push(&mut self, name: Name, start: usize, end: usize) {
        let next = self.tape.nodes.len() + 1;
        self.tape.nodes.push(Node::new(name.start, name.key, start..end, next));
    }

    fn open(&mut self, name: Name, start: usize, is_object: bool) {
        let at = self.tape.nodes.len() as u32;
        // Where it ends is known when it is closed.
        self.push(name, start, start);
        self.open.push(Open { at, is_object, names: 0, seen: 0 });
    }

    fn close(&mut self, end: usize) {
        let Some(Open { at, names, .. }) = self.open.pop() else { return };
        let next = self.tape.nodes.len();
        if let Some(node) = self.tape.nodes.get_mut(at as usize) {
            node.close(end, next);
        }
        if names > FEW && !self.is_odd {
            self.is_odd = self.has_repeats(at);
        }
    }

    /// Reads the name that begins at `at`, its colon, and the space before the value.
    #[inline]
    fn name(&mut self, at: usize) -> Result<(Name, usize), usize> {
        let (text, start) = (self.text, at + 1);
        let json = text.as_bytes();
        if json.get(at) != Some(&b'"') {
            return Err(at);
        }
        let read = scan::string(json, start)?;
        let inside = text.get(start..read.end - 1).unwrap_or_default();
        let key = if read.has_escapes { self.escaped_name(inside, read) } else { Key::of(inside) };
        self.note_name(key, inside);
        let colon = skip_space(json, read.end);
        if json.get(colon) != Some(&b':') {
            return Err(colon);
        }
        Ok((Name { start: start as u32, key }, skip_space(json, colon + 1)))
    }

    #[cold]
    fn escaped_name(&mut self, inside: &str, read: Text) -> Key {
        self.is_odd |= read.has_halves;
        let (at, name) = (self.tape.nodes.len() as u32, unescape(inside));
        let key = Key::of(&name);
        self.tape.escaped_names.push((at, name.into()));
        key
    }

    /// Notes a name of the innermost object, whose node comes next, and whether it was there before.
    #[inline]
    fn note_name(&mut self, key: Key, inside: &str) {
        let Some(open) = self.open.last_mut() else { return };
        let may_be_known = open.seen & key.bit() != 0 && open.names <= FEW;
        open.seen |= key.bit();
        open.names += 1;
        if may_be_known && !self.is_odd {
            let parent = open.at;
            self.is_odd = self.is_known(parent, key, inside);
        }
    }

    /// Whether one of the members that the open object at `parent` has so far has this name.
    fn is_known(&self, parent: u32, key: Key, inside: &str) -> bool {
        let coming = self.tape.nodes.len() as u32;
        let name = self.tape.escaped_name(coming).unwrap_or(inside);
        let mut at = parent + 1;
        while let Some(node) = self.tape.node(at) {
            if node.key == key && self.tape.is_named(self.text, at, name) {
                return true;
            }
            at = node.next();
        }
        false
    }

    /// Whether a name occurs twice in the closed object at `parent`, which has many.
    #[cold]
    fn has_repeats(&self, parent: u32) -> bool {
        let mut names = Vec::new();
        let mut at = parent + 1;
        while let Some(node) = self.tape.node(at) {
            names.push((node.key, self.tape.name(self.text, at)));
            at = node.next();
        }
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
