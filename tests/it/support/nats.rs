//! A NATS server with JetStream, of a test's own: started in well under a second, on a free port, with its data in a
//! temporary folder. Knows nothing of sinks beyond the configuration of a bus.

use std::{fs, io::Read, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use async_nats::{
    Client, ConnectOptions, Subscriber,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        stream::Config,
    },
    subject::ToSubject,
};
use futures_util::StreamExt;
use oktabus::config::{NatsAuth, NatsBus, NatsTls};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
};

use super::tools::{Process, eventually, free_port, tool};

/// How long a reader waits for a message that the server said is there.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A server, running or not.
#[derive(Debug)]
pub(crate) struct NatsServer {
    process: Option<Process>,
    port: u16,
    directory: TempDir,
    /// Whether it has the first word.
    greets: bool,
}

/// A message as it is in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    /// In the order of their names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Vec<u8>,
}

impl Stored {
    /// The header called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl NatsServer {
    /// A server that lets everybody in.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// A server with these lines in the section of its JetStream.
    pub(crate) async fn start_with_jetstream(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let jetstream = format!("jetstream {{ store_dir: {data:?}\n{configuration}\n}}");
        Self::start_in(directory, &jetstream, true).await
    }

    /// A server with these lines in its configuration.
    pub(crate) async fn start_with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let jetstream = format!("jetstream {{ store_dir: \"{}/data\" }}", directory.path().display());
        Self::start_in(directory, &format!("{jetstream}\n{configuration}"), true).await
    }

    /// A server with these lines in its configuration, by which it waits for whoever connects to begin.
    pub(crate) async fn start_silent_with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let jetstream = format!("jetstream {{ store_dir: \"{}/data\" }}", directory.path().display());
        Self::start_in(directory, &format!("{jetstream}\n{configuration}"), false).await
    }

    /// A server whose JetStream is that of this domain.
    pub(crate) async fn start_in_domain(domain: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let jetstream = format!("jetstream {{ store_dir: {data:?}, domain: {domain} }}");
        Self::start_in(directory, &jetstream, true).await
    }

    /// A server that knows nothing of streams.
    pub(crate) async fn start_without_jetstream() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "", true).await
    }

    async fn start_in(directory: TempDir, configuration: &str, greets: bool) -> Self {
        let port = free_port();
        let configuration = format!("listen: 127.0.0.1:{port}\n{configuration}\n");
        fs::write(directory.path().join("nats.conf"), configuration).unwrap();
        let mut server = Self { process: None, port, directory, greets };
        server.restart().await;
        server
    }

    /// Starts the server, where it was and on what it had kept, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        let mut command = Command::new(tool("nats/nats-server"));
        command.arg("-c").arg(self.directory.path().join("nats.conf"));
        self.process = Some(Process::start(&command, &self.directory.path().join("nats.log")));
        let (port, greets) = (self.port, self.greets);
        let is_ready = async || match greets {
            true => greeting(port).await.is_some(),
            false => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok(),
        };
        self.process.as_mut().unwrap().ready(is_ready).await;
    }

    /// Appends these lines to the server's configuration, and has it read that anew. Returns when it has.
    pub(crate) async fn reconfigure(&mut self, lines: &str) {
        use std::io::Write as _;
        let directory = self.directory.path();
        let mut file = fs::File::options().append(true).open(directory.join("nats.conf")).unwrap();
        writeln!(file, "{lines}").unwrap();
        self.process.as_mut().unwrap().hang_up();
        let log = directory.join("nats.log");
        let is_read = async || {
            fs::read_to_string(&log).unwrap().contains("Reloaded server configuration").then_some(())
        };
        eventually("the server to read its configuration", is_read).await;
    }

    /// Kills the server without warning.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Stops the server in an orderly way, as an operator does.
    pub(crate) async fn stop(&mut self) {
        self.process.as_mut().unwrap().stop().await;
        self.process = None;
    }

    /// Stops the server, copies all it has kept, and starts it again.
    pub(crate) async fn back_up(&mut self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        self.kill();
        copy_all(&self.directory.path().join("data"), copy.path());
        self.restart().await;
        copy
    }

    /// Stops the server, gives it the data of a copy instead of its own, and starts it again.
    pub(crate) async fn restore(&mut self, copy: &TempDir) {
        let data = self.directory.path().join("data");
        self.kill();
        fs::remove_dir_all(&data).unwrap();
        copy_all(copy.path(), &data);
        self.restart().await;
    }

    /// Freezes the server: its connections stay open and nothing answers. Returns when that is so.
    pub(crate) fn freeze(&mut self) {
        self.process.as_mut().unwrap().freeze();
        while answers(self.port) {}
    }

    /// Lets a frozen server go on.
    pub(crate) fn thaw(&mut self) {
        self.process.as_mut().unwrap().thaw();
    }

    /// Where the server listens on this machine.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The server's address.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// How oktabus is to reach the server.
    pub(crate) fn bus(&self, auth: NatsAuth) -> NatsBus {
        bus_of(vec![self.url()], auth)
    }

    /// The section of a configuration that makes it the bus `nats`.
    pub(crate) fn section(&self) -> String {
        format!("[buses.nats]\nkind = \"nats\"\nservers = [\"{}\"]\n", self.url())
    }

    /// A configuration with a stream of everything, `routes`, and the sink `nats`, which makes the stream `OKTA` here. What
    /// follows it belongs to that sink.
    pub(crate) fn configuration(&self, routes: &str) -> String {
        let bus = self.section();
        format!(
            r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{routes}]
{bus}
[sinks.nats]
kind = "nats"
stream = "OKTA"
create = {{}}
"#
        )
    }

    /// JetStream for the test itself, on a server that lets everybody in.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        self.jetstream_as(ConnectOptions::new()).await
    }

    /// JetStream for the test itself.
    pub(crate) async fn jetstream_as(&self, options: ConnectOptions) -> jetstream::Context {
        jetstream::new(options.connect(self.url()).await.unwrap())
    }

    /// Creates a stream.
    pub(crate) async fn create_stream(&self, config: Config) {
        self.jetstream().await.create_stream(config).await.unwrap();
    }

    /// All messages of `stream`.
    pub(crate) async fn stored(&self, stream: &str) -> Vec<Stored> {
        stored_in(&self.jetstream().await, stream).await
    }
}

