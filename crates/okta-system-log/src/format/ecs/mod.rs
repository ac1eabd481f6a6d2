//! ECS, the Elastic Common Schema: an event as Elasticsearch takes it, with everything that Okta sent under `okta`.
//!
//! `categories.csv` decides category and type of each event type. The names under `okta` are those of Elastic's own Okta
//! integration as far as it has any, so that rules written for it go on to work.

mod category;
mod okta;

use std::{borrow::Cow, collections::HashSet};

use super::{
    Detail,
    log_event::LogEvent,
    object::Object,
    party::{Kind, Party},
    words::{is_email, is_ip},
    writer::{ObjectWriter, Writer},
};
use crate::event::json::Document;
pub use category::Category;

/// `ecs.version`
pub const VERSION: &str = "9.4.0";
/// The tag of an event that was cut to fit the bus.
const TRUNCATED: &str = "oktabus_truncated";

/// One event to be rendered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    /// The event as Okta sent it.
    pub(super) raw: &'a str,
    /// The same as any reader takes it: no name twice in an object, and the like.
    pub(super) json: &'a Document<'a>,
    /// What identifies it for ever.
    pub(super) identity: &'a str,
    /// The org's domain, if it is known.
    pub(super) tenant: Option<&'a str>,
    pub(super) detail: Detail,
}

/// The event in ECS.
pub(super) fn render(input: &Input<'_>) -> Vec<u8> {
    let parsed = LogEvent::read(input.json);
    // What is no object is kept whole: there is nothing else to keep.
    let detail = if parsed.is_some() { input.detail } else { Detail::Full };
    let is_whole = parsed.is_none();
    let event = parsed.unwrap_or_default();
    Writer::new(detail.text_bytes_max()).object_bytes(|out| {
        let published = event.published().unwrap_or_default();
        out.text("@timestamp", &format!("{published:.3}"));
        out.object("ecs", |out| out.text("version", VERSION));
        out.text_if("message", event.root.peek("displayMessage").as_deref());
        write_event(input, &event, is_whole, out);
        out.object("observer", |out| {
            out.text("vendor", "Okta");
            out.text("product", "System Log");
        });
        out.object("organization", |out| out.text_if("name", input.tenant));
        out.object("log", |out| out.text_if("level", event.root.peek("severity").as_deref()));
        write_user(&event, out);
        for side in ["client", "source"] {
            out.object(side, |out| write_origin(&event, out));
        }
        write_group(&event, out);
        write_request(&event, out);
        write_rule(&event, out);
        write_related(&event, out, detail);
        if detail.full_bytes().is_some() {
            out.texts("tags", [TRUNCATED]);
        }
        match detail {
            Detail::Full | Detail::WithoutRawData { .. } => okta::write(&event, true, out),
            Detail::WithoutDebugData { .. } => okta::write(&event, false, out),
            Detail::Essential { .. } => {}
        }
    })
}

fn write_event(input: &Input<'_>, event: &LogEvent<'_>, is_whole: bool, out: &mut ObjectWriter<'_>) {
    let event_type = event.event_type();
    let category = Category::of(event_type.as_deref());
    let outcome = match event.outcome.peek("result").as_deref() {
        Some("SUCCESS" | "ALLOW") => "success",
        Some("FAILURE" | "DENY" | "RATE_LIMIT") => "failure",
        _ => "unknown",
    };
    out.object("event", |out| {
        out.text("id", input.identity);
        out.text("kind", category.kind());
        out.texts("category", category.categories());
        out.texts("type", category.types());
        out.text("outcome", outcome);
        out.text_if("action", event_type.as_deref());
        out.text("module", "okta");
        out.text("dataset", "okta.system");
        out.text("provider", "okta");
        out.text_if("reason", event.outcome.peek("reason").as_deref());
        if is_whole {
            out.text("original", input.raw);
        }
    });
}

fn write_party(party: &Party<'_>, out: &mut ObjectWriter<'_>) {
    let login = party.object.peek("alternateId");
    let name = party.object.peek("displayName");
    out.text_if("id", party.object.peek("id").as_deref());
    out.text_if("name", login.as_deref().or(name.as_deref()));
    out.text_if("full_name", name.as_deref());
    out.text_if("email", login.as_deref().filter(|login| is_email(login)));
}

/// `user`: the actor, and under `target` the target user.
fn write_user(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("user", |out| {
        write_party(&event.actor, out);
        out.object("risk", |out| out.text_if("calculated_level", event.risk_level().as_deref()));
        out.object("target", |out| {
            let target = event.target(Kind::User).or_else(|| event.target(Kind::AppUser));
            if let Some(target) = target {
                write_party(target, out);
            }
            if let Some(group) = event.target(Kind::Group) {
                out.object("group", |out| write_named(group, out));
            }
        });
    });
}

