//! The classes of OCSF 1.8.0 that System Log events become, with the captions that OCSF gives their numbers.

use super::caption;

/// One event class.
#[derive(Debug)]
pub struct Class {
    /// `class_uid`
    pub uid: u16,
    /// `class_name`
    pub name: &'static str,
    /// `category_name`
    pub category: &'static str,
    /// The same, with their numbers, as an event has them.
    pub(super) members: &'static str,
    /// Where OCSF publishes its schema.
    pub schema_uri: &'static str,
    /// Values of `activity_id` with their captions.
    activities: &'static [(u8, &'static str)],
    /// Whether the class itself has an actor, a source endpoint and an HTTP request. Where it has not, the client
    /// becomes the `device` of the profile `host`.
    pub(super) has_client: bool,
}

/// An activity that is in no list: the event's own words say what it is.
pub(super) const OTHER: u8 = 99;

/// The last activity of a Detection Finding.
pub(super) const CLOSE: u8 = 3;
/// An activity of Authentication.
pub(super) const LOGON: u8 = 1;
/// Activities of Entity Management.
const UNKNOWN: u8 = 0;
const CREATE: u8 = 1;
const DELETE: u8 = 4;
pub(super) const READ: u8 = 2;
pub(super) const UPDATE: u8 = 3;

pub(in crate::format) const BASE_EVENT: u16 = 0;
pub(in crate::format) const DETECTION_FINDING: u16 = 2004;
pub(in crate::format) const ACCOUNT_CHANGE: u16 = 3001;
pub(in crate::format) const AUTHENTICATION: u16 = 3002;
pub(in crate::format) const ENTITY_MANAGEMENT: u16 = 3004;
pub(in crate::format) const USER_ACCESS: u16 = 3005;
pub(in crate::format) const GROUP_MANAGEMENT: u16 = 3006;
pub(in crate::format) const API_ACTIVITY: u16 = 6003;
pub(in crate::format) const APPLICATION_ERROR: u16 = 6008;

const IDENTITY: &str = "Identity & Access Management";
const APPLICATION: &str = "Application Activity";

