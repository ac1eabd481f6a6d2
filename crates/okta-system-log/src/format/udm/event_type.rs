//! UDM's `metadata.event_type` by the class and the activity that the event has in OCSF, and which parts of an event UDM
//! demands for each type. An event without these parts gets a wider type.
//!
//! The demands are those of Google's UDM usage guide, but for two things. A user in `principal` is enough for
//! `USER_UNCATEGORIZED`, as in the events of Google's own Okta parser. And for groups, for which the guide demands nothing,
//! there is one.

use super::{Routing, ocsf};

/// A type of UDM that an event of Okta's becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// `USER_LOGIN`
    UserLogin,
    /// `USER_LOGOUT`
    UserLogout,
    /// `USER_CREATION`
    UserCreation,
    /// `USER_DELETION`
    UserDeletion,
    /// `USER_CHANGE_PASSWORD`
    UserChangePassword,
    /// `USER_CHANGE_PERMISSIONS`
    UserChangePermissions,
    /// `USER_RESOURCE_ACCESS`
    UserResourceAccess,
    /// `USER_RESOURCE_CREATION`
    UserResourceCreation,
    /// `USER_RESOURCE_UPDATE_CONTENT`
    UserResourceUpdateContent,
    /// `USER_RESOURCE_DELETION`
    UserResourceDeletion,
    /// `USER_UNCATEGORIZED`
    UserUncategorized,
    /// `RESOURCE_READ`
    ResourceRead,
    /// `RESOURCE_CREATION`
    ResourceCreation,
    /// `RESOURCE_WRITTEN`
    ResourceWritten,
    /// `RESOURCE_DELETION`
    ResourceDeletion,
    /// `GROUP_CREATION`
    GroupCreation,
    /// `GROUP_DELETION`
    GroupDeletion,
    /// `GROUP_MODIFICATION`
    GroupModification,
    /// `GROUP_UNCATEGORIZED`
    GroupUncategorized,
    /// `GENERIC_EVENT`
    GenericEvent,
}

/// Which parts an event has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    pub(super) has_principal_machine: bool,
    pub(super) has_principal_user: bool,
    pub(super) has_target_machine: bool,
    pub(super) has_target_user: bool,
    pub(super) has_target_group: bool,
    pub(super) has_target_resource: bool,
}

/// What the activities of a class are in UDM. An activity that is in no row is `else`.
struct Row {
    class: u16,
    /// By OCSF's captions.
    activities: &'static [(&'static [&'static str], EventType)],
    others: EventType,
}

/// Created, read, changed, deleted: of entities and by the API.
const RESOURCES: &[(&[&str], EventType)] = &[
    (&["Create"], EventType::UserResourceCreation),
    (&["Read"], EventType::UserResourceAccess),
    (&["Delete"], EventType::UserResourceDeletion),
    (
        &[
            "Update",
            "Move",
            "Enroll",
            "Unenroll",
            "Enable",
            "Disable",
            "Activate",
            "Deactivate",
            "Suspend",
            "Resume",
        ],
        EventType::UserResourceUpdateContent,
    ),
];

const TABLE: [Row; 9] = [
    Row { class: ocsf::BASE_EVENT, activities: &[], others: EventType::GenericEvent },
    // UDM has no type for findings: `security_result.alert_state` says that it is one.
    Row { class: ocsf::DETECTION_FINDING, activities: &[], others: EventType::UserUncategorized },
    Row {
        class: ocsf::ACCOUNT_CHANGE,
        activities: &[
            (&["Create"], EventType::UserCreation),
            (&["Delete"], EventType::UserDeletion),
            (&["Password Change", "Password Reset"], EventType::UserChangePassword),
        ],
        // UDM has no types for accounts that are locked or disabled, nor for factors.
        others: EventType::UserUncategorized,
    },
    Row {
        class: ocsf::AUTHENTICATION,
        activities: &[
            (&["Logon", "Account Switch"], EventType::UserLogin),
            (&["Logoff"], EventType::UserLogout),
        ],
        // Steps of a sign-on are none: each would be counted as one.
        others: EventType::UserUncategorized,
    },
    Row { class: ocsf::ENTITY_MANAGEMENT, activities: RESOURCES, others: EventType::UserUncategorized },
    Row {
        class: ocsf::USER_ACCESS,
        activities: &[(&["Assign Privileges", "Revoke Privileges"], EventType::UserChangePermissions)],
        others: EventType::UserUncategorized,
    },
    Row {
        class: ocsf::GROUP_MANAGEMENT,
        activities: &[
            (&["Create"], EventType::GroupCreation),
            (&["Delete"], EventType::GroupDeletion),
            (
                &[
                    "Assign Privileges",
                    "Revoke Privileges",
                    "Add User",
                    "Remove User",
                    "Add Subgroup",
                    "Remove Subgroup",
                ],
                EventType::GroupModification,
            ),
        ],
        others: EventType::GroupUncategorized,
    },
    Row { class: ocsf::API_ACTIVITY, activities: RESOURCES, others: EventType::UserUncategorized },
    Row { class: ocsf::APPLICATION_ERROR, activities: &[], others: EventType::GenericEvent },
];

impl EventType {
    /// The type of an event that has all parts which UDM demands for it.
    pub fn wanted(routing: &Routing) -> Self {
        let Some(row) = TABLE.iter().find(|row| row.class == routing.class.uid) else {
            return Self::GenericEvent;
        };
        let caption = routing.class.activity(routing.activity);
        let known = row.activities.iter().find(|(captions, _)| captions.contains(&caption));
        known.map_or(row.others, |(_, event_type)| *event_type)
    }

