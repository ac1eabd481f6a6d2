//! The parameters and the executor of each action: one row an action, in one file a family.
//!
//! A new action is a row in the table of `crate::action`, which names its row with parameters and executor in a file here.
//! Nothing else distinguishes actions: a test counts the places. What all executors need is in `execute`.

mod app;
mod group;
mod group_look_up;
mod group_membership;
mod log;
mod names;
mod one_or_many;
mod role;
mod row;
mod user_consents;
mod user_create;
mod user_delete;
mod user_factors;
mod user_look_up;
mod user_password;
mod user_reference;
mod user_sessions;
mod user_status;
mod user_update;
mod user_upsert;
mod zone;

use futures_util::future::BoxFuture;
use okta_client::Scope;
use serde_json::Value;

pub(in crate::command) use self::names::{GroupName, Hold, Names, Presence, UserName, named_shortly};
pub use self::row::{Changes, NewName};
pub use self::user_reference::{UserAttribute, UserReference};
use super::{
    Action, ActionFailure,
    execute::work::{Finished, Work},
};
use crate::action::with_actions;

/// Attributes as Okta names them, passed through: custom ones too.
pub type Profile = serde_json::Map<String, Value>;

macro_rules! actions {
    ($(
        #[doc = $about:literal]
        $variant:ident {
            name: $name:literal, effect: $effect:ident, scope: $scope:ident, finds: $finds:tt, lists: $lists:literal,
            row: $family:ident::$row:ident($parameters:ident)
        }
    )+) => {
        /// A request with its parameters.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each is an action with its parameters")]
        pub enum Request { $($variant($family::$parameters),)+ }

        impl Action {
            /// The parameters whose values are secrets.
            pub fn secrets(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $family::$row.secrets,)+ }
            }

            /// The JSON Schema of its parameters.
            pub fn parameters_schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self { $(Self::$variant => $family::$row.parameters_schema(generator),)+ }
            }
        }

        impl Request {
            /// Reads the parameters of `action`; the error names the wrong one and the reason.
            pub fn read(action: Action, parameters: Value) -> Result<Self, String> {
                match action { $(Action::$variant => $family::$row.read(parameters).map(Self::$variant),)+ }
            }

            /// The action.
            pub fn action(&self) -> Action {
                match self { $(Self::$variant(_) => Action::$variant,)+ }
            }

            /// The objects that it names. Fails if a name is invalid or too long.
            pub(in crate::command) fn names(&self) -> Result<Names<'_>, ActionFailure> {
                let names = match self { $(Self::$variant(of) => ($family::$row.names)(of),)+ };
                names.and_then(Names::of_possible_lengths)?.giving(self.renames())
            }

            /// The new name that it gives to a user or group, if any.
            pub fn renames(&self) -> Option<NewName<'_>> {
                match self { $(Self::$variant(of) => ($family::$row.renames)(of),)+ }
            }

            /// The number of changes.
            pub fn changes(&self) -> Changes {
                match self { $(Self::$variant(of) => ($family::$row.changes)(of),)+ }
            }

            /// Executes it: reads, changes if needed, and reads again if the result is in doubt.
            pub(in crate::command) fn carry_out<'w>(
                &'w self,
                work: &'w mut Work<'_>,
            ) -> BoxFuture<'w, Result<Finished, ActionFailure>> {
                match self { $(Self::$variant(of) => ($family::$row.carry_out)(work, of),)+ }
            }
        }
    };
}

with_actions!(actions);

impl Action {
    /// The action whose rights our own look-up of a user needs.
    pub(in crate::command) const OWN_LOOK_FOR_A_USER: Self = Self::UserGet;
    /// The action whose rights our own look-up of a group needs.
    pub(in crate::command) const OWN_LOOK_FOR_A_GROUP: Self = Self::GroupGet;
    /// The action whose rights our own look-up of a group's members needs.
    pub(in crate::command) const OWN_LOOK_AT_MEMBERS: Self = Self::GroupMembers;

    /// The action whose rights our own look-up of an app needs.
    pub(in crate::command) const OWN_LOOK_FOR_AN_APP: Self = Self::AppAssignUser;

    /// Whether it reads the System Log, which has a small rate limit of its own.
    pub fn reads_log(self) -> bool {
        self.scope() == Scope::LogsRead
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
