//! Who may commit, and what is known after an answer was lost: stale writers, batches that come late, and streams that are not
//! any more what they were.

use async_nats::jetstream::stream::Config;
use futures_util::{FutureExt as _, StreamExt as _};
use oktabus::{
    config::NatsAuth,
    sink::{CommitError, TransactionalSink},
};

use super::{
    STREAM, assert_fenced, assert_read, begin_anew, commit, deliver, open, open_for, open_through, read,
    server_with, sink as config, stage, stream, take_over,
};
use crate::support::{
    events::{batch, origin},
    nats::{NatsServer, listen},
    proxy::Proxy,
    tools::eventually,
};

/// The subject of the checkpoint of the route.
const CHECKPOINT: &str = "oktabus.checkpoints.OKTA.acme_okta_com.system-log.siem";

#[tokio::test]
async fn a_stale_writer_is_refused_and_nothing_of_it_is_seen() {
    let server = server_with(stream()).await;
    let mut stale = open(&server).await;
    deliver(&mut stale, &batch(0..10), "10").await;
    let mut owner = open(&server).await;
    stage(&mut stale, &batch(10..20)).await;
    deliver(&mut owner, &batch(10..15), "15").await;

    assert_fenced(&commit(&mut stale, "20").await);
    assert_read(&server, &[batch(0..15)], "15").await;
    stage(&mut stale, &batch(10..20)).await;
    assert!(commit(&mut stale, "20").await.is_err(), "it does not know where the checkpoint is");
    assert_eq!(begin_anew(&mut stale).await.unwrap(), "15");
    deliver(&mut stale, &batch(15..20), "20").await;
    assert_fenced(&commit(&mut owner, "25").await);
    assert_read(&server, &[batch(0..20)], "20").await;
}

#[tokio::test]
async fn of_two_that_begin_at_once_one_commits() {
    let server = server_with(stream()).await;
    let mut writers = [open(&server).await, open(&server).await];
    for (writer, events) in writers.iter_mut().zip([batch(0..10), batch(0..20)]) {
        stage(writer, &events).await;
    }
    let [first, second] = &mut writers;
    let (first, second) = tokio::join!(commit(first, "10"), commit(second, "20"));
    let (checkpoint, events, loser) =
        if first.is_ok() { ("10", batch(0..10), second) } else { ("20", batch(0..20), first) };
    assert_fenced(&loser);
    assert_read(&server, &[events], checkpoint).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_and_not_repeated() {
    let server = server_with(stream()).await;
    let proxy = Proxy::start(server.port()).await;
    let mut sink = open_through(&proxy).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let mut late = open_for(&config(server.bus(NatsAuth::None)), &origin()).await.unwrap();
    assert_eq!(late.last_checkpoint().await.unwrap().unwrap(), "10");

    proxy.lose_answers();
    stage(&mut sink, &batch(10..20)).await;
    let receipt = sink.commit("20".into()).await.unwrap();
    let stored = async || (read(&server).await.0 == ["20"]).then_some(());
    eventually("the batch to be stored", stored).await;
    proxy.cut();
    let error = receipt.await.unwrap_err();
    assert!(matches!(error, CommitError::Sink(_)), "{error:?}");
    assert!(sink.stall_reason()().is_some(), "why nothing goes on is told");

    assert_eq!(begin_anew(&mut sink).await.unwrap(), "20");
    assert_eq!(sink.stall_reason()(), None);
    stage(&mut late, &batch(10..20)).await;
    assert_fenced(&commit(&mut late, "20").await);
    deliver(&mut sink, &batch(20..30), "30").await;
    assert_read(&server, &[batch(0..30)], "30").await;
}

/// Whoever begins anew decides at once what became of a batch that is still on its way: it is refused when it comes, even if nothing
/// was committed since.
#[tokio::test]
async fn a_batch_of_ours_that_comes_late_is_refused_and_nothing_is_there_twice() {
    let server = server_with(stream()).await;
    let proxy = Proxy::start(server.port()).await;
    let mut sink = open_through(&proxy).await;
    deliver(&mut sink, &batch(0..10), "10").await;

    proxy.hold_requests();
    stage(&mut sink, &batch(10..20)).await;
    hold_and_cut(&proxy, &mut sink, "late 20").await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10", "it is still on its way");
    stage(&mut sink, &batch(10..20)).await;
    arrives(&server, &proxy, "late 20").await;
    commit(&mut sink, "20").await.unwrap();
    deliver(&mut sink, &batch(20..30), "30").await;
    assert_read(&server, &[batch(0..30)], "30").await;
}

#[tokio::test]
async fn a_batch_of_ours_that_comes_too_late_is_refused() {
    let server = server_with(stream()).await;
    let proxy = Proxy::start(server.port()).await;
    let mut sink = open_through(&proxy).await;
    // The first use of a route that was taken over asks the stream what it holds.
    assert_eq!(sink.stage(&batch(0..20), 0..0).await.unwrap(), []);
    proxy.hold_requests();
    stage(&mut sink, &batch(0..20)).await;
    hold_and_cut(&proxy, &mut sink, "late 20").await;
    assert_eq!(begin_anew(&mut sink).await, None);
    deliver(&mut sink, &batch(0..30), "30").await;
    arrives(&server, &proxy, "late 20").await;
    deliver(&mut sink, &batch(30..40), "40").await;
    assert_read(&server, &[batch(0..40)], "40").await;
}

/// Releases what `proxy` holds back, and waits until the server has had `checkpoint`.
async fn arrives(server: &NatsServer, proxy: &Proxy, checkpoint: &str) {
    let client = server.jetstream().await.client();
    let mut heard = listen(&client, CHECKPOINT).await;
    proxy.release_requests();
    let late = async || {
        heard.next().now_or_never().flatten().filter(|message| message.payload == checkpoint).map(drop)
    };
    eventually("the late batch to arrive", late).await;
}

/// Commits while `proxy` holds back what is sent, and cuts the connection when all of it is there.
async fn hold_and_cut(proxy: &Proxy, sink: &mut Box<dyn TransactionalSink>, checkpoint: &'static str) {
    let receipt = sink.commit(checkpoint.into()).await.unwrap();
    let held = async || proxy.holds(&format!("{checkpoint}\r\n")).then_some(());
    eventually("the batch to be held back", held).await;
    proxy.cut();
    assert!(matches!(receipt.await, Err(CommitError::Sink(_))));
}

#[tokio::test]
async fn a_stream_that_was_purged_has_no_checkpoint_and_takes_nothing_by_the_old_one() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    server.jetstream().await.get_stream(STREAM).await.unwrap().purge().await.unwrap();
    stage(&mut sink, &batch(10..20)).await;
    assert_fenced(&commit(&mut sink, "20").await);
    assert_eq!(begin_anew(&mut sink).await, None);
    assert!(server.stored(STREAM).await.is_empty());
    deliver(&mut sink, &batch(0..20), "20").await;
    assert_read(&server, &[batch(0..20)], "20").await;
}

