//! What must hold whatever happens, by name. Checked where it can break: a panic in tests, a metric and an error in
//! production.

use crate::telemetry::metrics;

/// The invariants that are checked in code; `docs/architecture.md` lists them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// A cursor never moves without a proof for every event before it.
    CursorNeedsProof,
    /// A cursor record's generation strictly increases; an older writer is refused.
    GenerationIncreases,
    /// A search fires once per slot.
    SlotFiresOnce,
    /// Pages and bytes in flight are bounded by configuration.
    InFlightIsBounded,
    /// A command id reaches at most one terminal outcome.
    OneOutcome,
    /// A queue message is acknowledged only after its outcome is durable.
    AcknowledgedWhenDurable,
}

impl Invariant {
    /// All that are checked.
    pub const ALL: [Self; 6] = [
        Self::CursorNeedsProof,
        Self::GenerationIncreases,
        Self::SlotFiresOnce,
        Self::InFlightIsBounded,
        Self::OneOutcome,
        Self::AcknowledgedWhenDurable,
    ];

    /// Makes the series of all of them known, before any is broken.
    pub fn register() {
        Self::ALL.into_iter().for_each(|invariant| metrics::invariant_exists(invariant.name()));
    }

    fn name(self) -> &'static str {
        match self {
            Self::CursorNeedsProof => "cursor_needs_proof",
            Self::GenerationIncreases => "generation_increases",
            Self::InFlightIsBounded => "in_flight_is_bounded",
            Self::OneOutcome => "one_outcome",
            Self::AcknowledgedWhenDurable => "acknowledged_when_durable",
            Self::SlotFiresOnce => "slot_fires_once",
        }
    }

    /// Says whether the invariant holds, and makes it known if not.
    #[track_caller]
    pub fn check(self, holds: bool) -> bool {
        if !holds {
            metrics::invariant_violated(self.name());
            tracing::error!(
                invariant = self.name(),
                "an invariant does not hold: this is a bug, please report it"
            );
            debug_assert!(holds, "invariant {} does not hold", self.name());
        }
        holds
    }
}
