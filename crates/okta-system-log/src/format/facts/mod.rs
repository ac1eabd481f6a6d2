//! Facts that Okta writes in several forms and places: how risky a sign-on was, which behaviours were unusual, and more.
//!
//! One file a fact. A fact is read from a [`LogEvent`](super::log_event::LogEvent) without taking any member, knows no
//! format, and keeps the words that it could not read, so that no format takes what is unread for harmless.

mod address;
mod anonymizer;
mod assessment;
mod behaviors;
mod country;
mod device;
mod factor;
mod level;
mod moment;
pub(super) mod notation;
mod origin;
mod outcome;
mod protocol;
mod reported;
mod risk;
mod system;
mod threat;

pub(super) use address::Address;
pub(super) use anonymizer::anonymizers;
pub(super) use assessment::Assessment;
pub(super) use country::country_code;
pub(super) use device::{OS_VERSION, PLATFORM, peek_first, take_first};
pub(super) use factor::{Factor, Factors, Method, is_enrollment, is_for_something_else};
pub(super) use level::Level;
pub(super) use moment::{Moment, moment_text};
pub(super) use origin::ClientAddress;
pub(super) use outcome::{Outcome, Verdict, is_consequence, is_refusal};
pub(super) use protocol::Protocol;
pub(super) use reported::{reported_addresses, suspicious_address};
pub(super) use system::{System, apple_mobile_version};
pub(super) use threat::{SUSPECTED, Threat};
