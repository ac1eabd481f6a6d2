//! The failures of an intake as a whole, with their class.

use crate::{
    bus::{BusClass, BusError},
    telemetry::chain,
};

/// No commands can be read.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(BusError),
    /// This binary lacks the bus.
    #[error("{intake}: this binary was built without {feature}: build it with `--features {feature}`")]
    NotBuilt {
        /// The name of the section.
        intake: String,
        /// The Cargo feature that is missing.
        feature: &'static str,
    },
}

impl IntakeError {
    /// The class of the failure. All classes are retried with back-off.
    pub fn class(&self) -> BusClass {
        match self {
            Self::Bus(err) => err.class(),
            Self::NotBuilt { .. } => BusClass::Configuration,
        }
    }
}

/// An intake replaces its client by itself, so the cause is reported as an unreachable bus.
impl From<BusError> for IntakeError {
    fn from(error: BusError) -> Self {
        Self::Bus(match error {
            BusError::Poisoned { name, reason } => BusError::Unreachable { name, reason },
            BusError::Io { name, action, source } => {
                BusError::Unreachable { name, reason: format!("{action}: {}", chain(&source)) }
            }
            error @ (BusError::Unreachable { .. }
            | BusError::Refused { .. }
            | BusError::Misconfigured { .. }) => error,
        })
    }
}
