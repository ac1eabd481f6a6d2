//! The table of all actions: name, parameters, the scope that Okta demands, and what the action does to Okta.
//!
//! A new action is one row here, one struct in `parameters` and one function in `execute`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::parameters as of;
use crate::config::Scope;

/// What an action does to Okta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Read,
    /// It changes what can be changed back.
    Write,
    /// It takes away what cannot be given back as it was.
    Destroy,
}

macro_rules! actions {
    ($($variant:ident $name:literal $parameters:ident $scope:ident $effect:ident $about:literal;)+) => {
        /// The name of what a command asks for. The names are an interface: they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names say it, and `about` says more")]
        pub enum Action { $($variant,)+ }

        /// What a command asks for, with its parameters.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each is an action with its parameters")]
        pub enum Request { $($variant(of::$parameters),)+ }

        impl Action {
            /// All actions, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The action of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its name, for example `user.deactivate`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The scope that a service app needs for it.
            pub fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)+ }
            }

            /// What it does to Okta.
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }

            /// What it is for, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)+ }
            }

            /// The JSON Schema of its parameters.
            pub fn parameters_schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self { $(Self::$variant => generator.subschema_for::<of::$parameters>(),)+ }
            }
        }

        impl Request {
            /// Reads the parameters of `action`; the error says which one is wrong and how.
            pub fn read(action: Action, parameters: Value) -> Result<Self, String> {
                match action { $(Action::$variant => typed(parameters).map(Self::$variant),)+ }
            }

            /// The action.
            pub fn action(&self) -> Action {
                match self { $(Self::$variant(_) => Action::$variant,)+ }
            }
        }
    };
}

actions! {
    UserCreate "user.create" CreateUser UsersManage Write "Create a user, active or staged.";
    UserActivate "user.activate" ActivateUser UsersManage Write "Activate a staged or deprovisioned user.";
    UserReactivate "user.reactivate" ReactivateUser UsersManage Write "Send the activation of a user who has not completed it once more.";
    UserUpdate "user.update" UpdateUser UsersManage Write "Set the given attributes of a user's profile, and leave the others.";
    UserSuspend "user.suspend" OneUser UsersManage Write "Suspend an active user.";
    UserUnsuspend "user.unsuspend" OneUser UsersManage Write "Let a suspended user be active again.";
    UserUnlock "user.unlock" OneUser UsersManage Write "Unlock a user who is locked out.";
    UserDeactivate "user.deactivate" DeactivateUser UsersManage Destroy "Deprovision a user: apps and their content may be lost.";
    UserDelete "user.delete" DeleteUser UsersManage Destroy "Delete a deprovisioned user for ever.";
    UserExpirePassword "user.expire_password" ExpirePassword UsersManage Write "Make a user choose a new password at the next sign-in.";
    UserResetPassword "user.reset_password" ResetPassword UsersManage Write "Take the password away and let the user set one by a link.";
    UserForgotPassword "user.forgot_password" ForgotPassword UsersManage Write "Begin the recovery of an active user's password.";
    UserSetPassword "user.set_password" SetPassword UsersManage Write "Set a user's password.";
    UserClearSessions "user.clear_sessions" ClearSessions UsersManage Write "End a user's sessions, and tokens if asked.";
    UserFactors "user.factors" OneUser UsersRead Read "List a user's enrolled factors.";
    UserResetFactor "user.reset_factor" ResetFactor UsersManage Write "Remove one enrolled factor.";
    UserResetFactors "user.reset_factors" OneUser UsersManage Write "Remove all enrolled factors.";
    UserGet "user.get" OneUser UsersRead Read "Get a user.";
    UserSearch "user.search" SearchUsers UsersRead Read "Find users by a search, a filter or words.";
    UserGroups "user.groups" UserList UsersRead Read "List a user's groups.";
    UserApps "user.apps" UserList UsersRead Read "List the apps that a user sees.";
    GroupGet "group.get" OneGroup GroupsRead Read "Get a group.";
    GroupFind "group.find" FindGroups GroupsRead Read "Find groups whose names begin so.";
    GroupMembers "group.members" GroupList GroupsRead Read "List a group's members.";
    LogByUser "log.by_user" LogByUser LogsRead Read "Recent events by or about a user.";
    LogByIp "log.by_ip" LogByIp LogsRead Read "Recent events from an address.";
    LogSearch "log.search" LogSearch LogsRead Read "Search the System Log.";
    GroupAddUser "group.add_user" Membership GroupsManage Write "Add users to groups.";
    GroupRemoveUser "group.remove_user" Membership GroupsManage Write "Remove users from groups.";
    GroupCreate "group.create" CreateGroup GroupsManage Write "Create a group.";
    GroupUpdate "group.update" UpdateGroup GroupsManage Write "Rename a group or change its profile.";
    GroupDelete "group.delete" OneGroup GroupsManage Destroy "Delete a group.";
    AppAssignUser "app.assign_user" AssignUser AppsManage Write "Assign an app to users.";
    AppUnassignUser "app.unassign_user" AppUsers AppsManage Destroy "Take an app away from users.";
    AppAssignGroup "app.assign_group" AppGroups AppsManage Write "Assign an app to groups.";
    AppUnassignGroup "app.unassign_group" AppGroups AppsManage Destroy "Take an app away from groups.";
}

impl Request {
    /// The login that it gives to a user who exists.
    pub fn new_login(&self) -> Option<&str> {
        let Self::UserUpdate(of) = self else { return None };
        of.profile.get("login").and_then(Value::as_str)
    }

    /// The name that it gives to a group that exists.
    pub fn new_group_name(&self) -> Option<&str> {
        let Self::GroupUpdate(of) = self else { return None };
        of.name.as_deref().or_else(|| of.profile.get("name").and_then(Value::as_str))
    }
}

fn typed<T: DeserializeOwned>(parameters: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(parameters).map_err(|err| match err.path().to_string().as_str() {
        "." => err.inner().to_string(),
        path => format!("{path}: {}", err.inner()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_action_is_found_by_its_name() {
        assert_eq!(Action::ALL.len(), 36);
        for action in Action::ALL {
            assert_eq!(Action::named(action.name()), Some(*action));
        }
    }

    #[test]
    fn parameters_are_read_and_unknown_ones_refused() {
        let request = Request::read(Action::UserDeactivate, json!({ "user": "ada@acme.com" })).unwrap();
        assert_eq!(request.action(), Action::UserDeactivate);
        for (parameters, reason) in [
            (json!({}), "missing field `user`"),
            (json!({ "user": 5 }), "user: invalid type"),
            (json!({ "user": "a", "sendEmail": true }), "unknown field `sendEmail`"),
        ] {
            let err = Request::read(Action::UserDeactivate, parameters).unwrap_err();
            assert!(err.contains(reason), "{err}");
        }
    }
}
