//! A cluster that is away: whoever publishes is not held up, is told in steady words, and gets everything through in the end.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{binary_sink, open, topic_name};
use crate::support::{
    events::{batch, batch_of, event_with_padding},
    kafka::Broker,
    tools::eventually,
};

const BATCHES: u64 = 9;
const EVENTS_A_BATCH: usize = 1_000;
/// So that all batches together are more than librdkafka's queue has room for by its own default.
const EVENT_BYTES: usize = 10_000;
/// Handing over is no more than copying.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn whoever_publishes_is_not_held_up_by_a_cluster_that_is_away() {
    let mut broker = Broker::start().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    let mut sink = open(&binary_sink(broker.bus_with(&[]), &topic)).await.unwrap();
    broker.kill();

    let mut receipts = Vec::new();
    for _ in 0..BATCHES {
        let events = (0..EVENTS_A_BATCH).map(|event| event_with_padding(event, EVENT_BYTES));
        let batch = batch_of(events);
        let published = timeout(HANDED_OVER_WITHIN, sink.publish(&batch, 0)).await;
        receipts.push(published.expect("publishing does not wait for the cluster").unwrap());
    }
    assert!(sink.stall_reason()().is_some() || !sink.is_cut_off());
    eventually("the client to know that it is cut off", async || sink.is_cut_off().then_some(())).await;

    broker.restart().await;
    for receipt in receipts {
        assert_eq!(receipt.await.unwrap().rejected(), []);
    }
    assert_eq!(sink.stall_reason()(), None);
    sink.close().await;
    assert_eq!(broker.records(&topic).await.len(), BATCHES as usize * EVENTS_A_BATCH);
}

#[tokio::test]
async fn a_trouble_that_lasts_is_told_in_the_same_words() {
    let mut broker = Broker::start().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    let mut sink = open(&binary_sink(broker.bus_with(&[]), &topic)).await.unwrap();
    broker.process().freeze();
    let receipt = sink.publish(&batch(0..10), 0).await.unwrap();
    // How long it lasts is no news.
    let words = |trouble: &str| trouble.replace(|c: char| c.is_ascii_digit(), "");
    let first = words(&eventually("a trouble", async || sink.stall_reason()()).await.reason);
    let since = Instant::now();
    eventually("some seconds to pass", async || {
        assert_eq!(sink.stall_reason()().map(|stall| words(&stall.reason)).as_ref(), Some(&first));
        (since.elapsed() > Duration::from_secs(3)).then_some(())
    })
    .await;
    broker.process().thaw();
    let _ = receipt.await.unwrap();
    sink.close().await;
}
