//! A JSON object whose members are taken one by one; the members that are left keep their bytes.
//!
//! Knows nothing of Okta but that it writes words in place of a missing value. A member of an unexpected type
//! counts as absent and is left over; nothing here fails.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
};

use super::writer::ObjectWriter;
use crate::event::{
    json::{Document, Key, Value},
    says_nothing,
};

/// A JSON object, borrowed from its text, in which no name occurs twice.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    json: Document<'a>,
    /// The bits of its names: a name whose bit is not among them is none of its.
    names: u64,
    taken: Taken,
}

/// Which members have found their place in what is being rendered: one bit for each, in their order.
#[derive(Debug, Default)]
struct Taken {
    first: Cell<u64>,
    /// Those after the first, if there are so many.
    others: RefCell<Vec<u64>>,
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a, 'o> {
    /// How many stand before it.
    index: usize,
    value: Value<'a, 'o>,
}

impl<'a: 'o, 'o> Member<'a, 'o> {
    pub(super) fn name(self) -> &'o str {
        self.value.name()
    }

    pub(super) fn json(self) -> &'a str {
        self.value.raw()
    }

    /// The whole member as it is written, `"name":json`; None if there are blanks within or escapes in the name.
    pub(super) fn compact(self) -> Option<&'a str> {
        self.value.compact_member()
    }
}

impl Taken {
    #[inline]
    fn set(&self, index: usize) {
        match index.checked_sub(64) {
            None => self.first.set(self.first.get() | 1 << index),
            Some(index) => self.set_other(index),
        }
    }

    #[cold]
    fn set_other(&self, index: usize) {
        let mut others = self.others.borrow_mut();
        let word = index / 64;
        if others.len() <= word {
            others.resize(word + 1, 0);
        }
        others[word] |= 1 << (index % 64);
    }

    #[inline]
    fn has(&self, index: usize) -> bool {
        match index.checked_sub(64) {
            None => self.first.get() >> index & 1 == 1,
            Some(index) => self.has_other(index),
        }
    }

    #[cold]
    fn has_other(&self, index: usize) -> bool {
        let word = self.others.borrow().get(index / 64).copied().unwrap_or_default();
        word >> (index % 64) & 1 == 1
    }
}

/// A name that is looked for. Its key is made by the compiler where the name stands in the code.
#[derive(Debug, Clone, Copy)]
struct Name<'n> {
    key: Key,
    text: &'n str,
}

impl<'n> Name<'n> {
    #[inline(always)]
    fn of(text: &'n str) -> Self {
        Self { key: Key::of(text), text }
    }
}

