//! Okta's System Log as data: events, filters and formats.
//!
//! Pure: no I/O, no clock, no task.
//!
//! * [`event`]: a borrowed view of the bytes that Okta sent, identity, redaction.
//! * [`scim`]: the filters that the System Log takes, checked before they are sent.
//! * [`mod@format`]: events as OCSF, ECS, UDM, or as they are.
#![doc = include_str!("../README.md")]

pub mod event;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod scim;
