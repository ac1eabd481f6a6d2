//! How a state is opened, in the words of those who open it.

use super::{Contents, Cursor, FreshNote};

/// How to open a state.
#[derive(Debug, Clone)]
pub enum Opening {
    /// Only if it is what was acknowledged last; a new one where nothing was ever kept.
    Trusted,
    /// Only if it is there and what was acknowledged last.
    Existing,
    /// One that is not trusted: in the way that somebody has chosen, and with these notes in it from the start.
    Recovered {
        /// What is taken up.
        from: RecoverFrom,
        /// The notes.
        notes: Vec<FreshNote>,
    },
    /// With these contents, whatever is there.
    With(Contents),
    /// Like [`Opening::Existing`], written anew without what it no longer needs.
    Compacted,
}

/// What is taken up of a state that is not trusted.
#[derive(Debug, Clone)]
pub enum RecoverFrom {
    /// The cursors in the witness.
    Witness,
    /// The store as it is.
    Store,
    /// These cursors, by route, and no others.
    Cursors(Vec<(String, Cursor)>),
}