#[tokio::test]
async fn a_checkpoint_that_was_deleted_is_none() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    server.jetstream().await.get_stream(STREAM).await.unwrap().delete_message(11).await.unwrap();
    assert_fenced(&commit(&mut sink, "still 10").await);
    assert_eq!(begin_anew(&mut sink).await, None);
    // An empty message is none either, and whoever goes on has to know of it.
    let jetstream = server.jetstream().await;
    jetstream.publish(CHECKPOINT, "".into()).await.unwrap().await.unwrap();
    assert_fenced(&commit(&mut sink, "by the old one").await);
    assert_eq!(begin_anew(&mut sink).await, None);
    deliver(&mut sink, &batch(10..20), "20").await;
    assert_read(&server, &[batch(0..20)], "20").await;
}

#[tokio::test]
async fn a_stream_that_was_restored_from_a_backup_is_gone_on_with_at_its_own_checkpoint() {
    let mut server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let backup = server.back_up().await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &batch(10..20), "20").await;
    server.restore(&backup).await;

    let receipt = sink.commit("30".into()).await;
    assert!(matches!(receipt, Err(CommitError::Sink(_))), "its connection is gone");
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    assert_read(&server, &[batch(0..10)], "10").await;
    deliver(&mut sink, &batch(10..30), "30").await;
    assert_read(&server, &[batch(0..30)], "30").await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_and_created_anew_takes_nothing_by_the_old_checkpoint() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    recreate(&server, stream()).await;
    stage(&mut sink, &batch(10..20)).await;
    assert_fenced(&commit(&mut sink, "20").await);
    assert_eq!(begin_anew(&mut sink).await, None);
    assert!(server.stored(STREAM).await.is_empty());
    assert_eq!(take_over(&mut sink).await, None);
}

async fn recreate(server: &NatsServer, config: Config) {
    let jetstream = server.jetstream().await;
    jetstream.delete_stream(STREAM).await.unwrap();
    jetstream.create_stream(config).await.unwrap();
}
