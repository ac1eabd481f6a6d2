//! What can go wrong with a sink as a whole, classified once.

/// A sink that cannot take messages just now. What is wrong with a single message is a rejection instead.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The bus does not answer, or lost the connection.
    #[error("{sink}: cannot reach the bus: {reason}")]
    Unreachable {
        /// The sink's name.
        sink: String,
        /// What the client said.
        reason: String,
    },
    /// The bus refuses us: wrong credentials or no permission.
    #[error("{sink}: refused by the bus: {reason}")]
    Refused {
        /// The sink's name.
        sink: String,
        /// What the bus said, and what to change.
        reason: String,
    },
    /// The topic or stream is missing or does not fit, or an option is wrong.
    #[error("{sink}: {reason}")]
    Misconfigured {
        /// The sink's name.
        sink: String,
        /// What is wrong, and what to change.
        reason: String,
    },
    /// The client's state is beyond repair and must be built anew.
    #[error("{sink}: the bus's client must be rebuilt: {reason}")]
    Poisoned {
        /// The sink's name.
        sink: String,
        /// What the client said.
        reason: String,
    },
    /// The disk is full, gone or read-only.
    #[error("{sink}: {action}")]
    Io {
        /// The sink's name.
        sink: String,
        /// What was being done to which file.
        action: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// This binary has no such sink.
    #[error(
        "{sink}: this binary was built without {feature}: build it with `--features {feature}` or use another sink"
    )]
    NotBuilt {
        /// The sink's name.
        sink: String,
        /// The Cargo feature that is missing.
        feature: &'static str,
    },
}

/// What kind of attention a failure needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkClass {
    /// It may pass by itself.
    Transient,
    /// Somebody must change a permission or a credential.
    Authentication,
    /// Somebody must change a setting here or on the bus.
    Configuration,
}

impl SinkError {
    /// Which kind of attention it needs. All kinds are tried again with back-off, because the cure may come from the
    /// bus's side; the class decides how it is told.
    pub fn class(&self) -> SinkClass {
        match self {
            Self::Unreachable { .. } | Self::Poisoned { .. } | Self::Io { .. } => SinkClass::Transient,
            Self::Refused { .. } => SinkClass::Authentication,
            Self::Misconfigured { .. } | Self::NotBuilt { .. } => SinkClass::Configuration,
        }
    }
}