impl<'a> Object<'a> {
    /// The object that `json` is; None if it is anything else.
    pub(super) fn read(json: impl Into<Document<'a>>) -> Option<Self> {
        let json = json.into();
        let value = json.value();
        if value.first_byte() != b'{' {
            return None;
        }
        let names = value.items().fold(0, |names, member| names | member.key().bit());
        Some(Self { json, names, taken: Taken::default() })
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// The object that `value`, a part of this one, is.
    fn of(&self, value: Value<'a, '_>) -> Option<Self> {
        Self::read(self.json.part(value.at()))
    }

    /// Whether it has no member of this name, as far as that is known without looking at them.
    #[inline(always)]
    fn surely_lacks(&self, name: Name<'_>) -> bool {
        self.names & name.key.bit() == 0
    }

    fn find(&self, name: Name<'_>) -> Option<Member<'a, '_>> {
        let (index, value) = self.json.value().first(name.key, name.text)?;
        Some(Member { index, value })
    }

    #[inline(always)]
    fn member(&self, name: &str) -> Option<Member<'a, '_>> {
        let name = Name::of(name);
        if self.surely_lacks(name) { None } else { self.find(name) }
    }

    /// The object that the member is, taken; an empty one if it is none.
    #[inline(always)]
    pub(super) fn open(&self, name: &str) -> Self {
        let name = Name::of(name);
        if self.surely_lacks(name) { Self::default() } else { self.open_named(name) }
    }

    fn open_named(&self, name: Name<'_>) -> Self {
        let Some(member) = self.find(name) else { return Self::default() };
        let Some(object) = self.of(member.value) else { return Self::default() };
        self.taken.set(member.index);
        object
    }

    /// The object that the member is; None if it is none.
    #[inline(always)]
    pub(super) fn peek_object(&self, name: &str) -> Option<Self> {
        self.of(self.member(name)?.value)
    }

    /// The objects of the array that the member is, taken, without nulls; none if it is no such array.
    pub(super) fn open_array(&self, name: &str) -> Vec<Self> {
        let Some(objects) = self.peek_array(name) else { return Vec::new() };
        self.mark(name);
        objects
    }

    /// The objects of the array that the member is, or the one object that it is, without nulls; taken if there is nothing
    /// else in it, which is told too.
    pub(super) fn open_objects(&self, name: &str) -> (Vec<Self>, bool) {
        let Some(member) = self.member(name) else { return (Vec::new(), true) };
        let value = member.value;
        let (objects, is_whole): (Vec<_>, _) = match value.first_byte() {
            b'[' => {
                let values = || value.elements().filter(|value| value.first_byte() != b'n');
                let objects: Vec<_> = values().filter_map(|value| self.of(value)).collect();
                let is_whole = objects.len() == values().count();
                (objects, is_whole)
            }
            b'n' => return (Vec::new(), true),
            _ => {
                let objects: Vec<_> = self.of(value).into_iter().collect();
                let is_whole = !objects.is_empty();
                (objects, is_whole)
            }
        };
        if is_whole {
            self.taken.set(member.index);
        }
        (objects, is_whole)
    }

    /// The objects of the array that the member is, without nulls; None if there is anything else in it.
    pub(super) fn peek_array(&self, name: &str) -> Option<Vec<Self>> {
        let value = self.member(name)?.value;
        if value.first_byte() != b'[' {
            return None;
        }
        let values = value.elements().filter(|value| value.first_byte() != b'n');
        values.map(|value| self.of(value)).collect()
    }

    /// The JSON of each element of the array that `json` is; None if it is anything else.
    pub(super) fn read_elements(json: impl Into<Document<'a>>) -> Option<Vec<&'a str>> {
        let json = json.into();
        let value = json.value();
        (value.first_byte() == b'[').then(|| value.elements().map(Value::raw).collect())
    }

    /// The text of a member that is a string or a number; None where it says that there is no value.
    #[inline(always)]
    pub(super) fn peek(&self, name: &str) -> Option<Cow<'a, str>> {
        let name = Name::of(name);
        if self.surely_lacks(name) { None } else { self.peek_named(name) }
    }

    fn peek_named(&self, name: Name<'_>) -> Option<Cow<'a, str>> {
        text(self.find(name)?.value).filter(|text| !says_nothing(text))
    }

    /// Like [`Self::peek`], and takes the member.
    #[inline(always)]
    pub(super) fn take(&self, name: &str) -> Option<Cow<'a, str>> {
        let name = Name::of(name);
        if self.surely_lacks(name) { None } else { self.take_named(name) }
    }

    fn take_named(&self, name: Name<'_>) -> Option<Cow<'a, str>> {
        let member = self.find(name)?;
        let text = text(member.value)?;
        self.taken.set(member.index);
        (!says_nothing(&text)).then_some(text)
    }

    /// The truth value of a member, which may be a text, taken.
    #[inline(always)]
    pub(super) fn take_flag(&self, name: &str) -> Option<bool> {
        let member = self.member(name)?;
        let flag = flag(member.value.raw())?;
        self.taken.set(member.index);
        Some(flag)
    }

    /// The JSON number of a member as it is written.
    #[inline(always)]
    pub(super) fn number(&self, name: &str) -> Option<&'a str> {
        let value = self.member(name)?.value;
        matches!(value.first_byte(), b'-' | b'0'..=b'9').then(|| value.raw())
    }

    /// The texts of the array that the member is, or the one text that it is; taken if there is nothing else in it.
    #[inline(always)]
    pub(super) fn take_texts(&self, name: &str) -> Vec<Cow<'a, str>> {
        self.member(name).map_or_else(Vec::new, |member| self.take_texts_of(member))
    }

