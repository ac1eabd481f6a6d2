//! A message that Kafka refuses only when it has it, with others behind it.

use std::fmt::Write as _;

use super::{TOPIC, assert_each_once, in_kafka};
use crate::support::{
    daemon::{RouteStatus, Workplace},
    kafka::Broker,
    okta::Okta,
};

/// Text that no compression makes small.
fn noise(bytes: usize) -> String {
    let mut text = String::new();
    let mut random = fastrand::Rng::with_seed(7);
    while text.len() < bytes {
        let _ = write!(text, "{:016x}", random.u64(..));
    }
    text
}

/// A route into a topic of this broker.
fn configuration(broker: &Broker) -> String {
    format!(
        "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npoll_interval = \"200ms\"\nroutes = [{{ sink = \"kafka\" }}]\n{}\
         [sinks.kafka]\nkind = \"kafka\"\ntopic = \"{TOPIC}\"\ndelivery = \"exactly_once\"\n",
        broker.section()
    )
}

/// A page of events with these ids and paddings.
fn events(events: impl IntoIterator<Item = (String, usize)>) -> String {
    let event = |(uuid, bytes)| format!(r#"{{"uuid":"{uuid}","padding":"{}"}}"#, noise(bytes));
    format!("[{}]", events.into_iter().map(event).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn what_stands_behind_a_message_that_the_topic_refuses_is_delivered() {
    let okta = Okta::with_backlog(20).await;
    let broker = Broker::start().await;
    broker.create_topic(TOPIC, 1, &[("max.message.bytes", "30000")]).await;
    let workplace = Workplace::new(&okta, &configuration(&broker));
    let _daemon = workplace.start(&[]);
    workplace.route("log/kafka", |route| route.delivered == 20).await;
    let mut small = 0;
    for (round, before) in [0, 1, 3].into_iter().enumerate() {
        let mut events: Vec<_> =
            (0..6).map(|number| format!(r#"{{"uuid":"small-{round}-{number}"}}"#)).collect();
        small += events.len() as u64;
        events.insert(before, format!(r#"{{"uuid":"large-{round}","padding":"{}"}}"#, noise(60_000)));
        okta.add(&format!("[{}]", events.join(","))).await;
        let letters = round as u64 + 1;
        let is_through = |route: &RouteStatus| route.delivered == 20 + small && route.dead_letters == letters;
        workplace.route("log/kafka", is_through).await;
    }
    let (mut served, arrived) = (okta.uuids().await, in_kafka(&broker).await);
    served.retain(|uuid| !uuid.starts_with("large-"));
    assert_each_once("kafka", &served, &arrived);
}

#[tokio::test]
async fn four_in_a_row_that_a_topic_refuses_since_it_runs_hold_nothing_and_are_nowhere_twice() {
    let okta = Okta::with_backlog(20).await;
    let broker = Broker::start().await;
    broker.create_topic(TOPIC, 1, &[]).await;
    let workplace = Workplace::new(&okta, &configuration(&broker));
    let _daemon = workplace.start(&[]);
    workplace.route("log/kafka", |route| route.delivered == 20).await;
    broker.set_topic(TOPIC, &[("max.message.bytes", "8000")]).await;
    let large = (0..4).map(|number| (format!("large-{number}"), 60_000));
    let small = (0..8).map(|number| (format!("small-{number}"), 10));
    okta.add(&events(large.chain(small))).await;
    let begun_at = std::time::Instant::now();
    workplace.route("log/kafka", |route| route.delivered == 28 && route.dead_letters == 4).await;
    assert!(begun_at.elapsed().as_secs() < 30, "it took {:?}", begun_at.elapsed());

    // Five hold the route, and what stands before them is delivered. They are no dead letters, and so none once they are taken.
    let small = (0..6).map(|number| (format!("before-{number}"), 10));
    let large = (0..5).map(|number| (format!("held-{number}"), 60_000));
    okta.add(&events(small.chain(large))).await;
    let is_held = |route: &RouteStatus| route.delivered == 34 && route.held == 5 && route.phase != "at_tail";
    workplace.route("log/kafka", is_held).await;
    broker.set_topic(TOPIC, &[("max.message.bytes", "1000000")]).await;
    workplace.route("log/kafka", |route| route.delivered == 39 && route.dead_letters == 4).await;
    let letters = std::fs::read_dir(workplace.path("state/dead-letters")).unwrap();
    let letters: Vec<_> =
        letters.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(letters.concat().lines().count(), 4, "{letters:?}");
    let (mut served, arrived) = (okta.uuids().await, in_kafka(&broker).await);
    served.retain(|uuid| !uuid.starts_with("large-"));
    assert_each_once("kafka", &served, &arrived);
}
