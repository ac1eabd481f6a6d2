//! All or nothing, and the checkpoint as it was given.

use std::sync::Arc;

use bytes::Bytes;
use oktabus::{config::NatsAuth, message::Origin};

use super::{
    CHECKPOINTS, assert_read, begin_anew, commit, deliver, deliver_all, ids, open, open_for, read,
    server_with, sink, stage, stream, take_over,
};
use crate::support::events::{batch, batches, origin};

#[tokio::test]
async fn messages_and_checkpoint_are_there_together_and_the_checkpoint_is_read_back() {
    let mut server = server_with(stream()).await;
    let mut sink = open(&server).await;
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    deliver(&mut sink, &batch(0..100), "after 100").await;
    deliver(&mut sink, &batch(100..250), "after 250").await;
    assert_eq!(sink.last_checkpoint().await.unwrap().unwrap(), "after 250");
    sink.close().await;
    assert_read(&server, &[batch(0..250)], "after 250").await;

    server.kill();
    server.restart().await;
    let mut sink = open(&server).await;
    assert_eq!(take_over(&mut sink).await.unwrap(), "after 250");
    deliver(&mut sink, &batch(250..260), "after 260").await;
    assert_read(&server, &[batch(0..260)], "after 260").await;
}

#[tokio::test]
async fn what_is_staged_is_seen_by_nobody_before_the_commit_and_never_if_it_is_given_up() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    stage(&mut sink, &batch(10..500)).await;
    // What is asked for over the same connection is answered behind what is staged.
    assert_eq!(sink.last_checkpoint().await.unwrap().unwrap(), "10");
    assert_read(&server, &[batch(0..10)], "10").await;

    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &batch(500..510), "510").await;
    assert_read(&server, &[batch(0..10), batch(500..510)], "510").await;
}

#[tokio::test]
async fn the_next_messages_are_staged_while_a_commit_is_awaited() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    stage(&mut sink, &batch(0..500)).await;
    let receipt = sink.commit("500".into()).await.unwrap();
    stage(&mut sink, &batch(500..900)).await;
    receipt.await.unwrap();
    stage(&mut sink, &batch(900..1_000)).await;
    commit(&mut sink, "1000").await.unwrap();
    assert_read(&server, &[batch(0..1_000)], "1000").await;
}

#[tokio::test]
async fn whoever_commits_before_the_last_answer_is_refused() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    let receipt = sink.commit("one".into()).await.unwrap();
    assert!(sink.commit("two".into()).await.is_err());
    receipt.await.unwrap();
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "one");
}

#[tokio::test]
async fn a_transaction_may_have_no_message_or_one_or_as_many_as_fit_into_a_batch() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    let most = sink.messages_max();
    assert_eq!(most, 999);
    commit(&mut sink, "nothing yet").await.unwrap();
    assert_read(&server, &[], "nothing yet").await;
    deliver(&mut sink, &batch(0..1), "one").await;
    deliver(&mut sink, &batch(1..1 + most), "most").await;
    assert_read(&server, &[batch(0..1 + most)], "most").await;
    assert_eq!(sink.last_checkpoint().await.unwrap().unwrap(), "most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_commits_leave_one_checkpoint_and_all_messages() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    let batches = batches(100, 30);
    assert_eq!(deliver_all(&mut sink, &batches).await, 0);
    assert_read(&server, &batches, "100").await;
}

#[tokio::test]
async fn a_checkpoint_may_be_as_large_as_a_message() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    let checkpoint: Bytes = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    sink.commit(checkpoint.clone()).await.unwrap().await.unwrap();
    assert_eq!(begin_anew(&mut sink).await, Some(checkpoint));
}

#[tokio::test]
async fn routes_of_one_stream_have_each_their_own_checkpoint() {
    let server = server_with(stream()).await;
    let config = sink(server.bus(NatsAuth::None));
    let routes = ["system-log/siem", "system-log/siem.eu", "system-log_siem"];
    let mut sinks = Vec::new();
    for route in routes {
        let origin = Arc::new(Origin { route: route.to_owned(), ..Origin::clone(&origin()) });
        let mut sink = open_for(&config, &origin).await.unwrap();
        assert_eq!(take_over(&mut sink).await, None);
        sinks.push(sink);
    }
    for (sink, number) in sinks.iter_mut().zip(0..) {
        deliver(sink, &batch(number * 10..number * 10 + 10), routes[number]).await;
    }
    for (sink, route) in sinks.iter_mut().zip(routes) {
        assert_eq!(begin_anew(sink).await.unwrap(), route);
        commit(sink, route).await.unwrap();
    }
    let (mut checkpoints, events) = read(&server).await;
    checkpoints.sort();
    assert_eq!(checkpoints, routes);
    assert_eq!(events, ids(&[batch(0..30)]));
    let of_checkpoints: Vec<_> = server.stored(super::STREAM).await;
    let prefix = CHECKPOINTS.trim_end_matches('>');
    let of_checkpoints = of_checkpoints.iter().filter(|stored| stored.subject.starts_with(prefix));
    assert_eq!(of_checkpoints.count(), routes.len());
}
