//! Where a list that was not complete goes on: what an outcome calls `next` and a command `after`. Others do not read it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Okta's name for where a page begins.
const CURSOR: &str = "after";

/// A place in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", rename = "Place")]
pub struct ListPosition(Parts);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Okta's cursor of the page; none: the first one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The id of the last item of the page that was given; none: all of the page is to come.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    /// The window of the log that the list is of.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    window: Option<(Timestamp, Timestamp)>,
}

impl ListPosition {
    /// The beginning of the page at `url`, which Okta linked to; none if it is no page with a cursor.
    pub(super) fn at(url: &Url) -> Option<Self> {
        let cursor = url.query_pairs().find(|(name, _)| name == CURSOR)?.1.into_owned();
        Some(Self(Parts { cursor: Some(cursor), ..Parts::default() }))
    }

    /// The same page, behind the item of this id.
    pub(super) fn behind(&self, id: Option<String>) -> Self {
        Self(Parts { last: id, ..self.0.clone() })
    }

    /// The same, in the window of the log from the first to the second time.
    pub(in crate::command) fn within(self, since: Timestamp, until: Timestamp) -> Self {
        Self(Parts { window: Some((since, until)), ..self.0 })
    }

    /// The window of the log that it is in.
    pub(in crate::command) fn window(&self) -> Option<(Timestamp, Timestamp)> {
        self.0.window
    }

    /// The URL of the page, of the list that begins at `url`.
    pub(super) fn of(&self, mut url: Url) -> Url {
        if let Some(cursor) = &self.0.cursor {
            url.query_pairs_mut().append_pair(CURSOR, cursor);
        }
        url
    }

    /// The id of the last item of the page that was given.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last.as_deref()
    }

    /// As outcomes and commands have it.
    pub(in crate::command) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

impl TryFrom<String> for ListPosition {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "it is not what the outcome of a former command said as `next`";
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_text_and_a_text_a_place() {
        let page = Url::parse("https://acme.okta.com/api/v1/users?limit=200&after=a%2Bb%3D").unwrap();
        let position = ListPosition::at(&page).unwrap().behind(Some("00u1".to_owned()));
        let position = position.within(Timestamp::UNIX_EPOCH, Timestamp::MAX);
        assert_eq!(ListPosition::try_from(position.text()).unwrap(), position);
        let list = Url::parse("https://acme.okta.com/api/v1/users?limit=200").unwrap();
        assert_eq!(position.of(list.clone()), page);
        assert_eq!(position.last(), Some("00u1"));
        assert!(ListPosition::at(&list).is_none());
        for text in ["", "?", "e30x", "eyJ4IjoxfQ"] {
            assert!(ListPosition::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
