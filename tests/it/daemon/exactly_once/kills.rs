//! The daemon and the NATS server are killed again and again while events flow, and the Kafka broker is stopped and started
//! again. `OKTABUS_KILLS` makes a long run of it.
//!
//! The Kafka broker is alone and is not killed: one that dies after it has decided on a transaction, and before it has written the
//! transaction's end into all partitions, may never write it (seen with Kafka 4.3.1), and then no reader of what is committed gets
//! further. Brokers of a cluster are killed in `cluster.rs`.

use std::time::Duration;

use serde_json::json;

use super::{STREAM, TOPIC, assert_each_once, in_jetstream, in_kafka};
use crate::support::{
    daemon::{RouteStatus, Workplace},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

/// Kills of every test run.
const KILLS: usize = 24;
/// More than a life of the daemon delivers before it is killed.
const EVENTS_A_KILL: usize = 1_000;
/// Every so many kills of the daemon the brokers are killed too.
const BROKERS_EVERY: usize = 8;
/// So often a life lasts until both routes have committed, which takes longer than the others on a busy machine.
const PROGRESS_EVERY: usize = 3;
/// Slows the flow down so far that kills strike before the end.
const DELAY_MS: u64 = 150;

#[tokio::test]
async fn each_event_is_read_once_whatever_is_killed() {
    let kills = std::env::var("OKTABUS_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let events = kills * EVENTS_A_KILL;
    let okta = Okta::with_backlog(events).await;
    okta.arm(json!({"kind": "delay", "milliseconds": DELAY_MS})).await;
    let (mut broker, mut nats) = (Broker::start().await, NatsServer::start().await);
    broker.create_topic(TOPIC, 3, &[]).await;
    let workplace = Workplace::new(&okta, &configuration(&broker.section(), &nats.section()));

    let (mut random, mut midway) = (fastrand::Rng::with_seed(24), String::new());
    let mut before = Vec::new();
    for kill in 1..=kills {
        let daemon = workplace.start(&[]);
        if kill % PROGRESS_EVERY == 0 {
            for route in ["log/kafka", "log/nats"] {
                workplace
                    .route(route, |now| now.phase == "at_tail" || now.delivered > delivered(&before, route))
                    .await;
            }
            before = workplace.routes().await;
        }
        // Not a wait for something to happen: any moment must be as good as any other.
        tokio::time::sleep(Duration::from_millis(random.u64(300..2_400))).await;
        if kill % BROKERS_EVERY == 0 {
            nats.kill();
            tokio::time::sleep(Duration::from_millis(random.u64(50..900))).await;
            // What the daemon has begun stays open over the stop.
            daemon.signal("-STOP").await;
            broker.ends_are_written().await;
            broker.stop().await;
            daemon.signal("-CONT").await;
            tokio::time::sleep(Duration::from_millis(random.u64(50..900))).await;
            tokio::join!(broker.restart(), nats.restart());
            tokio::time::sleep(Duration::from_millis(random.u64(50..900))).await;
        }
        daemon.kill().await;
        if kill == kills / 2 {
            midway = workplace.oktabus(&["state", "show", "--json"]).await.stdout;
        }
    }
    okta.disarm().await;
    workplace.catch_up().await;

    let served = okta.uuids().await;
    assert_eq!(served.len(), events);
    assert_each_once("kafka", &served, &in_kafka(&broker).await);
    assert_each_once("jetstream", &served, &in_jetstream(&nats).await);
    let routes: Vec<serde_json::Value> =
        midway.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(routes.len(), 2, "{midway}");
    for route in routes {
        let delivered = route["delivered"].as_u64().unwrap();
        assert!(
            delivered > 0 && delivered < events as u64,
            "the kills did not strike in the middle: {route}"
        );
    }
}

fn delivered(routes: &[RouteStatus], name: &str) -> u64 {
    routes.iter().find(|route| route.route == name).map_or(0, |route| route.delivered)
}

fn configuration(kafka: &str, nats: &str) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
routes = [{{ sink = "kafka" }}, {{ sink = "nats" }}]
{kafka}
{nats}
[sinks.kafka]
kind = "kafka"
topic = "{TOPIC}"
delivery = "exactly_once"
[sinks.nats]
kind = "nats"
stream = "{STREAM}"
delivery = "exactly_once"
create = {{}}
"#
    )
}
