//! `related`: what to search by when it does not matter where it stands.

use super::{
    super::{distinct::Distinct, facts::Address, log_event::LogEvent, party::Kind},
    Detail, ObjectWriter,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    let (mut ips, mut users) = (Distinct::default(), Distinct::default());
    let hops = event.ip_chain.iter().map(|hop| hop.peek("ip"));
    // An address may be who did it, and a user may report one.
    let is_address = event.actor.kind == Kind::Address;
    let of_actor = ["id", "alternateId", "displayName"].map(|name| event.actor.object.peek(name));
    let of_actor = of_actor.into_iter().filter(|_| is_address);
    let reported = event.debug_data.peek("suspiciousActivityEventIp");
    let own = std::iter::once(event.client.peek("ipAddress")).chain(of_actor).chain([reported]);
    let addresses = own.chain(hops).flatten();
    addresses.filter_map(Address::read).for_each(|address| ips.add(address.ip));
    let actor = std::iter::once(&event.actor).filter(|actor| actor.kind != Kind::Address);
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
        let event = r#"{"actor":{"id":"203.0.113.5","type":"IP address","displayName":"203.0.113.5"},"client":{"ipAddress":"198.51.100.7"},"request":{"ipChain":[{"ip":"198.51.100.7"},{"ip":"198.51.100.8"}]},"debugContext":{"debugData":{"suspiciousActivityEventIp":"203.0.113.66"}}}"#;
        let event = LogEvent::read(event).unwrap();
        assert_eq!(
            Writer::new(usize::MAX).object(|out| write(&event, out, Detail::Full)),
            r#"{"related":{"ip":["198.51.100.7","203.0.113.5","203.0.113.66","198.51.100.8"]}}"#
        );
    }
}