    fn take_texts_of(&self, member: Member<'a, '_>) -> Vec<Cow<'a, str>> {
        let (texts, are_all): (Vec<_>, _) = match member.value.first_byte() {
            b'[' => {
                let texts: Vec<_> = member.value.elements().filter_map(text).collect();
                let are_all = texts.len() == member.value.elements().count();
                (texts, are_all)
            }
            _ => {
                let texts: Vec<_> = text(member.value).into_iter().collect();
                let are_all = !texts.is_empty();
                (texts, are_all)
            }
        };
        if are_all {
            self.taken.set(member.index);
        }
        texts.into_iter().filter(|text| !says_nothing(text)).collect()
    }

    /// The object that the member is, taken only if it has no members but `known` ones; an empty one if it is none.
    pub(super) fn open_if_only(&self, name: &str, known: &[&str]) -> Self {
        let object = self.member(name).and_then(|member| self.of(member.value));
        let Some(object) = object else { return Self::default() };
        if object.members().all(|(name, _)| known.contains(&name)) {
            self.mark(name);
        }
        object
    }

    /// The member's JSON as it is written, unless it is null.
    #[inline(always)]
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let name = Name::of(name);
        if self.surely_lacks(name) { None } else { self.raw_named(name) }
    }

    fn raw_named(&self, name: Name<'_>) -> Option<&'a str> {
        self.find(name).filter(|member| member.value.first_byte() != b'n').map(|member| member.value.raw())
    }

    /// Notes that the member has found its place.
    #[inline(always)]
    pub(super) fn mark(&self, name: &str) {
        if let Some(member) = self.member(name) {
            self.taken.set(member.index);
        }
    }

    /// Whether the member is there, is not null and has found its place.
    #[inline(always)]
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.member(name)
            .is_some_and(|member| member.value.first_byte() != b'n' && self.taken.has(member.index))
    }

    /// Takes the member, unless it is null, if `write` writes its JSON.
    #[inline]
    pub(super) fn take_written(&self, key: Key, name: &str, write: impl FnOnce(&'a str) -> bool) {
        let name = Name { key, text: name };
        if self.surely_lacks(name) {
            return;
        }
        let Some(member) = self.find(name) else { return };
        if member.value.first_byte() != b'n' && write(member.value.raw()) {
            self.taken.set(member.index);
        }
    }

    /// Takes the member if it says no more than `text` does, in any case.
    #[inline(always)]
    pub(super) fn mark_same(&self, name: &str, text: &str) {
        self.mark_if(name, |own| own.eq_ignore_ascii_case(text));
    }

    /// Takes the member if it is a text that says nothing, or of which `is_the_same` holds. What is no text is left.
    #[inline(always)]
    pub(super) fn mark_if(&self, name: &str, is_the_same: impl FnOnce(&str) -> bool) {
        if let Some(member) = self.member(name) {
            self.mark_member_if(member, is_the_same);
        }
    }

    fn mark_member_if(&self, member: Member<'a, '_>, is_the_same: impl FnOnce(&str) -> bool) {
        let Some(own) = text(member.value) else { return };
        if says_nothing(&own) || is_the_same(&own) {
            self.taken.set(member.index);
        }
    }

    /// Whether any member that is not null has found its place.
    pub(super) fn has_taken(&self) -> bool {
        self.present().any(|member| self.taken.has(member.index))
    }

    /// All members but nulls.
    pub(super) fn present(&self) -> impl Iterator<Item = Member<'a, '_>> {
        let members = self.json.value().members().enumerate();
        let members = members.map(|(index, value)| Member { index, value });
        members.filter(|member| member.value.first_byte() != b'n')
    }

    /// The members that were not taken, without nulls.
    pub(super) fn left(&self) -> impl Iterator<Item = Member<'a, '_>> {
        self.present().filter(|member| !self.taken.has(member.index))
    }

    /// Names and JSON of the members that were not taken, without nulls.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.left().map(|member| (member.name(), member.json()))
    }

    /// Writes the members that were not taken.
    pub(super) fn write_rest(&self, out: &mut ObjectWriter<'_>) {
        self.left().for_each(|member| match member.compact() {
            Some(compact) => out.okta_member(compact),
            None => out.okta_raw(member.name(), member.json()),
        });
    }

    /// Names and JSON of all members, taken or not, nulls excepted.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.present().map(|member| (member.name(), member.json()))
    }
}

