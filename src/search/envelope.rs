//! What a message of a search is, where it is more than one event: some events with what they are a part of, or a summary.
//!
//! Both look enough like an event of Okta's (`uuid`, `eventType`, `published`) for every sink, key and subject to carry
//! them; their types begin with `oktabus.` so that nobody takes them for one.

use std::{cmp::Reverse, collections::HashMap};

use jiff::Timestamp;
use okta_system_log::event::json::EventView;
use serde::Serialize;

use crate::message::Message;

/// The type of a message with some events.
pub const BATCH_TYPE: &str = "oktabus.search.batch";
/// The type of a message that sums a run up.
pub const SUMMARY_TYPE: &str = "oktabus.search.summary";
/// How many of the most frequent are named.
const TOP: usize = 10;
/// Different values that are counted, at most: what comes after them is counted as the rest.
const DIFFERENT_MAX: usize = 100_000;

/// Which run it is.
#[derive(Debug, Clone)]
pub(crate) struct RunDescription {
    pub(crate) search: String,
    pub(crate) slot: Timestamp,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl RunDescription {
    /// The run's id, the same for ever.
    pub(crate) fn run(&self) -> String {
        format!("{}:{}", self.search, self.slot)
    }
}

/// All but the events.
#[derive(Debug, Serialize)]
struct Head<'a, T> {
    uuid: String,
    #[serde(rename = "eventType")]
    event_type: &'static str,
    published: Timestamp,
    search: &'a str,
    run: String,
    slot: Timestamp,
    window: Window,
    total: u64,
    #[serde(flatten)]
    more: T,
}

#[derive(Debug, Serialize)]
struct Window {
    since: Timestamp,
    until: Timestamp,
}

/// Where a batch is in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct BatchPosition {
    /// Counted from 1.
    pub(super) batch: u64,
    pub(super) batches: u64,
    /// The first event's, counted from 0.
    pub(super) starting_offset: u64,
    /// The one after the last event.
    pub(super) ending_offset: u64,
    pub(super) first: bool,
    pub(super) last: bool,
}

#[derive(Debug, Serialize)]
struct Batched<'a> {
    #[serde(flatten)]
    place: BatchPosition,
    first_event_id: Option<&'a str>,
    last_event_id: Option<&'a str>,
}

/// One event of a batch.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) payload: bytes::Bytes,
}

impl Member {
    fn short_id(&self) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| id.len() <= ID_BYTES_MAX)
    }
}

/// Bytes of an id in the head of a batch. Okta's ids are uuids, 36 bytes; what is longer than this is not told there.
const ID_BYTES_MAX: usize = 128;

/// Bytes of a batch that are not its events', at most.
pub(super) fn head_bytes_max(about: &RunDescription) -> usize {
    const REST: usize = 640;
    // JSON writes a control character in six bytes.
    REST + 4 * about.search.len() + 2 * 6 * ID_BYTES_MAX
}

/// A message with `members`.
pub(super) fn batch(about: &RunDescription, total: u64, place: BatchPosition, members: &[Member]) -> Vec<u8> {
    let batched = Batched {
        place,
        first_event_id: members.first().and_then(Member::short_id),
        last_event_id: members.last().and_then(Member::short_id),
    };
    let mut json = head(about, BATCH_TYPE, &place.batch.to_string(), total, batched);
    // The head is an object that is not empty.
    json.pop();
    json.extend_from_slice(b",\"events\":[");
    for (member, index) in members.iter().zip(0_usize..) {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(&member.payload);
    }
    json.extend_from_slice(b"]}");
    json
}

fn head<T: Serialize>(
    about: &RunDescription,
    event_type: &'static str,
    part: &str,
    total: u64,
    more: T,
) -> Vec<u8> {
    let run = about.run();
    let head = Head {
        uuid: format!("{run}:{part}"),
        event_type,
        published: about.slot,
        search: &about.search,
        run,
        slot: about.slot,
        window: Window { since: about.since, until: about.until },
        total,
        more,
    };
    // Text, numbers and times can always be written.
    serde_json::to_vec(&head).unwrap_or_default()
}

/// What a run found, counted.
#[derive(Debug, Default)]
pub(super) struct Summary {
    total: u64,
    first_published: Option<Timestamp>,
    last_published: Option<Timestamp>,
    actors: Tally,
    addresses: Tally,
    event_types: Tally,
    outcomes: Tally,
}

#[derive(Debug, Serialize)]
struct Counts<'a> {
    first_published: Option<Timestamp>,
    last_published: Option<Timestamp>,
    top_actors: Vec<Count<'a>>,
    top_addresses: Vec<Count<'a>>,
    top_event_types: Vec<Count<'a>>,
    outcomes: Vec<Count<'a>>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Count<'a> {
    value: &'a str,
    count: u64,
}

#[derive(Debug, Default)]
struct Tally(HashMap<String, u64>);

impl Tally {
    fn add(&mut self, value: Option<&str>) {
        let Some(value) = value else { return };
        if let Some(count) = self.0.get_mut(value) {
            *count += 1;
        } else if self.0.len() < DIFFERENT_MAX {
            self.0.insert(value.to_owned(), 1);
        }
    }

    /// The most frequent first, and among equals by their names.
    fn top(&self) -> Vec<Count<'_>> {
        let mut counts: Vec<_> = self.0.iter().map(|(value, count)| Count { value, count: *count }).collect();
        counts.sort_by_key(|count| (Reverse(count.count), count.value));
        counts.truncate(TOP);
        counts
    }
}

impl Summary {
    /// Counts one event, of which no more is seen than the route shows.
    pub(super) fn add(&mut self, message: &Message<'_>) {
        let event = message.event;
        self.total += 1;
        let published = event.published().and_then(|published| published.parse::<Timestamp>().ok());
        if let Some(published) = published {
            self.first_published = Some(self.first_published.map_or(published, |first| first.min(published)));
            self.last_published = self.last_published.max(Some(published));
        }
        self.event_types.add(event.event_type());
        self.outcomes.add(event.outcome());
        let raw = event.raw();
        let raw = EventView::at(&raw);
        let actor = [raw.text("/actor/alternateId"), raw.text("/actor/id")];
        self.actors.add(actor.iter().map(|name| &**name).find(|name| !name.is_empty()));
        self.addresses.add(Some(&*raw.text("/client/ipAddress")).filter(|address| !address.is_empty()));
    }

    /// The message.
    pub(super) fn to_json(&self, about: &RunDescription) -> Vec<u8> {
        let counts = Counts {
            first_published: self.first_published,
            last_published: self.last_published,
            top_actors: self.actors.top(),
            top_addresses: self.addresses.top(),
            top_event_types: self.event_types.top(),
            outcomes: self.outcomes.top(),
        };
        head(about, SUMMARY_TYPE, "summary", self.total, counts)
    }
}
