//! What a System Log event is: a borrowed view of Okta's bytes, its identity, and what is left of it after redaction.

pub mod catalogue;
mod events;
mod fields;
pub mod json;
mod missing;
pub(crate) mod named_values;
mod party;
mod pattern;
mod printable;
mod redaction;
mod repair;

pub use events::{Event, Events, EventsError};
pub use missing::{is_missing, says_nothing};
pub use party::name_of;
pub use pattern::Pattern;
pub use printable::{is_noncharacter, push_printable};
pub use redaction::{Action, Preset, Redaction, RuleError, Rules};
pub use repair::repaired;
