//! What happens in one simulated world, as its seed says.

use std::time::Duration;

use fastrand::Rng;
use okta_system_log::format::{Format, ocsf};

use super::{BAD_FOR, ROUTE};
use crate::{
    config::{RouteConfig, SelectionConfig},
    simulation::Death,
    sink::simulated::{Fencing, TransactionPlan},
};

/// One world.
pub(super) struct Scenario {
    pub(super) config: RouteConfig,
    pub(super) bus: TransactionPlan,
    /// Set if the daemons stand by for each other.
    pub(super) takeover_after: Option<Duration>,
    /// Events that come to the log.
    pub(super) events: usize,
    /// How often in a thousand dead letters cannot be kept.
    pub(super) disk_full: u32,
    /// The lives of each daemon but the last.
    pub(super) daemons: Vec<Vec<DaemonLife>>,
}

/// One life of a daemon.
pub(super) struct DaemonLife {
    pub(super) death: Death,
    /// When it is paused, and for how long, if it is.
    pub(super) pause: Option<(Duration, Duration)>,
    /// The time before the next life begins.
    pub(super) downtime: Duration,
}

impl Scenario {
    pub(super) fn of(random: &mut Rng) -> Self {
        let config = RouteConfig {
            name: ROUTE.to_owned(),
            sink: "simulated".to_owned(),
            format: Format::Okta,
            ocsf: ocsf::Options::default(),
            selection: SelectionConfig::default(),
            redaction: None,
            in_flight_pages: random.usize(1..6),
            in_flight_bytes: random.usize(1..64) << 10,
        };
        let bus = TransactionPlan {
            fencing: [Fencing::ByEpoch, Fencing::BySequence][random.usize(..2)],
            messages_max: [1, 4, 7, 1_000][random.usize(..4)],
            poison: [0, 0, 50, 8][random.usize(..4)],
            losses: [0, 30, 300][random.usize(..3)],
            bad_for: BAD_FOR,
        };
        let has_standby = random.bool();
        let takeover_after = has_standby.then(|| Duration::from_secs(random.u64(2..12)));
        let daemons = (0..if has_standby { 2 } else { 1 }).map(|_| lives(random)).collect();
        let disk_full = [0, 300][random.usize(..2)];
        Self { config, bus, takeover_after, events: random.usize(60..250), disk_full, daemons }
    }
}

fn lives(random: &mut Rng) -> Vec<DaemonLife> {
    let life = |random: &mut Rng| DaemonLife {
        death: Death::of(random, Duration::from_secs(200), 11),
        pause: (random.u8(..3) == 0).then(|| {
            (Duration::from_millis(random.u64(0..90_000)), Duration::from_millis(random.u64(1..60_000)))
        }),
        downtime: Duration::from_millis(random.u64(0..30_000)),
    };
    (0..random.usize(..6)).map(|_| life(random)).collect()
}
