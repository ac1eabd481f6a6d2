//! `/api/v1/groups` and everything under it.

use serde_json::Value;

use super::{Call, Context, json, no_content};
use crate::answer::Answer;
use crate::directory::Directory;
use crate::directory::criteria::Criteria;
use crate::directory::group::Group;
use crate::directory::listing::{Listed, Order};
use crate::okta_error::OktaError;

const MAX_LIMIT: usize = 10_000;
const DEFAULT_LIMIT_OF_Q: usize = 300;
const MAX_MEMBERS: usize = 1_000;

/// What can be asked about groups; groups by id, users by id or login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupCall {
    List,
    Create,
    Get { group: String },
    Replace { group: String },
    Delete { group: String },
    Members { group: String },
    AddMember { group: String, user: String },
    RemoveMember { group: String, user: String },
}

impl Call for GroupCall {
    fn make(&self, directory: &mut Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
        let (base, now_ms) = (context.visit.base, context.now_ms);
        match self {
            Self::List => list(directory, context),
            Self::Create => Ok(json(&directory.create_group(&context.body()?, now_ms)?.view(base))),
            Self::Get { group } => Ok(json(&directory.group(group)?.view(base))),
            Self::Replace { group } => {
                Ok(json(&directory.replace_group(group, &context.body()?, now_ms)?.view(base)))
            }
            Self::Delete { group } => directory.delete_group(group, now_ms).map(|()| no_content()),
            Self::Members { group } => {
                let limit = context.parameters.limit(MAX_MEMBERS)?.unwrap_or(MAX_MEMBERS);
                let after = context.parameters.get("after");
                let page = Order::ById.page(directory.members_of(group)?, after, limit, |_| true)?;
                Ok(context.page(&page, |user| user.view(base)))
            }
            Self::AddMember { group, user } => {
                directory.add_member(group, user, now_ms).map(|()| no_content())
            }
            Self::RemoveMember { group, user } => {
                directory.remove_member(group, user, now_ms).map(|()| no_content())
            }
        }
    }
}

/// `q` has one page only.
fn list(directory: &Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
    let parameters = &context.parameters;
    let criteria = Criteria::of_groups(parameters)?;
    let is_q = matches!(criteria, Criteria::Beginning(_));
    let limit = parameters.limit(MAX_LIMIT)?;
    let limit = limit.unwrap_or(if is_q { DEFAULT_LIMIT_OF_Q } else { MAX_LIMIT });
    let groups: Vec<&Group> = directory.listed_groups(context.now_ms).collect();
    let test = |group: &&Group| criteria.match_group(group);
    let mut page = Order::parse(parameters)?.page(groups, parameters.get("after"), limit, test)?;
    page.next = page.next.filter(|_| !is_q);
    Ok(context.page(&page, |group| group.view(context.visit.base)))
}

impl Listed for &Group {
    fn id(&self) -> &str {
        &self.id
    }

    fn attributes(&self) -> Value {
        Group::view(self, "")
    }
}
