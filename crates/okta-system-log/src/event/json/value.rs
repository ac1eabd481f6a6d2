//! A value on a tape, as it is looked at. A value of another kind than is asked for has none of it; nothing fails.

use std::{borrow::Cow, ops::Range};

use super::{
    scan,
    tape::{Key, Node, Tape},
    unescape::unescape,
};

/// A value of the text `'a`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a, 't> {
    text: &'a str,
    tape: &'t Tape,
    node: &'t Node,
    at: u32,
}

impl<'a, 't> Value<'a, 't> {
    /// The value whose node is at `at` of `tape`, which was read from `text`.
    #[inline]
    pub(crate) fn new(text: &'a str, tape: &'t Tape, at: u32) -> Self {
        Self { text, tape, node: tape.node(at).unwrap_or(&Node::NONE), at }
    }

    /// Its place on the tape.
    #[inline]
    pub(crate) fn at(self) -> u32 {
        self.at
    }

    /// The text of it as it is written.
    #[inline]
    pub(crate) fn raw(self) -> &'a str {
        self.text.get(self.place()).unwrap_or_default()
    }

    /// Where it begins and ends in the text.
    #[inline]
    pub(crate) fn place(self) -> Range<usize> {
        self.node.start as usize..self.node.end as usize
    }

    /// The first byte, which says what kind of value it is.
    #[inline]
    pub(crate) fn first_byte(self) -> u8 {
        self.text.as_bytes().get(self.node.start as usize).copied().unwrap_or_default()
    }

    /// What it says if it is a string.
    #[inline]
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        if self.first_byte() != b'"' {
            return None;
        }
        let Range { start, end } = self.place();
        let inside = self.text.get(start + 1..end - 1)?;
        Some(if self.node.first != 0 { unescape(inside) } else { Cow::Borrowed(inside) })
    }

    /// Where it begins as a member: with the quotation mark of its name.
    pub(crate) fn start_of_name(self) -> usize {
        (self.node.name as usize).saturating_sub(1)
    }

    /// The name that it has as a member; empty if it is none.
    pub(crate) fn name(self) -> &'t str
    where
        'a: 't,
    {
        self.tape.name(self.text, self.node)
    }

    /// The member as it is written, name and all; None if that is not how a program would write it: with blanks around the
    /// colon, or with escapes in its name.
    #[inline]
    pub(crate) fn compact_member(self) -> Option<&'a str> {
        let node = self.node;
        let end_of_name = node.name as usize + node.key.length()?;
        if node.start as usize != end_of_name + "\":".len() || self.tape.escaped_name(node.name).is_some() {
            return None;
        }
        self.text.get(self.start_of_name()..node.end as usize)
    }

    /// The name that it has as a member as it is written, with its quotation marks, and where.
    pub(crate) fn quoted_name(self) -> (Range<usize>, &'a str) {
        let start = self.start_of_name();
        let end = scan::string(self.text.as_bytes(), start + 1).map_or(start, |read| read.end);
        (start..end, self.text.get(start..end).unwrap_or_default())
    }

    /// What it holds: members or elements.
    #[inline]
    pub(crate) fn items(self) -> Items<'a, 't> {
        Items { text: self.text, tape: self.tape, nodes: self.inside().iter(), at: self.node.first }
    }

    /// Its members if it is an object; none otherwise.
    #[inline]
    pub(crate) fn members(self) -> Items<'a, 't> {
        if self.first_byte() == b'{' { self.items() } else { self.nothing() }
    }

    /// Its elements if it is an array; none otherwise.
    #[inline]
    pub(crate) fn elements(self) -> Items<'a, 't> {
        if self.first_byte() == b'[' { self.items() } else { self.nothing() }
    }

    fn nothing(self) -> Items<'a, 't> {
        Items { text: self.text, tape: self.tape, nodes: [].iter(), at: 0 }
    }

    /// The nodes of what it holds.
    #[inline]
    fn inside(self) -> &'t [Node] {
        let Node { first, count, .. } = *self.node;
        self.tape.nodes.get(first as usize..(first + count) as usize).unwrap_or_default()
    }

    /// Whether it is a member of this name.
    #[inline]
    pub(crate) fn is_named(self, key: Key, name: &str) -> bool {
        self.node.key == key && self.tape.is_named(self.text, self.node, name)
    }

    /// The first item `name`, whose key is `key`, with the number of those before it.
    #[inline]
    pub(crate) fn first(self, key: Key, name: &str) -> Option<(usize, Self)> {
        let mut items = self.inside().iter().enumerate();
        let (index, node) =
            items.find(|(_, item)| item.key == key && self.tape.is_named(self.text, item, name))?;
        Some((index, Self { node, at: self.node.first + index as u32, ..self }))
    }

    /// The key of its name as a member.
    #[inline]
    pub(crate) fn key(self) -> Key {
        self.node.key
    }

    /// The members with these names, for each the last, in one pass.
    pub(crate) fn last_of<const N: usize>(self, names: &[(Key, &str); N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        let bits = names.iter().fold(0, |bits, (key, _)| bits | key.bit());
        for member in self.members().filter(|member| member.key().bit() & bits != 0) {
            let key = member.key();
            for ((wanted, name), found) in names.iter().zip(&mut found) {
                if *wanted == key && member.is_named(key, name) {
                    *found = Some(member);
                }
            }
        }
        found
    }

    /// The member `name`; the last of them, which counts for most readers.
    #[inline]
    pub(crate) fn last(self, name: &str) -> Option<Self> {
        let key = Key::of(name);
        self.members().filter(|member| member.is_named(key, name)).last()
    }
}

/// Members of an object or elements of an array, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a, 't> {
    text: &'a str,
    tape: &'t Tape,
    nodes: std::slice::Iter<'t, Node>,
    /// The place of the next node.
    at: u32,
}

impl<'a, 't> Iterator for Items<'a, 't> {
    type Item = Value<'a, 't>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let item = Value { text: self.text, tape: self.tape, node: self.nodes.next()?, at: self.at };
        self.at += 1;
        Some(item)
    }
}
