//! Whose a file in the directory of a file sink is: what its name begins with.

use std::fmt;

/// What the names of all files of one owner begin with. Two owners never share one in a directory: the name of a file
/// alone must identify its owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileStem(String);

impl FileStem {
    /// Of the files of `route`. Names of routes have no dot, so no two routes share a stem.
    pub(crate) fn of_route(route: &str) -> Self {
        Self(route.replace('/', "."))
    }

    /// Of the outcomes of `commands`.
    pub(crate) fn of_outcomes(commands: &str) -> Self {
        Self(format!("commands.{commands}.outcomes"))
    }

    /// Of the audit of `commands`, where that goes to a sink.
    pub(crate) fn of_audit(commands: &str) -> Self {
        Self(format!("commands.{commands}.audit"))
    }

    /// Of the dead letters of `commands`, which have a directory of their own with those of routes.
    pub(crate) fn of_dead_letters(commands: &str) -> Self {
        Self(format!("commands.{commands}"))
    }

    /// Whether a file of this name is the owner's, or may become so: a number follows the stem.
    pub(crate) fn has(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.0).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    }

    /// The stem, as it is in names.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileStem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
