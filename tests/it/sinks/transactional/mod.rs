//! The sinks that commit messages and checkpoint at a stroke, on real buses.

#[cfg(feature = "nats")]
mod nats;
