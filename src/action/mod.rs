//! The words of commands that the configuration uses too: actions, statuses, addresses of outcomes, IP ranges. Pure.
//!
//! Stands below `config` and `command`, which both use it. Must not know requests, or how an action is carried out: that is
//! `command::actions`.

mod address;
mod embedded;
mod ip_range;
mod status;

pub use address::{AddressError, AddressPattern, AddressTemplate, AddressUse};
pub use ip_range::IpRange;
use okta_client::Scope;
pub use status::Status;

/// What an action does to Okta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Read,
    /// It changes what can be changed back.
    Write,
    /// It removes what cannot be restored as it was.
    Destroy,
    /// It gives or removes administrator rights, which allow everything else. Allowed only where the configuration names it.
    Empower,
}

/// The table of actions, a row for each: `with_actions!(expand)` gives it to the macro `expand`. What carries an action out,
/// `row`, is read by [`crate::command`] alone.
macro_rules! with_actions {
    ($expand:ident) => {
        $expand! {
            /// Create a user, active or staged.
            UserCreate { name: "user.create", effect: Write, scope: UsersManage, finds: [GroupsRead], lists: false,
                row: user_create::CREATE(CreateUser) }
            /// Activate a staged or deprovisioned user.
            UserActivate { name: "user.activate", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_status::ACTIVATE(ActivateUser) }
            /// Send the activation of a user who has not completed it once more.
            UserReactivate { name: "user.reactivate", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_status::REACTIVATE(ReactivateUser) }
            /// Set the given attributes of a user's profile, and leave the others.
            UserUpdate { name: "user.update", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_update::UPDATE(UpdateUser) }
            /// Create a user of this login, or set the given attributes of the one that there is.
            UserUpsert { name: "user.upsert", effect: Write, scope: UsersManage, finds: [GroupsRead], lists: false,
                row: user_upsert::UPSERT(UpsertUser) }
            /// Suspend an active user.
            UserSuspend { name: "user.suspend", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_status::SUSPEND(OneUser) }
            /// Let a suspended user be active again.
            UserUnsuspend { name: "user.unsuspend", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_status::UNSUSPEND(OneUser) }
            /// Unlock a user who is locked out.
            UserUnlock { name: "user.unlock", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_status::UNLOCK(OneUser) }
            /// Deprovision a user: apps and their content may be lost.
            UserDeactivate { name: "user.deactivate", effect: Destroy, scope: UsersManage, finds: [], lists: false,
                row: user_status::DEACTIVATE(DeactivateUser) }
            /// Delete a deprovisioned user for ever.
            UserDelete { name: "user.delete", effect: Destroy, scope: UsersManage, finds: [], lists: false,
                row: user_delete::DELETE(DeleteUser) }
            /// Make a user choose a new password at the next sign-in.
            UserExpirePassword { name: "user.expire_password", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_password::EXPIRE(ExpirePassword) }
            /// Take the password away and let the user set one by a link.
            UserResetPassword { name: "user.reset_password", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_password::RESET(ResetPassword) }
            /// Begin the recovery of an active user's password.
            UserForgotPassword { name: "user.forgot_password", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_password::FORGOT(ForgotPassword) }
            /// Set a user's password.
            UserSetPassword { name: "user.set_password", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_password::SET(SetPassword) }
            /// End a user's sessions, and tokens if asked.
            UserClearSessions { name: "user.clear_sessions", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_sessions::CLEAR(ClearSessions) }
            /// Revoke the refresh tokens that an app has of a user.
            UserRevokeAppTokens { name: "user.revoke_app_tokens", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_consents::REVOKE_APP_TOKENS(RevokeAppTokens) }
            /// Revoke what a user has granted to an app, or to all.
            UserRevokeGrants { name: "user.revoke_grants", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_consents::REVOKE_GRANTS(RevokeGrants) }
            /// List a user's enrolled factors.
            UserFactors { name: "user.factors", effect: Read, scope: UsersRead, finds: [], lists: false,
                row: user_factors::LIST(OneUser) }
            /// Remove one enrolled factor.
            UserResetFactor { name: "user.reset_factor", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_factors::RESET(ResetFactor) }
            /// Remove all enrolled factors.
            UserResetFactors { name: "user.reset_factors", effect: Write, scope: UsersManage, finds: [], lists: false,
                row: user_factors::RESET_ALL(OneUser) }
            /// Get a user.
            UserGet { name: "user.get", effect: Read, scope: UsersRead, finds: [], lists: false,
                row: user_look_up::GET(OneUser) }
            /// Find users by a search, a filter or words.
            UserSearch { name: "user.search", effect: Read, scope: UsersRead, finds: [], lists: false,
                row: user_look_up::SEARCH(SearchUsers) }
            /// List a user's groups.
            UserGroups { name: "user.groups", effect: Read, scope: UsersRead, finds: [], lists: false,
                row: user_look_up::GROUPS(UserList) }
            /// List the apps that a user sees.
            UserApps { name: "user.apps", effect: Read, scope: UsersRead, finds: [], lists: false,
                row: user_look_up::APPS(UserList) }
            /// Get a group.
            GroupGet { name: "group.get", effect: Read, scope: GroupsRead, finds: [], lists: false,
                row: group_look_up::GET(OneGroup) }
            /// Find groups whose names begin so.
            GroupFind { name: "group.find", effect: Read, scope: GroupsRead, finds: [], lists: false,
                row: group_look_up::FIND(FindGroups) }
            /// List a group's members.
            GroupMembers { name: "group.members", effect: Read, scope: GroupsRead, finds: [], lists: false,
                row: group_look_up::MEMBERS(GroupList) }
            /// Recent events by or about a user.
            LogByUser { name: "log.by_user", effect: Read, scope: LogsRead, finds: [UsersRead], lists: false,
                row: log::BY_USER(LogByUser) }
            /// Recent events from an address.
            LogByIp { name: "log.by_ip", effect: Read, scope: LogsRead, finds: [], lists: false,
                row: log::BY_IP(LogByIp) }
            /// Search the System Log.
            LogSearch { name: "log.search", effect: Read, scope: LogsRead, finds: [], lists: false,
                row: log::SEARCH(LogSearch) }
            /// Add users to groups.
            GroupAddUser { name: "group.add_user", effect: Write, scope: GroupsManage, finds: [UsersRead], lists: true,
                row: group_membership::ADD(Membership) }
            /// Remove users from groups.
            GroupRemoveUser { name: "group.remove_user", effect: Write, scope: GroupsManage, finds: [UsersRead], lists: true,
                row: group_membership::REMOVE(Membership) }
            /// Create a group.
            GroupCreate { name: "group.create", effect: Write, scope: GroupsManage, finds: [], lists: false,
                row: group::CREATE(CreateGroup) }
            /// Rename a group or change its profile.
            GroupUpdate { name: "group.update", effect: Write, scope: GroupsManage, finds: [], lists: false,
                row: group::UPDATE(UpdateGroup) }
            /// Delete a group.
            GroupDelete { name: "group.delete", effect: Destroy, scope: GroupsManage, finds: [], lists: false,
                row: group::DELETE(OneGroup) }
            /// Assign an app to users.
            AppAssignUser { name: "app.assign_user", effect: Write, scope: AppsManage, finds: [UsersRead], lists: true,
                row: app::ASSIGN_USER(AssignUser) }
            /// Take an app away from users.
            AppUnassignUser { name: "app.unassign_user", effect: Destroy, scope: AppsManage, finds: [UsersRead], lists: true,
                row: app::UNASSIGN_USER(AppUsers) }
            /// Assign an app to groups.
            AppAssignGroup { name: "app.assign_group", effect: Write, scope: AppsManage, finds: [GroupsRead], lists: true,
                row: app::ASSIGN_GROUP(AppGroups) }
            /// Take an app away from groups.
            AppUnassignGroup { name: "app.unassign_group", effect: Destroy, scope: AppsManage, finds: [GroupsRead], lists: true,
                row: app::UNASSIGN_GROUP(AppGroups) }
            /// Give a user an administrator role.
            RoleAssignUser { name: "role.assign_user", effect: Empower, scope: RolesManage, finds: [UsersRead], lists: false,
                row: role::ASSIGN(UserRole) }
            /// Take an administrator role from a user.
            RoleUnassignUser { name: "role.unassign_user", effect: Empower, scope: RolesManage, finds: [UsersRead], lists: false,
                row: role::UNASSIGN(UserRole) }
            /// Block addresses, by a network zone that blocks.
            ZoneBlockIp { name: "zone.block_ip", effect: Write, scope: NetworkZonesManage, finds: [], lists: false,
                row: zone::BLOCK(ZoneAddresses) }
            /// Take addresses out of a network zone that blocks.
            ZoneUnblockIp { name: "zone.unblock_ip", effect: Write, scope: NetworkZonesManage, finds: [], lists: false,
                row: zone::UNBLOCK(ZoneAddresses) }
        }
    };
}
pub(crate) use with_actions;

macro_rules! actions {
    ($(
        #[doc = $about:literal]
        $variant:ident {
            name: $name:literal, effect: $effect:ident, scope: $scope:ident, finds: [$($find:ident),*], lists: $lists:literal,
            row: $family:ident::$row:ident($parameters:ident)
        }
    )+) => {
        /// What a command asks for. The names are an interface: they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $(#[doc = $about] $variant,)+ }

        impl Action {
            /// All actions, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, for example `user.deactivate`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is for, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about.trim_ascii(),)+ }
            }

            /// What it does to Okta.
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }

            /// The scope that a service app needs for the request itself.
            pub fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)+ }
            }

            /// The scopes that a service app needs besides, to find the users and groups that a command names.
            pub fn scopes_to_find(self) -> &'static [Scope] {
                match self { $(Self::$variant => &[$(Scope::$find),*],)+ }
            }

            /// Whether a command may name several users or groups, each of which is changed.
            pub fn takes_lists(self) -> bool {
                match self { $(Self::$variant => $lists,)+ }
            }
        }
    };
}

with_actions!(actions);

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}