fn write_named(party: &Party<'_>, out: &mut ObjectWriter<'_>) {
    out.text_if("id", party.object.peek("id").as_deref());
    out.text_if("name", party.object.peek("displayName").as_deref());
}

fn write_group(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    if let Some(group) = event.target(Kind::Group) {
        out.object("group", |out| write_named(group, out));
    }
}

/// `client` and `source`, which are the same.
fn write_origin(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let ip = event.client.peek("ipAddress").filter(|ip| is_ip(ip));
    // A single dot is Okta's way to say that there is none.
    let domain = event.security.peek("domain").filter(|domain| domain != ".");
    if let Some(address) = ip.as_deref().or(domain.as_deref()) {
        out.text("address", address);
    }
    out.text_if("ip", ip.as_deref());
    out.text_if("domain", domain.as_deref());
    out.object("as", |out| {
        let number = event.security.number("asNumber").and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number {
            out.integer("number", number);
        }
        out.object("organization", |out| out.text_if("name", event.security.peek("asOrg").as_deref()));
    });
    out.object("geo", |out| {
        for (ecs, okta) in [
            ("city_name", "city"),
            ("region_name", "state"),
            ("country_name", "country"),
            ("postal_code", "postalCode"),
        ] {
            out.text_if(ecs, event.geography.peek(okta).as_deref());
        }
        write_location(&event.geolocation, out);
    });
    out.object("user", |out| write_party(&event.actor, out));
}

fn write_location(geolocation: &Object<'_>, out: &mut ObjectWriter<'_>) {
    let degrees = |name, max: f64| {
        let number = geolocation.number(name)?;
        number.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= max).then_some(number)
    };
    if let (Some(lat), Some(lon)) = (degrees("lat", 90.0), degrees("lon", 180.0)) {
        out.object("location", |out| {
            out.raw("lat", lat);
            out.raw("lon", lon);
        });
    }
}

/// `user_agent`, `device`, `http` and `url`.
fn write_request(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("user_agent", |out| {
        out.text_if("original", event.user_agent.peek("rawUserAgent").as_deref());
        out.text_if("name", event.user_agent.peek("browser").as_deref());
        out.object("os", |out| out.text_if("name", event.user_agent.peek("os").as_deref()));
        out.object("device", |out| out.text_if("name", event.client.peek("device").as_deref()));
    });
    out.object("device", |out| out.text_if("id", event.device.peek("id").as_deref()));
    out.object("http", |out| {
        out.object("request", |out| out.text_if("id", event.debug_data.peek("requestId").as_deref()));
    });
    out.object("url", |out| {
        out.text_if("original", event.debug_data.peek("url").as_deref());
        out.text_if("path", event.debug_data.peek("requestUri").as_deref());
    });
}

/// `rule`: the rule of a policy that decided or was changed.
fn write_rule(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let rule = event.target(Kind::PolicyRule);
    let policy = event.target(Kind::Policy);
    out.object("rule", |out| {
        if let Some(rule) = rule {
            write_named(rule, out);
        }
        out.text_if("ruleset", policy.and_then(|policy| policy.object.peek("displayName")).as_deref());
    });
}

/// `related`: what to search by when it does not matter where it stands.
fn write_related(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    let (mut ips, mut users) = (Distinct::default(), Distinct::default());
    let hops = event.ip_chain.iter().map(|hop| hop.peek("ip"));
    for ip in std::iter::once(event.client.peek("ipAddress")).chain(hops).flatten() {
        if is_ip(&ip) {
            ips.add(ip);
        }
    }
    let parties = event.targets.iter().filter(|target| target.kind.is_account());
    for party in std::iter::once(&event.actor).chain(parties).take(detail.elements_max()) {
        for name in ["id", "alternateId", "displayName"] {
            party.object.peek(name).into_iter().for_each(|name| users.add(name));
        }
    }
    out.object("related", |out| {
        out.texts("ip", ips.in_order.iter().take(detail.elements_max()));
        out.texts("user", &users.in_order);
    });
}

/// Texts in the order in which they came first.
#[derive(Default)]
struct Distinct<'a> {
    in_order: Vec<Cow<'a, str>>,
    known: HashSet<Cow<'a, str>>,
}

impl<'a> Distinct<'a> {
    fn add(&mut self, text: Cow<'a, str>) {
        if self.known.insert(text.clone()) {
            self.in_order.push(text);
        }
    }
}