    /// The type of an event with these parts: the closest whose demands are met.
    pub(super) fn of(routing: &Routing, shape: Shape) -> Self {
        let mut event_type = Self::wanted(routing);
        while !event_type.is_met_by(shape) {
            event_type = event_type.wider();
        }
        event_type
    }

    /// Its name in UDM.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserLogin => "USER_LOGIN",
            Self::UserLogout => "USER_LOGOUT",
            Self::UserCreation => "USER_CREATION",
            Self::UserDeletion => "USER_DELETION",
            Self::UserChangePassword => "USER_CHANGE_PASSWORD",
            Self::UserChangePermissions => "USER_CHANGE_PERMISSIONS",
            Self::UserResourceAccess => "USER_RESOURCE_ACCESS",
            Self::UserResourceCreation => "USER_RESOURCE_CREATION",
            Self::UserResourceUpdateContent => "USER_RESOURCE_UPDATE_CONTENT",
            Self::UserResourceDeletion => "USER_RESOURCE_DELETION",
            Self::UserUncategorized => "USER_UNCATEGORIZED",
            Self::ResourceRead => "RESOURCE_READ",
            Self::ResourceCreation => "RESOURCE_CREATION",
            Self::ResourceWritten => "RESOURCE_WRITTEN",
            Self::ResourceDeletion => "RESOURCE_DELETION",
            Self::GroupCreation => "GROUP_CREATION",
            Self::GroupDeletion => "GROUP_DELETION",
            Self::GroupModification => "GROUP_MODIFICATION",
            Self::GroupUncategorized => "GROUP_UNCATEGORIZED",
            Self::GenericEvent => "GENERIC_EVENT",
        }
    }

    /// Whether the event has what UDM demands. `target.application` is always there.
    fn is_met_by(self, shape: Shape) -> bool {
        let has_machine = shape.has_principal_machine || shape.has_target_machine;
        match self {
            Self::UserLogin
            | Self::UserLogout
            | Self::UserCreation
            | Self::UserDeletion
            | Self::UserChangePassword
            | Self::UserChangePermissions => shape.has_target_user && has_machine,
            Self::UserUncategorized => (shape.has_target_user || shape.has_principal_user) && has_machine,
            Self::UserResourceAccess
            | Self::UserResourceCreation
            | Self::UserResourceUpdateContent
            | Self::UserResourceDeletion => shape.has_principal_user && shape.has_target_resource,
            Self::ResourceRead | Self::ResourceCreation | Self::ResourceWritten | Self::ResourceDeletion => {
                shape.has_target_resource && has_machine
            }
            Self::GroupCreation
            | Self::GroupDeletion
            | Self::GroupModification
            | Self::GroupUncategorized => shape.has_target_group && has_machine,
            Self::GenericEvent => true,
        }
    }

    /// The type that says less. UDM holds what nobody does to a resource for the same as what a user does.
    fn wider(self) -> Self {
        match self {
            Self::UserResourceAccess => Self::ResourceRead,
            Self::UserResourceCreation => Self::ResourceCreation,
            Self::UserResourceUpdateContent => Self::ResourceWritten,
            Self::UserResourceDeletion => Self::ResourceDeletion,
            // A right that is a group's alone.
            Self::UserChangePermissions => Self::GroupModification,
            Self::UserUncategorized | Self::GenericEvent => Self::GenericEvent,
            _ => Self::UserUncategorized,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _};

    use super::*;
    use crate::event::catalogue::event_types;
    use ocsf::CLASSES;

    #[test]
    fn every_class_has_a_row_whose_activities_exist() {
        assert_eq!(TABLE.len(), CLASSES.len());
        for class in &CLASSES {
            let row = TABLE.iter().find(|row| row.class == class.uid).unwrap();
            let captions: Vec<_> = (0..99).map(|activity| class.activity(activity)).collect();
            for caption in row.activities.iter().flat_map(|(activities, _)| *activities) {
                let is_shared = std::ptr::eq(row.activities, RESOURCES);
                assert!(is_shared || captions.contains(caption), "{} has no {caption}", class.name);
            }
        }
    }

    #[test]
    fn what_matters_is_where_an_analyst_looks_for_it() {
        for (event_type, expected) in [
            ("user.session.start", "USER_LOGIN"),
            ("user.authentication.sso", "USER_LOGIN"),
            ("user.authentication.auth_via_mfa", "USER_LOGIN"),
            ("user.session.end", "USER_LOGOUT"),
            ("policy.evaluate_sign_on", "USER_UNCATEGORIZED"),
            ("system.push.send_factor_verify_push", "USER_UNCATEGORIZED"),
            ("user.lifecycle.create", "USER_CREATION"),
            ("user.account.reset_password", "USER_CHANGE_PASSWORD"),
            ("user.account.lock", "USER_UNCATEGORIZED"),
            ("user.account.privilege.grant", "USER_CHANGE_PERMISSIONS"),
            ("application.user_membership.remove", "USER_CHANGE_PERMISSIONS"),
            ("group.user_membership.add", "GROUP_MODIFICATION"),
            ("group.lifecycle.delete", "GROUP_DELETION"),
            ("policy.rule.create", "USER_RESOURCE_UPDATE_CONTENT"),
            ("zone.delete", "USER_RESOURCE_DELETION"),
            ("system.api_token.create", "USER_RESOURCE_CREATION"),
            ("security.threat.detected", "USER_UNCATEGORIZED"),
            ("quantum.key.create", "USER_RESOURCE_CREATION"),
        ] {
            assert_eq!(EventType::wanted(&Routing::of(Some(event_type))).name(), expected, "{event_type}");
        }
        assert_eq!(EventType::wanted(&Routing::of(None)), EventType::GenericEvent);
    }

    #[test]
    fn an_event_without_the_parts_that_a_type_demands_gets_a_wider_one() {
        let of = |event_type, shape| EventType::of(&Routing::of(Some(event_type)), shape).name();
        let nothing = Shape::default();
        let machine = Shape { has_principal_machine: true, ..nothing };
        assert_eq!(of("user.session.start", nothing), "GENERIC_EVENT");
        assert_eq!(of("user.session.start", Shape { has_target_user: true, ..nothing }), "GENERIC_EVENT");
        assert_eq!(of("user.session.start", Shape { has_target_user: true, ..machine }), "USER_LOGIN");
        assert_eq!(of("group.lifecycle.create", machine), "GENERIC_EVENT");
        let acted = Shape { has_principal_user: true, ..machine };
        assert_eq!(of("group.lifecycle.create", acted), "USER_UNCATEGORIZED");
        assert_eq!(of("zone.delete", Shape { has_target_resource: true, ..machine }), "RESOURCE_DELETION");
        assert_eq!(of("zone.delete", Shape { has_target_resource: true, ..acted }), "USER_RESOURCE_DELETION");
    }

    /// The table of docs/udm.md, one row a type.
    #[test]
    fn the_docs_tell_how_many_types_of_okta_become_each() {
        let mut counts = BTreeMap::<_, usize>::new();
        for event_type in event_types() {
            *counts.entry(EventType::wanted(&Routing::of(Some(event_type)))).or_default() += 1;
        }
        let mut table = String::new();
        for (event_type, count) in counts {
            let _ = writeln!(table, "| `{}` | {count} |", event_type.name());
        }
        let docs = include_str!("../../../../../docs/udm.md");
        for row in table.lines() {
            assert!(docs.contains(row), "docs/udm.md should say\n{table}");
        }
    }
}
