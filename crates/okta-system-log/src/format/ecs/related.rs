//! `related`: what to search by when it does not matter where it stands.

use super::{
    super::{distinct::Distinct, facts::Address, log_event::LogEvent, party::Kind},
    Detail, ObjectWriter,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>, detail: Detail) {
    let (mut ips, mut users) = (Distinct::default(), Distinct::default());
    let hops = event.ip_chain.iter().map(|hop| hop.peek("ip"));
    let addresses = std::iter::once(event.client.peek("ipAddress")).chain(hops).flatten();
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
