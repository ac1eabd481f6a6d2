//! The errors of a connection to a bus, with their classes.

/// A bus cannot be used at present. Errors of a single message are not among these.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus does not answer, or lost the connection.
    #[error("{name}: cannot reach the bus: {reason}")]
    Unreachable {
        /// The name of the sink or of the commands that use the bus.
        name: String,
        /// What the client said.
        reason: String,
    },
    /// The bus refuses us: wrong credentials or no permission.
    #[error("{name}: refused by the bus: {reason}")]
    Refused {
        /// The name of the sink or of the commands that use the bus.
        name: String,
        /// What the bus said, and what to change.
        reason: String,
    },
    /// The topic, stream or consumer is missing or does not fit, or an option is wrong.
    #[error("{name}: {reason}")]
    Misconfigured {
        /// The name of the sink or of the commands that use the bus.
        name: String,
        /// What is wrong, and what to change.
        reason: String,
    },
    /// The client's state is beyond repair and must be built anew.
    #[error("{name}: the bus's client must be rebuilt: {reason}")]
    Poisoned {
        /// The name of the sink or of the commands that use the bus.
        name: String,
        /// What the client said.
        reason: String,
    },
    /// The operating system gives the client no thread.
    #[error("{name}: {action}")]
    Io {
        /// The name of the sink or of the commands that use the bus.
        name: String,
        /// What was being done.
        action: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// What a failure of a bus needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusClass {
    /// Transient: a retry may succeed.
    Transient,
    /// An operator must change a permission or a credential.
    Authentication,
    /// An operator must change a setting here or on the bus.
    Configuration,
}

impl BusError {
    /// Which kind of attention it needs. All kinds are tried again with back-off, because the remedy may come from the
    /// bus's side; the class decides how the error is reported.
    pub fn class(&self) -> BusClass {
        match self {
            Self::Unreachable { .. } | Self::Poisoned { .. } | Self::Io { .. } => BusClass::Transient,
            Self::Refused { .. } => BusClass::Authentication,
            Self::Misconfigured { .. } => BusClass::Configuration,
        }
    }
}
