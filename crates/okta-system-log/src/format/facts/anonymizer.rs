//! Through what a request came that hides where it came from: a VPN, a proxy, Tor.

use super::notation;
use crate::{
    event::is_missing,
    format::{
        log_event::LogEvent,
        object::{Object, flag},
    },
};

/// Okta's words for the services behind an address.
const SERVICES: [&str; 5] = ["VPN", "Proxy", "Tor", "Residential Proxy", "Blockchain VPN"];
/// The member that names the service, and those that say that it hides who uses it.
const TYPE: &str = "type";
const FLAGS: [&str; 2] = ["anonymous", "isAnonymous"];
/// What hides the client, where Okta says no more than that something does.
const ANONYMIZER: &str = "Anonymizer";

/// The services that `event` names, each once: in `ipDetails` of the security context and of the hops, in `tunnels`,
/// which is JSON in a text, and, of older events, in `proxyType`, `anonymizerStatus` and `associatedProxies`.
pub(in crate::format) fn anonymizers(event: &LogEvent<'_>) -> Vec<&'static str> {
    let mut found = Found::default();
    let details = event.ip_chain.iter().chain([&event.security]);
    let details = details.filter_map(|object| object.peek_object("ipDetails"));
    for json in details.filter_map(|details| details.raw("ipServiceCategories")) {
        found.add_services(json);
    }
    if let Some(tunnels) = event.debug_data.raw("tunnels").and_then(notation::content) {
        found.add_services(&tunnels);
    }
    if let Some(kind) = event.debug_data.peek("proxyType") {
        found.add(if kind.eq_ignore_ascii_case("tor") { "Tor" } else { "Proxy" });
    }
    let proxies = event.debug_data.raw("associatedProxies").and_then(notation::content);
    if proxies.is_some_and(|proxies| !proxies.trim_matches(['[', ']', ' ']).is_empty()) {
        found.add("Proxy");
    }
    if event.debug_data.peek("anonymizerStatus").is_some() {
        found.add(ANONYMIZER);
    }
    found.services
}

#[derive(Debug, Default)]
struct Found {
    services: Vec<&'static str>,
}

impl Found {
    /// Adds what a list such as `[{"operator":"WARP_VPN","type":"VPN","anonymous":true}]` names.
    fn add_services(&mut self, json: &str) {
        let Some(elements) = Object::read_elements(json) else { return self.add_printed(json) };
        for service in elements.into_iter().filter_map(Object::read) {
            let kind = service.peek("type");
            kind.into_iter().for_each(|kind| self.add_kind(&kind));
            if FLAGS.iter().any(|name| service.raw(name).and_then(flag) == Some(true)) {
                self.add(ANONYMIZER);
            }
        }
    }

    /// Adds what a list names that is no JSON: one whose words have no quotes, as in Okta's documents, or that Java printed,
    /// `[{anonymous=true, operator=WARP_VPN, type=VPN}]`.
    fn add_printed(&mut self, text: &str) {
        for service in text.split('}') {
            let is_name =
                |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            for (name, value) in notation::entries_by_name(service, is_name).0 {
                match name {
                    TYPE => self.add_kind(value.trim_matches('"')),
                    name if FLAGS.contains(&name) && flag(value) == Some(true) => self.add(ANONYMIZER),
                    _ => {}
                }
            }
        }
    }

    fn add_kind(&mut self, kind: &str) {
        if is_missing(kind) {
            return;
        }
        let known = SERVICES.iter().find(|known| known.eq_ignore_ascii_case(kind));
        self.add(known.copied().unwrap_or(ANONYMIZER));
    }

    fn add(&mut self, service: &'static str) {
        if !self.services.contains(&service) {
            self.services.push(service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_the_client_is_found_in_every_place() {
        for (event, expected) in [
            (
                r#"{"debugContext":{"debugData":{"tunnels":"[{\"anonymous\":true,\"operator\":\"WARP_VPN\",\"type\":\"VPN\"}]"}}}"#,
                vec!["VPN", "Anonymizer"],
            ),
            (r#"{"debugContext":{"debugData":{"tunnels":[{"anonymous":false,"type":"Vpn"}]}}}"#, vec!["VPN"]),
            (
                r#"{"securityContext":{"ipDetails":{"ipServiceCategories":[{"type":"Residential Proxy","isAnonymous":true}]}}}"#,
                vec!["Residential Proxy", "Anonymizer"],
            ),
            (
                r#"{"request":{"ipChain":[{"ip":"192.0.2.1","ipDetails":{"ipServiceCategories":[{"type":"Tor"},{"type":"NextYears"}]}}]}}"#,
                vec!["Tor", "Anonymizer"],
            ),
            (
                r#"{"debugContext":{"debugData":{"proxyType":"tor","anonymizerStatus":"private"}}}"#,
                vec!["Tor", "Anonymizer"],
            ),
            (
                r#"{"debugContext":{"debugData":{"proxyType":"service","associatedProxies":"[\"OCULUS_PROXY\"]"}}}"#,
                vec!["Proxy"],
            ),
            (
                r#"{"debugContext":{"debugData":{"associatedProxies":"[]","tunnels":"[]","proxyType":"none"}}}"#,
                vec![],
            ),
            (r#"{"debugContext":{"debugData":{"tunnels":"junk"}}}"#, vec![]),
            (
                r#"{"debugContext":{"debugData":{"tunnels":"[{\"anonymous\":true,\"operator\":NORD_VPN,\"type\":\"VPN\"}]"}}}"#,
                vec!["Anonymizer", "VPN"],
            ),
            (
                r#"{"debugContext":{"debugData":{"tunnels":"[{anonymous=false, operator=NORD_VPN, type=VPN}, {anonymous=true, type=TOR}]"}}}"#,
                vec!["VPN", "Anonymizer", "Tor"],
            ),
        ] {
            assert_eq!(anonymizers(&LogEvent::read(event).unwrap()), expected, "{event}");
        }
    }
}
