//! Where a request came from: source endpoint, place, operating system, HTTP request, and the device.

use std::borrow::Cow;

use super::{
    super::{
        facts::{
            Address, ClientAddress, OS_VERSION, PLATFORM, System, apple_mobile_version, country_code,
            take_first,
        },
        log_event::LogEvent,
        object::Object,
        words::is_ip,
        writer::ObjectWriter,
    },
    notes::{Notes, Observed},
};

/// `type_id` and `type` of an endpoint by what Okta calls it.
const ENDPOINTS: [(&str, u8, &str); 4] =
    [("Computer", 2, "Desktop"), ("Laptop", 3, "Laptop"), ("Tablet", 4, "Tablet"), ("Mobile", 5, "Mobile")];

/// Writes `src_endpoint`; false if there is none. Where OCSF demands one and there was no client, it is Okta's own service.
pub(super) fn write_source<'a>(
    event: &LogEvent<'a>,
    is_demanded: bool,
    path: &'static str,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) -> bool {
    let address = take_address(event, notes);
    let port = address.as_ref().and_then(|address| address.port);
    let ip = address.map(|address| address.ip);
    // A single dot is Okta's way to say that there is none.
    let domain = event.security.take("domain").filter(|domain| domain != ".");
    // The chain belongs to an endpoint. Without one it is left to what is not mapped.
    let is_endpoint = ip.is_some() || domain.is_some();
    let mut hops = if is_endpoint { intermediate_ips(event, ip.as_deref()) } else { Vec::new() };
    hops.truncate(notes.elements_max);
    let is_written = out.object("src_endpoint", |out| {
        // One of these makes an endpoint; what else there is says nothing without them.
        if !is_endpoint {
            if is_demanded {
                out.text("svc_name", "Okta");
            }
            return;
        }
        out.text_if("ip", ip.as_deref());
        if let Some(port) = port {
            out.integer("port", port);
        }
        out.text_if("domain", domain.as_deref());
        out.text_if("isp", event.security.take("isp").as_deref());
        out.text_if("zone", event.client.take("zone").as_deref());
        write_kind(event, out);
        write_system(event.user_agent.take("os").as_deref(), None, event, out);
        write_network(event, out);
        write_location(event, out, notes, path);
        out.texts("intermediate_ips", &hops);
    });
    notes.observe(Observed::IpAddress, path, "ip", ip.as_ref());
    hops.iter().for_each(|hop| notes.observe(Observed::IpAddress, path, "intermediate_ips[]", Some(hop)));
    is_written
}

/// The client's address, taken if it says all that Okta wrote.
fn take_address<'a>(event: &LogEvent<'a>, notes: &mut Notes<'_>) -> Option<Address<'a>> {
    let Some(client) = ClientAddress::of(event) else {
        if event.client.peek("ipAddress").is_some() {
            notes.tell("client.ipAddress is no address that can be read");
        }
        return None;
    };
    client.mark(event);
    Some(client.address)
}

fn write_kind(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let Some(name) = event.client.peek("device") else { return };
    match ENDPOINTS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&name)) {
        Some((_, id, caption)) => {
            out.integer("type_id", *id);
            out.text("type", caption);
            event.client.mark_same("device", caption);
        }
        None => {
            event.client.mark("device");
            out.integer("type_id", 99);
            out.text("type", &name);
        }
    }
}

/// Writes `os`, of the device that Okta knows or of the client.
fn write_system(
    name: Option<&str>,
    device: Option<&Object<'_>>,
    event: &LogEvent<'_>,
    out: &mut ObjectWriter<'_>,
) {
    // A version of nothing known is left.
    let Some(name) = name else { return };
    let agent = event.user_agent.peek("rawUserAgent");
    let version = device.and_then(|device| take_first(device, &OS_VERSION));
    let apple = || apple_mobile_version(name, agent.as_deref());
    let version = version.or_else(apple);
    write_os(Some(name), version.as_deref(), out);
}

/// Writes `os` by its name, if it has one.
pub(super) fn write_os(name: Option<&str>, version: Option<&str>, out: &mut ObjectWriter<'_>) {
    let Some(name) = name else { return };
    let (id, caption) = system(System::of(name));
    out.object("os", |out| {
        out.text("name", name);
        out.integer("type_id", id);
        out.text("type", caption.unwrap_or(name));
        out.text_if("version", version);
    });
}

/// `type_id` and `type` of an operating system.
fn system(system: Option<System>) -> (u16, Option<&'static str>) {
    match system {
        Some(System::Windows) => (100, Some("Windows")),
        Some(System::WindowsMobile) => (101, Some("Windows Mobile")),
        Some(System::Linux) => (200, Some("Linux")),
        Some(System::Android) => (201, Some("Android")),
        Some(System::MacOs) => (300, Some("macOS")),
        Some(System::Ios) => (301, Some("iOS")),
        Some(System::IpadOs) => (302, Some("iPadOS")),
        None => (99, None),
    }
}

fn write_network(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("autonomous_system", |out| {
        let number = event.security.peek("asNumber").and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number > 0) {
            event.security.mark("asNumber");
            out.integer("number", number);
        }
        out.text_if("name", event.security.take("asOrg").as_deref());
    });
}

