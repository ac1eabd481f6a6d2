//! What can go wrong with an intake as a whole, classified once.

use crate::{
    sink::{SinkClass, SinkError},
    telemetry::chain,
};

/// No commands can be read just now.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The bus does not answer, or lost the connection.
    #[error("{intake}: cannot reach the bus: {reason}")]
    Unreachable {
        /// The name of the commands.
        intake: String,
        /// What the client said.
        reason: String,
    },
    /// The bus refuses us: wrong credentials or no permission.
    #[error("{intake}: refused by the bus: {reason}")]
    Refused {
        /// The name of the commands.
        intake: String,
        /// What the bus said, and what to change.
        reason: String,
    },
    /// The topic, stream or consumer is missing or does not fit, or an option is wrong.
    #[error("{intake}: {reason}")]
    Misconfigured {
        /// The name of the commands.
        intake: String,
        /// What is wrong, and what to change.
        reason: String,
    },
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
    pub fn class(&self) -> SinkClass {
        match self {
            Self::Unreachable { .. } => SinkClass::Transient,
            Self::Refused { .. } => SinkClass::Authentication,
            Self::Misconfigured { .. } | Self::NotBuilt { .. } => SinkClass::Configuration,
        }
    }
}

/// Sinks and intakes share the clients of their buses, and what these complain of.
impl From<SinkError> for IntakeError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Unreachable { sink: intake, reason }
            | SinkError::Poisoned { sink: intake, reason } => Self::Unreachable { intake, reason },
            SinkError::Refused { sink: intake, reason } => Self::Refused { intake, reason },
            SinkError::Misconfigured { sink: intake, reason } => Self::Misconfigured { intake, reason },
            SinkError::Io { sink: intake, action, source } => {
                Self::Unreachable { intake, reason: format!("{action}: {}", chain(&source)) }
            }
            SinkError::NotBuilt { sink: intake, feature } => Self::NotBuilt { intake, feature },
        }
    }
}
