//! The shape of Okta's JSON: the members of `LogEvent`, in the order of Okta's own examples. What
//! goes into them is decided in `render`.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::browser::UserAgent;
use super::entity::Device;
use super::place::Place;

/// One event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEvent<'a> {
    pub(super) actor: Party<'a>,
    pub(super) client: Client<'a>,
    pub(super) device: Option<&'a Device>,
    pub(super) authentication_context: AuthenticationContext<'a>,
    pub(super) display_message: Cow<'a, str>,
    pub(super) event_type: &'a str,
    pub(super) outcome: Option<Outcome>,
    pub(super) published: &'a str,
    pub(super) security_context: SecurityContext,
    pub(super) severity: &'a str,
    pub(super) debug_context: DebugContext<'a>,
    pub(super) legacy_event_type: Option<&'a str>,
    pub(super) transaction: Transaction<'a>,
    pub(super) uuid: &'a str,
    pub(super) version: &'a str,
    pub(super) request: Request<'a>,
    pub(super) target: Option<Vec<Party<'a>>>,
}

/// An actor or a target.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Party<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'a str,
    pub(super) alternate_id: Option<&'a str>,
    pub(super) display_name: Option<&'a str>,
    pub(super) detail_entry: Option<Pairs<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change_details: Option<ChangeDetails>,
}

#[derive(Serialize)]
pub(super) struct ChangeDetails {
    pub(super) from: Property,
    pub(super) to: Property,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Client<'a> {
    pub(super) user_agent: Option<UserAgent>,
    pub(super) zone: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) ip_address: Option<&'a str>,
    pub(super) geographical_context: Option<&'a Place>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthenticationContext<'a> {
    pub(super) authentication_provider: Option<&'a str>,
    pub(super) credential_provider: Option<&'a str>,
    pub(super) credential_type: Option<&'a str>,
    pub(super) issuer: Option<()>,
    pub(super) interface: Option<()>,
    pub(super) authentication_step: u32,
    pub(super) root_session_id: Option<&'a str>,
    pub(super) external_session_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) result: &'static str,
    pub(super) reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityContext {
    pub(super) as_number: Option<u32>,
    pub(super) as_org: Option<&'static str>,
    pub(super) isp: Option<&'static str>,
    pub(super) domain: Option<&'static str>,
    pub(super) is_proxy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) risk: Option<RiskView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_details: Option<IpDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_behaviors: Option<Vec<UserBehavior>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bot_protection: Option<BotProtection>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RiskView {
    pub(super) level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_level: Option<&'static str>,
    pub(super) reasons: &'static [&'static str],
    pub(super) detection_name: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IpDetails {
    pub(super) as_number: u32,
    pub(super) as_org: &'static str,
    pub(super) isp: &'static str,
    pub(super) domain: Option<&'static str>,
    pub(super) ip_service_categories: Option<[IpServiceCategory; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IpServiceCategory {
    pub(super) is_anonymous: bool,
    pub(super) operator: &'static str,
    pub(super) r#type: &'static str,
}

#[derive(Serialize)]
pub(super) struct UserBehavior {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) result: &'static str,
}

#[derive(Serialize)]
pub(super) struct BotProtection {
    pub(super) level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DebugContext<'a> {
    pub(super) debug_data: Pairs<'a>,
}

#[derive(Serialize)]
pub(super) struct Transaction<'a> {
    pub(super) r#type: &'static str,
    pub(super) id: &'a str,
    pub(super) detail: Option<TransactionDetail<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionDetail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_api_token_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) ip_chain: Vec<IpAddress<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IpAddress<'a> {
    pub(super) ip: &'a str,
    pub(super) geographical_context: Option<&'a Place>,
    pub(super) version: &'a str,
    pub(super) source: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_details: Option<IpDetails>,
}

/// Names and values as one object, in their order.
pub(super) struct Pairs<'a>(pub(super) &'a [(&'static str, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// An object of one member.
pub(super) struct Property(pub(super) &'static str, pub(super) &'static str);

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, self.1)])
    }
}
