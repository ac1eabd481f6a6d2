//! Why something is not published, and what cures it.

use crate::{
    bus::BusError,
    sink::{SinkClass, SinkError},
};

/// Something is not published, as far as we know.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The bus, the file or the terminal takes nothing just now.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It is larger than the bus takes.
    #[error("{sink}: {bytes} bytes with headers are more than the bus takes: {reason}")]
    TooLarge {
        /// The name of the sink.
        sink: String,
        /// What it has.
        bytes: usize,
        /// What the bus takes at most of a payload, if it says so.
        payload_bytes_max: Option<usize>,
        /// What the bus or its client said.
        reason: String,
    },
    /// Nothing can be published there, however often it is tried.
    #[error("{sink}: cannot publish to `{address}`: {reason}")]
    Address {
        /// The name of the sink.
        sink: String,
        /// Where it should have gone.
        address: String,
        /// What is wrong with that.
        reason: String,
    },
}

/// What cures a failed publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishCure {
    /// Time, or somebody who changes something: try again.
    Retry,
    /// A smaller publication.
    Smaller,
    /// Another address.
    Elsewhere,
}

impl From<BusError> for PublishError {
    fn from(error: BusError) -> Self {
        Self::Sink(error.into())
    }
}

impl PublishError {
    /// Whether it stays until somebody changes a setting or a permission, of the bus or of the address alone.
    pub fn needs_somebody(&self) -> bool {
        matches!(self, Self::Sink(err) if err.class() != SinkClass::Transient)
    }

    /// What cures it.
    pub fn cure(&self) -> PublishCure {
        match self {
            Self::Sink(_) => PublishCure::Retry,
            Self::TooLarge { .. } => PublishCure::Smaller,
            Self::Address { .. } => PublishCure::Elsewhere,
        }
    }
}
