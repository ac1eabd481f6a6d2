//! The form of a row: what is true of an action beside its line in `crate::action`. Nothing in it has a default, so an action that leaves something out
//! does not compile. Decides nothing itself.

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Profile, names::Names};
use crate::command::{
    ActionFailure,
    execute::work::{Finished, Work},
};

/// What is true of an action whose parameters are `P`.
pub(super) struct Row<P> {
    /// The parameters whose values are secrets: they are shown nowhere, and no digest of them can be tried against a
    /// dictionary.
    pub(super) secrets: &'static [&'static str],
    /// Whom and what it names, whether they must exist, and whether others may be at work on them meanwhile.
    pub(super) names: for<'a> fn(&'a P) -> Result<Names<'a>, ActionFailure>,
    /// The names that it gives to somebody or something.
    pub(super) renames: for<'a> fn(&'a P) -> Option<NewName<'a>>,
    /// How many changes it asks for.
    pub(super) changes: fn(&P) -> Changes,
    /// Looks, acts if that is needed, and looks again if it is in doubt what came of it.
    pub(super) carry_out: CarryOut<P>,
}

/// Carries a request with the parameters `P` out.
pub(super) type CarryOut<P> =
    for<'w, 'o> fn(&'w mut Work<'o>, &'w P) -> BoxFuture<'w, Result<Finished, ActionFailure>>;

/// How many changes a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// So many, whatever is found at Okta.
    Fixed(usize),
    /// It gives something to, or takes it from, all members of so many groups: those that it names.
    MembersOf(usize),
}

/// The names that a request gives to a user, who may be new, or to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewName<'a> {
    /// What of a user's profile is set: the login and the e-mail name them.
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
