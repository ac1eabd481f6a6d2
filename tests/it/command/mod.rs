//! What commands do at Okta, how they arrive and where outcomes go, on real buses.

mod actions;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod intake;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod outlet;
