//! Three NATS servers as one cluster, of a test's own. Knows nothing of sinks beyond the configuration of a bus.

use std::{fs, process::Command, time::Duration};

use async_nats::{ConnectOptions, jetstream};
use oktabus::config::{NatsAuth, NatsBus};
use tempfile::TempDir;

use super::{
    nats::{Stored, bus_of, stored_in},
    tools::{Process, eventually, free_port, tool},
};

const NODES: usize = 3;
/// How long one look may take; a cluster without a leader does not answer.
const LOOK: Duration = Duration::from_secs(2);

/// A cluster, of which each node may run or not.
#[derive(Debug)]
pub(crate) struct NatsCluster {
    nodes: Vec<Option<Process>>,
    ports: Vec<u16>,
    directory: TempDir,
}

impl NatsCluster {
    /// A cluster that lets everybody in.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports: Vec<_> = (0..NODES).map(|_| free_port()).collect();
        let route_ports: Vec<_> = (0..NODES).map(|_| free_port()).collect();
        let routes: Vec<_> = route_ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        for node in 0..NODES {
            let home = directory.path().join(name(node));
            fs::create_dir(&home).unwrap();
            let configuration = format!(
                "listen: 127.0.0.1:{}\nserver_name: {}\njetstream {{ store_dir: {:?} }}\n\
                 cluster {{ name: okta, listen: 127.0.0.1:{}, routes: [{}] }}\n",
                ports[node],
                name(node),
                home.join("data"),
                route_ports[node],
                routes.join(", ")
            );
            fs::write(home.join("nats.conf"), configuration).unwrap();
        }
        let mut cluster = Self { nodes: (0..NODES).map(|_| None).collect(), ports, directory };
        for node in 0..NODES {
            cluster.restart(node);
        }
        cluster
    }

    /// Starts a node, where it was and on what it had kept.
    pub(crate) fn restart(&mut self, node: usize) {
        let home = self.directory.path().join(name(node));
        let mut command = Command::new(tool("nats/nats-server"));
        command.arg("-c").arg(home.join("nats.conf"));
        self.nodes[node] = Some(Process::start(&command, &home.join("nats.log")));
    }

    /// Kills a node without warning.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    /// The addresses of all nodes.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect()
    }

    /// How oktabus is to reach the cluster.
    pub(crate) fn bus(&self) -> NatsBus {
        bus_of(self.urls(), NatsAuth::None)
    }

    /// JetStream for the test itself, over whichever node runs.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        let connect =
            async || ConnectOptions::new().request_timeout(Some(LOOK)).connect(self.urls()).await.ok();
        let client = eventually("a node to answer", connect).await;
        jetstream::context::ContextBuilder::new().timeout(LOOK).build(client)
    }

    /// Creates a stream with a copy on each node.
    pub(crate) async fn create_stream(&self, config: jetstream::stream::Config) {
        let jetstream = self.jetstream().await;
        let config = jetstream::stream::Config { num_replicas: NODES, ..config };
        let create = async || jetstream.create_stream(config.clone()).await.ok();
        eventually("the cluster to create a stream", create).await;
        self.leader(&config.name).await;
    }

    /// Which node leads `stream`.
    pub(crate) async fn leader(&self, stream: &str) -> usize {
        let jetstream = self.jetstream().await;
        let look = async || {
            let info = jetstream.get_stream(stream).await.ok()?.cached_info().clone();
            let leader = info.cluster?.leader?;
            (0..NODES).find(|node| name(*node) == leader)
        };
        eventually("the stream to have a leader", look).await
    }

    /// Has the leader of `stream` hand over to another node. Whether it did.
    pub(crate) async fn step_down(&self, stream: &str) -> bool {
        let client = self.jetstream().await.client();
        let answer = client.request(format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}"), "".into()).await;
        answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.payload).contains("\"success\":true"))
    }

    /// How many messages `stream` has had, if that can be said just now.
    pub(crate) async fn last_sequence(&self, stream: &str) -> Option<u64> {
        Some(self.jetstream().await.get_stream(stream).await.ok()?.cached_info().state.last_sequence)
    }

    /// All messages of `stream`.
    pub(crate) async fn stored(&self, stream: &str) -> Vec<Stored> {
        self.leader(stream).await;
        stored_in(&self.jetstream().await, stream).await
    }
}

fn name(node: usize) -> String {
    format!("node-{node}")
}
