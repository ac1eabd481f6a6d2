//! From a spool to messages: the same ones every time, so that a run that was cut short goes on where it stood.
//!
//! Blocking: reads files and renders. A batch that the bus would not take is cut before anything is numbered.

use std::sync::Arc;

use super::{
    checkpoint::RunCheckpoint,
    envelope::{self, BatchPosition, Member, RunDescription, Summary},
    spool::{Spool, SpoolError, SpoolReader},
};
use okta_system_log::event::{Events, EventsError};

use crate::{
    config::{Emit, Empty},
    message::{Batch, Messages},
    route::{Rendering, RouteError},
};

/// Events that are read, rendered and, where each is a message, delivered together.
const CHUNK: usize = 500;

/// Makes the messages of one run for one route.
#[derive(Debug, Clone)]
pub(crate) struct Composer {
    pub(crate) rendering: Arc<Rendering>,
    pub(crate) emit: Emit,
    pub(crate) empty: Empty,
    pub(crate) about: RunDescription,
    /// What a message may have.
    pub(crate) bytes_max: Option<usize>,
}

/// Why no messages can be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// What a route makes of events.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A message is more than a page can have.
    #[error("a message of the run {run} is too large: set a smaller `batch_size`")]
    TooLarge {
        /// The run.
        run: String,
        /// How large it is.
        source: EventsError,
    },
}

/// How many events each batch has.
#[derive(Debug, Default, PartialEq, Eq)]
struct BatchSizes {
    sizes: Vec<u32>,
    total: u64,
}

/// A run on its way from the spool to batches. Blocks: reads files and renders.
#[derive(Debug)]
pub(super) struct Composing {
    composer: Composer,
    reader: SpoolReader,
    /// Batches that were delivered before and are left out.
    skip: u64,
    /// Batches that were made, those that are left out too.
    number: u64,
    /// Events that the route wants, as far as they are known.
    total: u64,
    is_ended: bool,
    emitting: Emitting,
}

/// How far batches of several events are.
#[derive(Debug)]
enum Emitting {
    Events,
    Batches(Batches),
    Summary,
}

#[derive(Debug)]
struct Batches {
    cuts: BatchSizes,
    /// The first event of the next batch.
    offset: u64,
    /// Events of it that are there already.
    members: Vec<Member>,
    /// Events that were read and are in no batch yet, the next one last.
    rendered: Vec<Member>,
}

impl Composer {
    /// Begins to compose what `spool` holds, without the first `skip` batches.
    pub(super) fn begin(self, spool: &Spool, skip: u64) -> Result<Composing, ComposeError> {
        let emitting = match self.emit {
            Emit::Events => Emitting::Events,
            Emit::Batches { batch_size } => {
                let cuts = self.cuts(spool, batch_size)?;
                Emitting::Batches(Batches { cuts, offset: 0, members: Vec::new(), rendered: Vec::new() })
            }
            Emit::Summary => Emitting::Summary,
        };
        let (reader, number, total) = (spool.read()?, 0, 0);
        Ok(Composing { composer: self, reader, skip, number, total, is_ended: false, emitting })
    }

    /// The message that there is nothing, if that is asked for.
    fn nothing(&self) -> Result<Option<Messages>, ComposeError> {
        if self.empty == Empty::Silent {
            return Ok(None);
        }
        let message = match self.emit {
            Emit::Batches { .. } => {
                let place = BatchPosition {
                    batch: 1,
                    batches: 1,
                    starting_offset: 0,
                    ending_offset: 0,
                    first: true,
                    last: true,
                };
                envelope::batch(&self.about, 0, place, &[])
            }
            Emit::Events | Emit::Summary => Summary::default().to_json(&self.about),
        };
        self.message(&message).map(Some)
    }

    fn render(&self, events: Events) -> Result<Messages, ComposeError> {
        Ok(self.rendering.messages(&Arc::new(events), &[], self.bytes_max)?)
    }

    /// What the events of a batch may have together.
    fn room_in_batches(&self) -> Option<usize> {
        self.bytes_max.map(|bytes| bytes.saturating_sub(envelope::head_bytes_max(&self.about)))
    }

