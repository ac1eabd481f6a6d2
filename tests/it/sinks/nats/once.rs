//! Exactly once, however short the stream's duplicate window: after a stop, and when the server is killed meanwhile.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{message::PublishMessage, stream::Config};
use futures_util::future::join_all;
use oktabus::{config::NatsAuth, state::SinkMark};

use super::{STREAM, assert_stored, deliver, open, server_with, sink, stream, streams};
use crate::support::{
    events::{batch, batches},
    nats::NatsServer,
    tools::eventually,
};

/// A subject of the stream that no event has.
const PROBE: &str = "okta.probe";

fn forgetful(stream: Config) -> Config {
    Config { duplicate_window: Duration::from_millis(100), ..stream }
}

/// Waits until the server has forgotten the ids of all messages that it has now.
async fn the_window_is_over(server: &NatsServer) {
    let jetstream = server.jetstream().await;
    let id = format!("probe-{}", last_sequence(server).await);
    let is_new = async || {
        let probe = PublishMessage::build().message_id(&id);
        !jetstream.send_publish(PROBE, probe).await.unwrap().await.unwrap().duplicate
    };
    assert!(is_new().await);
    eventually("the duplicate window to pass", async || is_new().await.then_some(())).await;
}

async fn last_sequence(server: &NatsServer) -> u64 {
    server.jetstream().await.get_stream(STREAM).await.unwrap().cached_info().state.last_sequence
}

fn mark(sequence: u64) -> SinkMark {
    SinkMark::JetStream { stream: STREAM.to_owned(), sequence }
}

#[tokio::test]
async fn what_is_stored_beyond_the_mark_is_not_published_again() {
    for stream in streams() {
        assert_not_published_again(forgetful(stream)).await;
    }
}

async fn assert_not_published_again(stream: Config) {
    let server = server_with(stream).await;
    let config = sink(server.bus(NatsAuth::None));
    let batches = batches(4, 100);
    let mut stopped = open(&config, None).await.unwrap();
    let kept = deliver(&mut stopped, &batches[0]).await;
    for batch in &batches[1..3] {
        deliver(&mut stopped, batch).await;
    }
    stopped.close().await;
    the_window_is_over(&server).await;

    let mut resumed = open(&config, Some(&kept)).await.unwrap();
    assert_eq!(resumed.mark(), Some(mark(100)));
    assert_eq!(deliver(&mut resumed, &batches[1]).await, mark(200));
    assert_eq!(deliver(&mut resumed, &batches[2]).await, mark(300));
    let kept = deliver(&mut resumed, &batches[3]).await;
    assert_eq!(kept, mark(last_sequence(&server).await));
    assert_stored(&server, &batches).await;
}

#[tokio::test]
async fn a_batch_that_was_stored_in_part_is_completed() {
    for stream in streams() {
        assert_completed(forgetful(stream)).await;
    }
}

async fn assert_completed(stream: Config) {
    let server = server_with(stream).await;
    let config = sink(server.bus(NatsAuth::None));
    let mut stopped = open(&config, None).await.unwrap();
    let kept = stopped.mark().unwrap();
    deliver(&mut stopped, &batch(0..60)).await;
    stopped.close().await;
    the_window_is_over(&server).await;

    let mut resumed = open(&config, Some(&kept)).await.unwrap();
    deliver(&mut resumed, &batch(0..100)).await;
    assert_stored(&server, &[batch(0..100)]).await;
}

#[tokio::test]
async fn a_mark_stays_below_what_a_later_batch_finds_stored() {
    let server = server_with(forgetful(stream())).await;
    let config = sink(server.bus(NatsAuth::None));
    let (early, late) = (batch(0..100), batch(100..200));
    let mut stopped = open(&config, None).await.unwrap();
    let kept = stopped.mark().unwrap();
    deliver(&mut stopped, &batch(0..1)).await;
    deliver(&mut stopped, &late).await;
    stopped.close().await;
    the_window_is_over(&server).await;

    let mut resumed = open(&config, Some(&kept)).await.unwrap();
    let kept = deliver(&mut resumed, &early).await;
    assert_eq!(kept, mark(1));
    resumed.close().await;
    the_window_is_over(&server).await;

    deliver(&mut open(&config, Some(&kept)).await.unwrap(), &late).await;
    assert_stored(&server, &[batch(0..1), late, batch(1..100)]).await;
}

#[tokio::test]
async fn a_stream_that_was_created_anew_is_filled_from_the_cursor_on() {
    let server = server_with(stream()).await;
    let mut resumed = open(&sink(server.bus(NatsAuth::None)), Some(&mark(5_000))).await.unwrap();
    assert_eq!(deliver(&mut resumed, &batch(0..100)).await, mark(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_loses_and_repeats_and_reorders_nothing() {
    let [one_by_one, _, fast] = streams();
    for stream in [one_by_one, fast] {
        Box::pin(assert_unharmed_by_kills(forgetful(stream))).await;
    }
}

async fn assert_unharmed_by_kills(stream: Config) {
    let mut server = server_with(stream).await;
    let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
    let batches = batches(20, 1_000);
    let mut rest: Vec<_> = batches.iter().map(|batch| (Arc::clone(batch), 0)).collect();
    let mut kills = 0;
    while !rest.is_empty() {
        let stored_before = last_sequence(&server).await;
        let publishing = async {
            let mut receipts = Vec::new();
            for (batch, from) in &rest {
                receipts.push(sink.publish(batch, *from).await.unwrap());
            }
            join_all(receipts).await
        };
        let killing = async {
            if kills < 3 {
                let some_more = async || (last_sequence(&server).await > stored_before + 2_000).then_some(());
                eventually("some messages to be stored", some_more).await;
                server.kill();
                server.restart().await;
                kills += 1;
            }
        };
        let (settled, ()) = tokio::join!(publishing, killing);
        let failure =
            settled.into_iter().enumerate().find_map(|(index, settled)| Some((index, settled.err()?)));
        let Some((index, failure)) = failure else { break };
        rest.drain(..index);
        rest[0].1 = failure.first_undelivered;
        eventually("the sink to recover", async || sink.recover().await.ok()).await;
    }
    assert_eq!(kills, 3);
    assert_stored(&server, &batches).await;
}
