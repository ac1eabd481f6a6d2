//! Looking into JSON without reading more of it than is asked for. Depth does not matter, and nothing here fails.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::repair::repaired;

/// Names and JSON of the members of the object that `json` is, in their order; None if it is anything else.
pub fn members(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    if !json.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Members<'_>>(json).ok().map(|members| members.0)
}

/// The JSON of each element of the array that `json` is; None if it is anything else.
pub fn elements(json: &str) -> Option<Vec<&str>> {
    if !json.starts_with('[') {
        return None;
    }
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// What the string `json` says; None if it is anything else.
pub fn string(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(inside.into()) }
}

/// An event as people look at it, whatever it is.
#[derive(Debug)]
pub struct EventView<'a>(Cow<'a, str>);

impl<'a> EventView<'a> {
    /// Looks at `json`.
    pub fn at(json: &'a [u8]) -> Self {
        Self(repaired(str::from_utf8(json).unwrap_or_default()))
    }

    /// The text at `path`, names and indices with a slash before each; empty if there is none.
    pub fn text(&self, path: &str) -> Cow<'_, str> {
        self.find(path).unwrap_or_default()
    }

    fn find(&self, path: &str) -> Option<Cow<'_, str>> {
        let mut json = self.0.trim_ascii();
        for step in path.split('/').skip(1) {
            json = match step.parse() {
                Ok(index) => elements(json)?.into_iter().nth(index)?,
                Err(_) => members(json)?.into_iter().find(|(name, _)| name == step)?.1,
            };
        }
        string(json)
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Name(name), value)) = map.next_entry::<_, &RawValue>()? {
            members.push((name, value.get()));
        }
        Ok(members)
    }
}

/// A member's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_finds_texts_whatever_stands_beside_them() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let event = format!(
            r#" {{"x":{deep},"n":1e999,"\ud800":1,"actor":{{"id":"1","id":"2\n"}},"target":[{{"id":"3"}}],"odd":"\ud800"}}"#
        );
        let glance = EventView::at(event.as_bytes());
        assert_eq!(glance.text("/actor/id"), "2\n");
        assert_eq!(glance.text("/target/0/id"), "3");
        assert_eq!(glance.text("/odd"), r"\ud800");
        for nothing in ["/none", "/actor", "/target/1/id", "/target/id", "/x/0", "/actor/0"] {
            assert_eq!(glance.text(nothing), "", "{nothing}");
        }
        for odd in ["", "null", "5", "{", "\u{feff}"] {
            assert_eq!(EventView::at(odd.as_bytes()).text("/a"), "");
        }
    }
}
