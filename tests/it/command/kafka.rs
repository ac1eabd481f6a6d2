//! A Kafka queue for the conformance suite, and what only Kafka has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use oktabus::{
    bus::{BusClass, BusError},
    command::intake::{Intake, IntakeError},
    config::IntakeConfig,
};
use rdkafka::{
    ClientConfig, Offset,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::time::timeout;

use super::intake::Queue;
use crate::support::{
    kafka::{Broker, PASSWORD},
    tools::eventually,
};

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(40);

enum Cluster {
    Shared(&'static Broker),
    Own(Box<Broker>),
}

/// A topic with a group of its own.
pub(super) struct KafkaQueue {
    broker: Cluster,
    topic: String,
    producer: FutureProducer,
}

impl Queue for KafkaQueue {
    async fn new() -> Self {
        Self::on(Cluster::Shared(Broker::shared().await)).await
    }

    async fn alone() -> Self {
        Self::on(Cluster::Own(Box::new(Broker::start().await))).await
    }

    fn config(&self) -> IntakeConfig {
        let bus = self.broker().bus_with(&[("session.timeout.ms", "6000"), ("linger.ms", "0")]);
        IntakeConfig::Kafka { bus: Arc::new(bus), topic: self.topic.clone(), group: self.topic.clone() }
    }

    async fn put(&self, user: usize, payload: &[u8]) {
        let key = user.to_string();
        let record = FutureRecord::to(&self.topic).key(key.as_str()).payload(payload);
        send(&self.producer, record).await;
    }

    async fn left(&self) -> u64 {
        let (committed, ends) = self.positions().await;
        let left = ends.iter().zip(&committed).map(|(end, committed)| end - committed).sum::<i64>();
        u64::try_from(left).expect("more is committed than there is")
    }

    fn kill(&mut self) {
        if let Cluster::Own(broker) = &mut self.broker {
            broker.kill();
        }
    }

    async fn restart(&mut self) {
        if let Cluster::Own(broker) = &mut self.broker {
            broker.restart().await;
        }
    }
}

impl KafkaQueue {
    async fn on(broker: Cluster) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("commands-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let queue = Self { producer: producer(broker_of(&broker)), broker, topic };
        queue.broker().create_topic(&queue.topic, PARTITIONS, &[]).await;
        queue
    }

    fn broker(&self) -> &Broker {
        broker_of(&self.broker)
    }

    /// What the group has committed and where the partitions end, by another client.
    async fn positions(&self) -> (Vec<i64>, Vec<i64>) {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.broker().bus().brokers.join(",")).set("group.id", &self.topic);
        let topic = self.topic.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client.create().unwrap();
            let mut partitions = rdkafka::TopicPartitionList::new();
            partitions.add_partition_range(&topic, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(partitions, PATIENCE).unwrap();
            let committed = (0..PARTITIONS).map(|partition| {
                match committed.find_partition(&topic, partition).unwrap().offset() {
                    Offset::Offset(offset) => offset,
                    _ => 0,
                }
            });
            let ends = (0..PARTITIONS)
                .map(|partition| consumer.fetch_watermarks(&topic, partition, PATIENCE).unwrap().1);
            (committed.collect(), ends.collect())
        });
        asked.await.unwrap()
    }

    async fn put_to(&self, partition: i32, payload: Option<&[u8]>) {
        let mut record = FutureRecord::to(&self.topic).key("k").partition(partition);
        record.payload = payload;
        send(&self.producer, record).await;
    }

    /// Puts so many messages into one partition.
    async fn put_many(&self, partition: i32, count: usize) {
        let puts = (0..count).map(async |_| self.put_to(partition, Some(b"{}")).await);
        stream::iter(puts).buffer_unordered(1_000).collect::<()>().await;
    }

    /// Has the cluster forget what the group has committed, as soon as nobody is in it.
    async fn forget_group(&self) {
        let client = [("bootstrap.servers".to_owned(), self.broker().bus().brokers.join(","))];
        let admin: AdminClient<DefaultClientContext> = ClientConfig::from_iter(client).create().unwrap();
        eventually("the group to be forgotten", async || {
            let forgotten = admin.delete_groups(&[&self.topic], &AdminOptions::new()).await.unwrap();
            forgotten.into_iter().all(|forgotten| forgotten.is_ok()).then_some(())
        })
        .await;
    }

    async fn open(&self) -> Intake {
        Intake::open(&self.config(), "provisioning").await.unwrap()
    }
}

fn broker_of(cluster: &Cluster) -> &Broker {
    match cluster {
        Cluster::Shared(broker) => broker,
        Cluster::Own(broker) => broker,
    }
}

async fn send(producer: &FutureProducer, record: FutureRecord<'_, str, [u8]>) {
    let sent = producer.send_result(record).map_err(|(err, _)| err).unwrap();
    sent.await.unwrap().map_err(|(err, _)| err).unwrap();
}

