//! The sinks against what they are made for: real brokers and real files.

mod arrived;
mod conformance;
mod file;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod judged;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod transactional;
