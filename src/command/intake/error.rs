//! What can go wrong with an intake as a whole, classified once.

use crate::{
    bus::{BusClass, BusError},
    telemetry::chain,
};

/// No commands can be read just now.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(BusError),
    /// This binary has no such bus.
    #[error("{intake}: this binary was built without {feature}: build it with `--features {feature}`")]
    NotBuilt {
        /// The name of the commands.
        intake: String,
        /// The Cargo feature that is missing.
        feature: &'static str,
    },
}

impl IntakeError {
    /// Which kind of attention it needs. All kinds are tried again with back-off.
    pub fn class(&self) -> BusClass {
        match self {
            Self::Bus(err) => err.class(),
            Self::NotBuilt { .. } => BusClass::Configuration,
        }
    }
}

/// An intake replaces its client by itself, so what makes it do so is told as a bus that cannot be reached.
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