fn producer(broker: &Broker) -> FutureProducer {
    ClientConfig::new().set("bootstrap.servers", broker.bus().brokers.join(",")).create().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_beyond_what_is_not_done() {
    let queue = KafkaQueue::new().await;
    for number in 0..10 {
        queue.put_to(2, Some(number.to_string().as_bytes())).await;
    }
    let mut intake = queue.open().await;
    let mut deliveries = Vec::new();
    for number in 0..10 {
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        assert_eq!(delivery.place, format!("{}/2@{number}", queue.topic));
        deliveries.push(delivery);
    }
    let held = deliveries.remove(4);
    for delivery in deliveries.into_iter().rev() {
        delivery.acknowledgement.ack().await;
    }
    let committed = async || queue.positions().await.0[2];
    eventually("what is done to be committed", async || (committed().await == 4).then_some(())).await;
    // A further commit and the one of closing change nothing of it.
    queue.put_to(1, Some(b"x")).await;
    timeout(PATIENCE, intake.next()).await.unwrap().unwrap().acknowledgement.ack().await;
    eventually("the other partition", async || (queue.positions().await.0[1] == 1).then_some(())).await;
    intake.close().await;
    assert_eq!(committed().await, 4);

    // Too late: the partition is not ours any more.
    held.acknowledgement.ack().await;
    let mut intake = queue.open().await;
    for number in 4..10 {
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        assert_eq!(delivery.place, format!("{}/2@{number}", queue.topic));
        delivery.acknowledgement.ack().await;
    }
    intake.close().await;
    assert_eq!(committed().await, 10, "closing commits what is done");
}

/// A second member gets what was not begun, and nothing before what was begun has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_goes_to_another_when_what_was_begun_has_ended() {
    let queue = KafkaQueue::new().await;
    for partition in 0..PARTITIONS {
        for number in 0..2 {
            queue.put_to(partition, Some(number.to_string().as_bytes())).await;
        }
    }
    let mut intake = queue.open().await;
    let (mut begun, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..PARTITIONS * 2 {
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        if delivery.place.ends_with("@0") {
            assert!(delivery.acknowledgement.begin());
            begun.push(delivery);
        } else {
            waiting.push(delivery);
        }
    }
    let mut other = queue.open().await;
    // Longer than the group needs to share out the partitions.
    let early = timeout(Duration::from_secs(5), other.next()).await;
    assert!(early.is_err(), "given away while it is carried out: {early:?}");
    for delivery in begun {
        assert!(delivery.acknowledgement.begin(), "what was begun goes on");
        delivery.acknowledgement.ack().await;
    }
    let taken_over = timeout(PATIENCE, other.next()).await.unwrap().unwrap();
    assert!(taken_over.place.ends_with("@1"), "{} was done", taken_over.place);
    let lost = waiting.iter().find(|delivery| delivery.place == taken_over.place).unwrap();
    assert!(!lost.acknowledgement.begin() && taken_over.acknowledgement.begin());
    other.close().await;
    intake.close().await;
}

/// Reads so much of each partition that no more is read, and then a second member comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_full_when_it_went_is_read_when_it_is_back() {
    const EACH: usize = 200;
    let queue = KafkaQueue::new().await;
    for partition in 0..PARTITIONS {
        for number in 0..EACH {
            queue.put_to(partition, Some(number.to_string().as_bytes())).await;
        }
    }
    let mut intake = queue.open().await;
    let mut held = Vec::new();
    while let Ok(delivery) = timeout(Duration::from_secs(5), intake.next()).await {
        held.push(delivery.unwrap());
    }
    assert!(held.len() < EACH * 4, "all was read at once");
    let mut other = queue.open().await;
    let delivery = timeout(PATIENCE, other.next()).await.unwrap().unwrap();
    drop(delivery);
    other.close().await;
    for delivery in held {
        delivery.acknowledgement.ack().await;
    }
    let reading = async {
        loop {
            intake.next().await.unwrap().acknowledgement.ack().await;
        }
    };
    tokio::select! {
        () = reading => {}
        _ = eventually("all to be done", async || (queue.left().await == 0).then_some(())) => {}
    }
    intake.close().await;
}

/// One partition is read so far ahead of a command that is put back, and no further; the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_far_ahead_of_a_command_stops_alone_and_says_so() {
    const AHEAD: usize = 10_000;
    let queue = KafkaQueue::new().await;
    queue.put_many(0, AHEAD + 100).await;
    let mut intake = queue.open().await;
    let first = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    let place = first.place.clone();
    assert_eq!(place, format!("{}/0@0", queue.topic));
    first.acknowledgement.retry_later(Duration::from_secs(3)).await;
    let (mut done, mut told) = (1, None);
    // What is put back comes again between the others, and is put back again.
    while told.is_none() {
        match timeout(Duration::from_millis(500), intake.next()).await.map(Result::unwrap) {
            Ok(again) if again.place == place => {
                again.acknowledgement.retry_later(Duration::from_secs(3)).await;
            }
            Ok(delivery) => {
                done += 1;
                delivery.acknowledgement.ack().await;
            }
            Err(_) => told = intake.trouble(),
        }
    }
    assert_eq!(done, AHEAD);
    let told = told.unwrap();
    assert!(told.contains(&place) && told.contains("put back") && told.contains("partition 0"), "{told}");
    assert_eq!(queue.positions().await.0[0], 0);

    queue.put_to(1, Some(b"another partition")).await;
    let mut more = 0;
    while queue.left().await > 0 {
        let Ok(delivery) = timeout(Duration::from_millis(500), intake.next()).await else { continue };
        delivery.unwrap().acknowledgement.ack().await;
        more += 1;
    }
    assert_eq!(more, 1 + 1 + 100, "the other partition, what was put back, and what is behind it");
    assert_eq!(intake.trouble(), None);
    intake.close().await;
}

