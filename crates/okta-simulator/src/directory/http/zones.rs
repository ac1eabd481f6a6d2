//! `/api/v1/zones`.

use serde_json::Value;

use super::{Call, Context, json, no_content};
use crate::answer::Answer;
use crate::directory::Directory;
use crate::directory::listing::{Listed, Order};
use crate::directory::zone::Zone;
use crate::okta_error::OktaError;

const MAX_LIMIT: usize = 200;

/// What can be asked about network zones, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ZoneCall {
    List,
    Create,
    Get { zone: String },
    Replace { zone: String },
    Delete { zone: String },
}

impl Call for ZoneCall {
    fn make(&self, directory: &mut Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
        let (base, now_ms) = (context.visit.base, context.now_ms);
        match self {
            Self::List => {
                let zones: Vec<&Zone> = directory.zones.values().collect();
                let limit = context.parameters.limit(MAX_LIMIT)?.unwrap_or(usize::MAX);
                let page = Order::ById.page(zones, context.parameters.get("after"), limit, |_| true)?;
                Ok(context.page(&page, |zone| zone.view(base)))
            }
            Self::Create => Ok(json(&directory.create_zone(&context.body()?, now_ms)?.view(base))),
            Self::Get { zone } => Ok(json(&directory.zone(zone)?.view(base))),
            Self::Replace { zone } => {
                Ok(json(&directory.replace_zone(zone, &context.body()?, now_ms)?.view(base)))
            }
            Self::Delete { zone } => directory.delete_zone(zone).map(|()| no_content()),
        }
    }
}

impl Listed for &Zone {
    fn id(&self) -> &str {
        &self.id
    }

    fn attributes(&self) -> Value {
        Zone::view(self, "")
    }
}
