//! A group, and the JSON in which Okta writes one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock;
use crate::generator::Party;
use crate::okta_error::OktaError;

/// One group. Who is in it is kept apart.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(super) id: String,
    pub(super) kind: GroupKind,
    pub(super) profile: GroupProfile,
    pub(super) created_ms: i64,
    pub(super) last_updated_ms: i64,
    pub(super) last_membership_updated_ms: i64,
}

/// Whose a group is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum GroupKind {
    #[default]
    OktaGroup,
    /// An app fills it.
    AppGroup,
    /// Okta fills it: `Everyone`.
    BuiltIn,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GroupProfile {
    pub(super) name: String,
    pub(super) description: Option<String>,
}

impl GroupProfile {
    /// Reads and checks the member `profile` of a request.
    pub(super) fn parse(profile: &Value) -> Result<Self, OktaError> {
        let text = |name: &str| profile[name].as_str().map(str::to_owned);
        if let Some(unknown) = profile
            .as_object()
            .and_then(|members| members.keys().find(|name| !["name", "description"].contains(&name.as_str())))
        {
            let cause = format!("Property name '{unknown}' is not defined in profile");
            return Err(OktaError::validation(unknown, cause));
        }
        let name = text("name").filter(|name| !name.trim().is_empty());
        let name =
            name.ok_or_else(|| OktaError::validation("name", "name: The field cannot be left blank"))?;
        let description = text("description");
        for (attribute, value) in [("name", Some(&name)), ("description", description.as_ref())] {
            if value.is_some_and(|value| value.chars().any(|character| character.len_utf8() > 3)) {
                return Err(OktaError::validation(attribute, format!("{attribute}: Invalid characters")));
            }
        }
        match name.chars().count() {
            0..=255 => Ok(Self { name, description }),
            _ => Err(OktaError::validation("name", "name: The field is too long (the maximum is 255)")),
        }
    }
}

impl Group {
    pub(super) fn new(id: String, kind: GroupKind, profile: GroupProfile, created_ms: i64) -> Self {
        Self {
            id,
            kind,
            profile,
            created_ms,
            last_updated_ms: created_ms,
            last_membership_updated_ms: created_ms,
        }
    }

    /// Refuses to change a group that an app or Okta itself fills.
    pub(super) fn check_editable(&self) -> Result<(), OktaError> {
        match self.kind {
            GroupKind::OktaGroup => Ok(()),
            GroupKind::AppGroup | GroupKind::BuiltIn => Err(OktaError::access_denied()),
        }
    }

    /// Refuses to delete a group that Okta itself fills.
    pub(super) fn check_deletable(&self) -> Result<(), OktaError> {
        match self.kind {
            GroupKind::OktaGroup | GroupKind::AppGroup => Ok(()),
            GroupKind::BuiltIn => Err(OktaError::access_denied()),
        }
    }

    /// As the System Log names it.
    pub(super) fn party(&self) -> Party {
        Party::new(&self.id, "UserGroup", "unknown", &self.profile.name)
    }

    /// As Okta writes it. `base` is what links begin with.
    pub(super) fn view(&self, base: &str) -> Value {
        let class = if self.kind == GroupKind::AppGroup {
            "okta:windows_security_principal"
        } else {
            "okta:user_group"
        };
        let own = format!("{base}/api/v1/groups/{}", self.id);
        json!({
            "id": self.id,
            "created": clock::date_time(self.created_ms),
            "lastUpdated": clock::date_time(self.last_updated_ms),
            "lastMembershipUpdated": clock::date_time(self.last_membership_updated_ms),
            "objectClass": [class],
            "type": self.kind,
            "profile": self.profile,
            "_links": { "users": { "href": format!("{own}/users") }, "apps": { "href": format!("{own}/apps") } },
        })
    }
}
