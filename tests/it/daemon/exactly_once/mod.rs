//! Routes that deliver exactly once, as a reader of the bus sees them: after kills, when a daemon takes over from another, and
//! on the way in and out.

mod check;
mod cluster;
mod kills;
mod matrix;
mod refusals;
mod room;
mod standby;
mod way_in;

use std::collections::BTreeMap;

use crate::support::{
    daemon::uuid,
    kafka::Broker,
    nats::{NatsServer, Stored},
};

const TOPIC: &str = "okta.once";
const STREAM: &str = "OKTA";

/// Asserts that each of `served` arrived once, and nothing else.
fn assert_each_once(bus: &str, served: &[String], arrived: &[String]) {
    let mut counts: BTreeMap<&str, usize> = served.iter().map(|uuid| (uuid.as_str(), 0)).collect();
    for uuid in arrived {
        *counts.entry(uuid).or_default() += 1;
    }
    let missing = counts.values().filter(|count| **count == 0).count();
    let twice = counts.values().filter(|count| **count > 1).count();
    println!("{bus}: {} served, {} arrived, {missing} missing, {twice} twice", served.len(), arrived.len());
    assert_eq!((missing, twice, counts.len()), (0, 0, served.len()), "{bus}");
}

/// What a reader sees that reads what is committed.
async fn in_kafka(broker: &Broker) -> Vec<String> {
    broker.records(TOPIC).await.iter().map(|record| record.headers["ce_id"].clone()).collect()
}

/// What a consumer of the messages' subjects sees.
async fn in_jetstream(nats: &NatsServer) -> Vec<String> {
    let is_event = |stored: &Stored| stored.subject.starts_with("okta.");
    let stored = nats.stored(STREAM).await;
    stored
        .iter()
        .filter(|stored| is_event(stored))
        .map(|stored| uuid(str::from_utf8(&stored.payload).unwrap()))
        .collect()
}
