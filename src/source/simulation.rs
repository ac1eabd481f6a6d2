//! Runs the real reader against a simulated log with all faults that were observed of Okta and the network. The oracle
//! is the list of committed events: each route must deliver that list, without gaps and without duplicates.

pub(crate) mod log;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use url::Url;

use self::log::SimulatedLog;
use super::{Position, ReadStep, Reader, Stream, log_source::LogSource, page_cache::PageCache};
use crate::{
    config::{PollInterval, Start, StreamConfig},
    simulation::{self, Simulation, in_simulated_time, play_all},
    state::RecentIds,
};

const POLL_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const PAGE_SIZE: u16 = 10;
const OVERLAP: Duration = Duration::from_secs(120);
/// What the routes of a world do before it calms down.
const STEPS: usize = 200;

/// A stream of `log`, which begins with all that is in it.
fn stream(log: &Arc<SimulatedLog>) -> Arc<Stream> {
    let source = Arc::<SimulatedLog>::clone(log);
    stream_from(log.begin(), source, PageCache::new(1 << 20), PollInterval::Fixed(POLL_INTERVAL))
}

/// A stream of one route from `start` on, whose pages come from `source`.
pub(crate) fn stream_of_one_route(start: Timestamp, source: Arc<dyn LogSource>) -> Arc<Stream> {
    let cache = PageCache::new(0);
    cache.share(false);
    stream_from(start, source, cache, PollInterval::Fixed(POLL_INTERVAL))
}

fn stream_from(
    start: Timestamp,
    source: Arc<dyn LogSource>,
    cache: PageCache,
    poll_interval: PollInterval,
) -> Arc<Stream> {
    let config = StreamConfig {
        name: "log".to_owned(),
        org: "acme".to_owned(),
        start: Start::At(start),
        filter: None,
        page_size: PAGE_SIZE,
        poll_interval,
        overlap: OVERLAP,
        page_cache_bytes: 1 << 20,
        routes: Vec::new(),
    };
    Arc::new(Stream::with_source(config, simulation::client(), source, cache))
}

/// One route: what it has delivered for good, and what is on its way.
struct Route {
    stream: Arc<Stream>,
    reader: Reader,
    delivered: Vec<String>,
    position: Position,
    recent: RecentIds,
    in_flight: VecDeque<(Position, Vec<String>, Vec<String>)>,
}

impl Route {
    fn new(stream: &Arc<Stream>) -> Self {
        let link: Url = stream.cursor_at(stream.start()).link.parse().unwrap();
        let position = Position { link, published_max: None };
        let recent = RecentIds::default();
        let reader = Reader::new(Arc::clone(stream), position.clone(), &recent);
        let (stream, delivered, in_flight) = (Arc::clone(stream), Vec::new(), VecDeque::new());
        Self { stream, reader, delivered, position, recent, in_flight }
    }

    /// One step; true at the tail.
    async fn step(&mut self) -> bool {
        match self.reader.step().await {
            ReadStep::Read(read) => {
                let all: Vec<_> =
                    read.page.events.iter().map(|event| event.identity().into_owned()).collect();
                let is_new = |index: usize| !read.known.contains(&u32::try_from(index).unwrap());
                let new = (0..all.len()).filter(|index| is_new(*index)).map(|index| all[index].clone());
                self.in_flight.push_back((read.position, all.clone(), new.collect()));
                read.is_tail
            }
            ReadStep::Failed { wait, .. } | ReadStep::Refused { wait, .. } => {
                tokio::time::sleep(wait).await;
                false
            }
        }
    }

    /// What is on its way is proved, but for `left` pages.
    fn settle(&mut self, left: usize) {
        while self.in_flight.len() > left {
            let Some((position, all, new)) = self.in_flight.pop_front() else { return };
            for identity in all {
                self.recent.remember(&identity);
            }
            self.delivered.extend(new);
            self.position = position;
        }
    }

    /// What is not proved is lost, and the route begins at its cursor.
    fn crash(&mut self) {
        self.in_flight.clear();
        self.reader = Reader::new(Arc::clone(&self.stream), self.position.clone(), &self.recent);
    }
}

/// The interval of a seed: fixed, or adaptive.
fn interval_of(seed: u64) -> PollInterval {
    let adaptive = PollInterval::Adaptive { min: Duration::from_secs(1), max: Duration::from_secs(60) };
    if seed.is_multiple_of(2) { PollInterval::Fixed(POLL_INTERVAL) } else { adaptive }
}

