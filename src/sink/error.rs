//! What can go wrong with a sink as a whole, classified once.

use crate::bus::{BusClass, BusError};

/// A sink that cannot take messages just now. What is wrong with a single message is a rejection instead.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Its bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
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
    /// It keeps no checkpoint.
    #[error("{sink}: it does not commit messages and checkpoint together: Kafka does, and JetStream")]
    NotTransactional {
        /// The sink's name.
        sink: String,
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
            Self::Bus(err) => err.class().into(),
            Self::Io { .. } => SinkClass::Transient,
            Self::NotTransactional { .. } | Self::NotBuilt { .. } => SinkClass::Configuration,
        }
    }
}

/// What keeps a sink from making progress, which its client retries by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Which kind of attention it needs.
    pub class: SinkClass,
    /// What is wrong, for people.
    pub reason: String,
}

impl Stall {
    /// One that may pass by itself.
    pub(crate) fn transient(reason: String) -> Self {
        Self { class: SinkClass::Transient, reason }
    }
}

impl From<&BusError> for Stall {
    fn from(err: &BusError) -> Self {
        Self { class: err.class().into(), reason: err.to_string() }
    }
}

impl From<BusClass> for SinkClass {
    fn from(class: BusClass) -> Self {
        match class {
            BusClass::Transient => Self::Transient,
            BusClass::Authentication => Self::Authentication,
            BusClass::Configuration => Self::Configuration,
        }
    }
}
