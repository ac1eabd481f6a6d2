//! The real daemon against a simulated org: what a user relies on, seen from outside.

mod archive;
mod backlog;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod bytes;
#[cfg(feature = "nats")]
mod catching_up;
mod check;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod check_commands;
mod commands;
mod configuration;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod crash;
mod delivery;
mod demo;
#[cfg(feature = "nats")]
mod distance;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod exactly_once;
mod faults;
mod https;
mod isolation;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_bus;
mod links;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod long_outage;
mod manners;
#[cfg(feature = "nats")]
mod metrics;
mod mistakes;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod outage;
mod proxies;
#[cfg(feature = "nats")]
mod redaction;
mod retention;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod schema;
mod service;
mod shutdown;
mod status_page;
mod throttling;
#[cfg(all(feature = "nats", feature = "otlp"))]
mod traces;

use crate::support::daemon::TO_FILES;