/// All of them.
pub static CLASSES: [Class; 9] = [
    Class {
        uid: BASE_EVENT,
        name: "Base Event",
        category: "Uncategorized",
        members: r#""class_uid":0,"class_name":"Base Event","category_uid":0,"category_name":"Uncategorized""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/base_event",
        activities: &[],
        has_client: false,
    },
    Class {
        uid: DETECTION_FINDING,
        name: "Detection Finding",
        category: "Findings",
        members: r#""class_uid":2004,"class_name":"Detection Finding","category_uid":2,"category_name":"Findings""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/detection_finding",
        activities: &[(1, "Create"), (2, "Update"), (3, "Close")],
        has_client: false,
    },
    Class {
        uid: ACCOUNT_CHANGE,
        name: "Account Change",
        category: IDENTITY,
        members: r#""class_uid":3001,"class_name":"Account Change","category_uid":3,"category_name":"Identity & Access Management""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/account_change",
        activities: &[
            (1, "Create"),
            (2, "Enable"),
            (3, "Password Change"),
            (4, "Password Reset"),
            (5, "Disable"),
            (6, "Delete"),
            (7, "Attach Policy"),
            (8, "Detach Policy"),
            (9, "Lock"),
            (10, "MFA Factor Enable"),
            (11, "MFA Factor Disable"),
            (12, "Unlock"),
        ],
        has_client: true,
    },
    Class {
        uid: AUTHENTICATION,
        name: "Authentication",
        category: IDENTITY,
        members: r#""class_uid":3002,"class_name":"Authentication","category_uid":3,"category_name":"Identity & Access Management""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/authentication",
        activities: &[
            (1, "Logon"),
            (2, "Logoff"),
            (3, "Authentication Ticket"),
            (4, "Service Ticket Request"),
            (5, "Service Ticket Renew"),
            (6, "Preauth"),
            (7, "Account Switch"),
        ],
        has_client: true,
    },
    Class {
        uid: ENTITY_MANAGEMENT,
        name: "Entity Management",
        category: IDENTITY,
        members: r#""class_uid":3004,"class_name":"Entity Management","category_uid":3,"category_name":"Identity & Access Management""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/entity_management",
        activities: &[
            (1, "Create"),
            (2, "Read"),
            (3, "Update"),
            (4, "Delete"),
            (5, "Move"),
            (6, "Enroll"),
            (7, "Unenroll"),
            (8, "Enable"),
            (9, "Disable"),
            (10, "Activate"),
            (11, "Deactivate"),
            (12, "Suspend"),
            (13, "Resume"),
        ],
        has_client: true,
    },
    Class {
        uid: USER_ACCESS,
        name: "User Access Management",
        category: IDENTITY,
        members: r#""class_uid":3005,"class_name":"User Access Management","category_uid":3,"category_name":"Identity & Access Management""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/user_access",
        activities: &[(1, "Assign Privileges"), (2, "Revoke Privileges")],
        has_client: true,
    },
    Class {
        uid: GROUP_MANAGEMENT,
        name: "Group Management",
        category: IDENTITY,
        members: r#""class_uid":3006,"class_name":"Group Management","category_uid":3,"category_name":"Identity & Access Management""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/group_management",
        activities: &[
            (1, "Assign Privileges"),
            (2, "Revoke Privileges"),
            (3, "Add User"),
            (4, "Remove User"),
            (5, "Delete"),
            (6, "Create"),
            (7, "Add Subgroup"),
            (8, "Remove Subgroup"),
        ],
        has_client: true,
    },
    Class {
        uid: API_ACTIVITY,
        name: "API Activity",
        category: APPLICATION,
        members: r#""class_uid":6003,"class_name":"API Activity","category_uid":6,"category_name":"Application Activity""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/api_activity",
        activities: &[(1, "Create"), (2, "Read"), (3, "Update"), (4, "Delete")],
        has_client: true,
    },
    Class {
        uid: APPLICATION_ERROR,
        name: "Application Error",
        category: APPLICATION,
        members: r#""class_uid":6008,"class_name":"Application Error","category_uid":6,"category_name":"Application Activity""#,
        schema_uri: "https://schema.ocsf.io/1.8.0/classes/application_error",
        activities: &[(1, "General Error"), (2, "Translation Error")],
        has_client: false,
    },
];

impl Class {
    /// The class with this `class_uid`.
    pub(super) fn by_uid(uid: u16) -> Option<&'static Self> {
        CLASSES.iter().find(|class| class.uid == uid)
    }

    /// The class with this `class_name`.
    pub(super) fn by_name(name: &str) -> Option<&'static Self> {
        CLASSES.iter().find(|class| class.name == name)
    }

    /// The `activity_id` with this caption.
    pub(super) fn activity_id(&self, caption: &str) -> Option<u8> {
        match self.activities.iter().find(|(_, known)| *known == caption) {
            Some((id, _)) => Some(*id),
            None => (caption == "Other").then_some(OTHER),
        }
    }

    /// `type_uid` of an activity.
    pub(super) fn type_uid(&self, activity: u8) -> u32 {
        u32::from(self.uid) * 100 + u32::from(activity)
    }

    /// Whether the activity is done to the very thing that an event is about: it is made or ended, moved, or switched on or
    /// off. Who reads an event, or changes something of a whole, may be told of the whole.
    pub(in crate::format) fn is_beginning_or_end(&self, activity: u8) -> bool {
        match self.uid {
            ENTITY_MANAGEMENT => !matches!(activity, UNKNOWN | READ | UPDATE | OTHER),
            API_ACTIVITY => matches!(activity, CREATE | DELETE),
            _ => false,
        }
    }

    /// OCSF's word for an activity.
    pub fn activity(&self, id: u8) -> &'static str {
        caption(self.activities, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_class_are_its_names_and_numbers() {
        for class in &CLASSES {
            let members: serde_json::Value = serde_json::from_str(&format!("{{{}}}", class.members)).unwrap();
            let expected = serde_json::json!({
                "class_uid": class.uid,
                "class_name": class.name,
                "category_uid": class.uid / 1_000,
                "category_name": class.category,
            });
            assert_eq!(members, expected);
        }
    }
}
