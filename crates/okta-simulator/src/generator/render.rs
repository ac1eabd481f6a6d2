//! From a draft to the JSON of an event: what each member of `LogEvent` holds.

use fastrand::Rng;

use super::draft::{Change, Credential, Draft, Risk};
use super::entity::Entity;
use super::log_event::{
    AuthenticationContext, BotProtection, ChangeDetails, Client, DebugContext, IpAddress, IpDetails,
    IpServiceCategory, LogEvent, Outcome, Pairs, Party, Property, Request, RiskView, SecurityContext,
    Transaction, TransactionDetail, UserBehavior,
};
use super::network::Network;
use super::origin::Origin;
use super::{catalogue, wording};
use crate::clock;

/// Renders one event; everything random about it comes from the seed.
pub(super) fn render(draft: &Draft, published_ms: i64, seed: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let uuid = uuid(&mut rng);
    let published = clock::date_time(published_ms);
    let origin = draft.act.origin.as_deref();
    let debug_data = debug_data(draft, &mut rng);
    let event = LogEvent {
        actor: Party::new(&draft.act.actor),
        client: Client::new(draft),
        device: draft.act.device.as_deref(),
        authentication_context: AuthenticationContext::new(draft),
        display_message: wording::display_message(draft.event_type),
        event_type: draft.event_type,
        outcome: draft.outcome.map(|outcome| Outcome { result: outcome.result, reason: outcome.reason }),
        published: &published,
        security_context: SecurityContext::new(origin, draft.risk, &mut rng),
        severity: catalogue::severity(draft.event_type, draft.is_failure()),
        debug_context: DebugContext { debug_data: Pairs(&debug_data) },
        legacy_event_type: wording::legacy_event_type(draft.event_type, draft.is_failure()),
        transaction: Transaction::new(draft),
        uuid: &uuid,
        version: "0",
        request: Request { ip_chain: ip_chain(origin) },
        target: targets(draft),
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

impl<'a> Party<'a> {
    fn new(entity: &'a Entity) -> Self {
        let details = entity.details.as_slice();
        Self {
            id: &entity.id,
            r#type: &entity.kind,
            alternate_id: entity.alternate_id.as_deref(),
            display_name: entity.display_name.as_deref(),
            detail_entry: (!details.is_empty()).then_some(Pairs(details)),
            change_details: None,
        }
    }
}

impl<'a> Client<'a> {
    /// A job has a client too, with nothing in it.
    fn new(draft: &'a Draft) -> Self {
        let origin = draft.act.origin.as_deref();
        let is_service = draft.act.api_token_id.is_some();
        Self {
            user_agent: origin.map(|origin| origin.browser),
            zone: origin.and_then(|origin| origin.zone),
            device: origin.map(|origin| origin.device),
            id: is_service.then_some(&draft.act.actor.id),
            ip_address: origin.map(|origin| origin.ip.as_str()),
            geographical_context: origin.and_then(|origin| origin.place.as_ref()),
        }
    }
}

impl<'a> AuthenticationContext<'a> {
    /// Who has no session has the text `unknown` if they came by a token, and `null` otherwise.
    fn new(draft: &'a Draft) -> Self {
        let unknown = draft.act.api_token_id.as_ref().map(|_| "unknown");
        let session_id = draft.act.session_id.as_deref().or(unknown);
        let credential = draft.credential;
        Self {
            authentication_provider: credential.map(|Credential { checked_by, .. }| checked_by),
            credential_provider: credential.map(|Credential { issued_by, .. }| issued_by),
            credential_type: credential.map(|Credential { kind, .. }| kind),
            issuer: None,
            interface: None,
            authentication_step: 0,
            root_session_id: session_id,
            external_session_id: session_id,
        }
    }
}

impl SecurityContext {
    fn new(origin: Option<&Origin>, risk: Option<Risk>, rng: &mut Rng) -> Self {
        let Some(Origin { network, .. }) = origin else {
            return Self::default();
        };
        Self {
            as_number: Some(network.as_number),
            as_org: Some(network.as_org),
            isp: Some(network.isp),
            domain: network.domain,
            is_proxy: Some(network.is_proxy),
            risk: risk.map(RiskView::new),
            ip_details: risk.map(|_| IpDetails::new(network)),
            user_behaviors: risk.map(|_| user_behaviors(rng)),
            bot_protection: risk.map(|_| BotProtection { level: one_of(rng, &["NONE", "LOW", "MEDIUM"]) }),
        }
    }
}

impl RiskView {
    fn new(risk: Risk) -> Self {
        Self {
            level: risk.level,
            previous_level: risk.previous_level,
            reasons: risk.reasons,
            detection_name: risk.detection_name,
        }
    }
}

impl IpDetails {
    fn new(network: &Network) -> Self {
        let category = network
            .anonymizer
            .map(|(operator, r#type)| [IpServiceCategory { is_anonymous: true, operator, r#type }]);
        Self {
            as_number: network.as_number,
            as_org: network.as_org,
            isp: network.isp,
            domain: network.domain,
            ip_service_categories: category,
        }
    }
}

impl<'a> Transaction<'a> {
    fn new(draft: &'a Draft) -> Self {
        let act = &draft.act;
        let request_api_token_id = act.api_token_id.as_deref();
        Self {
            r#type: if act.origin.is_some() { "WEB" } else { "JOB" },
            id: &act.transaction_id,
            detail: act.origin.is_some().then_some(TransactionDetail { request_api_token_id }),
        }
    }
}

fn targets(draft: &Draft) -> Option<Vec<Party<'_>>> {
    let mut targets: Vec<Party<'_>> = draft.targets.iter().map(|target| Party::new(target)).collect();
    if let (Some(first), Some(Change { property, from, to })) = (targets.first_mut(), &draft.change) {
        let details = ChangeDetails { from: Property(property, from), to: Property(property, to) };
        first.change_details = Some(details);
    }
    (!targets.is_empty()).then_some(targets)
}

/// The client first, then the proxy it came through.
fn ip_chain(origin: Option<&Origin>) -> Vec<IpAddress<'_>> {
    let Some(origin) = origin else {
        return Vec::new();
    };
    let geographical_context = origin.place.as_ref();
    let ip_details = origin.network.anonymizer.map(|_| IpDetails::new(origin.network));
    let client = IpAddress {
        ip: &origin.ip,
        geographical_context,
        version: origin.ip_version,
        source: None,
        ip_details,
    };
    let proxy = origin.proxy_ip.as_ref().map(|ip| IpAddress {
        ip,
        geographical_context,
        version: "V4",
        source: None,
        ip_details: None,
    });
    std::iter::once(client).chain(proxy).collect()
}

fn debug_data(draft: &Draft, rng: &mut Rng) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::with_capacity(9 + draft.debug.len());
    if draft.act.origin.is_some() {
        pairs.push(("requestId", draft.act.transaction_id.to_string()));
        pairs.push(("dtHash", format!("{:032x}{:032x}", rng.u128(..), rng.u128(..))));
        let level = draft.risk.map_or("LOW", |risk| risk.level);
        pairs.push(("risk", format!("{{level={level}}}")));
        pairs.push(("requestUri", draft.request_uri.to_string()));
        pairs.push(("threatSuspected", (level == "HIGH").to_string()));
        pairs.push(("url", format!("{}?fromURI=%2Fapp%2FUserHome", draft.request_uri)));
    }
    pairs.extend(draft.debug.iter().cloned());
    pairs
}

fn user_behaviors(rng: &mut Rng) -> Vec<UserBehavior> {
    const BEHAVIORS: [(&str, &str); 4] = [
        ("bhv3pcdHYo3rVDL0w0g4", "New Device"),
        ("bhvexm4UkQc71MgEw0g4", "New Geo-Location"),
        ("bhv8Qm0b5yXw2TnEw0g4", "New IP"),
        ("bhvA1vJr7Yd3KsPEw0g4", "Velocity"),
    ];
    let behavior = |(id, name)| UserBehavior {
        id,
        name,
        result: one_of(rng, &["NEGATIVE", "NEGATIVE", "POSITIVE", "UNKNOWN"]),
    };
    BEHAVIORS.into_iter().map(behavior).collect()
}

/// A UUID of version 1, as Okta's are.
fn uuid(rng: &mut Rng) -> String {
    let (high, low) = (rng.u64(..), rng.u64(..));
    let (time_low, time_mid, time_high) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
    let (clock, node) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{time_low:08x}-{time_mid:04x}-1{time_high:03x}-{clock:04x}-{node:012x}")
}

fn one_of(rng: &mut Rng, choices: &[&'static str]) -> &'static str {
    choices[rng.usize(..choices.len())]
}
