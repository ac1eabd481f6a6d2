//! What commands do at Okta, how they arrive, where outcomes go, and what the daemon makes of them, on real buses.

mod actions;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod engine;
#[cfg(any(feature = "kafka", feature = "nats"))]
mod intake;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod pages;
pub(crate) mod publisher;
mod taken_back;
