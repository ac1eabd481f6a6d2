//! What is remembered of a route: the cursor, and the facts to recover by if Okta refuses it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RecentIds;

/// The position of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Okta's `next` link, byte for byte.
    pub link: String,
    /// What was asked for when the link was given: the org's origin and the filter. A cursor of another question is
    /// not followed.
    pub question: String,
    /// The latest `published` among all delivered events, as far as it is believed: never later than Okta's clock was,
    /// and not because of a few events that claim more than those around them.
    pub published_max: Option<Timestamp>,
    /// When the cursor moved here.
    pub advanced_at: Timestamp,
    /// Messages delivered since the route began.
    pub delivered: u64,
    /// Where the sink stood.
    pub mark: Option<SinkMark>,
    /// The checkpoint in the bus of which this is a copy, or from which the route went on without the bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_bus: Option<BusCheckpoint>,
    /// The checkpoints that the route left behind in other places, oldest first: if it is moved back to one, it goes on where it
    /// stands and not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<BusCheckpoint>,
    /// The events delivered last. They are no part of the JSON.
    #[serde(skip)]
    pub recent: RecentIds,
}

impl Cursor {
    /// This beginning, for a route that stands elsewhere, and whose bus has the checkpoint `of_bus` if it has one. The sink goes on
    /// where it stands, whatever it is given next. What was delivered is to be delivered again, so that it is not known any more.
    #[must_use]
    pub fn in_place_of(self, stands: Option<Self>, of_bus: Option<BusCheckpoint>) -> Self {
        match stands {
            Some(Self { mark, delivered, left_behind, .. }) => {
                Self { mark, delivered, of_bus, left_behind, ..self }
            }
            None => Self { of_bus, ..self },
        }
    }
}

/// Where a sink stood after the last proved batch; kept with the cursor, atomically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SinkMark {
    /// The file that was being written and the bytes of it that count.
    File {
        /// Its name in the sink's directory.
        name: String,
        /// Bytes that were proved.
        length_bytes: u64,
    },
    /// The JetStream stream and the highest sequence that was acknowledged.
    JetStream {
        /// The stream's name.
        stream: String,
        /// The sequence.
        sequence: u64,
    },
}

/// Which checkpoint in a bus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusCheckpoint {
    /// The run that wrote it: two runs can write the same numbers where the bus was set back to an older time. Older records
    /// do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often the route had been taken over.
    pub epoch: u64,
    /// How often the checkpoint had moved.
    pub generation: u64,
    /// The topic or the stream and subject that has it. Older records do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A cursor as it was found on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCursor {
    /// How often the cursor moved.
    pub generation: u64,
    /// The cursor.
    pub cursor: Cursor,
}

#[cfg(test)]
impl Cursor {
    /// A cursor with this link.
    pub(crate) fn for_tests(link: &str) -> Self {
        Self {
            link: link.to_owned(),
            question: "https://acme.okta.com".to_owned(),
            published_max: Some(Timestamp::UNIX_EPOCH),
            advanced_at: Timestamp::UNIX_EPOCH,
            delivered: 3,
            mark: Some(SinkMark::File { name: "a.jsonl".to_owned(), length_bytes: 12 }),
            of_bus: None,
            left_behind: Vec::new(),
            recent: RecentIds::default(),
        }
    }
}
