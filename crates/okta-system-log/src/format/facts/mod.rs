//! Facts that Okta writes in several forms and places: how risky a sign-on was, which behaviours were unusual, and more.
//!
//! One file a fact. A fact is read from a [`LogEvent`](super::log_event::LogEvent) without taking any member, knows no
//! format, and keeps the words that it could not read, so that no format takes what is unread for harmless.

mod assessment;
mod behaviors;
mod level;
mod notation;
mod risk;

pub(super) use assessment::Assessment;
pub(super) use level::Level;