/// Lives for a while with all that can go wrong, then until everything is delivered.
async fn live(seed: u64, log: Arc<SimulatedLog>) {
    let mut random = Rng::with_seed(seed);
    let source = Arc::<SimulatedLog>::clone(&log);
    let stream = stream_from(log.begin(), source, PageCache::new(1 << 20), interval_of(seed));
    let mut routes = [Route::new(&stream), Route::new(&stream), Route::new(&stream)];
    for _ in 0..STEPS {
        let route = &mut routes[random.usize(0..3)];
        match random.u32(0..100) {
            0..2 => route.crash(),
            2..4 => tokio::time::sleep(Duration::from_secs(random.u64(0..60))).await,
            4..30 => route.settle(random.usize(0..3)),
            // Be it true or not.
            30..34 => stream.ring(),
            _ if route.step().await => route.reader.next_poll().await,
            _ => {}
        }
    }
    log.behave();
    for route in &mut routes {
        // A route may have to come round a refused link and a back-off first.
        for _ in 0..2_000 {
            if route.step().await && log.is_read(&route.reader) {
                break;
            }
        }
        route.settle(0);
        let committed = log.committed();
        let missing = committed.iter().filter(|event| !route.delivered.contains(event)).count();
        assert_eq!(missing, 0, "seed {seed}: of {} events some are missing", committed.len());
        assert_eq!(route.delivered, committed, "seed {seed}: twice, or in another order");
    }
}

#[test]
fn whatever_okta_does_every_event_is_delivered_once_and_in_order() {
    const SOMETIMES: [&str; 7] = [
        "a link is refused",
        "a request panics",
        "events come again",
        "a link stays where it is",
        "a link leads back",
        "a page is empty and its link looks as if it had moved",
        "the clock is off",
    ];
    play_all(Simulation::Reader, &SOMETIMES, |seed| {
        in_simulated_time(seed, async { live(seed, SimulatedLog::new(seed)).await });
        Vec::new()
    });
}