/// A place has to have a name: coordinates alone are none for OCSF, and stay with what is not mapped.
fn write_location<'a>(
    event: &LogEvent<'a>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
    path: &'static str,
) {
    let place = &event.geography;
    let country = read_country(place, "country");
    let names = [
        ("city", place.take("city")),
        ("region", place.take("state")),
        ("country", country.clone()),
        ("postal_code", place.take("postalCode")),
    ];
    if names.iter().all(|(_, name)| name.is_none()) {
        return;
    }
    out.object("location", |out| {
        for (member, name) in &names {
            out.text_if(member, name.as_deref());
        }
        for (member, name, max) in [("lat", "lat", 90.0), ("long", "lon", 180.0)] {
            let number = event.geolocation.number(name);
            let is_on_earth = |number: &&str| number.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= max);
            if let Some(number) = number.filter(is_on_earth) {
                event.geolocation.mark(name);
                out.raw(member, number);
            }
        }
    });
    let place = match path {
        "src_endpoint" => "src_endpoint.location",
        EVIDENCE => EVIDENCE_LOCATION,
        _ => "device.location",
    };
    notes.observe(Observed::Country, place, "country", country.as_ref());
}

/// The code of the country that the member names, as OCSF has the code alone. Taken if it was one: a name that nobody knows
/// stays with what is not mapped, as the name of a code does.
pub(super) fn read_country<'a>(object: &Object<'a>, member: &str) -> Option<Cow<'a, str>> {
    let code = object.peek(member).and_then(|name| country_code(&name))?;
    object.mark_same(member, code);
    Some(Cow::Borrowed(code))
}

/// Where the debug data tells from where to where a session went, and whom a RADIUS agent was asked by.
const MOVES: [&str; 3] = ["newIpAddress", "previousIpAddress", "clientAddress"];

/// Notes the addresses that a session has moved between, and their like. OCSF has no attribute for them, so that they are
/// found where Okta has them.
pub(super) fn observe_move<'a>(event: &LogEvent<'a>, notes: &mut Notes<'a>) {
    for member in MOVES {
        let ip = event.debug_data.peek(member).filter(|ip| is_ip(ip));
        notes.observe(Observed::IpAddress, "unmapped.debugContext.debugData", member, ip.as_ref());
    }
}

/// Where the endpoint of a finding stands.
pub(super) const EVIDENCE: &str = "evidences[0].src_endpoint";
/// And its place.
pub(super) const EVIDENCE_LOCATION: &str = "evidences[0].src_endpoint.location";

/// The addresses of the chain but for the client's own. What a hop says of the client's place a second time is taken.
fn intermediate_ips<'a>(event: &LogEvent<'a>, client: Option<&str>) -> Vec<Cow<'a, str>> {
    let mut ips = Vec::new();
    let place = event.client.raw("geographicalContext");
    for hop in &event.ip_chain {
        let Some(Address { ip, port, is_whole }) = hop.peek("ip").and_then(Address::read) else { continue };
        if is_whole && port.is_none() {
            hop.mark("ip");
        }
        hop.mark_same("version", if ip.contains(':') { "V6" } else { "V4" });
        if hop.raw("geographicalContext") == place {
            hop.mark("geographicalContext");
        }
        if client != Some(&*ip) {
            ips.push(ip);
        }
    }
    ips
}

/// Writes `http_request`.
pub(super) fn write_http_request<'a>(
    event: &LogEvent<'a>,
    path: &'static str,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let agent = event.user_agent.take("rawUserAgent");
    out.object("http_request", |out| {
        out.text_if("uid", event.debug_data.take("requestId").as_deref());
        out.text_if("user_agent", agent.as_deref());
        out.object("url", |out| {
            out.text_if("path", event.debug_data.take("requestUri").as_deref());
            out.text_if("url_string", event.debug_data.take("url").as_deref());
        });
    });
    notes.observe(Observed::UserAgent, path, "user_agent", agent.as_ref());
}

/// Writes `type_id` and `type` of a device by its platform.
pub(super) fn write_device_kind(platform: Option<&str>, out: &mut ObjectWriter<'_>) {
    let (id, caption) = match platform.and_then(System::of) {
        Some(System::Ios | System::Android) => (5, "Mobile"),
        Some(System::IpadOs) => (4, "Tablet"),
        _ => (0, "Unknown"),
    };
    out.integer("type_id", id);
    out.text("type", caption);
}

/// Writes `device` of the profile `host`: the device that Okta knows, or, where the class has no source endpoint, the
/// client.
pub(super) fn write_device<'a>(
    event: &LogEvent<'a>,
    with_client: bool,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let uid = event.device.take("id");
    let name = event.device.take("name");
    let ip = if with_client { take_address(event, notes) } else { None }.map(|address| address.ip);
    if uid.is_none() && name.is_none() && ip.is_none() {
        return;
    }
    notes.uses_host = true;
    out.object("device", |out| {
        out.text_if("uid", uid.as_deref());
        out.text_if("name", name.as_deref());
        out.text_if("ip", ip.as_deref());
        let platform = take_first(&event.device, &PLATFORM);
        write_device_kind(platform.as_deref(), out);
        let system = platform.or_else(|| event.user_agent.take("os").filter(|_| with_client));
        write_system(system.as_deref(), Some(&event.device), event, out);
        if let Some(is_managed) = event.device.take_flag("managed") {
            out.flag("is_managed", is_managed);
        }
        out.text_if("udid", event.device.take("udid").as_deref());
        if with_client {
            write_location(event, out, notes, "device");
        }
    });
    notes.observe(Observed::DeviceUid, "device", "uid", uid.as_ref());
    notes.observe(Observed::IpAddress, "device", "ip", ip.as_ref());
}
