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

#[tokio::test]
async fn what_stands_behind_a_message_that_the_topic_refuses_is_delivered() {
    let okta = Okta::with_backlog(20).await;
    let broker = Broker::start().await;
    broker.create_topic(TOPIC, 1, &[("max.message.bytes", "30000")]).await;
    let configuration = format!(
        "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npoll_interval = \"200ms\"\nroutes = [{{ sink = \"kafka\" }}]\n{}\
         [sinks.kafka]\nkind = \"kafka\"\ntopic = \"{TOPIC}\"\ndelivery = \"exactly_once\"\n",
        broker.section()
    );
    let workplace = Workplace::new(&okta, &configuration);
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
