//! Why a publication failed, and what cures it.

use crate::{
    bus::BusError,
    sink::{SinkClass, SinkError},
};

/// A publication failed, as far as known.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The bus, the file or the terminal does not accept it now.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It is larger than the bus accepts.
    #[error("{sink}: {bytes} bytes with headers are more than the bus takes: {reason}")]
    TooLarge {
        /// The name of the sink.
        sink: String,
        /// The size of the publication.
        bytes: usize,
        /// The largest payload that the bus accepts, if it says so.
        payload_bytes_max: Option<usize>,
        /// What the bus or its client said.
        reason: String,
    },
    /// Nothing can be published at the address.
    #[error("{sink}: cannot publish to `{address}`: {reason}")]
    Address {
        /// The name of the sink.
        sink: String,
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What cures a failed publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishCure {
    /// A retry, perhaps after an operator has changed something.
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
    /// Whether it lasts until somebody changes a setting or a permission, of the bus or of the address.
    pub fn needs_somebody(&self) -> bool {
        matches!(self, Self::Sink(err) if err.class() != SinkClass::Transient)
    }

    /// The cure.
    pub fn cure(&self) -> PublishCure {
        match self {
            Self::Sink(_) => PublishCure::Retry,
            Self::TooLarge { .. } => PublishCure::Smaller,
            Self::Address { .. } => PublishCure::Elsewhere,
        }
    }
}
