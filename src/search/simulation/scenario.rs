//! What happens in one simulated world, as its seed says: how the search and its routes are set, and how each of their lives
//! ends.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use okta_system_log::format::{Format, ocsf};

use super::BAD_FOR;
use crate::{
    config::{
        Emit, Empty, Missed, Overlap, RouteConfig, SearchConfig, SearchQuery, SearchRouteConfig,
        SelectionConfig, Start, WindowConfig,
    },
    schedule::Schedule,
    simulation::{Death, Life, happens},
    sink::simulated::BusPlan,
};

pub(super) const SEARCH: &str = "failed";

/// One world.
pub(super) struct Scenario {
    pub(super) config: SearchConfig,
    /// One for each route.
    pub(super) buses: Vec<BusPlan>,
    /// Events come into the log no later than that.
    pub(super) lag_max: Duration,
    pub(super) disk_full: u32,
    /// All lives but the last.
    pub(super) lives: Vec<Life>,
}

impl Scenario {
    pub(super) fn of(random: &mut Rng, begin: Timestamp) -> Self {
        let minutes = |random: &mut Rng, choice: [u64; 3]| {
            Duration::from_secs(60 * choice[random.usize(..choice.len())])
        };
        let (settle, overlap) = (minutes(random, [0, 1, 4]), minutes(random, [0, 2, 12]));
        let (schedule, every) =
            [("*/5 * * * *", 5), ("*/15 * * * *", 15), ("7 * * * *", 60)][random.usize(..3)];
        let query = SearchQuery { page_size: [2, 10, 1_000][random.usize(..3)], ..SearchQuery::default() };
        let routes: Vec<_> = (0..random.usize(1..3)).map(|number| route(random, number)).collect();
        let lag_max = if random.bool() { settle } else { settle + overlap };
        let buses = routes.iter().map(|route| bus(random, route, lag_max <= settle)).collect();
        let config = SearchConfig {
            name: SEARCH.to_owned(),
            org: "acme".to_owned(),
            schedule: Schedule::parse(schedule, "UTC").unwrap(),
            jitter: minutes(random, [0, 0, 2]),
            missed: [Missed::Skip, Missed::Once, Missed::All][random.usize(..3)],
            overlap: [Overlap::Skip, Overlap::Queue][random.usize(..2)],
            window: WindowConfig::SinceLast { start: Start::At(begin), settle, overlap },
            query,
            routes,
        };
        let lives = (0..random.usize(..6)).map(|_| life(random)).collect();
        let (mut config, mut lag_max) = (config, lag_max);
        if random.u8(..4) == 0 {
            happens("windows look back");
            // No further than to the slot before: what is found in two windows comes twice.
            config.window = WindowConfig::LookBack { look_back: Duration::from_secs(60 * every), settle };
            lag_max = settle;
        }
        Self { config, buses, lag_max, disk_full: [0, 300][random.usize(..2)], lives }
    }
}

fn route(random: &mut Rng, number: usize) -> SearchRouteConfig {
    let route = RouteConfig {
        name: format!("{SEARCH}/simulated-{number}"),
        sink: format!("simulated-{number}"),
        format: Format::Okta,
        ocsf: ocsf::Options::default(),
        selection: SelectionConfig::default(),
        redaction: None,
        in_flight_pages: random.usize(1..4),
        in_flight_bytes: random.usize(1..64) << 10,
    };
    let emit = match random.u8(..4) {
        0 | 1 => Emit::Events,
        2 => Emit::Batches { batch_size: random.u16(1..8) },
        _ => Emit::Summary,
    };
    SearchRouteConfig { route, emit, empty: [Empty::Silent, Empty::Report][random.usize(..2)] }
}

fn bus(random: &mut Rng, route: &SearchRouteConfig, has_stable_bytes: bool) -> BusPlan {
    BusPlan {
        has_marks: random.bool(),
        breaks: [0, 20, 300][random.usize(..3)],
        poison: [0, 0, 30][random.usize(..3)],
        bad_for: BAD_FOR,
        has_stable_bytes,
        in_flight_max: route.route.in_flight_pages,
    }
}

fn life(random: &mut Rng) -> Life {
    let death = Death::of(random, Duration::from_secs(1_800), 12);
    let downtime_s_max = [5, 600, 3_000][random.usize(..3)];
    Life { death, downtime: Duration::from_millis(random.u64(0..downtime_s_max * 1_000)) }
}