/// The truth value that `json` is, or that is the text in it, in any case of its letters.
pub(super) fn flag(json: &str) -> Option<bool> {
    let word = json.trim_matches('"').trim_ascii();
    [("true", true), ("false", false)]
        .into_iter()
        .find_map(|(known, flag)| known.eq_ignore_ascii_case(word).then_some(flag))
}

/// The text of a string or number.
#[inline]
fn text<'a>(value: Value<'a, '_>) -> Option<Cow<'a, str>> {
    match value.first_byte() {
        b'"' => value.string(),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value.raw())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    fn rest(object: &Object<'_>) -> String {
        Writer::new(usize::MAX).object(|out| object.write_rest(out))
    }

    #[test]
    fn what_is_not_taken_is_left_with_its_bytes() {
        let object =
            Object::read(r#"{"a":"x","b":34.4740,"c":{"d":[1, null]},"e":null,"f":"\u00e9"}"#).unwrap();
        assert_eq!(object.take("a").as_deref(), Some("x"));
        assert_eq!(object.take("f").as_deref(), Some("é"));
        assert_eq!(rest(&object), r#"{"b":34.4740,"c":{"d":[1, null]}}"#);
        assert_eq!(object.open("c").rest().count(), 1);
        assert_eq!(rest(&object), r#"{"b":34.4740}"#);
    }

    #[test]
    fn words_for_nothing_are_nothing_and_are_not_left() {
        let object =
            Object::read(r#"{"a":"unknown","b":"NULL","c":"","d":"None","e":"nonet","f":" \t","g":" null"}"#)
                .unwrap();
        for name in ["a", "b", "c", "d", "f", "g"] {
            assert_eq!(object.take(name), None, "{name}");
        }
        assert_eq!(rest(&object), r#"{"e":"nonet"}"#);
    }

    #[test]
    fn odd_types_are_absent_and_left() {
        let odd = r#"{"a":[1],"b":{"x":1},"c":true,"d":null,"e":[{},1]}"#;
        let object = Object::read(odd).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(object.take(name), None, "{name}");
        }
        assert!(object.open("a").rest().next().is_none() && object.open_array("e").is_empty());
        assert_eq!(rest(&object), odd.replace("\"d\":null,", ""));
        assert!(Object::read("[1]").is_none() && Object::read("\"x\"").is_none());
    }

    #[test]
    fn each_member_is_taken_by_itself_however_many_there_are() {
        let members: Vec<_> = (0..200).map(|number| format!("\"n{number}\":{number}")).collect();
        let json = format!("{{{}}}", members.join(","));
        let object = Object::read(&*json).unwrap();
        for number in (0..200).step_by(3) {
            assert_eq!(object.take(&format!("n{number}")), Some(number.to_string().into()));
        }
        let left: Vec<_> = object.rest().map(|(_, json)| json.parse::<usize>().unwrap()).collect();
        assert_eq!(left, (0..200).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    }

    #[test]
    fn names_are_what_they_say_however_they_are_written() {
        let object = Object::read(r#"{"\u0061b":1,"a\u0062c":2,"x\"y":3}"#).unwrap();
        assert_eq!(object.take("ab").as_deref(), Some("1"));
        assert_eq!(object.take("x\"y").as_deref(), Some("3"));
        assert!(object.take("x").is_none() && object.take("\\u0061b").is_none());
        assert_eq!(rest(&object), r#"{"abc":2}"#);
    }
}
