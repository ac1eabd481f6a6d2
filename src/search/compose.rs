//! From a spool to messages: the same ones every time, so that a run that was cut short goes on where it stood.
//!
//! Blocking: reads files and renders. A batch that the bus would not take is cut before anything is numbered.

use std::sync::Arc;

use super::{
    checkpoint::RunCheckpoint,
    envelope::{self, About, Member, Place, Summary},
    spool::{Spool, SpoolError},
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
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) rendering: Arc<Rendering>,
    pub(crate) emit: Emit,
    pub(crate) empty: Empty,
    pub(crate) about: About,
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
struct Cuts {
    sizes: Vec<u32>,
    total: u64,
}

impl Composer {
    /// Gives `deliver` what is delivered together, each with how far the run is after it, without the first `skip` of them,
    /// until it returns false. Says how many events there are that the route wants.
    pub(crate) fn compose(
        &self,
        spool: &Spool,
        skip: u64,
        deliver: &mut dyn FnMut(Batch<RunCheckpoint>) -> bool,
    ) -> Result<u64, ComposeError> {
        match self.emit {
            Emit::Events => self.events(spool, skip, deliver),
            Emit::Batches { batch_size } => self.batches(spool, batch_size, skip, deliver),
            Emit::Summary => self.summary(spool, skip, deliver),
        }
    }

    /// Tells that there is nothing, as number `number`, if that is asked for.
    fn nothing(
        &self,
        number: u64,
        skip: u64,
        deliver: &mut dyn FnMut(Batch<RunCheckpoint>) -> bool,
    ) -> Result<u64, ComposeError> {
        if self.empty == Empty::Silent || number <= skip {
            return Ok(0);
        }
        let message = match self.emit {
            Emit::Batches { .. } => {
                let place = Place {
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
        deliver(batch(number, self.message(&message)?));
        Ok(0)
    }

    fn events(
        &self,
        spool: &Spool,
        skip: u64,
        deliver: &mut dyn FnMut(Batch<RunCheckpoint>) -> bool,
    ) -> Result<u64, ComposeError> {
        let mut reader = spool.read()?;
        let (mut number, mut total) = (0, 0);
        while let Some(events) = reader.events(CHUNK)? {
            number += 1;
            let messages = self.render(events)?;
            total += messages.len() as u64;
            if number > skip && !deliver(batch(number, messages)) {
                return Ok(total);
            }
        }
        if total == 0 {
            return self.nothing(number + 1, skip, deliver);
        }
        Ok(total)
    }

    fn batches(
        &self,
        spool: &Spool,
        batch_size: u16,
        skip: u64,
        deliver: &mut dyn FnMut(Batch<RunCheckpoint>) -> bool,
    ) -> Result<u64, ComposeError> {
        let (room, cuts) = (self.room_in_batches(), self.cuts(spool, batch_size)?);
        if cuts.total == 0 {
            return self.nothing(1, skip, deliver);
        }
        let batches = cuts.sizes.len() as u64;
        let mut sizes = cuts.sizes.iter().zip(1_u64..);
        let (mut offset, mut next) = (0, sizes.next());
        let mut members = Vec::new();
        let mut reader = spool.read()?;
        while let Some(events) = reader.events(CHUNK)? {
            let rendered = self.rendering.messages(&Arc::new(events), &[], room)?;
            for message in rendered.messages() {
                members.push(member(&message));
                let Some((size, number)) = next.filter(|(size, _)| members.len() >= **size as usize) else {
                    continue;
                };
                next = sizes.next();
                let starting_offset = offset;
                offset += u64::from(*size);
                let place = Place {
                    batch: number,
                    batches,
                    starting_offset,
                    ending_offset: offset,
                    first: number == 1,
                    last: number == batches,
                };
                if number > skip {
                    let json = envelope::batch(&self.about, cuts.total, place, &members);
                    if !deliver(batch(number, self.message(&json)?)) {
                        return Ok(cuts.total);
                    }
                }
                members.clear();
            }
        }
        Ok(cuts.total)
    }

    fn summary(
        &self,
        spool: &Spool,
        skip: u64,
        deliver: &mut dyn FnMut(Batch<RunCheckpoint>) -> bool,
    ) -> Result<u64, ComposeError> {
        let mut reader = spool.read()?;
        let (mut summary, mut total) = (Summary::default(), 0);
        while let Some(events) = reader.events(CHUNK)? {
            let rendered = self.render(events)?;
            total += rendered.len() as u64;
            rendered.messages().for_each(|message| summary.add(&message));
        }
        if total == 0 {
            return self.nothing(1, skip, deliver);
        }
        if skip == 0 {
            deliver(batch(1, self.message(&summary.to_json(&self.about))?));
        }
        Ok(total)
    }

    fn render(&self, events: Events) -> Result<Messages, ComposeError> {
        Ok(self.rendering.messages(&Arc::new(events), &[], self.bytes_max)?)
    }

    /// What the events of a batch may have together.
    fn room_in_batches(&self) -> Option<usize> {
        self.bytes_max.map(|bytes| bytes.saturating_sub(envelope::head_bytes_max(&self.about)))
    }

    /// Where the batches end, by number of events and by bytes.
    fn cuts(&self, spool: &Spool, batch_size: u16) -> Result<Cuts, ComposeError> {
        let room = self.room_in_batches();
        let mut cutter =
            Cutter { room, batch_size: batch_size.into(), cuts: Cuts::default(), size: 0, bytes: 0 };
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

/// What is delivered together as the one with this `number`, from 1 on.
fn batch(number: u64, messages: Messages) -> Batch<RunCheckpoint> {
    Batch { messages: Arc::new(messages), checkpoint: RunCheckpoint { delivered: number } }
}

fn member(message: &crate::message::Message<'_>) -> Member {
    Member { id: message.event.identity().into_owned(), payload: message.payload.clone() }
}

/// Finds where batches end.
#[derive(Debug)]
struct Cutter {
    room: Option<usize>,
    batch_size: u32,
    cuts: Cuts,
    /// Events and bytes of the batch that is not full yet.
    size: u32,
    bytes: usize,
}

impl Cutter {
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

    fn finish(mut self) -> Cuts {
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
        let about = About {
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
        let keep = &mut |batch: Batch<RunCheckpoint>| {
            let payloads = batch.messages.messages().map(|message| message.payload);
            messages.extend(payloads.map(|payload| serde_json::from_slice(payload).unwrap()));
            true
        };
        composer.compose(spool, skip, keep).unwrap();
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
                Cutter { room: Some(room), batch_size, cuts: Cuts::default(), size: 0, bytes: 0 };
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
