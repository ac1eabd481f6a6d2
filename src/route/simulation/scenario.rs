//! What happens in one simulated world, as its seed says: how the route is set, and how each of its lives ends.

use std::time::Duration;

use fastrand::Rng;
use okta_system_log::format::{Format, ocsf};

use super::{BAD_FOR, ROUTE};
use crate::{
    config::{RouteConfig, SelectionConfig},
    simulation::{Death, Life},
    sink::simulated::BusPlan,
};

/// One world.
pub(super) struct Scenario {
    pub(super) config: RouteConfig,
    pub(super) bus: BusPlan,
    /// Events that come to the log.
    pub(super) events: usize,
    /// How often in a thousand dead letters cannot be kept.
    pub(super) disk_full: u32,
    /// All lives but the last.
    pub(super) lives: Vec<Life>,
}

impl Scenario {
    pub(super) fn of(random: &mut Rng) -> Self {
        let config = config(random);
        let bus = BusPlan {
            has_marks: random.bool(),
            breaks: [0, 20, 200][random.usize(..3)],
            poison: [0, 0, 50, 8][random.usize(..4)],
            bad_for: BAD_FOR,
            has_stable_bytes: true,
            in_flight_max: config.in_flight_pages,
        };
        let mut lives: Vec<_> = (0..random.usize(..6)).map(|_| life(random)).collect();
        if let Some(first) = lives.first_mut().filter(|_| random.u8(..3) == 0) {
            // Before anything is committed.
            first.death = Death::Dropped { batches: 1, polls: random.u32(1..64) };
        }
        let disk_full = [0, 300][random.usize(..2)];
        Self { config, bus, events: random.usize(30..130), disk_full, lives }
    }
}

/// A route that is told little at a time, so that its bounds are felt.
pub(crate) fn config(random: &mut Rng) -> RouteConfig {
    RouteConfig {
        name: ROUTE.to_owned(),
        sink: "simulated".to_owned(),
        format: Format::Okta,
        ocsf: ocsf::Options::default(),
        selection: SelectionConfig::default(),
        redaction: None,
        in_flight_pages: random.usize(1..6),
        in_flight_bytes: random.usize(1..64) << 10,
    }
}

/// A life of some pages, and a short time until the next.
pub(crate) fn life(random: &mut Rng) -> Life {
    let death = Death::of(random, Duration::from_secs(100), 11);
    Life { death, downtime: Duration::from_millis(random.u64(0..30_000)) }
}
