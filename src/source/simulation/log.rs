//! A System Log that commits events at random and answers as Okta documents it, unless it misbehaves.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{OktaError, Priority, logs};
use tokio::time::Instant;
use url::Url;

use crate::{
    simulation::happens,
    source::{Reader, log_source::LogSource},
};

/// More events than that are not committed, so that a restarted route remembers all of them.
const EVENTS_MAX: usize = 900;

pub(crate) struct SimulatedLog {
    begin: Timestamp,
    begun_at: Instant,
    world: Mutex<World>,
}

struct World {
    random: Rng,
    /// When each event was committed, and its JSON.
    events: Vec<(Timestamp, String)>,
    committed_until: Timestamp,
    /// Events come by themselves.
    commits: bool,
    events_max: usize,
    misbehaves: bool,
    panics: bool,
    requests: usize,
    next_fault: Option<Fault>,
    sticks: bool,
    /// By how much what the reader knows of Okta's clock is off: it is behind after a pause of the whole machine.
    clock_off: SignedDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    Refuse,
}

impl fmt::Debug for SimulatedLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedLog")
    }
}

impl SimulatedLog {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Self::begun(seed, EVENTS_MAX, true)
    }

    /// A log that comes to so many events, and never makes a request panic.
    pub(crate) fn with_events(seed: u64, events_max: usize) -> Arc<Self> {
        let log = Self::begun(seed, events_max, true);
        log.world().panics = false;
        log
    }

    pub(super) fn well_behaved(seed: u64) -> Arc<Self> {
        Self::begun(seed, EVENTS_MAX, false)
    }

    fn begun(seed: u64, events_max: usize, misbehaves: bool) -> Arc<Self> {
        // Not long ago: a stream never begins before the retention.
        let begin = Timestamp::now() - SignedDuration::from_hours(24);
        let world = World {
            random: Rng::with_seed(seed ^ 0x0c7a),
            events: Vec::new(),
            committed_until: begin,
            commits: misbehaves,
            events_max,
            misbehaves,
            panics: misbehaves,
            requests: 0,
            next_fault: None,
            sticks: false,
            clock_off: SignedDuration::ZERO,
        };
        Arc::new(Self { begin, begun_at: Instant::now(), world: Mutex::new(world) })
    }

    pub(crate) fn begin(&self) -> Timestamp {
        self.begin
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.begin + self.begun_at.elapsed()
    }

    /// From now on it does as it should.
    pub(super) fn behave(&self) {
        self.calm_down();
        self.world().commits = false;
    }

    /// From now on it answers as it should; events still come.
    pub(crate) fn calm_down(&self) {
        let mut world = self.world();
        world.misbehaves = false;
        world.sticks = false;
        world.clock_off = SignedDuration::ZERO;
    }

    /// From now on each `next` link is the link that was asked.
    pub(super) fn stick(&self) {
        self.world().sticks = true;
    }

    pub(super) fn panic_once(&self) {
        self.world().next_fault = Some(Fault::Panic);
    }

    pub(super) fn refuse_once(&self) {
        self.world().next_fault = Some(Fault::Refuse);
    }

    /// Commits so many honest events.
    pub(crate) fn commit(&self, events: usize) {
        for _ in 0..events {
            let published = self.now();
            self.commit_as(Some(published));
        }
    }

    /// Commits an event that claims to be published then.
    pub(super) fn commit_as(&self, published: Option<Timestamp>) {
        self.world().commit(self.now(), published);
    }

    /// What was committed, in order.
    pub(crate) fn committed(&self) -> Vec<String> {
        (0..self.world().events.len()).map(uuid).collect()
    }

    pub(super) fn requests(&self) -> usize {
        self.world().requests
    }

    /// Whether a reader stands behind the last event.
    pub(super) fn is_read(&self, reader: &Reader) -> bool {
        after(reader.link()) == Some(self.world().events.len())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A panic is one of the faults.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, url: &Url) -> Result<logs::LogPage, OktaError> {
        let now = self.now();
        let mut world = self.world();
        world.requests += 1;
        world.go_on(now);
        let fault = world.next_fault.take();
        assert_ne!(fault, Some(Fault::Panic), "as the test wants it");
        if fault == Some(Fault::Refuse) && after(url).is_some() {
            return Err(status(400, "E0000029"));
        }
        let first = after(url).unwrap_or_else(|| world.first_since(since(url)));
        if world.misbehaves && world.random.u32(0..100) < 30 {
            return world.misbehave(url, first);
        }
        let next = if world.sticks { url.clone() } else { link(url, world.page_end(first)) };
        Ok(world.page(first..world.page_end(first), next))
    }
}