    /// Where the batches end, by number of events and by bytes.
    fn cuts(&self, spool: &Spool, batch_size: u16) -> Result<BatchSizes, ComposeError> {
        let room = self.room_in_batches();
        let mut cutter = BatchSplitter {
            room,
            batch_size: batch_size.into(),
            cuts: BatchSizes::default(),
            size: 0,
            bytes: 0,
        };
        let mut reader = spool.read()?;
        while let Some(events) = reader.events(CHUNK)? {
            let rendered = self.rendering.messages(&Arc::new(events), &[], room)?;
            rendered.messages().for_each(|message| cutter.add(message.payload.len()));
        }
        Ok(cutter.finish())
    }

    fn message(&self, json: &[u8]) -> Result<Messages, ComposeError> {
        let page = [b"[", json, b"]"].concat();
        let events = Events::parse(page.into());
        let events = events.map_err(|source| ComposeError::TooLarge { run: self.about.run(), source })?;
        let origin = Arc::clone(&self.rendering.origin);
        Ok(Messages::render(origin, Arc::new(events), |_, event| Some(event.raw())))
    }
}

impl Composing {
    /// What is delivered together next, with how far the run is after it; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Batch<RunCheckpoint>>, ComposeError> {
        while !self.is_ended {
            let made = match self.emitting {
                Emitting::Events => self.events()?,
                Emitting::Batches(_) => self.batch()?,
                Emitting::Summary => self.summary()?,
            };
            let messages = match made {
                Some(messages) => messages,
                None => {
                    self.is_ended = true;
                    let nothing = if self.total == 0 { self.composer.nothing()? } else { None };
                    let Some(nothing) = nothing else { break };
                    nothing
                }
            };
            self.number += 1;
            if self.number > self.skip {
                let checkpoint = RunCheckpoint { delivered: self.number };
                return Ok(Some(Batch { messages: Arc::new(messages), checkpoint }));
            }
        }
        Ok(None)
    }

    /// How many events there are that the route wants, once everything is composed.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn events(&mut self) -> Result<Option<Messages>, ComposeError> {
        let Some(events) = self.reader.events(CHUNK)? else { return Ok(None) };
        let messages = self.composer.render(events)?;
        self.total += messages.len() as u64;
        Ok(Some(messages))
    }

    fn batch(&mut self) -> Result<Option<Messages>, ComposeError> {
        let Self { composer, reader, number, total, emitting, .. } = self;
        let Emitting::Batches(batches) = emitting else { return Ok(None) };
        *total = batches.cuts.total;
        let at = usize::try_from(*number).unwrap_or(usize::MAX);
        let Some(size) = batches.cuts.sizes.get(at).copied() else { return Ok(None) };
        while batches.members.len() < size as usize {
            let Some(next) = batches.rendered.pop() else {
                let Some(events) = reader.events(CHUNK)? else { return Ok(None) };
                let room = composer.room_in_batches();
                let rendered = composer.rendering.messages(&Arc::new(events), &[], room)?;
                batches.rendered = rendered.messages().map(|message| member(&message)).collect();
                batches.rendered.reverse();
                continue;
            };
            batches.members.push(next);
        }
        let (batch, count) = (*number + 1, batches.cuts.sizes.len() as u64);
        let (starting_offset, ending_offset) = (batches.offset, batches.offset + u64::from(size));
        let (first, last) = (batch == 1, batch == count);
        let place = BatchPosition { batch, batches: count, starting_offset, ending_offset, first, last };
        let json = envelope::batch(&composer.about, batches.cuts.total, place, &batches.members);
        batches.offset = ending_offset;
        batches.members.clear();
        composer.message(&json).map(Some)
    }

    fn summary(&mut self) -> Result<Option<Messages>, ComposeError> {
        if self.number > 0 {
            return Ok(None);
        }
        let mut summary = Summary::default();
        while let Some(events) = self.reader.events(CHUNK)? {
            let rendered = self.composer.render(events)?;
            self.total += rendered.len() as u64;
            rendered.messages().for_each(|message| summary.add(&message));
        }
        if self.total == 0 {
            return Ok(None);
        }
        let json = summary.to_json(&self.composer.about);
        self.composer.message(&json).map(Some)
    }
}

