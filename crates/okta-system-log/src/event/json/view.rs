//! An event as people look at it, whatever it is.

use std::borrow::Cow;

use super::Document;

/// An event in which texts are found by their paths.
#[derive(Debug)]
pub struct EventView<'a>(Document<'a>);

impl<'a> EventView<'a> {
    /// Looks at `json`.
    pub fn at(json: &'a [u8]) -> Self {
        Self(Document::read(str::from_utf8(json).unwrap_or_default()))
    }

    /// The text at `path`, names and indices with a slash before each; empty if there is none.
    pub fn text(&self, path: &str) -> Cow<'_, str> {
        self.find(path).unwrap_or_default()
    }

    fn find(&self, path: &str) -> Option<Cow<'_, str>> {
        let mut value = self.0.value();
        for step in path.split('/').skip(1) {
            value = match step.parse() {
                Ok(index) => value.elements().nth(index)?,
                Err(_) => value.last(step)?,
            };
        }
        value.string()
    }
}

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
