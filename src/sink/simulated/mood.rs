//! What a simulated bus does for a while: it works, and every now and then it does not.

use std::time::Duration;

use fastrand::Rng;

/// What the bus does for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Works,
    /// Each answer takes seconds.
    IsSlow,
    /// It refuses every message.
    Refuses,
    /// It cannot be reached, and says so.
    IsUnreachable,
    /// It cannot be reached, and whoever connects waits.
    IsSilent,
    /// It takes messages and acknowledges none.
    IsMute,
    /// Handing messages over waits.
    IsFull,
}

/// What the bus does while nothing can be relied on: it works, and every now and then it does not.
pub(super) fn moods(random: &mut Rng, bad_for: Duration) -> Vec<(Duration, Mood)> {
    const BAD: [Mood; 6] =
        [Mood::IsSlow, Mood::Refuses, Mood::IsUnreachable, Mood::IsSilent, Mood::IsMute, Mood::IsFull];
    let mut moods = vec![(Duration::ZERO, Mood::Works)];
    let mut at = Duration::from_secs(random.u64(0..100));
    while at < bad_for {
        moods.push((at, BAD[random.usize(..BAD.len())]));
        at += Duration::from_millis(random.u64(500..90_000));
        moods.push((at.min(bad_for), Mood::Works));
        at += Duration::from_secs(random.u64(5..150));
    }
    moods
}
