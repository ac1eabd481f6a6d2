//! The command side: requests read from a queue, carried out at Okta, each to one outcome.
//!
//! intake → decode → policy → journal → execute → outcome → acknowledge. What a command may ask for is the table in
//! `actions`; every other file looks there.

mod actions;
mod address;
mod answered;
pub mod audit;
mod brought;
mod cut;
pub mod dead_letters;
#[cfg(test)]
mod documented;
mod embedded;
pub mod engine;
pub mod execute;
mod expect;
pub mod intake;
mod ip_range;
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

pub use actions::{Action, Changes, Effect, Having, NewName, Profile, Request, UserReference};
pub use address::{AddressError, AddressPattern, AddressTemplate, AddressUse};
pub use answered::{Answered, QueuePlace};
pub use brought::Brought;
pub use cut::Cut;
pub use expect::Expect;
pub use ip_range::IpRange;
pub use local_user::LocalUser;
pub use outcome::{Outcome, OutcomeError, Status};
pub use performed::{Failed, Performed, Revealed, Way};
pub use subjects::{GroupSubject, Subjects, UserSubject, ZoneSubject};
