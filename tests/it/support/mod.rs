//! What the tests stand on: a simulated org, the daemon, real brokers, synthetic events, and waiting for conditions
//! instead of for time.

pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod daemon;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod judges;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "nats")]
pub(crate) mod nats_cluster;
pub(crate) mod okta;
#[cfg(feature = "nats")]
pub(crate) mod proxy;
pub(crate) mod slow_line;
pub(crate) mod socks;
pub(crate) mod tls;
pub(crate) mod tools;
