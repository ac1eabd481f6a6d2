//! Brokers of a Kafka cluster are killed in turns while a route delivers exactly once. Three brokers cost more than a test of every
//! run may: it runs with `OKTABUS_KILLS`, which says how often.

use std::time::{Duration, Instant};

use super::{TOPIC, assert_each_once, standby::among};
use crate::support::{daemon::Workplace, kafka::cluster::KafkaCluster, okta::Okta};

#[tokio::test]
async fn each_event_is_read_once_whichever_broker_is_killed() {
    let Ok(kills) = std::env::var("OKTABUS_KILLS") else {
        println!("left out: set OKTABUS_KILLS");
        return;
    };
    let kills: usize = kills.parse().unwrap();
    let begun_at = Instant::now();
    let mut cluster = KafkaCluster::start().await;
    println!("three brokers are up after {:?}", begun_at.elapsed());
    cluster.create_topic(TOPIC, 3).await;
    let okta = Okta::start(&["--backlog", "500", "--rate", "200"]).await;
    let workplace = Workplace::new(&okta, &configuration(&cluster.section()));
    let daemon = workplace.start(&[]);
    let mut delivered = moves_beyond(&workplace, 0).await;

    let mut random = fastrand::Rng::with_seed(24);
    for kill in 0..kills {
        // Not a wait for something to happen: any moment must be as good as any other.
        tokio::time::sleep(Duration::from_millis(random.u64(100..1_500))).await;
        let node = kill % 3;
        cluster.kill(node);
        // Two of three go on.
        delivered = moves_beyond(&workplace, delivered + 500).await;
        cluster.restart(node);
        cluster.in_sync().await;
    }
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    workplace.catch_up().await;

    let records = cluster.records(TOPIC).await;
    let arrived: Vec<_> = records.iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_each_once("kafka", &among(&okta.uuids().await, &arrived), &arrived);
    println!("{kills} brokers were killed in {:?}", begun_at.elapsed());
}

/// Waits until the route has delivered more than `events`.
async fn moves_beyond(workplace: &Workplace, events: u64) -> u64 {
    workplace.route("log/kafka", |route| route.delivered > events).await.delivered
}

fn configuration(kafka: &str) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
poll_interval = "200ms"
routes = [{{ sink = "kafka" }}]
{kafka}
[sinks.kafka]
kind = "kafka"
topic = "{TOPIC}"
delivery = "exactly_once"
"#
    )
}
