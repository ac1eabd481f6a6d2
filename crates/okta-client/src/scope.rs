//! The OAuth scopes that Okta grants to a service app.

/// An OAuth scope of an app; the app needs an administrator role too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To read the System Log.
    LogsRead,
    /// To read users and their factors.
    UsersRead,
    /// To create, change and delete users. Includes reading.
    UsersManage,
    /// To read groups and their members.
    GroupsRead,
    /// To create, change and delete groups, and to change who is in them. Includes reading.
    GroupsManage,
    /// To assign apps. Includes reading.
    AppsManage,
    /// To change network zones. Includes reading.
    NetworkZonesManage,
    /// To see event hooks.
    EventHooksRead,
    /// To create, change, verify and delete event hooks. Includes reading.
    EventHooksManage,
    /// To give administrator roles and take them. Includes reading.
    RolesManage,
}

impl Scope {
    /// Its name at Okta.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogsRead => "okta.logs.read",
            Self::UsersRead => "okta.users.read",
            Self::UsersManage => "okta.users.manage",
            Self::GroupsRead => "okta.groups.read",
            Self::GroupsManage => "okta.groups.manage",
            Self::AppsManage => "okta.apps.manage",
            Self::NetworkZonesManage => "okta.networkZones.manage",
            Self::EventHooksRead => "okta.eventHooks.read",
            Self::EventHooksManage => "okta.eventHooks.manage",
            Self::RolesManage => "okta.roles.manage",
        }
    }

    /// The least administrator roles that go with it. A scope without the role gives nothing, and custom roles have no
    /// permission for the System Log.
    pub fn role(self) -> &'static str {
        match self {
            Self::LogsRead => "Report administrator or Read-only administrator",
            Self::UsersRead | Self::GroupsRead => {
                "Read-only administrator, or a custom role that may view them"
            }
            Self::UsersManage => {
                "Organization administrator, or a custom role with the permissions of the actions in use"
            }
            Self::GroupsManage => {
                "Group administrator, or a custom role that may manage groups and their members"
            }
            Self::AppsManage => {
                "Application administrator, or a custom role that may manage users' app assignments"
            }
            Self::NetworkZonesManage => "Organization administrator",
            Self::EventHooksRead | Self::EventHooksManage | Self::RolesManage => "Super administrator",
        }
    }
}