/// A stream for the sink of [`NatsServer::configuration`] that takes no message above so many bytes; -1: any.
pub(crate) fn limited_stream(message_bytes_max: i32) -> Config {
    Config {
        name: "OKTA".to_owned(),
        subjects: vec!["okta.>".to_owned()],
        max_message_size: message_bytes_max,
        ..Config::default()
    }
}

/// Listens to `subject`: what the server is sent after this is heard.
pub(crate) async fn listen(client: &Client, subject: impl ToSubject) -> Subscriber {
    let heard = client.subscribe(subject).await.unwrap();
    // A flush ends when the subscription is written. An answer says that the server has read it.
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    answers.next().await.unwrap();
    heard
}

/// How oktabus is to reach `servers`.
pub(crate) fn bus_of(servers: Vec<String>, auth: NatsAuth) -> NatsBus {
    NatsBus {
        name: "nats".to_owned(),
        servers,
        auth,
        tls: NatsTls::Offered,
        ca_file: None,
        client_certificate: None,
        api_prefix: None,
        inbox_prefix: None,
    }
}

/// All messages that `stream` has.
pub(crate) async fn stored_in(jetstream: &jetstream::Context, stream: &str) -> Vec<Stored> {
    let stream = jetstream.get_stream(stream).await.unwrap();
    let config = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let pending = usize::try_from(consumer.cached_info().num_pending).unwrap();
    let mut messages = consumer.messages().await.unwrap().take(pending);
    let mut stored = Vec::with_capacity(pending);
    while let Some(message) = tokio::time::timeout(READ_TIMEOUT, messages.next()).await.unwrap() {
        stored.push(read(&message.unwrap()));
    }
    stored
}

fn read(message: &jetstream::Message) -> Stored {
    let headers = message.headers.iter().flat_map(async_nats::HeaderMap::iter);
    let mut headers: Vec<_> = headers
        .flat_map(|(name, values)| values.iter().map(|value| (name.to_string(), value.to_string())))
        .collect();
    headers.sort();
    Stored { subject: message.subject.to_string(), headers, payload: message.payload.to_vec() }
}

/// Copies what is in the directory `from` into the directory `to`.
fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether whoever connects is greeted. Blocks for a moment.
fn answers(port: u16) -> bool {
    let mut connection = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    connection.read(&mut [0; 1]).is_ok()
}

/// The first line that a server sends to whoever connects.
async fn greeting(port: u16) -> Option<String> {
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).await.ok()?;
    line.starts_with("INFO ").then_some(line)
}
