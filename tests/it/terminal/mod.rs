//! What people see and do at a terminal: dead letters, how the daemon stands, configurations, a first run.

mod configuration;
#[cfg(feature = "nats")]
mod dead_letters;
mod first_run;
mod live;
