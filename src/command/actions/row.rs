//! The form of a row: the facts of an action beside its line in `crate::action`. Nothing has a default, so an
//! incomplete action does not compile. Decides nothing itself.

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Profile, names::Names};
use crate::command::{
    ActionFailure,
    execute::work::{Finished, Work},
};

/// The facts of an action whose parameters are `P`.
pub(super) struct Row<P> {
    /// The secret parameters: never shown, and digested only with a key.
    pub(super) secrets: &'static [&'static str],
    /// The objects that it names, whether they must exist, and whether other commands may touch them at the same time.
    pub(super) names: for<'a> fn(&'a P) -> Result<Names<'a>, ActionFailure>,
    /// The new name that it gives to a user or group, if any.
    pub(super) renames: for<'a> fn(&'a P) -> Option<NewName<'a>>,
    /// The number of changes.
    pub(super) changes: fn(&P) -> Changes,
    /// Reads, changes if needed, and reads again if the result is in doubt.
    pub(super) carry_out: CarryOut<P>,
}

/// Executes a request with the parameters `P`.
pub(super) type CarryOut<P> =
    for<'w, 'o> fn(&'w mut Work<'o>, &'w P) -> BoxFuture<'w, Result<Finished, ActionFailure>>;

/// The number of changes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// A fixed number, independent of Okta's data.
    Fixed(usize),
    /// A change for all members of the given number of named groups.
    MembersOf(usize),
}

/// The new names of a user, who may be new, or of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewName<'a> {
    /// The attributes of a user's profile: its login and e-mail are names.
    User(&'a Profile),
    /// A group's name.
    Group(&'a str),
}

impl<'a> NewName<'a> {
    /// The logins that a user gets: one at most, unless the attribute is spelt in several ways.
    pub fn logins(self) -> impl Iterator<Item = &'a str> {
        self.texts("login")
    }

    /// The e-mails that a user gets, likewise.
    pub fn emails(self) -> impl Iterator<Item = &'a str> {
        self.texts("email")
    }

    /// The texts of an attribute, in whatever case it is spelt: who is protected must not depend on whether Okta minds.
    fn texts(self, attribute: &'static str) -> impl Iterator<Item = &'a str> {
        let profile = match self {
            Self::User(profile) => Some(profile),
            Self::Group(_) => None,
        };
        let named =
            profile.into_iter().flatten().filter(move |(name, _)| name.eq_ignore_ascii_case(attribute));
        named.filter_map(|(_, value)| value.as_str())
    }
}

impl Changes {
    /// What can be counted without a look at Okta: what a list may be long.
    pub fn named(self) -> usize {
        match self {
            Self::Fixed(count) | Self::MembersOf(count) => count,
        }
    }

    /// What limits count, if the groups have so many members: a group, and each of its members.
    pub fn with_members(self, members: usize) -> usize {
        match self {
            Self::Fixed(count) => count,
            Self::MembersOf(groups) => groups.saturating_add(members),
        }
    }
}

impl<P: DeserializeOwned + schemars::JsonSchema> Row<P> {
    /// Reads the parameters; the error says which one is wrong and how.
    pub(super) fn read(&self, parameters: Value) -> Result<P, String> {
        serde_path_to_error::deserialize(parameters).map_err(|err| match err.path().to_string().as_str() {
            "." => err.inner().to_string(),
            path => format!("{path}: {}", err.inner()),
        })
    }

    /// The JSON Schema of the parameters.
    pub(super) fn parameters_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<P>()
    }
}
