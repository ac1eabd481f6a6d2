//! Connections to Kafka and NATS: credentials, TLS, what their errors mean, how a message is written on each, and what a bus
//! answers to one. Sinks and commands stand above it, side by side.
//!
//! Knows the configuration and the attributes of messages, and neither events, batches, commands nor cursors.

mod error;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
#[cfg(feature = "nats")]
pub(crate) mod nats;

pub use error::{BusClass, BusError};

use crate::config::BusConfig;

/// One thing that a check found, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether an operator should change something, or all is well.
    pub is_warning: bool,
    /// What was found, and what to change.
    pub text: String,
}

/// Checks whether the client of `bus` accepts its options. Does not connect.
pub fn check_options(bus: &BusConfig) -> Result<(), BusError> {
    match bus {
        #[cfg(feature = "kafka")]
        BusConfig::Kafka(bus) => kafka::check_options(bus),
        _ => Ok(()),
    }
}
