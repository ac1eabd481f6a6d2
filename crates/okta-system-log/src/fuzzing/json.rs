//! JSON as an independent reader takes it, nothing lost: names that occur twice, and numbers as they are written.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Deeper than this nobody looks: serde_json has no more of the stack.
const DEPTH_MAX: usize = 100;

/// A value with all that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    /// `null`, a number, `true` or `false`, as it is written.
    Word(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a value; none if it is not one, is deeper than anybody looks, or has half of a surrogate pair.
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::read_within(serde_json::from_str(text).ok()?, DEPTH_MAX)
    }

    fn read_within(raw: &RawValue, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let read = |(name, raw): (String, &RawValue)| Some((name, Self::read_within(raw, depth)?));
                Self::Object(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::List(items.into_iter().map(|raw| Self::read_within(raw, depth)).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            _ => Self::Word(text.to_owned()),
        })
    }

    /// The last member called `name`, as most readers take it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text that it is.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The whole number that it is.
    pub(super) fn number(&self) -> Option<i64> {
        if let Self::Word(word) = self { word.parse().ok() } else { None }
    }

    /// Every text, number and word in it except `null`.
    pub(super) fn leaves<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Self::Word(word) if word == "null" => {}
            Self::Word(leaf) | Self::Text(leaf) => found.push(leaf),
            Self::List(items) => items.iter().for_each(|item| item.leaves(found)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.leaves(found)),
        }
    }

    /// Every name in it.
    pub(super) fn names<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Self::Word(_) | Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.names(found)),
            Self::Object(members) => {
                for (name, member) in members {
                    found.push(name);
                    member.names(found);
                }
            }
        }
    }

    /// A name that occurs twice in an object, which strict readers refuse.
    pub(super) fn name_twice(&self) -> Option<&str> {
        match self {
            Self::Word(_) | Self::Text(_) => None,
            Self::List(items) => items.iter().find_map(Self::name_twice),
            Self::Object(members) => {
                let mut names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let twice = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
                twice.or_else(|| members.iter().find_map(|(_, member)| member.name_twice()))
            }
        }
    }

    /// A member that is null. What could not be mapped is kept as it is.
    pub(super) fn null(&self) -> Option<&str> {
        match self {
            Self::Word(_) | Self::Text(_) => None,
            Self::List(items) => items.iter().find_map(Self::null),
            Self::Object(members) => {
                members.iter().filter(|(name, _)| name != "unmapped").find_map(|(name, member)| {
                    if matches!(member, Self::Word(word) if word == "null") {
                        Some(name.as_str())
                    } else {
                        member.null()
                    }
                })
            }
        }
    }
}

/// The members of an object, in order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry().map_err(A::Error::custom)? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
