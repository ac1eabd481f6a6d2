//! Lifelike events without end: the same seed gives the same org and the same stories. It knows
//! nothing of HTTP or storage.

mod api_event;
mod browser;
mod cast;
mod catalogue;
mod draft;
mod entity;
mod log_event;
mod network;
mod origin;
mod place;
mod render;
mod residents;
mod scene;
mod stories;
mod timeline;
mod wording;

use std::collections::BTreeMap;

use fastrand::Rng;

use super::Options;

pub(super) use api_event::{ApiEvent, Party};
pub(super) use catalogue::is_hook_eligible;
pub(super) use entity::okta_id;
pub(super) use residents::{Resident, Residents};

use cast::Cast;
use catalogue::Deck;
use draft::Draft;
use scene::Scene;
use timeline::Timeline;

/// One event, ready to be rendered.
#[derive(Debug)]
pub(super) struct Event {
    /// When it happened, in epoch milliseconds.
    pub(super) published_ms: i64,
    draft: Draft,
    /// From this its uuid and other random details are made.
    seed: u64,
}

impl Event {
    /// The event as Okta's JSON, published at the given time.
    pub(super) fn render(&self, published_ms: i64) -> Vec<u8> {
        render::render(&self.draft, published_ms, self.seed)
    }
}

/// Generates stories about one org and gives their events in the order of `published`.
#[derive(Debug)]
pub(super) struct Generator {
    timeline: Timeline,
    rng: Rng,
    cast: Cast,
    deck: Deck,
    /// Events of stories that have begun: by `published` in milliseconds, and by number.
    pending: BTreeMap<(i64, u64), Event>,
    /// Events of all stories so far, given or pending.
    planned: u64,
    /// Events given so far; a new story begins whenever these fall behind the timeline.
    given: u64,
}

impl Generator {
    /// A generator whose backlog ends at `started_ms`.
    pub(super) fn new(options: &Options, started_ms: i64) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        let cast = Cast::new(&mut rng);
        if let Some(seed) = options.story_seed {
            rng = Rng::with_seed(seed);
        }
        Self {
            timeline: Timeline::new(options, started_ms),
            cast,
            deck: Deck::new(),
            rng,
            pending: BTreeMap::new(),
            planned: 0,
            given: 0,
        }
    }

    fn begin_story(&mut self, start_ms: i64) {
        let mut scene = Scene::new(&mut self.rng, &self.cast, &mut self.deck);
        stories::tell(&mut scene);
        for (offset_ms, draft) in scene.into_drafts() {
            let event = Event { published_ms: start_ms + offset_ms, draft, seed: self.rng.u64(..) };
            self.pending.insert((event.published_ms, self.planned), event);
            self.planned += 1;
        }
    }
}

impl Iterator for Generator {
    type Item = Event;

    /// The next event; `None` only if the rate is zero and the backlog is exhausted.
    fn next(&mut self) -> Option<Event> {
        loop {
            let next_story_ms = self.timeline.time_of(self.given);
            let next_event_ms = self.pending.keys().next().map(|(published_ms, _)| *published_ms);
            match next_story_ms {
                Some(story_ms) if next_event_ms.is_none_or(|event_ms| event_ms > story_ms) => {
                    self.begin_story(story_ms);
                }
                _ => {
                    self.given += 1;
                    return self.pending.pop_first().map(|(_, event)| event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const START_MS: i64 = 1_723_564_800_000;

    fn events(count: usize) -> Vec<(String, Value)> {
        let options = Options { backlog: count, ..Options::default() };
        let generator = Generator::new(&options, START_MS);
        let rendered = generator.take(count).map(|event| {
            let json = String::from_utf8(event.render(event.published_ms)).unwrap();
            let value = serde_json::from_str(&json).unwrap();
            (json, value)
        });
        rendered.collect()
    }

    #[test]
    fn change_details_are_where_the_catalogue_has_them() {
        let with_details: Vec<&str> = catalogue::event_types()
            .filter(|event_type| event_type.has_change_details)
            .map(|event_type| event_type.name)
            .collect();
        let mut seen = 0;
        for (_, event) in events(5_000) {
            if event["target"][0].get("changeDetails").is_some() {
                assert!(with_details.contains(&event["eventType"].as_str().unwrap()), "{event}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn events_have_the_size_and_the_traps_of_real_ones() {
        let events = events(5_000);
        let mean = events.iter().map(|(json, _)| json.len()).sum::<usize>() / events.len();
        assert!((1_200..2_500).contains(&mean), "{mean}");
        assert!(events.iter().any(|(json, _)| json.len() > 10_000));
        for trap in [
            r#""lat":34.4740"#,
            r#""zone":"null""#,
            r#""alternateId":"unknown""#,
            r#""outcome":null"#,
            r#""target":null"#,
            r#""userAgent":null"#,
            r#"\"plus\""#,
            "Zoë",
        ] {
            assert!(events.iter().any(|(json, _)| json.contains(trap)), "{trap}");
        }
    }

    #[test]
    fn guessed_passwords_end_in_a_locked_account() {
        let events = events(5_000);
        let is_lock = |event: &Value| event["eventType"] == "user.account.lock";
        let locked = events.iter().find(|(_, event)| is_lock(event) && event["target"][0]["type"] == "User");
        let (_, locked) = locked.unwrap();
        let failures = events.iter().filter(|(_, event)| {
            event["actor"]["id"] == locked["target"][0]["id"]
                && event["outcome"]["reason"] == "INVALID_CREDENTIALS"
                && event["client"]["ipAddress"] == locked["client"]["ipAddress"]
        });
        assert!(failures.count() >= 4);
    }
}
