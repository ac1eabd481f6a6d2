//! What happens in one simulated world, as its seed says: what is replayed, how the route is set, and how each life of the
//! replay ends.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::{BAD_FOR, LOGGED_FOR};
use crate::{
    config::RouteConfig,
    replay::{Request, plan::Span, progress::Progress},
    route::simulation::scenario::{config, life},
    simulation::Life,
    sink::simulated::BusPlan,
};

/// One world.
pub(super) struct Scenario {
    pub(super) route: RouteConfig,
    /// The replay as it begins.
    pub(super) progress: Progress,
    pub(super) page_size: u16,
    pub(super) bus: BusPlan,
    /// How often in a thousand dead letters cannot be kept.
    pub(super) disk_full: u32,
    /// All lives but the last ones.
    pub(super) lives: Vec<Life>,
}

impl Scenario {
    /// One whose events are from `begin` on.
    pub(super) fn of(random: &mut Rng, begin: Timestamp) -> Self {
        let route = config(random);
        let bus = BusPlan {
            has_marks: random.bool(),
            breaks: [0, 20, 300][random.usize(..3)],
            poison: [0, 0, 50, 8][random.usize(..4)],
            bad_for: BAD_FOR,
            has_stable_bytes: true,
            in_flight_max: route.in_flight_pages,
        };
        Self {
            progress: progress(random, begin),
            route,
            page_size: [1, 3, 10][random.usize(..3)],
            bus,
            disk_full: [0, 300][random.usize(..2)],
            lives: (0..random.usize(..6)).map(|_| life(random)).collect(),
        }
    }
}

/// A replay of most of the time of which there are events.
fn progress(random: &mut Rng, begin: Timestamp) -> Progress {
    let some = |random: &mut Rng| Duration::from_millis(random.u64(0..600_000));
    let span = Span { since: begin + some(random), until: begin + LOGGED_FOR - some(random) };
    let request = Request {
        route: "log/simulated".to_owned(),
        from: span.since.to_string(),
        to: span.until.to_string(),
        filter: None,
        slices: None,
        name: None,
        anew: false,
    };
    Progress::new(request, span, [1, 3, 8, 40][random.usize(..4)], "simulated".to_owned())
}
