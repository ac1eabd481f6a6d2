//! Real Kafka brokers, alone or three as a cluster, on free ports and with their records in a directory of their own.

pub(crate) mod cluster;
mod java;
mod reader;
mod server;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use oktabus::config::{KafkaBus, Secret};
use rdkafka::{
    ClientConfig,
    admin::{
        AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    },
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use self::server::Security;
use super::{
    certificates::Certificates,
    tools::{Process, eventually, free_port},
};

pub(crate) use reader::Record;

/// The password of every user of a secured broker.
pub(crate) const PASSWORD: &str = "correct horse";
/// The users of a secured broker. None may do anything until it is allowed.
pub(crate) const USERS: [&str; 3] = ["writer", "looker", "stranger"];

/// A broker, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    directory: TempDir,
    /// Where everybody may do everything.
    port: u16,
    security: Option<Security>,
    process: Option<Process>,
}

impl Broker {
    /// The broker that tests share which do not disturb it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Broker> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// The broker with TLS, passwords and access control lists that tests share which do not disturb it.
    pub(crate) async fn shared_secured() -> &'static Self {
        static SHARED: OnceCell<Broker> = OnceCell::const_new();
        SHARED.get_or_init(Self::start_secured).await
    }

    /// A broker of a test's own.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_secured() -> Self {
        Self::start_secured_with("", &[]).await
    }

    /// A broker of a test's own with TLS, passwords and access control lists, with more properties of its own and options
    /// for Java.
    pub(crate) async fn start_secured_with(more: &str, java_options: &[String]) -> Self {
        let security = Security {
            port: free_port(),
            certificates: Certificates::new(),
            more: more.to_owned(),
            java_options: java_options.to_vec(),
        };
        Self::start_with(Some(security)).await
    }

    async fn start_with(security: Option<Security>) -> Self {
        let mut broker =
            Self { directory: TempDir::new().unwrap(), port: free_port(), security, process: None };
        broker.format();
        broker.restart().await;
        broker
    }

    /// Starts the broker on the records that it has kept, and returns when it answers.
    pub(crate) async fn restart(&mut self) {
        let mut process = Process::start(&self.server(), &self.directory.path().join("log"));
        process.ready(async || answers(self.address()).await).await;
        self.process = Some(process);
    }

    /// Kills the broker without warning.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Stops the broker in an orderly way, as an operator does.
    pub(crate) async fn stop(&mut self) {
        self.process().stop().await;
        self.process = None;
    }

    /// Waits until the end of each transaction that is decided is written everywhere. Nobody may commit meanwhile.
    pub(crate) async fn ends_are_written(&self) {
        let are_written = async || {
            let mut client = self.client();
            let unwritten = tokio::task::spawn_blocking(move || reader::has_unwritten_ends(&mut client));
            (!unwritten.await.unwrap()).then_some(())
        };
        eventually("the ends of transactions to be written", are_written).await;
    }

    /// The program, to be frozen and thawed.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the broker was killed")
    }

    /// How to reach the broker where everybody may do everything.
    pub(crate) fn bus(&self) -> Arc<KafkaBus> {
        Arc::new(self.bus_with(&[]))
    }

    /// The section of a configuration that makes it the bus `kafka`.
    pub(crate) fn section(&self) -> String {
        format!("[buses.kafka]\nkind = \"kafka\"\nbrokers = [\"{}\"]\n", self.address())
    }

    /// Like [`Broker::bus`], with properties of librdkafka.
    pub(crate) fn bus_with(&self, options: &[(&str, &str)]) -> KafkaBus {
        KafkaBus {
            name: "kafka".to_owned(),
            brokers: vec![self.address()],
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..KafkaBus::default()
        }
    }

    /// Where a secured broker wants to know who we are.
    pub(crate) fn secured_address(&self) -> String {
        format!("127.0.0.1:{}", self.security().port)
    }

    /// The certificates of a secured broker.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.security().certificates
    }

    fn security(&self) -> &Security {
        self.security.as_ref().expect("the broker is not secured")
    }

    /// How to reach a secured broker as `user`.
    pub(crate) fn secured_bus(&self, user: &str, password: &str) -> KafkaBus {
        let authority = self.certificates().authority();
        let options = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", authority.to_str().unwrap()),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", user),
        ];
        let password = Secret::Inline(SecretString::from(password));
        KafkaBus {
            brokers: vec![self.secured_address()],
            secret_options: BTreeMap::from([("sasl.password".to_owned(), password)]),
            ..self.bus_with(&options)
        }
    }

    /// Creates `topic` with so many partitions and with these settings.
    pub(crate) async fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let created = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
        created.into_iter().for_each(|created| assert_eq!(created.unwrap(), topic));
    }

    /// Deletes `topic` with all that it has.
    pub(crate) async fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let deleted = admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
        deleted.into_iter().for_each(|deleted| assert_eq!(deleted.unwrap(), topic));
    }

    /// Gives `topic` more partitions: so many in all.
    pub(crate) async fn add_partitions(&self, topic: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let more = NewPartitions::new(topic, partitions);
        let added = admin.create_partitions([&more], &AdminOptions::new()).await.unwrap();
        added.into_iter().for_each(|added| drop(added.unwrap()));
    }

    /// Gives `topic` these settings, and the others their defaults.
    pub(crate) async fn set_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in settings {
            change = change.set(name, value);
        }
        let changed = admin.alter_configs([&change], &AdminOptions::new()).await.unwrap();
        changed.into_iter().for_each(|changed| drop(changed.unwrap()));
    }

    /// All committed records of `topic`; those of one partition in their order.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        let mut client = self.client();
        let topic = topic.to_owned();
        tokio::task::spawn_blocking(move || reader::read(&mut client, &topic)).await.unwrap()
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::from_iter([("bootstrap.servers".to_owned(), self.address())])
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

async fn answers(address: String) -> bool {
    let asked = tokio::task::spawn_blocking(move || {
        let client = ClientConfig::from_iter([("bootstrap.servers".to_owned(), address)]);
        let consumer: BaseConsumer = client.create().unwrap();
        consumer
            .fetch_metadata(None, Duration::from_secs(1))
            .is_ok_and(|metadata| !metadata.brokers().is_empty())
    });
    asked.await.unwrap()
}