fn member(message: &crate::message::Message<'_>) -> Member {
    Member { id: message.event.identity().into_owned(), payload: message.payload.clone() }
}

/// Finds where batches end.
#[derive(Debug)]
struct BatchSplitter {
    room: Option<usize>,
    batch_size: u32,
    cuts: BatchSizes,
    /// Events and bytes of the batch that is not full yet.
    size: u32,
    bytes: usize,
}

impl BatchSplitter {
    fn add(&mut self, payload_bytes: usize) {
        // With the comma.
        let bytes = payload_bytes + 1;
        let is_full = self.size >= self.batch_size || self.room.is_some_and(|room| self.bytes + bytes > room);
        if is_full && self.size > 0 {
            self.cut();
        }
        self.size += 1;
        self.bytes += bytes;
        self.cuts.total += 1;
    }

    fn cut(&mut self) {
        self.cuts.sizes.push(self.size);
        (self.size, self.bytes) = (0, 0);
    }

    fn finish(mut self) -> BatchSizes {
        if self.size > 0 {
            self.cut();
        }
        self.cuts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::{Emit, RouteConfig, SelectionConfig},
        search::spool::SpoolWriter,
    };
    use okta_system_log::format::{Format, ocsf};

    async fn composer(emit: Emit, empty: Empty, outcomes: &[&str], bytes_max: Option<usize>) -> Composer {
        let selection = SelectionConfig {
            outcomes: outcomes.iter().map(|outcome| (*outcome).to_owned()).collect(),
            ..SelectionConfig::default()
        };
        let route = RouteConfig {
            name: "failed/events".to_owned(),
            sink: "events".to_owned(),
            format: Format::Okta,
            ocsf: ocsf::Options::default(),
            selection,
            redaction: None,
            in_flight_pages: 4,
            in_flight_bytes: 1 << 20,
        };
        let org = crate::config::acme("https://acme.okta.com");
        let at = |time: &str| time.parse().unwrap();
        let about = RunDescription {
            search: "failed".to_owned(),
            slot: at("2026-01-01T11:00:00Z"),
            since: at("2026-01-01T09:58:00Z"),
            until: at("2026-01-01T10:58:00Z"),
        };
        let rendering = Arc::new(Rendering::open(&route, &org).await.unwrap());
        Composer { rendering, emit, empty, about, bytes_max }
    }

