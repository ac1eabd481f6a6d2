//! Dead letters that are kept, for operators: found, delivered again or dropped, by the daemon or by a command.
//!
//! `letter.rs` reads one, `shelf.rs` finds and drops them, `retry.rs` delivers them once more to the sink of their route,
//! a chunk at a time (`sending.rs`). Decides
//! nothing about what becomes a dead letter, and removes none but those that are named or too old.

mod letter;
mod retry;
mod sending;
mod shelf;

pub use crate::sink::LetterId;
pub use letter::{KeptLetter, LetterKind, LetterOwner};
pub use retry::{LetterResult, LetterRetries, LetterRetry};
pub use shelf::{
    DroppedLetters, FoundLetters, LetterFilter, LettersError, drop_letters, expire_letters, find_letters,
};
