//! The daemon is killed again and again while events flow to Kafka, NATS and files at once: nothing is missing, and
//! duplicates are where they are said to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use crate::support::{
    daemon::{Workplace, uuid},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

const EVENTS: usize = 50_000;
const KILLS: usize = 30;
const PAGE_SIZE: usize = 100;
const PAGES_IN_FLIGHT: usize = 4;
/// Slows the flow down so far that all kills strike before the end.
const DELAY_MS: u64 = 25;
const TOPIC: &str = "okta.crash";

/// How often each uuid arrived.
struct Arrived(BTreeMap<String, usize>);

impl Arrived {
    fn of(uuids: impl IntoIterator<Item = String>) -> Self {
        let mut counts = BTreeMap::new();
        for uuid in uuids {
            *counts.entry(uuid).or_default() += 1;
        }
        Self(counts)
    }

    fn missing(&self, served: &BTreeSet<String>) -> usize {
        served.iter().filter(|uuid| !self.0.contains_key(*uuid)).count()
    }

    fn received(&self) -> usize {
        self.0.values().sum()
    }

    fn duplicates(&self) -> usize {
        self.received() - self.0.len()
    }
}

#[tokio::test]
async fn nothing_is_lost_by_thirty_kills() {
    let okta = Okta::with_backlog(EVENTS).await;
    okta.arm(json!({"kind": "delay", "milliseconds": DELAY_MS})).await;
    let broker = Broker::shared().await;
    broker.create_topic(TOPIC, 3, &[]).await;
    let nats = NatsServer::start().await;
    let workplace = Workplace::new(&okta, &configuration(&broker.section(), &nats.section()));

    let mut random = fastrand::Rng::with_seed(30);
    for _ in 0..KILLS {
        let daemon = workplace.start(&[]);
        // Not a wait for something to happen: any moment must be as good as any other.
        tokio::time::sleep(Duration::from_millis(random.u64(50..700))).await;
        daemon.kill().await;
    }
    let before_the_end = workplace.oktabus(&["state", "show", "--json"]).await.stdout;
    okta.disarm().await;
    workplace.catch_up().await;

    let served: BTreeSet<String> = okta.uuids().await.into_iter().collect();
    assert_eq!(served.len(), EVENTS);
    let records = broker.records(TOPIC).await;
    let kafka = Arrived::of(records.iter().map(|record| record.headers["ce_id"].clone()));
    let messages = nats.stored("OKTA").await;
    let jetstream =
        Arrived::of(messages.iter().map(|message| uuid(str::from_utf8(&message.payload).unwrap())));
    let files = Arrived::of(workplace.uuids("archive"));

    println!("after {KILLS} kills, where the routes stood:\n{before_the_end}");
    println!("sink   served  received  missing  duplicates");
    for (sink, arrived) in [("kafka", &kafka), ("nats", &jetstream), ("file", &files)] {
        let (received, missing, duplicates) =
            (arrived.received(), arrived.missing(&served), arrived.duplicates());
        println!("{sink:5}  {:>6}  {received:>8}  {missing:>7}  {duplicates:>10}", served.len());
    }
    for line in before_the_end.lines() {
        let route: serde_json::Value = serde_json::from_str(line).unwrap();
        let delivered = route["delivered"].as_u64().unwrap();
        assert!(
            delivered > 1_000 && delivered < EVENTS as u64,
            "the kills did not strike in the middle: {line}"
        );
    }
    for arrived in [&kafka, &jetstream, &files] {
        assert_eq!(arrived.missing(&served), 0);
        assert_eq!(arrived.0.len(), served.len(), "something arrived that was never served");
    }
    // A copy is the message once more, so that a reader knows it again.
    let mut first = BTreeMap::new();
    for record in &records {
        let message = (&record.key, &record.value);
        assert_eq!(*first.entry(&record.headers["ce_id"]).or_insert(message), message);
    }
    assert!(kafka.duplicates() <= KILLS * PAGES_IN_FLIGHT * PAGE_SIZE);
    assert_eq!(jetstream.duplicates(), 0);
    assert_eq!(files.duplicates(), 0);
}

fn configuration(kafka: &str, nats: &str) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = {PAGE_SIZE}
routes = [
  {{ sink = "kafka", in_flight_pages = {PAGES_IN_FLIGHT} }},
  {{ sink = "nats", in_flight_pages = {PAGES_IN_FLIGHT} }},
  {{ sink = "files", in_flight_pages = {PAGES_IN_FLIGHT} }},
]
{kafka}
{nats}
[sinks.kafka]
kind = "kafka"
topic = "{TOPIC}"
[sinks.nats]
kind = "nats"
stream = "OKTA"
# The shortest window there is: what a crash left behind must be recognised without it.
create = {{ duplicate_window = "100ms" }}
[sinks.files]
kind = "file"
directory = "{{dir}}/archive"
rotate = {{ size = "8 MiB", compress = "zstd" }}
"#
    )
}
