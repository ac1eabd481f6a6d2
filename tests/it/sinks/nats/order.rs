//! Order through what makes a server lose or refuse a message and store those behind it: that of the whole route where the
//! stream takes atomic batches, and that of each key elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_nats::jetstream::{
    consumer::pull,
    stream::{Config, DiscardPolicy, RetentionPolicy},
};
use futures_util::StreamExt as _;
use oktabus::{
    bus::BusError,
    config::{NatsAuth, NatsBus, NatsSink},
    message::{Message, Messages, Template, TemplateUse},
    sink::SinkError,
};

use super::{STREAM, open, server_with, sink, stream, streams};
use crate::{
    sinks::conformance::deliver_persistently,
    support::{
        events::{batch, batch_of, batches, event_with_padding},
        nats::{Stored, listen},
        nats_cluster::NatsCluster,
        tools::eventually,
    },
};

/// What orders a message, and its id.
type Ordered = (String, String);

fn published(batches: &[Arc<Messages>]) -> Vec<Ordered> {
    let messages = batches.iter().flat_map(|batch| batch.messages());
    let ordered = |message: Message<'_>| {
        let user = message.event.subject().unwrap().to_owned();
        (user, message.event.uuid().unwrap().to_owned())
    };
    messages.map(ordered).collect()
}

fn arrived(stored: &[Stored]) -> Vec<Ordered> {
    let header = |stored: &Stored, name: &str| stored.header(name).unwrap().to_owned();
    stored.iter().map(|stored| (header(stored, "ce-partitionkey"), header(stored, "ce-id"))).collect()
}

fn by_key(ordered: &[Ordered]) -> BTreeMap<&str, Vec<&str>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for (key, id) in ordered {
        keys.entry(key.as_str()).or_default().push(id.as_str());
    }
    keys
}

/// Asserts that all of `batches` arrived, each message once, in the order that is promised.
fn assert_ordered(batches: &[Arc<Messages>], arrived: &[Ordered], in_batches: bool) {
    let published = published(batches);
    assert_eq!(arrived.len(), published.len());
    if in_batches {
        let mismatch = published.iter().zip(arrived).position(|(published, arrived)| published != arrived);
        assert_eq!(mismatch, None, "the order of the route");
    }
    assert!(by_key(&published) == by_key(arrived), "the order of a key, or which messages there are");
}

