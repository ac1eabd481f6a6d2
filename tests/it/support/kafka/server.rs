//! The set-up of a broker: its properties, its users and what they may do.

use std::{fs, process::Command};

use super::{Broker, PASSWORD, USERS, java};
use crate::support::{certificates::Certificates, tools::free_port};

/// Sixteen bytes in URL-safe base64.
pub(super) const CLUSTER_ID: &str = "b2t0YWJ1cy10ZXN0cy0wMQ";

/// What a secured broker has beside its open port, which stays open for the tests themselves.
#[derive(Debug)]
pub(super) struct Security {
    pub(super) port: u16,
    pub(super) certificates: Certificates,
    /// More properties, which win over those before them.
    pub(super) more: String,
    pub(super) java_options: Vec<String>,
}

impl Broker {
    /// Writes the properties and makes the directory one that a broker can start on.
    pub(super) fn format(&self) {
        let properties = match &self.security {
            None => self.properties(&format!("PLAINTEXT://127.0.0.1:{}", self.port)),
            Some(security) => self.secured_properties(security),
        };
        fs::write(self.properties_file(), properties).unwrap();
        let mut arguments = vec!["format".to_owned(), "-t".to_owned(), CLUSTER_ID.to_owned()];
        arguments.extend(["-c".to_owned(), self.properties_file()]);
        if self.security.is_some() {
            for user in USERS {
                arguments.extend([
                    "--add-scram".to_owned(),
                    format!("SCRAM-SHA-512=[name={user},password={PASSWORD}]"),
                ]);
            }
        }
        java::run("kafka.tools.StorageTool", &arguments, "");
    }

    /// The program that is the broker.
    pub(super) fn server(&self) -> Command {
        let options = self.security.as_ref().map_or(&[][..], |security| &security.java_options);
        let mut server = java::command_with("kafka.Kafka", options);
        server.arg(self.properties_file());
        server
    }

    /// Allows `user` to do `operation`, for example `Write`, on `topic`.
    pub(crate) fn allow(&self, user: &str, operation: &str, topic: &str) {
        self.grant(user, operation, ["--topic", topic]);
    }

    /// Allows `user` to be in the group `group`.
    pub(crate) fn allow_group(&self, user: &str, group: &str) {
        self.grant(user, "Read", ["--group", group]);
    }

    /// Allows `user` to make transactions as `id`.
    pub(crate) fn allow_transactions(&self, user: &str, id: &str) {
        self.grant(user, "All", ["--transactional-id", id]);
    }

    fn grant(&self, user: &str, operation: &str, resource: [&str; 2]) {
        let address = self.address();
        let principal = format!("User:{user}");
        let arguments = ["--bootstrap-server", &address, "--add", "--allow-principal", &principal]
            .into_iter()
            .chain(["--operation", operation])
            .chain(resource);
        java::run("org.apache.kafka.tools.AclCommand", arguments, "");
    }

    /// Gives `user` another password.
    pub(crate) fn change_password(&self, user: &str, password: &str) {
        let address = self.address();
        let change = format!("SCRAM-SHA-512=[password={password}]");
        let arguments = ["--bootstrap-server", &address, "--alter", "--add-config", &change]
            .into_iter()
            .chain(["--entity-type", "users", "--entity-name", user]);
        java::run("kafka.admin.ConfigCommand", arguments, "");
    }

    /// The values of the first `count` committed records of `topic`, read by Kafka's own consumer, as soon as there are so many.
    pub(crate) fn read_with_java(&self, topic: &str, count: usize) -> Vec<String> {
        let (address, count) = (self.address(), count.to_string());
        let arguments =
            ["--bootstrap-server", &address, "--topic", topic, "--from-beginning"].into_iter().chain([
                "--isolation-level",
                "read_committed",
                "--max-messages",
                &count,
                "--timeout-ms",
                "60000",
            ]);
        let printed = java::run("org.apache.kafka.tools.consumer.ConsoleConsumer", arguments, "");
        printed.lines().map(str::to_owned).collect()
    }

    /// Publishes `key:value` lines with Kafka's own producer; the value `NULL` is none.
    pub(crate) fn produce_with_java(&self, topic: &str, lines: &str) {
        let address = self.address();
        let arguments = ["--bootstrap-server", &address, "--topic", topic].into_iter().chain([
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "key.separator=:",
            "--reader-property",
            "null.marker=NULL",
        ]);
        java::run("org.apache.kafka.tools.ConsoleProducer", arguments, lines);
    }

    fn properties_file(&self) -> String {
        self.directory.path().join("server.properties").to_str().unwrap().to_owned()
    }

    fn properties(&self, listeners: &str) -> String {
        let controller = free_port();
        let records = self.directory.path().join("records");
        format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
",
            records.display()
        )
    }

    fn secured_properties(&self, security: &Security) -> String {
        let listeners = format!("PLAINTEXT://127.0.0.1:{},SASL_SSL://127.0.0.1:{}", self.port, security.port);
        let certificates = &security.certificates;
        self.properties(&listeners)
            + &format!(
                "sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={}
ssl.truststore.type=PEM
ssl.truststore.location={}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
{}
",
                certificates.key_and_certificate().display(),
                certificates.authority().display(),
                security.more
            )
    }
}
