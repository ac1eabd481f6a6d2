//! A JetStream queue for the conformance suite, and what only JetStream has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    datetime::parse_rfc3339,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        stream::{Config, RetentionPolicy},
    },
};
use futures_util::StreamExt as _;
use oktabus::{
    bus::BusClass,
    command::intake::{Delivery, Intake, IntakeError},
    config::{IntakeConfig, NatsAuth, NatsBus},
};
use tokio::time::timeout;

use super::intake::Queue;
use crate::support::{
    nats::{NatsServer, listen},
    tools::eventually,
};

const STREAM: &str = "COMMANDS";
const DURABLE: &str = "oktabus";
const FILTER: &str = "okta.acme.commands.>";
/// Short, so that tests need not wait for long until a message comes again.
const ACK_WAIT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream on a server of its own.
pub(super) struct NatsQueue {
    server: NatsServer,
    client: jetstream::Context,
}

impl Queue for NatsQueue {
    async fn new() -> Self {
        let queue = Self::without_consumer().await;
        queue.create_consumer(consumer()).await;
        queue
    }

    async fn alone() -> Self {
        Self::new().await
    }

    fn config(&self) -> IntakeConfig {
        IntakeConfig::Nats {
            bus: Arc::new(self.server.bus(NatsAuth::None)),
            stream: STREAM.to_owned(),
            subject: FILTER.to_owned(),
            durable: DURABLE.to_owned(),
        }
    }

    async fn put(&self, user: usize, payload: &[u8]) {
        let subject = format!("okta.acme.commands.{user}");
        self.client.publish(subject, payload.to_vec().into()).await.unwrap().await.unwrap();
    }

    async fn left(&self) -> u64 {
        let info = self.info().await;
        info.num_pending + u64::try_from(info.num_ack_pending).unwrap()
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    async fn restart(&mut self) {
        self.server.restart().await;
    }
}

impl NatsQueue {
    async fn without_consumer() -> Self {
        Self::with_retention(RetentionPolicy::Limits).await
    }

    async fn with_retention(retention: RetentionPolicy) -> Self {
        let server = NatsServer::start().await;
        let subjects = vec![FILTER.to_owned()];
        server
            .create_stream(Config { name: STREAM.to_owned(), subjects, retention, ..Config::default() })
            .await;
        let client = server.jetstream().await;
        Self { server, client }
    }

    /// Deletes the stream, and creates one of the same name.
    async fn create_anew(&self) {
        let config = self.stream().await.cached_info().config.clone();
        self.client.delete_stream(STREAM).await.unwrap();
        self.server.create_stream(config).await;
    }

    async fn stream(&self) -> jetstream::stream::Stream {
        self.client.get_stream(STREAM).await.unwrap()
    }

    async fn create_consumer(&self, config: pull::Config) {
        self.stream().await.create_consumer(config).await.unwrap();
    }

    async fn info(&self) -> jetstream::consumer::Info {
        self.stream().await.consumer_info(DURABLE).await.unwrap()
    }

