//! The command side: requests read from a queue, carried out at Okta, each to one outcome.
//!
//! intake → decode → policy → journal → execute → outcome → acknowledge. What a command may ask for is the table in
//! `actions`; every other file looks there.

mod actions;
mod answered;
pub mod audit;
mod brought;
mod cut;
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
mod performed;
pub mod policy;
pub mod publisher;
pub mod record;
mod subjects;

pub use crate::action::{Action, AddressPattern, AddressTemplate, Effect, IpRange, Status};
pub use actions::{Changes, Having, NewName, Profile, Request, UserReference};
pub use answered::{Answered, QueuePlace};
pub use brought::Brought;
pub use cut::Cut;
pub use expect::Expect;
pub use local_user::LocalUser;
pub use outcome::{Outcome, OutcomeError};
pub use performed::{Failed, Performed, Revealed, Way};
pub use subjects::{GroupSubject, Subjects, UserSubject, ZoneSubject};
