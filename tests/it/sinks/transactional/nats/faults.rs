//! Exactly once while servers are killed and leaders moved in the middle of batches.

use std::sync::Arc;

use oktabus::{message::Messages, sink::TransactionalSink};
use tokio::sync::oneshot;

use super::{STREAM, assert_read, deliver_all, ids, open, open_for, server_with, sink, split, stream};
use crate::support::{
    events::{batches, origin},
    nats::NatsServer,
    nats_cluster::NatsCluster,
    tools::eventually,
};

async fn last_sequence(server: &NatsServer) -> u64 {
    server.jetstream().await.get_stream(STREAM).await.unwrap().cached_info().state.last_sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_batches_loses_and_repeats_nothing() {
    const KILLS: u64 = 6;
    let mut server = server_with(stream()).await;
    let mut sink = open(&server).await;
    let batches = batches(70, 300);
    let killing = async {
        for kill in 1..=KILLS {
            let enough = 21_000 * kill / (KILLS + 1);
            let some_more = async || (last_sequence(&server).await >= enough).then_some(());
            eventually("some messages to be stored", some_more).await;
            server.kill();
            server.restart().await;
        }
        server
    };
    let (errors, server) = tokio::join!(deliver_all(&mut sink, &batches), killing);
    assert!(errors > 0, "no kill was felt");
    assert_read(&server, &batches, "70").await;
}

/// Asserts that the stream of `cluster` has the events of `batches`, each once and in order, and one checkpoint.
async fn assert_in_cluster(cluster: &NatsCluster, batches: &[Arc<Messages>]) {
    let (checkpoints, events) = split(&cluster.stored(STREAM).await);
    assert_eq!(checkpoints, [batches.len().to_string()]);
    assert!(events == ids(batches), "{} events for {}", events.len(), ids(batches).len());
}

async fn open_in(cluster: &NatsCluster) -> Box<dyn TransactionalSink> {
    cluster.create_stream(stream()).await;
    open_for(&sink(cluster.bus()), &origin()).await.unwrap()
}

async fn stored(cluster: &NatsCluster, messages: usize) {
    let enough = u64::try_from(messages).unwrap();
    let stored = async || (cluster.last_sequence(STREAM).await? >= enough).then_some(());
    eventually("messages to be stored", stored).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_or_is_killed_loses_and_repeats_nothing() {
    const CHANGES: usize = 4;
    let mut cluster = NatsCluster::start();
    let mut sink = open_in(&cluster).await;
    let batches = batches(80, 250);
    let disturb = async {
        for change in 1..=CHANGES {
            stored(&cluster, 20_000 * change / (CHANGES + 1)).await;
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
    tokio::join!(Box::pin(deliver_all(&mut sink, &batches)), disturb);
    assert_in_cluster(&cluster, &batches).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_that_is_lost_and_found_loses_and_repeats_nothing() {
    let mut cluster = NatsCluster::start();
    let mut sink = open_in(&cluster).await;
    let batches = batches(40, 250);
    let (lost_tx, lost_rx) = oneshot::channel();
    let deliver = async {
        deliver_all(&mut sink, &batches[..20]).await;
        // The rest begins on its way while there is no quorum.
        lost_rx.await.unwrap();
        deliver_all(&mut sink, &batches).await;
    };
    let disturb = async {
        stored(&cluster, 4_000).await;
        let leader = cluster.leader(STREAM).await;
        let gone = [leader, (leader + 1) % 3];
        gone.iter().for_each(|node| cluster.kill(*node));
        lost_tx.send(()).unwrap();
        // Nobody takes anything now; what becomes of what is on its way is seen later.
        let client = cluster.jetstream().await;
        let silent = async || client.get_stream(STREAM).await.is_err().then_some(());
        eventually("the quorum to be missed", silent).await;
        gone.iter().for_each(|node| cluster.restart(*node));
    };
    tokio::join!(Box::pin(deliver), disturb);
    assert_in_cluster(&cluster, &batches).await;
}