    async fn open(&self) -> Result<Intake, IntakeError> {
        Intake::open(&self.config(), "provisioning").await
    }
}

fn consumer() -> pull::Config {
    pull::Config {
        durable_name: Some(DURABLE.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        filter_subject: FILTER.to_owned(),
        ..pull::Config::default()
    }
}

/// Like [`Intake::next`], for an intake that has to connect anew.
async fn next_persistently(intake: &mut Intake) -> Delivery {
    let persistently = eventually("the next message", async || intake.next().await.ok());
    timeout(PATIENCE, persistently).await.expect("no message comes")
}

async fn take_persistently(intake: &mut Intake) -> String {
    let delivery = next_persistently(intake).await;
    let payload = String::from_utf8(delivery.payload.to_vec()).unwrap();
    delivery.acknowledgement.ack().await;
    payload
}

async fn take(intake: &mut Intake) -> String {
    let delivery = timeout(PATIENCE, intake.next()).await.expect("no message comes").unwrap();
    let payload = String::from_utf8(delivery.payload.to_vec()).unwrap();
    delivery.acknowledgement.ack().await;
    payload
}

#[tokio::test]
async fn the_consumer_is_created_so_that_no_command_is_given_up() {
    for retention in [RetentionPolicy::Limits, RetentionPolicy::WorkQueue] {
        let queue = NatsQueue::with_retention(retention).await;
        queue.put(0, b"put before anybody read").await;
        let mut intake = queue.open().await.unwrap();
        assert_eq!(take(&mut intake).await, "put before anybody read");
        let config = queue.info().await.config;
        assert_eq!((config.ack_policy, config.max_deliver), (AckPolicy::Explicit, -1));
        assert_eq!(config.filter_subject, FILTER);
        assert_eq!(config.ack_wait, Duration::from_secs(60));
        intake.close().await;
    }
}

#[tokio::test]
async fn a_consumer_that_would_lose_commands_is_refused() {
    for unfit in [
        pull::Config { ack_policy: AckPolicy::All, ..consumer() },
        pull::Config { max_deliver: 5, ..consumer() },
        pull::Config { headers_only: true, ..consumer() },
        pull::Config { filter_subject: "okta.acme.commands.7".to_owned(), ..consumer() },
    ] {
        let queue = NatsQueue::without_consumer().await;
        queue.create_consumer(unfit.clone()).await;
        let refusal = queue.open().await.unwrap_err();
        assert_eq!(refusal.class(), BusClass::Configuration, "{unfit:?}");
        assert!(refusal.to_string().contains("`durable`"), "{refusal}");
    }
}

#[tokio::test]
async fn a_consumer_is_asked_for_no_more_than_it_allows() {
    let queue = NatsQueue::without_consumer().await;
    let limits = pull::Config { max_batch: 3, max_expires: Duration::from_secs(1), ..consumer() };
    queue.create_consumer(limits).await;
    for number in 0..8 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    // Of two lives, so that the second has to ask for what the first has left.
    let mut intake = queue.open().await.unwrap();
    for _ in 0..4 {
        timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    }
    intake.close().await;
    let mut intake = queue.open().await.unwrap();
    for number in 0..8 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    intake.close().await;
}

#[tokio::test]
async fn a_consumer_that_is_paused_is_told() {
    let queue = NatsQueue::without_consumer().await;
    let until = parse_rfc3339("2100-01-01T00:00:00Z").unwrap();
    queue.create_consumer(pull::Config { pause_until: Some(until), ..consumer() }).await;
    let intake = queue.open().await.unwrap();
    let told = eventually("the trouble", async || intake.trouble()).await;
    assert!(told.contains("paused"), "{told}");
    intake.close().await;
}

#[tokio::test]
async fn a_stream_that_is_missing_is_told_and_found_once_it_is_there() {
    let server = NatsServer::start().await;
    let client = server.jetstream().await;
    let queue = NatsQueue { server, client };
    let missing = queue.open().await.unwrap_err();
    assert_eq!(missing.class(), BusClass::Configuration);
    assert!(missing.to_string().contains("nats stream add COMMANDS"), "{missing}");

    let subjects = vec![FILTER.to_owned()];
    queue.server.create_stream(Config { name: STREAM.to_owned(), subjects, ..Config::default() }).await;
    queue.open().await.unwrap().close().await;
}

#[tokio::test]
async fn a_deleted_consumer_is_created_where_it_stood() {
    let queue = NatsQueue::new().await;
    for number in 0..10 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    let mut intake = queue.open().await.unwrap();
    for number in 0..10 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    // How far the queue is, it looks up when it is opened, and now and then.
    intake.close().await;
    let mut intake = queue.open().await.unwrap();
    queue.stream().await.delete_consumer(DURABLE).await.unwrap();
    queue.put(0, b"10").await;
    let lost = timeout(PATIENCE, intake.next()).await.expect("the loss is not noticed").unwrap_err();
    assert_eq!(lost.class(), BusClass::Transient);
    assert_eq!(take(&mut intake).await, "10", "and not what was done");
    intake.close().await;
}

#[tokio::test]
async fn all_that_a_stream_holds_comes_again_if_the_consumer_is_deleted_while_nobody_reads() {
    let queue = NatsQueue::new().await;
    for number in 0..3 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    let mut intake = queue.open().await.unwrap();
    for number in 0..3 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    intake.close().await;
    queue.stream().await.delete_consumer(DURABLE).await.unwrap();

    let mut intake = queue.open().await.unwrap();
    for sequence in 1..=3 {
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        let stored = queue.stream().await.get_raw_message(sequence).await.unwrap();
        assert_eq!(delivery.published_at.unwrap().as_nanosecond(), stored.time.unix_timestamp_nanos());
        delivery.acknowledgement.ack().await;
    }
    intake.close().await;
}

#[tokio::test]
async fn a_stream_that_was_created_anew_is_read_from_its_beginning() {
    let queue = NatsQueue::new().await;
    for number in 0..5 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    let mut intake = queue.open().await.unwrap();
    for number in 0..5 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    // How far the queue is, it looks up when it is opened, and now and then.
    intake.close().await;
    let mut intake = queue.open().await.unwrap();
    queue.create_anew().await;
    for number in 10..20 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    for number in 10..20 {
        assert_eq!(take_persistently(&mut intake).await, number.to_string());
    }
    intake.close().await;
}

/// The sequences of a stream that was created anew stand for other messages.
#[tokio::test]
async fn what_was_taken_from_a_stream_that_is_gone_acknowledges_nothing_of_the_new_one() {
    let queue = NatsQueue::new().await;
    queue.put(0, b"old").await;
    let mut intake = queue.open().await.unwrap();
    let old = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    queue.create_anew().await;
    queue.put(0, b"new").await;
    let new = next_persistently(&mut intake).await;
    assert_eq!((&new.payload[..], &new.place), (&b"new"[..], &old.place));
    old.acknowledgement.ack().await;
    assert_eq!(queue.left().await, 1, "nobody has said that it is done");
    new.acknowledgement.ack().await;
    assert_eq!(queue.left().await, 0);
    intake.close().await;
}

/// Who can see the requests for messages knows where the answers go.
#[tokio::test]
async fn a_message_that_came_from_no_consumer_is_no_command() {
    let queue = NatsQueue::new().await;
    let client = queue.client.client();
    let mut requests = listen(&client, format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}")).await;
    let mut intake = queue.open().await.unwrap();
    let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    client.publish(request.reply.unwrap(), "forged".into()).await.unwrap();
    client.flush().await.unwrap();
    queue.put(0, b"real").await;
    assert_eq!(take(&mut intake).await, "real");
    intake.close().await;
}

#[tokio::test]
async fn closing_gives_back_what_nobody_asked_for() {
    // With an `ack_wait` of a minute.
    let queue = NatsQueue::without_consumer().await;
    for number in 0..5 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    let mut intake = queue.open().await.unwrap();
    assert_eq!(take(&mut intake).await, "0");
    let pending = async || queue.info().await.num_ack_pending;
    eventually("the others to be on the shelf", async || (pending().await == 4).then_some(())).await;
    intake.close().await;

    let mut intake = queue.open().await.unwrap();
    let mut rest = Vec::new();
    while rest.len() < 4 {
        rest.push(take(&mut intake).await);
    }
    rest.sort();
    assert_eq!(rest, ["1", "2", "3", "4"]);
    intake.close().await;
}

#[tokio::test]
async fn closing_gives_back_what_was_not_brought_to_an_end() {
    // With an `ack_wait` of a minute.
    let queue = NatsQueue::without_consumer().await;
    for number in 0..3 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    let mut intake = queue.open().await.unwrap();
    for wait in [None, Some(Duration::from_secs(600)), None] {
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        match wait {
            Some(wait) => delivery.acknowledgement.retry_later(wait).await,
            None => drop(delivery.acknowledgement),
        }
    }
    intake.close().await;

    let mut intake = queue.open().await.unwrap();
    for number in 0..3 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    intake.close().await;
}

#[tokio::test]
async fn what_a_killed_process_held_comes_before_what_is_new() {
    let queue = NatsQueue::new().await;
    for number in 0..20 {
        queue.put(0, number.to_string().as_bytes()).await;
    }
    // Taken and never acknowledged, by one who is gone.
    let consumer: jetstream::consumer::Consumer<pull::Config> =
        queue.stream().await.get_consumer(DURABLE).await.unwrap();
    let mut held = consumer.fetch().max_messages(3).messages().await.unwrap();
    for _ in 0..3 {
        held.next().await.unwrap().unwrap();
    }
    let mut intake = queue.open().await.unwrap();
    for number in 0..20 {
        assert_eq!(take(&mut intake).await, number.to_string());
    }
    intake.close().await;
}

#[tokio::test]
async fn nothing_is_overtaken_however_often_processes_end_in_the_middle() {
    let queue = NatsQueue::new().await;
    let mut random = fastrand::Rng::with_seed(3);
    let (mut put, mut seen) = (0, 0);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(25) {
        while put < seen + 60 {
            queue.put(0, put.to_string().as_bytes()).await;
            put += 1;
        }
        let mut intake = queue.open().await.unwrap();
        // Some lives are over before what the last one held has come again.
        let life_span = Duration::from_millis(random.u64(50..3_500));
        let life = async {
            // They are not let go of: a process that is killed says nothing.
            let mut held = Vec::new();
            loop {
                let delivery = intake.next().await.unwrap();
                let number: usize = std::str::from_utf8(&delivery.payload).unwrap().parse().unwrap();
                assert!(number <= seen, "{number} came before {seen}");
                seen = seen.max(number + 1);
                match random.u8(..4) {
                    0 => held.push(delivery),
                    _ => delivery.acknowledgement.ack().await,
                }
            }
        };
        let _: Result<(), _> = timeout(life_span, life).await;
    }
    assert!(seen > 60, "only {seen} came");
}

#[tokio::test]
async fn the_message_id_and_headers_are_handed_on() {
    let queue = NatsQueue::new().await;
    let jetstream = queue.server.jetstream().await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", "cmd-1");
    headers.append("X-Twice", "a");
    headers.append("X-Twice", "b");
    let published = jetstream.publish_with_headers("okta.acme.commands.0", headers, "{}".into()).await;
    published.unwrap().await.unwrap();

    let mut intake = queue.open().await.unwrap();
    let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    assert_eq!(delivery.message_id.as_deref(), Some("cmd-1"));
    assert_eq!(delivery.place, "COMMANDS@1");
    let mut values: Vec<_> = delivery.headers.iter().filter(|(name, _)| name == "X-Twice").collect();
    values.sort();
    assert_eq!(values.iter().map(|(_, value)| &value[..]).collect::<Vec<_>>(), [b"a", b"b"]);
    delivery.acknowledgement.ack().await;
    intake.close().await;
}

#[tokio::test]
async fn a_queue_of_a_domain_is_read_below_prefixes_of_our_own() {
    let server = NatsServer::start_in_domain("hub").await;
    let subjects = vec![FILTER.to_owned()];
    server.create_stream(Config { name: STREAM.to_owned(), subjects, ..Config::default() }).await;
    let bus = |prefix: &str| NatsBus {
        api_prefix: Some(prefix.to_owned()),
        inbox_prefix: Some("_INBOX_oktabus".to_owned()),
        ..server.bus(NatsAuth::None)
    };
    let config = |prefix: &str| IntakeConfig::Nats {
        bus: Arc::new(bus(prefix)),
        stream: STREAM.to_owned(),
        subject: FILTER.to_owned(),
        durable: DURABLE.to_owned(),
    };
    assert!(Intake::open(&config("$JS.spoke.API"), "provisioning").await.is_err());

    let mut intake = Intake::open(&config("$JS.hub.API"), "provisioning").await.unwrap();
    let client = server.jetstream().await;
    client.publish("okta.acme.commands.0", "{}".into()).await.unwrap().await.unwrap();
    timeout(PATIENCE, intake.next()).await.unwrap().unwrap().acknowledgement.ack().await;
    let info = client.get_stream(STREAM).await.unwrap().consumer_info(DURABLE).await.unwrap();
    assert_eq!((info.num_pending, info.num_ack_pending), (0, 0));
    intake.close().await;
}
