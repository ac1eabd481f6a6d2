//! Commands: requests that are read from a queue, executed at Okta, and answered with one outcome each.
//!
//! intake → decode → policy → journal → execute → outcome → acknowledge. The actions are in the table in `actions`; all
//! other files read it.

mod action_result;
mod actions;
mod answered_messages;
pub mod audit;
pub mod dead_letters;
#[cfg(test)]
mod documented;
pub mod engine;
pub mod execute;
mod expect;
pub mod intake;
mod local_user;
pub mod message;
mod message_id;
mod milliseconds;
mod object_only;
mod outcome;
mod outcome_value;
pub mod policy;
pub mod publisher;
pub mod record;
mod subjects;
mod trim;

pub use crate::action::{Action, AddressPattern, AddressTemplate, Effect, IpRange, Status};
pub use action_result::{ActionFailure, ActionSuccess, RevealedSecret, SuccessKind};
pub use actions::{Changes, NewName, Profile, Request, UserAttribute, UserReference};
pub use answered_messages::{AnsweredMessages, QueuePlace};
pub use expect::Expect;
pub use local_user::LocalUser;
pub use outcome::{Outcome, OutcomeError};
pub use outcome_value::OutcomeValue;
pub use subjects::{GroupSubject, Subjects, UserSubject, ZoneSubject};
pub use trim::TrimLevel;
