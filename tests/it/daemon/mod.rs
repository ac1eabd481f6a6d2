//! The real daemon against a simulated org: what a user relies on, seen from outside.

mod check;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod check_commands;
mod commands;
mod configuration;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod crash;
mod delivery;
mod demo;
mod faults;
mod https;
mod isolation;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod redaction;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod schema;
mod shutdown;

use crate::support::daemon::TO_FILES;
