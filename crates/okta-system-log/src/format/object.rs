//! A JSON object whose members are taken one by one; the members that are left keep their bytes.
//!
//! Knows nothing of Okta but that it writes words in place of a missing value. A member of an unexpected type
//! counts as absent and is left over; nothing here fails.

use std::{borrow::Cow, cell::Cell};

use super::writer::ObjectWriter;
use crate::event::{is_missing, json};

/// A JSON object, borrowed from its text, in which no name occurs twice.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    json: &'a str,
    /// Whether it has found its place in what is being rendered.
    is_taken: Cell<bool>,
}

impl<'a> Object<'a> {
    /// Reads the object that `json` is; None if it is anything else.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        let members = json::members(json)?.into_iter();
        let members = members.map(|(name, json)| Member { name, json, is_taken: Cell::new(false) }).collect();
        Some(Self { members })
    }

    fn member(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The object that the member is, taken; an empty one if it is none.
    pub(super) fn open(&self, name: &str) -> Self {
        let Some(member) = self.member(name) else { return Self::default() };
        let Some(object) = Self::read(member.json) else { return Self::default() };
        member.is_taken.set(true);
        object
    }

    /// The objects of the array that the member is, taken, without nulls; none if it is no such array.
    pub(super) fn open_array(&self, name: &str) -> Vec<Self> {
        let Some(objects) = self.peek_array(name) else { return Vec::new() };
        self.mark(name);
        objects
    }

    /// The objects of the array that the member is, without nulls; None if there is anything else in it.
    pub(super) fn peek_array(&self, name: &str) -> Option<Vec<Self>> {
        let values = Self::read_elements(self.member(name)?.json)?;
        let values = values.into_iter().filter(|json| *json != "null");
        values.map(Self::read).collect()
    }

    /// The JSON of each element of the array that `json` is; None if it is anything else.
    pub(super) fn read_elements(json: &'a str) -> Option<Vec<&'a str>> {
        json::elements(json)
    }

    /// The text of a member that is a string or a number; None where it says that there is no value.
    pub(super) fn peek(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.member(name)?.json).filter(|text| !is_missing(text))
    }

    /// Like [`Self::peek`], and takes the member.
    pub(super) fn take(&self, name: &str) -> Option<Cow<'a, str>> {
        let member = self.member(name)?;
        let text = text(member.json)?;
        member.is_taken.set(true);
        (!is_missing(&text)).then_some(text)
    }

    /// The truth value of a member, taken.
    pub(super) fn take_flag(&self, name: &str) -> Option<bool> {
        let member = self.member(name)?;
        let flag = match member.json {
            "true" => true,
            "false" => false,
            _ => return None,
        };
        member.is_taken.set(true);
        Some(flag)
    }

    /// The JSON number of a member as it is written.
    pub(super) fn number(&self, name: &str) -> Option<&'a str> {
        let number = self.member(name)?.json;
        number.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(number)
    }

    /// The texts of the array that the member is, or the one text that it is; taken if there is nothing else in it.
    pub(super) fn take_texts(&self, name: &str) -> Vec<Cow<'a, str>> {
        let Some(member) = self.member(name) else { return Vec::new() };
        let json = member.json;
        let elements = Self::read_elements(json).unwrap_or_else(|| vec![json]);
        let texts: Vec<_> = elements.iter().filter_map(|json| text(json)).collect();
        if texts.len() == elements.len() {
            member.is_taken.set(true);
        }
        texts.into_iter().filter(|text| !is_missing(text)).collect()
    }

    /// The object that the member is, taken only if it has no members but `known` ones; an empty one if it is none.
    pub(super) fn open_if_only(&self, name: &str, known: &[&str]) -> Self {
        let Some(object) = self.raw(name).and_then(Self::read) else { return Self::default() };
        if object.members().all(|(name, _)| known.contains(&name)) {
            self.mark(name);
        }
        object
    }

    /// The member's JSON as it is written, unless it is null.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.member(name).map(|member| member.json).filter(|json| *json != "null")
    }

    /// Notes that the member has found its place.
    pub(super) fn mark(&self, name: &str) {
        if let Some(member) = self.member(name) {
            member.is_taken.set(true);
        }
    }

    /// Takes the member if it says no more than `text` does, in any case.
    pub(super) fn mark_same(&self, name: &str, text: &str) {
        self.mark_if(name, |own| own.eq_ignore_ascii_case(text));
    }

    /// Takes the member if it is a text that says nothing, or of which `is_the_same` holds. What is no text is left.
    pub(super) fn mark_if(&self, name: &str, is_the_same: impl FnOnce(&str) -> bool) {
        let Some(own) = self.member(name).and_then(|member| text(member.json)) else { return };
        if is_missing(&own) || is_the_same(&own) {
            self.mark(name);
        }
    }

    /// Names and JSON of the members that were not taken, without nulls.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let left = self.members.iter().filter(|member| !member.is_taken.get());
        left.map(|member| (&*member.name, member.json)).filter(|(_, json)| *json != "null")
    }

    /// Writes the members that were not taken.
    pub(super) fn write_rest(&self, out: &mut ObjectWriter<'_>) {
        self.rest().for_each(|(name, json)| out.raw(name, json));
    }

    /// Names and JSON of all members, taken or not, nulls excepted.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let members = self.members.iter().map(|member| (&*member.name, member.json));
        members.filter(|(_, json)| *json != "null")
    }
}

/// The text of a string or number.
fn text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => json::string(json),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(json)),
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
        let object = Object::read(r#"{"a":"unknown","b":"NULL","c":"","d":"None","e":"nonet"}"#).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(object.take(name), None, "{name}");
        }
        assert_eq!(rest(&object), r#"{"e":"nonet"}"#);
    }

    #[test]
    fn odd_types_are_absent_and_left() {
        let odd = r#"{"a":[1],"b":{"x":1},"c":true,"d":"\ud800","e":[{},1]}"#;
        let object = Object::read(odd).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(object.take(name), None, "{name}");
        }
        assert!(object.open("a").rest().next().is_none() && object.open_array("e").is_empty());
        assert_eq!(rest(&object), odd);
        assert!(Object::read("[1]").is_none() && Object::read("\"x\"").is_none());
    }
}