/// Delivers `count` batches to a cluster, whose leader steps down twice and is killed once meanwhile.
async fn assert_ordered_through_changes_of_the_leader(count: usize, in_batches: bool) {
    const BATCH: usize = 250;
    const CHANGES: u64 = 3;
    let mut cluster = NatsCluster::start();
    // With replicas fast ingest is of no use, also where it is allowed.
    let (allow_atomic_publish, allow_batch_publish) = (in_batches, in_batches);
    cluster.create_stream(Config { allow_atomic_publish, allow_batch_publish, ..stream() }).await;
    let mut sink = open(&sink(cluster.bus()), None).await.unwrap();
    let batches = batches(count, BATCH);
    let disturb = async {
        for change in 1..=CHANGES {
            let enough = (count * BATCH) as u64 * change / (CHANGES + 1);
            let stored = async || (cluster.last_sequence(STREAM).await? >= enough).then_some(());
            eventually("messages to be stored", stored).await;
            if change < CHANGES {
                let step_down = async || cluster.step_down(STREAM).await.then_some(());
                eventually("the leader to step down", step_down).await;
            } else {
                let leader = cluster.leader(STREAM).await;
                cluster.kill(leader);
                cluster.leader(STREAM).await;
                cluster.restart(leader);
            }
        }
    };
    tokio::join!(deliver_persistently(&mut sink, &batches), disturb);
    assert_ordered(&batches, &arrived(&cluster.stored(STREAM).await), in_batches);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_or_is_killed_changes_the_order_of_no_key() {
    Box::pin(assert_ordered_through_changes_of_the_leader(16, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_or_is_killed_changes_no_order_where_batches_are_atomic() {
    Box::pin(assert_ordered_through_changes_of_the_leader(80, true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_that_gets_room_again_has_all_in_order() {
    for stream in streams() {
        let in_batches = stream.allow_atomic_publish;
        let limited = |max_bytes| Config { max_bytes, discard: DiscardPolicy::New, ..stream.clone() };
        let server = server_with(limited(64 << 10)).await;
        let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
        // The large ones are refused first, and the small ones behind them would still fit.
        let event =
            |number: usize| event_with_padding(number, if number.is_multiple_of(5) { 30_000 } else { 0 });
        let batches: Vec<_> = (0..4).map(|index| batch_of((index * 100..).take(100).map(event))).collect();
        let make_room = async {
            let jetstream = server.jetstream().await;
            for doublings in 1..8 {
                let full = async || {
                    let stream = jetstream.get_stream(STREAM).await.ok()?;
                    (stream.cached_info().state.bytes > (32 << 10) << (doublings - 1)).then_some(())
                };
                eventually("the stream to fill", full).await;
                jetstream.update_stream(limited((64 << 10) << doublings)).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = deliver_persistently(&mut sink, &batches) => {}
            () = make_room => {}
        }
        assert_ordered(&batches, &arrived(&server.stored(STREAM).await), in_batches);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_work_queue_is_read_in_order() {
    for stream in streams() {
        let in_batches = stream.allow_atomic_publish;
        let config = Config {
            retention: RetentionPolicy::WorkQueue,
            max_messages: 40,
            discard: DiscardPolicy::New,
            ..stream
        };
        let server = server_with(config).await;
        let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
        let batches = batches(4, 100);
        let read = Mutex::new(Vec::new());
        let work = async {
            let queue = server.jetstream().await.get_stream(STREAM).await.unwrap();
            let consumer =
                pull::Config { durable_name: Some("reader".to_owned()), ..pull::Config::default() };
            let mut messages = queue.create_consumer(consumer).await.unwrap().messages().await.unwrap();
            while read.lock().unwrap().len() < 400 {
                let message = messages.next().await.unwrap().unwrap();
                message.double_ack().await.unwrap();
                let header = |name: &str| message.headers.as_ref().unwrap().get(name).unwrap().to_string();
                read.lock().unwrap().push((header("ce-partitionkey"), header("ce-id")));
            }
        };
        tokio::join!(deliver_persistently(&mut sink, &batches), work);
        assert_ordered(&batches, &read.into_inner().unwrap(), in_batches);
    }
}

#[tokio::test]
async fn what_may_be_on_its_way_is_on_its_way() {
    const MESSAGES: usize = 3_000;
    let server = server_with(stream()).await;
    let unordered = Template::parse("", TemplateUse::Key).unwrap();
    let config =
        NatsSink { unacknowledged_max: MESSAGES, key: unordered, ..sink(server.bus(NatsAuth::None)) };
    let mut sink = open(&config, None).await.unwrap();
    // Somebody listens and says nothing.
    let client = server.jetstream().await.client();
    let mut listener = listen(&client, "okta.>").await;
    server.jetstream().await.delete_stream(STREAM).await.unwrap();
    let batch = batch(0..MESSAGES);
    let heard = async {
        for _ in 0..MESSAGES {
            listener.next().await.unwrap();
        }
    };
    let publish = async {
        let receipt = sink.publish(&batch, 0).await.unwrap();
        let _ = receipt.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = heard => {}
        () = publish => {}
        () = tokio::time::sleep(std::time::Duration::from_secs(8)) => panic!("some wait for an answer"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_quorum_is_told_as_what_it_is() {
    let mut cluster = NatsCluster::start();
    cluster.create_stream(stream()).await;
    let leader = cluster.leader(STREAM).await;
    let left = (leader + 1) % 3;
    let bus = NatsBus { servers: vec![cluster.urls().swap_remove(left)], ..cluster.bus() };
    let mut sink = open(&sink(bus), None).await.unwrap();
    super::deliver(&mut sink, &batch(0..10)).await;
    for node in (0..3).filter(|node| *node != left) {
        cluster.kill(node);
    }
    let failed = async || {
        let receipt = sink.publish(&batch(10..20), 0).await.unwrap();
        let errors = [Some(receipt.await.unwrap_err().error), sink.recover().await.err()];
        let told = errors.into_iter().flatten().inspect(|error| {
            assert!(matches!(error, SinkError::Bus(BusError::Unreachable { .. })), "{error}");
        });
        told.map(|error| error.to_string()).any(|told| told.contains("quorum")).then_some(())
    };
    eventually("the lost quorum to be told", failed).await;
}
