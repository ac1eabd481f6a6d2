//! How commands arrive and where outcomes go, on real buses.

#[cfg(any(feature = "kafka", feature = "nats"))]
mod intake;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod outlet;