    fn spool(directory: &tempfile::TempDir, events: usize) -> Spool {
        let mut writer = SpoolWriter::create(&directory.path().join("s.spool")).unwrap();
        for number in 0..events {
            let outcome = if number % 3 == 0 { "FAILURE" } else { "SUCCESS" };
            let event = format!(
                r#"{{"uuid":"u-{number}","published":"2026-01-01T10:{:02}:00.000Z","eventType":"user.session.start","actor":{{"id":"00u{}","alternateId":"u{}@acme.com"}},"client":{{"ipAddress":"192.0.2.{}"}},"outcome":{{"result":"{outcome}"}}}}"#,
                number % 60,
                number % 7,
                number % 7,
                number % 2
            );
            writer.push(event.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn composed(composer: &Composer, spool: &Spool, skip: u64) -> Vec<serde_json::Value> {
        let mut messages = Vec::new();
        let mut composing = composer.clone().begin(spool, skip).unwrap();
        while let Some(batch) = composing.next().unwrap() {
            let payloads = batch.messages.messages().map(|message| message.payload);
            messages.extend(payloads.map(|payload| serde_json::from_slice(payload).unwrap()));
        }
        messages
    }

    #[tokio::test]
    async fn batches_say_where_they_are_and_hold_what_the_route_wants() {
        let directory = tempfile::tempdir().unwrap();
        let spool = spool(&directory, 1_300);
        let composer = composer(Emit::Batches { batch_size: 200 }, Empty::Silent, &["FAILURE"], None).await;
        let all = composed(&composer, &spool, 0);
        assert_eq!(all.len(), 3);
        let second = &all[1];
        for (member, value) in [
            ("uuid", "failed:2026-01-01T11:00:00Z:2".into()),
            ("eventType", "oktabus.search.batch".into()),
            ("published", "2026-01-01T11:00:00Z".into()),
            ("run", "failed:2026-01-01T11:00:00Z".into()),
            ("batch", 2.into()),
            ("batches", 3.into()),
            ("starting_offset", 200.into()),
            ("ending_offset", 400.into()),
            ("total", 434.into()),
            ("first", false.into()),
            ("last", false.into()),
            ("first_event_id", "u-600".into()),
            ("last_event_id", "u-1197".into()),
        ] {
            assert_eq!(second[member], serde_json::Value::clone(&value), "{member}");
        }
        assert_eq!(all[2]["events"].as_array().unwrap().len(), 34);
        assert!(all[0]["first"] == true && all[2]["last"] == true);
        // Gone on with, it is the same.
        assert_eq!(composed(&composer, &spool, 1), all[1..]);
    }

    #[tokio::test]
    async fn a_batch_that_the_bus_would_not_take_is_cut_and_the_numbers_stay_true() {
        let directory = tempfile::tempdir().unwrap();
        let spool = spool(&directory, 300);
        let bytes_max = 8_000;
        let composer =
            composer(Emit::Batches { batch_size: 1_000 }, Empty::Silent, &[], Some(bytes_max)).await;
        let all = composed(&composer, &spool, 0);
        let mut offset = 0;
        for message in &all {
            assert!(message.to_string().len() <= bytes_max);
            assert_eq!(message["starting_offset"], offset);
            offset += message["events"].as_array().unwrap().len();
            assert_eq!((&message["ending_offset"], &message["total"]), (&offset.into(), &300.into()));
            assert_eq!(message["batches"], all.len());
        }
        assert!(all.len() > 5 && offset == 300);
    }

    #[tokio::test]
    async fn a_summary_counts_and_an_empty_run_is_told_if_asked() {
        let directory = tempfile::tempdir().unwrap();
        let spool_of = |events| spool(&directory, events);
        let composer = composer(Emit::Summary, Empty::Report, &[], None).await;
        let summary = &composed(&composer, &spool_of(100), 0)[0];
        assert_eq!(
            (&summary["total"], &summary["eventType"]),
            (&100.into(), &"oktabus.search.summary".into())
        );
        assert_eq!(summary["top_actors"][0], serde_json::json!({ "value": "u0@acme.com", "count": 15 }));
        assert_eq!(summary["top_addresses"][0], serde_json::json!({ "value": "192.0.2.0", "count": 50 }));
        assert_eq!(summary["outcomes"][0], serde_json::json!({ "value": "SUCCESS", "count": 66 }));
        assert_eq!(summary["last_published"], "2026-01-01T10:59:00Z");
        assert_eq!(composed(&composer, &spool_of(0), 0)[0]["total"], 0);
        let silent = Composer { empty: Empty::Silent, ..composer };
        assert!(composed(&silent, &spool_of(0), 0).is_empty());
    }

    proptest! {
        #[test]
        fn cuts_cover_everything_and_keep_both_limits(
            payloads in proptest::collection::vec(0_usize..300, 0..200),
            batch_size in 1_u32..50,
            room in 50_usize..1_000,
        ) {
            let mut cutter =
                BatchSplitter { room: Some(room), batch_size, cuts: BatchSizes::default(), size: 0, bytes: 0 };
            payloads.iter().for_each(|bytes| cutter.add(*bytes));
            let cuts = cutter.finish();
            prop_assert_eq!(cuts.total, payloads.len() as u64);
            let mut rest = payloads.as_slice();
            for size in cuts.sizes {
                let (batch, after) = rest.split_at(size as usize);
                let bytes: usize = batch.iter().map(|bytes| bytes + 1).sum();
                prop_assert!(size <= batch_size && (bytes <= room || size == 1));
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