/// The cluster forgets the offsets of a group that nobody was in for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_forgotten_begins_with_the_oldest_command_and_says_how_old_it_is() {
    let queue = KafkaQueue::new().await;
    let created_at = Timestamp::now() - Duration::from_secs(40 * 24 * 60 * 60);
    let record = FutureRecord::to(&queue.topic).key("k").partition(0).payload(&b"{}"[..]);
    send(&queue.producer, record.timestamp(created_at.as_millisecond())).await;
    let mut times = Vec::new();
    for _ in 0..2 {
        let mut intake = queue.open().await;
        let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
        times.push(delivery.published_at.unwrap().as_millisecond());
        delivery.acknowledgement.ack().await;
        intake.close().await;
        queue.forget_group().await;
    }
    assert_eq!(times, [created_at.as_millisecond(); 2]);
}

/// Such a topic does not take the producer's word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_own_time_is_told_where_the_topic_has_it() {
    let queue = KafkaQueue::new().await;
    queue.broker().set_topic(&queue.topic, &[("message.timestamp.type", "LogAppendTime")]).await;
    let before = Timestamp::now();
    let record = FutureRecord::to(&queue.topic).key("k").partition(0).payload(&b"{}"[..]);
    send(&queue.producer, record.timestamp(1_000)).await;
    let mut intake = queue.open().await;
    let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    assert!(delivery.published_at.unwrap().as_millisecond() >= before.as_millisecond());
    delivery.acknowledgement.ack().await;
    intake.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tombstone_is_no_command_and_headers_are_handed_on() {
    let queue = KafkaQueue::new().await;
    queue.put_to(0, None).await;
    let headers = OwnedHeaders::new()
        .insert(Header { key: "ce_id", value: Some("cmd-1") })
        .insert(Header { key: "ce_id", value: Some(&b"\xff"[..]) });
    let record = FutureRecord::to(&queue.topic).key("k").partition(0).payload(&b"{}"[..]).headers(headers);
    send(&queue.producer, record).await;

    let mut intake = queue.open().await;
    let tombstone = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    assert!(tombstone.unfit.as_ref().unwrap().contains("tombstone"));
    tombstone.acknowledgement.reject().await;
    let delivery = timeout(PATIENCE, intake.next()).await.unwrap().unwrap();
    assert_eq!((&delivery.payload[..], delivery.unfit.as_ref()), (&b"{}"[..], None));
    let headers: Vec<_> = delivery.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    assert_eq!(headers, [("ce_id", &b"cmd-1"[..]), ("ce_id", b"\xff")]);
    delivery.acknowledgement.ack().await;
    intake.close().await;
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn a_topic_that_is_missing_is_told() {
    let broker = Broker::shared().await;
    let config = IntakeConfig::Kafka {
        bus: broker.bus(),
        topic: "no-such-commands".to_owned(),
        group: "g".to_owned(),
    };
    let missing = Intake::open(&config, "provisioning").await.unwrap_err();
    assert_eq!(missing.class(), BusClass::Configuration);
    assert!(missing.to_string().contains("`no-such-commands` does not exist"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_may_not_read_is_told() {
    let broker = Broker::shared_secured().await;
    broker.create_topic("secret-commands", 1, &[]).await;
    let open = async |password: &str| {
        let bus = Arc::new(broker.secured_bus("looker", password));
        let config = IntakeConfig::Kafka { bus, topic: "secret-commands".to_owned(), group: "g".to_owned() };
        match Intake::open(&config, "provisioning").await {
            Ok(mut intake) => {
                let told = timeout(PATIENCE, intake.next()).await;
                told.unwrap_or_else(|_| panic!("nothing is told; trouble: {:?}", intake.trouble()))
                    .unwrap_err()
            }
            Err(err) => err,
        }
    };
    let wrong = open("wrong").await;
    assert!(
        matches!(&wrong, IntakeError::Bus(BusError::Refused { reason, .. }) if reason.contains("sasl.password")),
        "{wrong}"
    );
    broker.allow("looker", "Read", "secret-commands");
    let refused = open(PASSWORD).await;
    assert!(
        matches!(&refused, IntakeError::Bus(BusError::Refused { reason, .. }) if reason.contains("grant it READ on the group")),
        "{refused}"
    );
}
