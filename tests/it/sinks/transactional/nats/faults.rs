//! Exactly once while servers are killed and leaders moved in the middle of batches.

use std::sync::Arc;

use async_nats::jetstream::stream::Config;
use oktabus::message::Messages;

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

async fn through_changes_of_the_leader(batches: &[Arc<Messages>], per_batch: usize) {
    const CHANGES: u64 = 4;
    let mut cluster = NatsCluster::start();
    cluster.create_stream(Config { ..stream() }).await;
    let mut sink = open_for(&sink(cluster.bus()), &origin()).await.unwrap();
    let disturb = async {
        for change in 1..=CHANGES {
            let enough = (batches.len() * per_batch) as u64 * change / (CHANGES + 1);
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
    tokio::join!(deliver_all(&mut sink, batches), disturb);
    let (checkpoints, events) = split(&cluster.stored(STREAM).await);
    assert_eq!(checkpoints, [batches.len().to_string()]);
    assert!(events == ids(batches), "{} events for {}", events.len(), ids(batches).len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_steps_down_or_is_killed_loses_and_repeats_nothing() {
    Box::pin(through_changes_of_the_leader(&batches(80, 250), 250)).await;
}
