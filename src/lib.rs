//! oktabus carries an Okta org's System Log onto message buses without losing an event.
//!
//! The map of the rooms, and what must hold in each, is in `docs/architecture.md`. Imports point down this list:
//! `cli` and `app` know everything, `telemetry` knows nothing above it. Below them all are the crates of the workspace.

pub mod action;
pub mod admin;
pub mod app;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod dead_letters;
pub mod doorbell;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod halt;
pub mod invariant;
pub mod live;
pub mod message;
pub mod operations;
pub mod overview;
pub mod permissions;
mod random;
mod remedy;
pub mod replay;
pub mod retry;
pub mod route;
pub mod schedule;
pub mod search;
mod serving;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod source;
pub mod state;
pub mod systemd;
pub mod telemetry;
pub mod version;
