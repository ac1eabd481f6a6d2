//! What happens in one simulated world, as its seed says.

use std::time::Duration;

use fastrand::Rng;

use super::{BAD_FOR, HANGS_FOR, LAST_EVENTS};
use crate::{
    config::RouteConfig,
    route::simulation::scenario::config,
    simulation::Death,
    sink::simulated::{CheckpointDamage, Fencing, TransactionPlan},
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
    /// From when on, and for how long, the disk with the local copies takes them and does not answer, if it ever does that.
    pub(super) disk_hangs: Option<(Duration, Duration)>,
    /// The lives of each daemon but the last.
    pub(super) daemons: Vec<Vec<DaemonLife>>,
    /// What is done to the checkpoint, one after the other.
    pub(super) damages: Vec<Damage>,
}

/// Something that is done to the checkpoint.
pub(super) struct Damage {
    pub(super) what: CheckpointDamage,
    /// The time since the one before.
    pub(super) after: Duration,
    /// When an operator deletes junk.
    pub(super) mended_after: Duration,
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
        let config = config(random);
        let bus = TransactionPlan {
            fencing: [Fencing::ByEpoch, Fencing::BySequence][random.usize(..2)],
            // Real buses take a thousand and more. Where a transaction has one message, nothing behind a message that is refused
            // can show that the sink takes others.
            messages_max: [2, 4, 7, 1_000][random.usize(..4)],
            // Five one behind the other hold a route for good: that is what a sink does that takes nothing.
            poison: [0, 0, 50, 12][random.usize(..4)],
            losses: [0, 30, 300][random.usize(..3)],
            bad_for: BAD_FOR,
        };
        let (has_standby, count) = [(false, 1), (false, 2), (true, 2), (true, 2)][random.usize(..4)];
        let takeover_after = has_standby.then(|| Duration::from_secs(random.u64(4..16)));
        let daemons = (0..count).map(|_| lives(random)).collect();
        let disk_hangs = (random.u8(..4) == 0).then(|| {
            (Duration::from_millis(random.u64(0..120_000)), Duration::from_millis(random.u64(1..120_000)))
        });
        let disk_full = [0, 300][random.usize(..2)];
        let events = random.usize(30..130);
        let damages = if random.bool() { damages(random, bus.fencing) } else { Vec::new() };
        Self { config, bus, takeover_after, events, disk_full, disk_hangs, daemons, damages }
    }

    /// Nothing goes wrong but that the checkpoint is deleted, once.
    pub(super) fn of_a_deleted_checkpoint(random: &mut Rng) -> Self {
        let damage = Damage {
            what: CheckpointDamage::Deleted,
            after: Duration::from_millis(random.u64(8_000..60_000)),
            mended_after: Duration::ZERO,
        };
        Self { damages: vec![damage], ..Self::of_quiet_times(random) }
    }

    /// Nothing goes wrong but that the disk with the local copies does not answer for a minute.
    pub(super) fn of_a_hanging_disk(random: &mut Rng) -> Self {
        let after = Duration::from_millis(random.u64(8_000..20_000));
        Self { disk_hangs: Some((after, HANGS_FOR)), ..Self::of_quiet_times(random) }
    }

    /// An owner and its standby, with whom nothing goes wrong.
    fn of_quiet_times(random: &mut Rng) -> Self {
        let bus = TransactionPlan {
            fencing: [Fencing::ByEpoch, Fencing::BySequence][random.usize(..2)],
            messages_max: [4, 1_000][random.usize(..2)],
            poison: 0,
            losses: 0,
            bad_for: Duration::ZERO,
        };
        Self {
            config: config(random),
            bus,
            takeover_after: Some(Duration::from_secs(6)),
            events: 60,
            disk_full: 0,
            disk_hangs: None,
            daemons: vec![Vec::new(), Vec::new()],
            damages: Vec::new(),
        }
    }

    /// Whether there are two daemons that take the route over from each other when they start, and at no other time.
    pub(super) fn has_rivals(&self) -> bool {
        self.takeover_after.is_none() && self.daemons.len() > 1
    }

    /// Events that come to the log in all, with those at the end.
    pub(super) fn all_events(&self) -> usize {
        let is_bad = !self.bus.bad_for.is_zero();
        self.events + usize::from(is_bad) + if self.has_rivals() { LAST_EVENTS } else { 0 }
    }

    /// Whether something else than a checkpoint is in its place at any time.
    pub(super) fn has_junk(&self) -> bool {
        self.damages.iter().any(|damage| damage.what == CheckpointDamage::Junk)
    }
}

/// Some things that can happen to the checkpoint on such a bus.
fn damages(random: &mut Rng, fencing: Fencing) -> Vec<Damage> {
    let damage = |random: &mut Rng| {
        let back = random.usize(1..12);
        let what = match random.u8(..4) {
            0 => CheckpointDamage::Deleted,
            1 => CheckpointDamage::Junk,
            // A topic is not restored while others write to it.
            2 if fencing == Fencing::BySequence => CheckpointDamage::Restored(back),
            _ => CheckpointDamage::Older(back),
        };
        let time = |random: &mut Rng, seconds: u64| Duration::from_millis(random.u64(0..seconds * 1_000));
        Damage { what, after: time(random, 120), mended_after: time(random, 60) }
    };
    let mut damages: Vec<_> = (0..random.usize(1..4)).map(|_| damage(random)).collect();
    // Where the checkpoint is lost too before anybody has gone on from the backup, the local copies are later than the bus.
    let restored = damages.iter().position(|damage| matches!(damage.what, CheckpointDamage::Restored(_)));
    damages.truncate(restored.map_or(damages.len(), |restored| restored + 1));
    damages
}

fn lives(random: &mut Rng) -> Vec<DaemonLife> {
    let life = |random: &mut Rng| DaemonLife {
        death: Death::of(random, Duration::from_secs(100), 11),
        pause: (random.u8(..3) == 0).then(|| {
            (Duration::from_millis(random.u64(0..60_000)), Duration::from_millis(random.u64(1..60_000)))
        }),
        downtime: Duration::from_millis(random.u64(0..30_000)),
    };
    (0..random.usize(..6)).map(|_| life(random)).collect()
}
