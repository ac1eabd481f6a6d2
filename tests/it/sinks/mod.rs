//! The sinks against what they are made for: real brokers and real files.

mod arrived;
mod conformance;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
