//! `network`, and `intermediary`: over which network and in which session the request came, and what it went through.

use super::{
    super::{
        facts::{Address, anonymizers},
        log_event::LogEvent,
        object::Object,
        writer::ObjectWriter,
    },
    Scene, ocsf, principal,
};

const PLACE: &str = "geographicalContext";

/// Writes both.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    write_intermediaries(scene, out);
    write_network(scene.event, out);
}

fn write_network(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("network", |out| {
        // As Google's own parser has them, by which rules join events.
        out.text_if("session_id", event.transaction.take("id").as_deref());
        out.text_if("parent_session_id", event.authentication.take("externalSessionId").as_deref());
        let agent = event.user_agent.take("rawUserAgent");
        if agent.is_some() {
            out.text("application_protocol", "HTTPS");
        }
        out.object("http", |out| out.text_if("user_agent", agent.as_deref()));
        let number = event.security.peek("asNumber").and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number > 0) {
            event.security.mark("asNumber");
            out.text("asn", &number.to_string());
        }
        out.text_if("organization_name", event.security.take("asOrg").as_deref());
        out.text_if("carrier_name", event.security.take("isp").as_deref());
        // A single dot is Okta's way to say that there is none.
        let domain = event.security.take("domain").filter(|domain| domain != ".");
        out.text_if("dns_domain", domain.as_deref());
        if let Some(is_proxy) = event.security.take_flag("isProxy") {
            out.flag("is_proxy", is_proxy);
        }
        write_proxy(event, out);
    });
}

/// UDM's flags for what hides where a request came from.
const HIDING: [(&str, &[&str]); 5] = [
    ("anonymous", &["Anonymizer"]),
    ("anonymous_vpn", &["VPN", "Blockchain VPN"]),
    ("public_proxy", &["Proxy"]),
    ("tor_exit_node", &["Tor"]),
    ("residential_proxy", &["Residential Proxy"]),
];

/// Writes `proxy_info`.
fn write_proxy(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let found = anonymizers(event);
    out.object("proxy_info", |out| {
        for (flag, words) in HIDING {
            if found.iter().any(|service| words.contains(service)) {
                out.flag(flag, true);
            }
        }
    });
}

/// Writes `intermediary`: the org, by which one signs on to an application, and the addresses of the chain but for the
/// client's own.
fn write_intermediaries(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { event, target, origin, input, .. } = scene;
    out.array("intermediary", |out| {
        if scene.is_of(ocsf::AUTHENTICATION) && target.app.is_some() {
            out.object(|out| out.text_if("hostname", input.tenant));
        }
        let client = origin.address().map(|address| &*address.ip);
        let place = event.client.raw(PLACE);
        for hop in event.ip_chain.iter().take(input.detail.elements_max()) {
            let Some(Address { ip, port, is_whole }) = hop.peek("ip").and_then(Address::read) else {
                continue;
            };
            if is_whole && port.is_none() {
                hop.mark("ip");
            }
            hop.mark_same("version", if ip.contains(':') { "V6" } else { "V4" });
            if client == Some(&*ip) {
                if hop.raw(PLACE) == place {
                    hop.mark(PLACE);
                }
                continue;
            }
            out.object(|out| {
                out.texts("ip", [&ip]);
                write_place(hop, out);
            });
        }
    });
}

/// Writes where a hop is; what of it has no field stays with the hop.
fn write_place(hop: &Object<'_>, out: &mut ObjectWriter<'_>) {
    // What is no object stays with the hop.
    let Some(geography) = hop.peek_object(PLACE) else { return };
    let geolocation = geography.open("geolocation");
    principal::write_location(&geography, &geolocation, out);
    if geography.rest().next().is_none() && geolocation.rest().next().is_none() {
        hop.mark(PLACE);
    }
}
