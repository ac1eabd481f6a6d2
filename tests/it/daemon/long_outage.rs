//! A bus that is away for long, or that lacks the topic or stream: the route waits, reads no further than it may have in
//! flight, says so, and delivers everything in the end. What the bus can never take is kept.

use std::{collections::BTreeSet, fs, time::Duration};

use async_nats::jetstream::stream::Config;

use crate::support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta, tools::eventually};

const ROUTE: &str = "log/bus";
const PAGE_SIZE: usize = 100;
const PAGES_IN_FLIGHT: u64 = 4;

fn workplace(okta: &Okta, bus: &str, sink: &str) -> Workplace {
    let config = format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
page_size = {PAGE_SIZE}
routes = [{{ sink = "bus", in_flight_pages = {PAGES_IN_FLIGHT} }}]
{bus}
[sinks.bus]
{sink}
"#
    );
    Workplace::new(okta, &config)
}

fn to_topic(okta: &Okta, broker: &Broker, topic: &str) -> Workplace {
    workplace(okta, &broker.section(), &format!("kind = \"kafka\"\ntopic = \"{topic}\"\n"))
}

/// The trouble of the sink as the status has it, once `/readyz` has it too.
async fn unready(workplace: &Workplace) -> String {
    let trouble = workplace.route(ROUTE, |route| route.sink_trouble.is_some()).await.sink_trouble.unwrap();
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200, "a restart would not help");
    trouble
}

#[tokio::test]
async fn a_broker_that_is_gone_for_long_stops_the_reading_and_costs_no_event() {
    let okta = Okta::with_backlog(3_000).await;
    let (mut broker, topic) = (Broker::start().await, "gone");
    broker.create_topic(topic, 1, &[]).await;
    let workplace = to_topic(&okta, &broker, topic);
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered == 3_000 && route.phase == "at_tail").await;

    broker.kill();
    let events: Vec<_> = (0..5_000).map(|number| format!(r#"{{"uuid":"meanwhile-{number}"}}"#)).collect();
    okta.add(&format!("[{}]", events.join(","))).await;
    let before = okta.answered(200).await;
    unready(&workplace).await;
    // Fifty pages wait at Okta. Nobody asks for more in the time of a dozen polls.
    let (mut answered, mut unchanged) = (before, 0);
    while unchanged < 12 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = okta.answered(200).await;
        unchanged = if now == answered { unchanged + 1 } else { 0 };
        answered = now;
    }
    let read = answered - before;
    assert!(read <= PAGES_IN_FLIGHT + 2, "{read} pages were read while nothing could be delivered");
    assert_eq!(workplace.route(ROUTE, |_| true).await.delivered, 3_000);

    broker.restart().await;
    workplace.route(ROUTE, |route| route.delivered == 8_000 && route.sink_trouble.is_none()).await;
    let records = broker.records(topic).await;
    let arrived: BTreeSet<_> = records.iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_eq!(arrived, okta.uuids().await.into_iter().collect());
    let copies = records.len() - arrived.len();
    assert!(copies <= PAGE_SIZE * PAGES_IN_FLIGHT as usize, "{copies} copies");
    assert!(
        !workplace.path("state/dead-letters/log.bus.jsonl").exists(),
        "an outage is no reason to give up"
    );
}

#[tokio::test]
async fn a_topic_that_is_missing_is_told_and_filled_once_it_is_there() {
    let okta = Okta::with_backlog(500).await;
    let (broker, topic) = (Broker::shared().await, "created.later");
    let workplace = to_topic(&okta, broker, topic);
    let _daemon = workplace.start(&[]);
    let trouble = unready(&workplace).await;
    assert!(trouble.contains(topic), "{trouble}");
    broker.create_topic(topic, 1, &[]).await;
    workplace.route(ROUTE, |route| route.delivered == 500 && route.sink_trouble.is_none()).await;
    let arrived: Vec<_> =
        broker.records(topic).await.iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_eq!(arrived, okta.uuids().await);
}

#[tokio::test]
async fn a_record_that_no_broker_takes_goes_to_the_dead_letters_with_its_bytes() {
    let okta = Okta::with_backlog(100).await;
    let (broker, topic) = (Broker::shared().await, "too.large");
    broker.create_topic(topic, 1, &[]).await;
    let workplace = to_topic(&okta, broker, topic);
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered == 100).await;
    let huge = format!(r#"{{"uuid":"huge","padding":"{}"}}"#, "x".repeat(2 << 20));
    okta.add(&format!(r#"[{{"uuid":"before"}},{huge},{{"uuid":"after"}}]"#)).await;
    workplace.route(ROUTE, |route| route.delivered == 102 && route.dead_letters == 1).await;
    let letter = fs::read_to_string(workplace.path("state/dead-letters/log.bus.jsonl")).unwrap();
    assert!(letter.contains(&huge), "its bytes are kept");
    let records = broker.records(topic).await;
    let last: Vec<_> = records[100..].iter().map(|record| record.headers["ce_id"].as_str()).collect();
    assert_eq!(last, ["before", "after"]);
}

#[tokio::test]
async fn a_stream_that_is_missing_is_told_and_filled_once_it_is_there() {
    let okta = Okta::with_backlog(500).await;
    let nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats.section(), "kind = \"nats\"\nstream = \"LATER\"\n");
    let _daemon = workplace.start(&[]);
    let trouble = unready(&workplace).await;
    assert!(trouble.contains("nats stream add LATER"), "{trouble}");
    let later = Config { name: "LATER".to_owned(), subjects: vec!["okta.>".to_owned()], ..Config::default() };
    nats.create_stream(later).await;
    workplace.route(ROUTE, |route| route.delivered == 500 && route.sink_trouble.is_none()).await;
    let all: BTreeSet<_> = okta.uuids().await.into_iter().collect();
    eventually("every event", async || {
        let stored = nats.stored("LATER").await;
        let found: BTreeSet<_> =
            stored.iter().map(|message| message.header("ce-id").unwrap().to_owned()).collect();
        assert_eq!(found.len(), stored.len(), "an event is there twice");
        (found == all).then_some(())
    })
    .await;
}
