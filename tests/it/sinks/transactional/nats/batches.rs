//! What the server does with batches: gives them up after a silence, has no room for more, takes fewer messages, knows an id.

use async_nats::jetstream::stream::Config;
use futures_util::{StreamExt as _, future::join_all};
use oktabus::{
    config::{NatsAuth, SinkConfig},
    sink::{CommitError, SinkFactory as _, TransactionalSink},
};

use super::{
    STREAM, assert_read, begin_anew, commit, deliver, deliver_all, ids, open, open_for, read, sink, stage,
    stream, take_over,
};
use crate::support::{
    events::{batch, batch_of, batches, event, origin},
    nats::{NatsServer, listen},
};

async fn server_with_limits(limits: &str) -> NatsServer {
    let server = NatsServer::start_with_jetstream(&format!("limits {{ batch {{ {limits} }} }}")).await;
    server.create_stream(stream()).await;
    server
}

#[tokio::test]
async fn a_batch_that_the_server_gave_up_is_sent_again() {
    let server = server_with_limits("timeout: \"200ms\"").await;
    let client = server.jetstream().await.client();
    let advisories = format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{STREAM}");
    let mut given_up = listen(&client, advisories).await;
    let mut sink = open(&server).await;
    stage(&mut sink, &batch(0..300)).await;
    given_up.next().await.unwrap();
    stage(&mut sink, &batch(300..400)).await;
    commit(&mut sink, "400").await.unwrap();
    assert_read(&server, &[batch(0..400)], "400").await;
    deliver(&mut sink, &batch(400..410), "410").await;
    assert_read(&server, &[batch(0..410)], "410").await;
}

#[tokio::test]
async fn a_server_that_takes_fewer_messages_is_found_out() {
    let server = server_with_limits("max_msgs: 100").await;
    let mut sink = open(&server).await;
    let mut refusals = 0;
    let events = batch(0..300);
    while take_over(&mut sink).await.is_none() {
        let most = sink.messages_max().min(events.len());
        assert_eq!(sink.stage(&events, 0..most).await.unwrap(), []);
        let Err(error) = commit(&mut sink, "some").await else { break };
        assert!(matches!(&error, CommitError::Sink(_)), "{error}");
        assert!(error.to_string().contains("too large: 100"), "{error}");
        refusals += 1;
        begin_anew(&mut sink).await;
    }
    assert!((1..4).contains(&refusals), "{refusals}");
    let most = sink.messages_max();
    assert!((50..100).contains(&most), "{most}");
    assert_read(&server, &[batch(0..most)], "some").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_more_routes_than_batches_at_a_time_serves_them_all() {
    let server = server_with_limits("max_inflight_per_stream: 2").await;
    let config = sink(server.bus(NatsAuth::None));
    let route = async |number: usize| {
        let origin = oktabus::message::Origin { route: format!("route-{number}"), ..(*origin()).clone() };
        let mut sink = open_for(&config, &origin.into()).await.unwrap();
        // Each stages while others have staged and not committed.
        let pages: Vec<_> =
            (0..5).map(|page| batch(number * 500 + page * 100..number * 500 + page * 100 + 100)).collect();
        deliver_all(&mut sink, &pages).await;
    };
    join_all((0..8).map(route)).await;
    let (checkpoints, mut events) = read(&server).await;
    assert_eq!(checkpoints, ["5"; 8]);
    events.sort();
    assert_eq!(events, ids(&[batch(0..4_000)]));
}

#[tokio::test]
async fn what_the_stream_has_already_under_the_same_id_holds_nothing_up() {
    let server = NatsServer::start().await;
    server.create_stream(stream()).await;
    let config = sink(server.bus(NatsAuth::None));
    // As a replay does.
    let mut replay = SinkConfig::Nats(config.clone());
    if let SinkConfig::Nats(replay) = &mut replay {
        replay.transactions = None;
    }
    let mut replay = replay.open(&origin(), None).await.unwrap();
    let settled = replay.publish(&batch(5..8), 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);

    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    assert_read(&server, &[batch(5..8), batch(0..10)], "10").await;
    // And a replay of what was committed adds what went out under another id, and nothing else.
    let settled = replay.publish(&batch(0..5), 0).await.unwrap().await.unwrap();
    assert_eq!(settled.rejected(), []);
    deliver(&mut sink, &batch(10..20), "20").await;
    let stored = server.stored(STREAM).await;
    let id = |stored: &crate::support::nats::Stored| stored.header("Nats-Msg-Id").map(str::to_owned);
    let of_events: Vec<_> = stored.iter().filter_map(id).collect();
    assert!(of_events.iter().all(|id| id.starts_with("acme:")), "{of_events:?}");
    let distinct: std::collections::BTreeSet<_> = of_events.iter().collect();
    assert_eq!(distinct.len(), of_events.len(), "each has an id of its own");
}

#[tokio::test]
async fn an_event_that_is_twice_in_one_transaction_is_committed() {
    let server = NatsServer::start().await;
    server.create_stream(stream()).await;
    let mut sink = open(&server).await;
    let twice = batch_of([event(1), event(2), event(1)]);
    deliver(&mut sink, &twice, "3").await;
    assert_read(&server, &[twice], "3").await;
}

#[tokio::test]
async fn a_checkpoint_outlives_what_the_stream_drops_for_its_age() {
    let server = NatsServer::start().await;
    let forgetful = Config {
        max_age: std::time::Duration::from_secs(1),
        duplicate_window: std::time::Duration::from_millis(500),
        allow_message_ttl: true,
        ..stream()
    };
    server.create_stream(forgetful).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..50), "50").await;
    let dropped = async || read(&server).await.1.is_empty().then_some(());
    crate::support::tools::eventually("the events to be dropped", dropped).await;
    assert_read(&server, &[], "50").await;
    deliver(&mut sink, &batch(50..60), "60").await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_over_several_batches_are_in_order() {
    let server = NatsServer::start().await;
    server.create_stream(stream()).await;
    let mut sink: Box<dyn TransactionalSink> = open(&server).await;
    let batches = batches(6, 999);
    assert_eq!(deliver_all(&mut sink, &batches).await, 0);
    assert_read(&server, &batches, "6").await;
}