impl LogSource for SimulatedLog {
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        async move {
            let milliseconds = self.world().random.u64(10..300);
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            self.answer(url)
        }
        .boxed()
    }

    fn part<'a>(&'a self, _: &'a Url, _: Priority) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>> {
        unreachable!("a stream asks for pages")
    }

    fn okta_now(&self) -> Timestamp {
        self.now() + self.world().clock_off
    }
}

impl World {
    fn commit(&mut self, at: Timestamp, published: Option<Timestamp>) {
        let uuid = uuid(self.events.len());
        let published = published.map_or_else(|| "null".to_owned(), |published| format!("\"{published}\""));
        self.events.push((at, format!(r#"{{"uuid":"{uuid}","published":{published}}}"#)));
    }

    /// Commits what came since the last request: some of it late, some with a clock of its own, some without a time.
    fn go_on(&mut self, now: Timestamp) {
        while self.commits && self.committed_until < now && self.events.len() < self.events_max {
            self.committed_until += Duration::from_millis(self.random.u64(0..4_000));
            let at = self.committed_until.min(now);
            let published = match self.random.u32(0..100) {
                0 => Some(at + SignedDuration::from_hours(24 * 3_650)),
                1..6 => Some(at - Duration::from_secs(self.random.u64(0..4_000))),
                6 => None,
                _ => Some(at - Duration::from_millis(self.random.u64(0..2_000))),
            };
            self.commit(at, published);
        }
    }

    fn misbehave(&mut self, url: &Url, first: usize) -> Result<logs::LogPage, OktaError> {
        let end = self.page_end(first);
        let fault = self.random.u32(0..13);
        happens(match fault {
            0 => "a link is refused",
            1..=4 => "a request fails",
            5 => "a request is throttled",
            6 => "a request panics",
            7 | 8 => "events come again",
            9 => "a link stays where it is",
            10 => "a link leads back",
            11 => "a page is empty and its link looks as if it had moved",
            _ => "the clock is off",
        });
        match fault {
            0 if after(url).is_some() => Err(status(400, "E0000029")),
            0 | 1 => Err(status(400, "invalid_dpop_proof")),
            2 => Err(status(204, "")),
            3 => Err(status(403, "")),
            4 => Err(OktaError::NotAPage("it is no JSON array".to_owned())),
            5 => Err(OktaError::RateLimited {
                wait: Duration::from_secs(self.random.u64(0..30)),
                is_oktas: true,
            }),
            6 if self.panics => panic!("a bug in reading"),
            // The end of the page before comes again.
            7 | 8 => {
                let again = self.random.usize(0..10).min(first);
                let end = self.page_end(first - again).max(first);
                Ok(self.page(first - again..end, link(url, end)))
            }
            // The link stays where it is, events or not.
            9 => Ok(self.page(first..end, url.clone())),
            // The link leads back.
            10 => {
                let back = link(url, first - self.random.usize(0..25).min(first));
                Ok(self.page(first..end, back))
            }
            // Nothing, and a link that looks as if it had moved.
            11 => {
                let mut next = link(url, first);
                next.query_pairs_mut().append_pair("again", &self.random.u32(..).to_string());
                Ok(self.page(first..first, next))
            }
            _ => {
                self.clock_off = SignedDuration::from_secs(self.random.i64(-7_200..60));
                Ok(self.page(first..end, link(url, end)))
            }
        }
    }

    fn first_since(&self, since: Timestamp) -> usize {
        self.events.partition_point(|(at, _)| *at < since)
    }

    fn page_end(&self, first: usize) -> usize {
        (first + usize::from(super::PAGE_SIZE)).min(self.events.len())
    }

    fn page(&self, events: std::ops::Range<usize>, next: Url) -> logs::LogPage {
        let events: Vec<_> = self.events[events].iter().map(|(_, json)| json.as_str()).collect();
        logs::LogPage { body: format!("[{}]", events.join(",")).into(), next }
    }
}

pub(crate) fn uuid(index: usize) -> String {
    format!("event-{index}")
}

fn status(status: u16, code: &str) -> OktaError {
    let code = (!code.is_empty()).then(|| code.to_owned());
    OktaError::Status { status, code, summary: String::new(), request_id: None }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The event at which the page of `url` begins, if Okta made the URL.
pub(crate) fn after(url: &Url) -> Option<usize> {
    Some(parameter(url, "after")?.parse().unwrap())
}

fn since(url: &Url) -> Timestamp {
    parameter(url, "since").unwrap().parse().unwrap()
}

/// The link to the events from `index` on.
fn link(asked: &Url, index: usize) -> Url {
    let mut link = asked.clone();
    let kept = asked.query_pairs().filter(|(name, _)| name != "after" && name != "again");
    link.query_pairs_mut().clear().extend_pairs(kept).append_pair("after", &index.to_string());
    link
}
