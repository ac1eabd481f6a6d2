//! The position at which an incomplete list continues: `next` in an outcome, and `after` in a command. Opaque to
//! senders.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Okta's query parameter for the cursor of a page.
const CURSOR: &str = "after";

/// A place in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", rename = "Place")]
pub struct ListPosition(Parts);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Okta's cursor of the page; none: the first page.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// The id of the last returned item of the page; none: no item of it was returned.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    /// The time window of a list of the log.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    window: Option<(Timestamp, Timestamp)>,
}

impl ListPosition {
    /// The beginning of the page at `url`, a link by Okta; none if it has no cursor.
    pub(super) fn at(url: &Url) -> Option<Self> {
        let cursor = url.query_pairs().find(|(name, _)| name == CURSOR)?.1.into_owned();
        Some(Self(Parts { cursor: Some(cursor), ..Parts::default() }))
    }

    /// The position in the same page after the item with this id.
    pub(super) fn behind(&self, id: Option<String>) -> Self {
        Self(Parts { last: id, ..self.0.clone() })
    }

    /// The position with the time window of a list of the log.
    pub(in crate::command) fn within(self, since: Timestamp, until: Timestamp) -> Self {
        Self(Parts { window: Some((since, until)), ..self.0 })
    }

    /// The time window, for a list of the log.
    pub(in crate::command) fn window(&self) -> Option<(Timestamp, Timestamp)> {
        self.0.window
    }

    /// The URL of the page in the list that begins at `url`.
    pub(super) fn of(&self, mut url: Url) -> Url {
        if let Some(cursor) = &self.0.cursor {
            url.query_pairs_mut().append_pair(CURSOR, cursor);
        }
        url
    }

    /// The id of the last returned item of the page.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last.as_deref()
    }

    /// The form in outcomes and commands.
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