#[tokio::test(start_paused = true)]
async fn a_route_that_fell_behind_reads_on_to_the_tail_without_waiting() {
    let log = SimulatedLog::well_behaved(1);
    let stream = stream(&log);
    let (mut quick, mut slow) = (Route::new(&stream), Route::new(&stream));
    // Each poll finds a short page, which is kept.
    for _ in 0..300 {
        log.commit(2);
        assert!(quick.step().await);
        quick.reader.next_poll().await;
    }
    log.commit(2);
    assert!(quick.step().await);
    let (begin, requests) = (tokio::time::Instant::now(), log.requests());
    while !slow.step().await {}
    slow.settle(0);
    assert_eq!(slow.delivered, log.committed());
    assert_eq!(log.requests(), requests, "all of it is in the cache");
    assert!(begin.elapsed() < POLL_INTERVAL, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_request() {
    let log = SimulatedLog::well_behaved(1);
    log.commit(3);
    let stream = stream(&log);
    let mut reader = Route::new(&stream).reader;
    log.panic_once();
    let ReadStep::Failed { error, .. } = reader.step().await else { panic!("it did not fail") };
    assert!(error.to_string().contains("broken off"), "{error}");
    let ReadStep::Read(read) = reader.step().await else { panic!("it fails for good") };
    assert_eq!(read.page.events.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_does_not_move_is_a_trouble_and_delivers_nothing_twice() {
    let log = SimulatedLog::well_behaved(1);
    log.commit(25);
    let stream = stream(&log);
    let mut route = Route::new(&stream);
    route.step().await;
    log.stick();
    let (begin, requests) = (tokio::time::Instant::now(), log.requests());
    let mut stuck = 0;
    while begin.elapsed() < Duration::from_secs(600) {
        if let ReadStep::Failed { error, wait } = route.reader.step().await {
            assert!(error.to_string().contains("does not move"), "{error}");
            stuck += 1;
            tokio::time::sleep(wait).await;
        }
    }
    assert!(stuck > 5 && log.requests() - requests < 40, "{stuck} of {}", log.requests() - requests);
    log.behave();
    let ReadStep::Read(read) = route.reader.step().await else { panic!("it stays stuck") };
    assert_eq!((read.page.events.len(), read.known.len()), (10, 10), "read once, while it did not move");
    assert_eq!(read.position.link.query_pairs().last().unwrap().1, "20");
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_link_neither_late_nor_future_events_make_a_gap() {
    let log = SimulatedLog::well_behaved(1);
    let year_2036 = "2036-01-01T00:00:00Z".parse().unwrap();
    for _ in 0..20 {
        log.commit(30);
        log.commit_as(Some(log.begin() - Duration::from_secs(86_400)));
        log.commit_as(Some(year_2036));
        log.commit_as(None);
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let stream = stream(&log);
    let mut route = Route::new(&stream);
    let mut refusals = 0;
    for step in 0.. {
        if step % 12 == 11 {
            log.refuse_once();
        }
        match route.reader.step().await {
            ReadStep::Read(read) => {
                assert!(read.position.published_max.is_none_or(|published| published <= log.now()));
                let new = read.page.events.iter().zip(0..).filter(|(_, index)| !read.known.contains(index));
                route.delivered.extend(new.map(|(event, _)| event.identity().into_owned()));
                if read.is_end {
                    break;
                }
            }
            ReadStep::Refused { since, wait, .. } => {
                refusals += 1;
                assert!(since <= log.now() && since >= log.begin() - OVERLAP, "{since}");
                tokio::time::sleep(wait).await;
            }
            ReadStep::Failed { error, .. } => panic!("{error}"),
        }
    }
    assert!(refusals > 5, "{refusals}");
    assert_eq!(route.delivered, log.committed());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_noted_by_a_wrong_clock_is_not_believed() {
    let log = SimulatedLog::well_behaved(1);
    log.commit(5);
    let stream = stream(&log);
    let link = stream.cursor_at(stream.start()).link.parse().unwrap();
    let far: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
    let position = Position { link, published_max: Some(far) };
    let since = Reader::new(stream, position, &RecentIds::default()).resume_by_time();
    assert!(since < log.begin(), "{since}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_a_wrong_clock_began_in_the_future_begins_by_oktas_clock() {
    let log = SimulatedLog::well_behaved(7);
    let stream = stream(&log);
    let mut route = Route::new(&stream);
    let ahead = log.now() + Duration::from_secs(400 * 86_400);
    let link = stream.url_since(ahead);
    route.reader = Reader::new(Arc::clone(&stream), Position { link, published_max: None }, &route.recent);
    route.step().await;
    assert!(route.reader.link().as_str() != stream.url_since(ahead).as_str());
    let (_, since) = route.reader.link().query_pairs().find(|(name, _)| name == "since").unwrap();
    assert!(since.parse::<Timestamp>().unwrap() <= log.now());
}

/// The rings of a well-behaved log, with several routes that wait.
#[tokio::test(start_paused = true)]
async fn a_ring_wakes_all_routes_at_once_and_costs_one_request() {
    for interval in [PollInterval::Fixed(Duration::from_secs(60)), interval_of(1)] {
        let log = SimulatedLog::well_behaved(1);
        let source = Arc::<SimulatedLog>::clone(&log);
        let stream = stream_from(log.begin(), source, PageCache::new(1 << 20), interval);
        let mut routes: Vec<_> = (0..5).map(|_| Route::new(&stream)).collect();
        // Until the adaptive interval is at its longest.
        for _ in 0..20 {
            for route in &mut routes {
                assert!(route.step().await);
            }
            routes[0].reader.next_poll().await;
        }
        for route in &mut routes {
            assert!(route.step().await);
        }
        log.commit(3);
        let (begin, requests) = (tokio::time::Instant::now(), log.requests());
        stream.ring();
        for route in &mut routes {
            route.reader.next_poll().await;
            assert!(route.step().await);
            route.settle(0);
            assert_eq!(route.delivered, log.committed(), "{interval:?}");
        }
        assert!(begin.elapsed() < Duration::from_secs(1), "{interval:?}: {:?}", begin.elapsed());
        // Each asks once more behind the page that it got from the cache, and all of them together.
        assert!(log.requests() - requests <= 2, "{interval:?}: {}", log.requests() - requests);
        let saved = stream.snapshot();
        assert_eq!((saved.polls_by_rings, saved.rings_with_events), (1, 1));
        assert!(saved.seconds_saved > 50.0, "{saved:?}");
    }
}
