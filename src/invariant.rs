//! What must hold whatever happens, by name. Checked where it can break: a panic in tests, a metric and an error in
//! production.

use strum::VariantArray as _;

use crate::telemetry::metrics;

/// The invariants that are checked in code; `docs/architecture.md` lists them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
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
    /// Makes the series of all of them known, before any is broken.
    pub fn register() {
        Self::VARIANTS.iter().for_each(|invariant| metrics::invariant_exists(invariant.name()));
    }

    fn name(self) -> &'static str {
        self.into()
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
