//! `/api/v1/iam`: custom roles and resource sets, to look up.

use super::{Call, Context, json};
use crate::answer::Answer;
use crate::directory::{Directory, role};
use crate::okta_error::OktaError;

/// What can be asked about custom roles, by id or label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RoleCall {
    Custom { role: String },
    ResourceSet { set: String },
}

impl Call for RoleCall {
    fn make(&self, _: &mut Directory, _: &Context<'_>) -> Result<Answer, OktaError> {
        match self {
            Self::Custom { role } => role::custom(role).map(|found| json(&found)),
            Self::ResourceSet { set } => role::resource_set(set).map(|found| json(&found)),
        }
    }
}
