//! The addresses that somebody else reports: a provider of security events in the form of its standard, or a user.

use super::{address::Address, notation};
use crate::format::{log_event::LogEvent, object::Object};

/// Where the debug data has the report of a provider.
const REPORTS: [&str; 2] = ["securityEventsProviderReportedRisk", "partnerRiskReportData"];
/// Where the claims of a report name addresses.
const ADDRESSES: [&str; 2] = ["current_ip_address", "previous_ip_address"];
/// The address that a user reports.
const SUSPICIOUS: &str = "suspiciousActivityEventIp";
/// More than a report has. What is beyond stays where Okta wrote it.
const ADDRESSES_MAX: usize = 64;

/// The addresses that a session has and had by the report of a provider, each with the name of its claim.
pub(in crate::format) fn reported_addresses(event: &LogEvent<'_>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let reports = REPORTS.iter().filter_map(|name| event.debug_data.raw(name));
    for report in reports.filter_map(notation::content) {
        if let Some(report) = Object::read(&*report) {
            add_claims(&report, &mut found);
        }
    }
    found
}

/// The address that a user reports, if it is one.
pub(in crate::format) fn suspicious_address(event: &LogEvent<'_>) -> Option<String> {
    let address = event.debug_data.peek(SUSPICIOUS).and_then(Address::read)?;
    Some(address.ip.into_owned())
}

/// Adds what the claims of a token name: those of the token, and those of its events, which stand under the addresses of
/// their types, beside the issuer or in `events`.
fn add_claims(token: &Object<'_>, found: &mut Vec<(&'static str, String)>) {
    let events = token.peek_object("events");
    let named = [Some(token), events.as_ref()].into_iter().flatten().flat_map(Object::members);
    let named = named.filter(|(name, _)| name.starts_with("http")).filter_map(|(_, json)| Object::read(json));
    let mut claims: Vec<_> = token.peek_object("claims").into_iter().collect();
    for event in named {
        claims.extend(event.peek_object("claims"));
        claims.push(event);
    }
    for name in ADDRESSES {
        let texts = claims.iter().flat_map(|claims| claims.take_texts(name));
        found.extend(texts.filter_map(Address::read).map(|address| (name, address.ip.into_owned())));
    }
    found.truncate(ADDRESSES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_every_form_of_a_report() {
        let claims = r#"{"current_ip_address":["203.0.113.31"],"previous_ip_address":"203.0.113.32"}"#;
        for report in [
            format!(r#""securityEventsProviderReportedRisk":{{"claims":{claims}}}"#),
            format!(
                r#""securityEventsProviderReportedRisk":{{"events":{{"https://x/ip-change":{claims}}}}}"#
            ),
            format!(
                r#""partnerRiskReportData":{{"issuer":"https://p.example","https://x/ip-change":{claims}}}"#
            ),
            format!(
                r#""partnerRiskReportData":{}"#,
                serde_json::to_string(&format!(r#"{{"issuer":"https://p","https://x/ip-change":{claims}}}"#))
                    .unwrap()
            ),
        ] {
            let event = format!(r#"{{"debugContext":{{"debugData":{{{report}}}}}}}"#);
            let found = reported_addresses(&LogEvent::read(event.as_str()).unwrap());
            let expected = [
                ("current_ip_address", "203.0.113.31".to_owned()),
                ("previous_ip_address", "203.0.113.32".to_owned()),
            ];
            assert_eq!(found, expected, "{report}");
        }
        assert!(reported_addresses(&LogEvent::read("{}").unwrap()).is_empty());
    }
}
