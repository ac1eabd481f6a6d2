//! `related`: what to search by when it does not matter where it stands.

use super::{
    super::{
        distinct::Distinct,
        facts::{Address, ClientAddress, reported_addresses},
        log_event::LogEvent,
        party::{Kind, Party},
    },
    Detail, ObjectWriter,
};

/// Where the debug data names addresses beside the client's: which one a user reports, between which a session moved, and
/// which one a RADIUS agent was asked from.
const OTHERS: [&str; 4] = ["suspiciousActivityEventIp", "newIpAddress", "previousIpAddress", "clientAddress"];

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    let (mut ips, mut users) = (Distinct::default(), Distinct::default());
    let hops = event.ip_chain.iter().map(|hop| hop.peek("ip"));
    // An address may be who did it, and a user may report one.
    let is_address = event.actor.kind == Kind::Address;
    let of_actor = ["id", "alternateId", "displayName"].map(|name| event.actor.object.peek(name));
    let of_actor = of_actor.into_iter().filter(|_| is_address);
    let told = OTHERS.into_iter().map(|name| event.debug_data.peek(name));
    if let Some(client) = ClientAddress::of(event) {
        ips.add(client.address.ip);
    }
    let addresses = of_actor.chain(told).chain(hops).flatten();
    addresses.filter_map(Address::read).for_each(|address| ips.add(address.ip));
    reported_addresses(event).into_iter().for_each(|(_, ip)| ips.add(ip.into()));
    let is_user = |actor: &&Party<'_>| actor.kind != Kind::Address && !actor.kind.is_machine();
    let actor = std::iter::once(&event.actor).filter(is_user);
    let targets = event.targets.iter().filter(|target| target.kind.is_account());
    for party in actor.chain(targets).take(detail.elements_max()) {
        for name in ["id", "alternateId", "displayName"] {
            party.object.peek(name).into_iter().for_each(|name| users.add(name));
        }
    }
    out.object("related", |out| {
        out.texts("ip", ips.in_order.iter().take(detail.elements_max()));
        out.texts("user", &users.in_order);
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn every_address_is_found_whoever_has_it() {
        let event = r#"{"actor":{"id":"203.0.113.5","type":"IP address","displayName":"203.0.113.5"},"client":{"ipAddress":"198.51.100.7"},"request":{"ipChain":[{"ip":"198.51.100.7"},{"ip":"198.51.100.8"}]},"debugContext":{"debugData":{"suspiciousActivityEventIp":"203.0.113.66","previousIpAddress":"203.0.113.67","newIpAddress":"203.0.113.68","clientAddress":"10.47.194.101","partnerRiskReportData":{"https://x/ip-change":{"current_ip_address":["203.0.113.69"]}}}}}"#;
        let event = LogEvent::read(event).unwrap();
        assert_eq!(
            Writer::new(usize::MAX).object(|out| write(&event, out, Detail::Full)),
            r#"{"related":{"ip":["198.51.100.7","203.0.113.5","203.0.113.66","203.0.113.68","203.0.113.67","10.47.194.101","198.51.100.8","203.0.113.69"]}}"#
        );
    }

    #[test]
    fn a_device_that_reports_is_no_user() {
        let event = r#"{"actor":{"id":"guv1","type":"Device","displayName":"Mac"},"target":[{"id":"00u","type":"User"}]}"#;
        let event = LogEvent::read(event).unwrap();
        assert_eq!(
            Writer::new(usize::MAX).object(|out| write(&event, out, Detail::Full)),
            r#"{"related":{"user":["00u"]}}"#
        );
    }
}
