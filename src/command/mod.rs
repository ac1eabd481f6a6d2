//! The command side: requests read from a queue, carried out at Okta, each to one outcome.
//!
//! intake → decode → policy → journal → execute → outcome → acknowledge. What a command may ask for is the table in
//! `request`; every other file looks there.

mod address;
pub mod audit;
mod brought;
pub mod dead_letters;
#[cfg(test)]
mod documented;
pub mod engine;
pub mod execute;
mod expect;
pub mod intake;
pub mod journal;
mod local_user;
pub mod message;
mod message_id;
mod milliseconds;
mod object_only;
mod outcome;
pub mod outlet;
pub mod parameters;
mod performed;
pub mod policy;
mod request;
mod subjects;

pub use address::{AddressError, AddressPattern, AddressTemplate, AddressUse};
pub use brought::Brought;
pub use expect::Expect;
pub use local_user::LocalUser;
pub use outcome::{Outcome, OutcomeError, Status};
pub use performed::{Failed, Performed, Revealed, Way};
pub use request::{Action, Effect, Request};
pub use subjects::{GroupSubject, Subjects, UserSubject};
