//! A server whose room ends while it stores a batch: it keeps a part, without the checkpoint and without an answer. What it keeps is
//! not sent again.

use std::sync::Arc;

use async_nats::jetstream::stream::Config;
use oktabus::{
    config::{NatsAuth, SinkConfig},
    message::Messages,
    sink::{SinkFactory as _, TransactionalSink},
};

use super::{
    STREAM, assert_read, begin_anew, commit, deliver, open, open_for, read, sink as config, stage, stream,
    take_over,
};
use crate::support::{
    events::{batch, origin},
    nats::NatsServer,
};

/// What streams may have on the server.
const ROOM: &str = "max_file_store: 4MB";
/// Takes up so much of it that no batch of [`EVENTS`] fits beside it.
const FILLER: &str = "FILLER";
const FILLER_BYTES: usize = 3_800_000;
const EVENTS: usize = 900;

/// A server that has room for a part of a batch.
async fn server() -> NatsServer {
    let server = NatsServer::start_with_jetstream(ROOM).await;
    server.create_stream(stream()).await;
    fill(&server, FILLER_BYTES).await;
    server
}

/// Takes up so many bytes.
async fn fill(server: &NatsServer, bytes: usize) {
    const MESSAGE_BYTES: usize = 100_000;
    let name = FILLER.to_owned();
    server.create_stream(Config { name, subjects: vec!["filler".to_owned()], ..Config::default() }).await;
    let jetstream = server.jetstream().await;
    for _ in 0..bytes / MESSAGE_BYTES {
        jetstream.publish("filler", vec![0; MESSAGE_BYTES].into()).await.unwrap().await.unwrap();
    }
}

/// Makes room for everything.
async fn make_room(server: &NatsServer) {
    server.jetstream().await.delete_stream(FILLER).await.unwrap();
}

/// Commits `batch`, for a part of which there is room. How many events the stream has then.
async fn commit_in_part(
    server: &NatsServer,
    sink: &mut Box<dyn TransactionalSink>,
    batch: &Arc<Messages>,
) -> usize {
    let before = read(server).await;
    stage(sink, batch).await;
    commit(sink, "never").await.unwrap_err();
    let (checkpoints, events) = read(server).await;
    assert_eq!(checkpoints, before.0);
    let part = events.len() - before.1.len();
    assert!(part > 0 && part < batch.len(), "the server has stored {part} of {}", batch.len());
    events.len()
}

#[tokio::test]
async fn what_a_batch_has_left_in_the_stream_is_not_sent_again() {
    let server = server().await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    commit_in_part(&server, &mut sink, &batch(10..10 + EVENTS)).await;
    make_room(&server).await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &batch(10..10 + EVENTS), "910").await;
    assert_read(&server, &[batch(0..10 + EVENTS)], "910").await;
    deliver(&mut sink, &batch(910..920), "920").await;
    assert_read(&server, &[batch(0..920)], "920").await;
}

/// Each owner commits a checkpoint before anything else, so that the part is before the last checkpoint then.
#[tokio::test]
async fn what_is_left_is_known_to_owners_that_come_later_and_over_smaller_batches() {
    let server = server().await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let has = commit_in_part(&server, &mut sink, &batch(10..10 + EVENTS)).await;
    drop(sink);
    make_room(&server).await;
    for owner in ["first", "second"] {
        let mut sink = open(&server).await;
        commit(&mut sink, owner).await.unwrap();
        assert_eq!(take_over(&mut sink).await.unwrap(), owner);
    }
    let mut sink = open(&server).await;
    let half = (10 + has) / 2;
    deliver(&mut sink, &batch(10..half), "half").await;
    drop(sink);
    let mut sink = open(&server).await;
    assert_eq!(take_over(&mut sink).await.unwrap(), "half");
    deliver(&mut sink, &batch(half..10 + EVENTS), "910").await;
    assert_read(&server, &[batch(0..10 + EVENTS)], "910").await;
    let stored = server.stored(STREAM).await;
    let checkpoint = stored.iter().find(|stored| stored.subject.starts_with("oktabus.")).unwrap();
    assert_eq!(checkpoint.header("Oktabus-Uncounted"), None, "all are counted");
}

#[tokio::test]
async fn a_batch_that_is_stored_in_part_twice_is_there_once() {
    let server = server().await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let all = batch(10..10 + EVENTS);
    commit_in_part(&server, &mut sink, &all).await;
    make_room(&server).await;
    fill(&server, FILLER_BYTES - 200_000).await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    commit_in_part(&server, &mut sink, &all).await;
    make_room(&server).await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &all, "910").await;
    assert_read(&server, &[batch(0..10 + EVENTS)], "910").await;
}

/// A replay, or another route, that writes the same events on the same subjects.
#[tokio::test]
async fn what_others_have_written_is_not_taken_for_what_was_left() {
    let server = server().await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let has = commit_in_part(&server, &mut sink, &batch(10..10 + EVENTS)).await;
    make_room(&server).await;
    let mut replay = config(server.bus(NatsAuth::None));
    replay.transactions = None;
    let mut replay = SinkConfig::Nats(replay).open(&origin(), None).await.unwrap();
    let others = batch(has..has + 20);
    let settled = replay.publish(&others, 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);
    let mut other_route = config(server.bus(NatsAuth::None));
    other_route.name = "other".to_owned();
    let other_origin =
        oktabus::message::Origin { route: "system-log/other".to_owned(), ..(*origin()).clone() };
    let mut other_route = open_for(&other_route, &Arc::new(other_origin)).await.unwrap();
    take_over(&mut other_route).await;
    deliver(&mut other_route, &batch(has + 20..has + 40), "other").await;

    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &batch(10..10 + EVENTS), "910").await;
    let (mut checkpoints, events) = read(&server).await;
    checkpoints.sort();
    assert_eq!(checkpoints, ["910", "other"]);
    let expected = super::ids(&[batch(0..has), others, batch(has + 20..has + 40), batch(has..10 + EVENTS)]);
    assert!(events == expected, "{} events for {}", events.len(), expected.len());
}
