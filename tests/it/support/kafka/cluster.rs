//! Three Kafka brokers as one cluster, of a test's own, as small as they run: each is a controller too, and each partition has a
//! copy on every one of them.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    metadata::MetadataTopic,
};
use tempfile::TempDir;

use super::{java, reader, reader::Record, server::CLUSTER_ID};
use crate::support::tools::{Process, eventually, free_port};

const NODES: usize = 3;
/// Enough for the little that tests write.
const JAVA: [&str; 2] = ["-Xmx160m", "-Xss512k"];
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// A cluster, of which each broker may run or not.
#[derive(Debug)]
pub(crate) struct KafkaCluster {
    directory: TempDir,
    ports: Vec<u16>,
    processes: Vec<Option<Process>>,
}

impl KafkaCluster {
    /// A cluster that lets everybody in. Returns when all its brokers answer.
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let ports: Vec<_> = (0..NODES).map(|_| free_port()).collect();
        let controllers: Vec<_> = (0..NODES).map(|_| free_port()).collect();
        let mut cluster = Self { directory, ports, processes: (0..NODES).map(|_| None).collect() };
        let formatting = (0..NODES).map(|node| {
            fs::create_dir(cluster.home(node)).unwrap();
            let file = cluster.properties_file(node);
            fs::write(&file, cluster.properties(node, &controllers)).unwrap();
            let arguments = ["format", "-t", CLUSTER_ID, "-c", &file].map(str::to_owned);
            tokio::task::spawn_blocking(move || java::run("kafka.tools.StorageTool", arguments, ""))
        });
        join_all(formatting).await.into_iter().for_each(|formatted| drop(formatted.unwrap()));
        (0..NODES).for_each(|node| cluster.restart(node));
        cluster.in_sync().await;
        cluster
    }

    /// Starts a broker on what it has kept.
    pub(crate) fn restart(&mut self, node: usize) {
        let mut command = java::command_with("kafka.Kafka", &JAVA.map(str::to_owned));
        command.arg(self.properties_file(node));
        self.processes[node] = Some(Process::start(&command, &self.home(node).join("log")));
    }

    /// Kills a broker without warning.
    pub(crate) fn kill(&mut self, node: usize) {
        self.processes[node] = None;
    }

    /// Waits until all brokers are there and have all that any has.
    pub(crate) async fn in_sync(&self) {
        let are_in_sync = async || {
            let client = self.client();
            let looking = tokio::task::spawn_blocking(move || {
                let consumer: BaseConsumer = client.create().unwrap();
                let Ok(metadata) = consumer.fetch_metadata(None, LOOK) else { return false };
                let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
                metadata.brokers().len() == NODES
                    && partitions.all(|partition| partition.isr().len() == NODES)
            });
            looking.await.unwrap().then_some(())
        };
        eventually("the brokers to be in sync", are_in_sync).await;
    }

    /// The section of a configuration that makes it the bus `kafka`.
    pub(crate) fn section(&self) -> String {
        let brokers: Vec<_> = self.ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("[buses.kafka]\nkind = \"kafka\"\nbrokers = [{}]\n", brokers.join(", "))
    }

    /// Creates `topic` with so many partitions.
    pub(crate) async fn create_topic(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let created = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
        created.into_iter().for_each(|created| assert_eq!(created.unwrap(), topic));
    }

    /// All committed records of `topic`; those of one partition in their order.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        let (mut client, topic) = (self.client(), topic.to_owned());
        tokio::task::spawn_blocking(move || reader::read(&mut client, &topic)).await.unwrap()
    }

    fn client(&self) -> ClientConfig {
        let addresses: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        ClientConfig::from_iter([("bootstrap.servers".to_owned(), addresses.join(","))])
    }

    fn home(&self, node: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("broker-{node}"))
    }

    fn properties_file(&self, node: usize) -> String {
        self.home(node).join("server.properties").to_str().unwrap().to_owned()
    }

    /// A broker that is gone is missed after two seconds, and nothing is kept on fewer than two of them.
    fn properties(&self, node: usize, controllers: &[u16]) -> String {
        let (port, controller) = (self.ports[node], controllers[node]);
        let voters: Vec<_> =
            controllers.iter().enumerate().map(|(node, port)| format!("{node}@127.0.0.1:{port}")).collect();
        format!(
            "process.roles=broker,controller
node.id={node}
controller.quorum.voters={}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
default.replication.factor={NODES}
min.insync.replicas=2
offsets.topic.replication.factor={NODES}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={NODES}
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=2
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=2
num.replica.fetchers=1
log.cleaner.dedupe.buffer.size=4194304
",
            voters.join(","),
            self.home(node).join("records").display()
        )
    }
}
