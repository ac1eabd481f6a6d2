//! How long an event takes from its availability at Okta to a consumer of Kafka and of NATS, and how many requests that takes:
//! by polling at several intervals, adaptively, and by doorbell; and what a flood of rings does to that.
//!
//! `cargo bench --bench latency -- [MODE …]`, of `1s`, `10s`, `60s`, `adaptive`, `doorbell`, `forged` and `replayed`; all of them
//! without arguments. Run `tests/setup` first. The modes run side by side, each with a simulated org, a daemon and a NATS server
//! of its own, for about six minutes. Nothing is judged: the figures are printed.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all};
use jiff::Timestamp;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::Value;
use support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta, tools::free_port};
use tokio::task::JoinSet;

/// Events of a mode: so many bursts of three, two to four seconds apart.
const BURSTS: usize = 100;
const BURST: usize = 3;
/// Of the modes with a flood, which last as long as the flood.
const FLOOD_BURSTS: usize = 30;
const FLOOD: usize = 10_000;
const FLOOD_SENDERS: usize = 8;
const SECRET: &str = "correct-horse-battery-staple";
const FORGED: &str = "a-wrong-secret-of-the-same-size";

/// Name, `poll_interval`, whether there is a doorbell, and the secret of a flood.
const MODES: [(&str, &str, bool, Option<&str>); 7] = [
    ("1s", "\"1s\"", false, None),
    ("10s", "\"10s\"", false, None),
    ("60s", "\"60s\"", false, None),
    ("adaptive", "{ min = \"1s\", max = \"60s\" }", false, None),
    ("doorbell", "\"60s\"", true, None),
    ("forged", "\"60s\"", true, Some(FORGED)),
    ("replayed", "\"60s\"", true, Some(SECRET)),
];

/// When each event arrived, in milliseconds of the epoch.
type Arrivals = Arc<Mutex<BTreeMap<String, i64>>>;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let broker = Broker::start().await;
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let modes = MODES.into_iter().filter(|(name, ..)| is_wanted(name));
    let rows = join_all(modes.map(|mode| run(mode, &broker))).await;
    let mut out = std::io::stdout();
    writeln!(out, "mode      events  seconds  requests  kafka median/p99/max ms   nats median/p99/max ms")
        .unwrap();
    rows.iter().for_each(|row| writeln!(out, "{row}").unwrap());
}

async fn run(
    (mode, interval, has_doorbell, flood): (&str, &str, bool, Option<&str>),
    broker: &Broker,
) -> String {
    let okta = Okta::start(&["--backlog", "1", "--rate", "0", "--rate-limit", "100000"]).await;
    let nats = NatsServer::start().await;
    let topic = format!("okta.{mode}");
    broker.create_topic(&topic, 1, &[]).await;
    let port = free_port();
    let bell = if has_doorbell { "doorbell = { secret_file = \"{dir}/bell\" }\n" } else { "" };
    let listener =
        if has_doorbell { format!("[doorbell]\nlisten = \"127.0.0.1:{port}\"\n") } else { String::new() };
    let workplace = Workplace::new(
        &okta,
        &format!(
            "{bell}[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npoll_interval = {interval}\n\
             routes = [{{ sink = \"kafka\" }}, {{ sink = \"nats\" }}]\n{listener}{}{}\
             [sinks.kafka]\nkind = \"kafka\"\ntopic = \"{topic}\"\n[sinks.nats]\nkind = \"nats\"\nstream = \"OKTA\"\ncreate = {{}}\n",
            broker.section(),
            nats.section()
        ),
    );
    workplace.write_secret("bell", SECRET);
    let _daemon = workplace.start(&[]);
    for route in ["log/kafka", "log/nats"] {
        workplace.route(route, |route| route.phase == "at_tail" && route.delivered > 0).await;
    }
    let url = format!("http://127.0.0.1:{port}");
    if has_doorbell {
        let said = workplace.oktabus(&["doorbell", "register", "--url", &url]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let (of_kafka, of_nats) = (Arrivals::default(), Arrivals::default());
    let stop = Arc::new(AtomicBool::new(false));
    let (address, arrivals, stopping) =
        (broker.bus().brokers[0].clone(), Arc::clone(&of_kafka), Arc::clone(&stop));
    let reading = tokio::task::spawn_blocking(move || read_kafka(&address, &topic, &arrivals, &stopping));
    let subscribed = async_nats::connect(nats.url()).await.unwrap().subscribe("okta.>").await.unwrap();
    let arrivals = Arc::clone(&of_nats);
    let listening = tokio::spawn(subscribed.for_each(move |message| {
        arrived(&arrivals, &message.payload);
        std::future::ready(())
    }));
    // Both listen before anything comes.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let (requests, begin) = (okta.answered(200).await, tokio::time::Instant::now());
    let mut flooding = JoinSet::new();
    for _ in 0..flood.map_or(0, |_| FLOOD_SENDERS) {
        flooding.spawn(ring(format!("{url}/acme"), flood.unwrap_or_default().to_owned()));
    }
    let bursts = if flood.is_some() { FLOOD_BURSTS } else { BURSTS };
    for number in 0..bursts {
        let events: Vec<_> = (0..BURST)
            .map(|place| {
                format!("{{\"uuid\":\"{mode}-{number}-{place}\",\"eventType\":\"user.lifecycle.create\"}}")
            })
            .collect();
        okta.add(&events.join("\n")).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(2_000..4_000))).await;
    }
    let seconds = begin.elapsed().as_secs();
    let spent = okta.answered(200).await - requests;
    while let Some(ended) = flooding.join_next().await {
        ended.unwrap();
    }
    let count = bursts * BURST;
    for arrivals in [&of_kafka, &of_nats] {
        // A poll may be a minute away.
        let all = async || (arrivals.lock().unwrap().len() >= count).then_some(());
        tokio::time::timeout(Duration::from_secs(90), async {
            while all().await.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("all events to arrive");
    }
    stop.store(true, Ordering::Relaxed);
    reading.await.unwrap();
    listening.abort();
    let available = available(&okta).await;
    let kafka = figures(&available, &of_kafka);
    let nats = figures(&available, &of_nats);
    format!("{mode:8}  {count:>6}  {seconds:>7}  {spent:>8}  {kafka:>25}  {nats:>23}")
}

/// When each event became available, in milliseconds of the epoch.
async fn available(okta: &Okta) -> BTreeMap<String, i64> {
    let text = okta.get("/-/events").await;
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let at =
        |event: &Value| event["available"].as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond();
    events.map(|event| (event["uuid"].as_str().unwrap().to_owned(), at(&event))).collect()
}

fn figures(available: &BTreeMap<String, i64>, arrivals: &Arrivals) -> String {
    let arrivals = arrivals.lock().unwrap();
    let mut took: Vec<_> = arrivals.iter().filter_map(|(uuid, at)| Some(at - available.get(uuid)?)).collect();
    took.sort_unstable();
    let quantile = |of_hundred: usize| took[(took.len() * of_hundred / 100).min(took.len() - 1)];
    format!("{}/{}/{}", quantile(50), quantile(99), took.last().unwrap())
}

fn arrived(arrivals: &Arrivals, payload: &[u8]) {
    let event: Value = serde_json::from_slice(payload).unwrap();
    let Some(uuid) = event["uuid"].as_str() else { return };
    // The backlog has arrived before.
    if uuid.matches('-').count() == 2 {
        let now = Timestamp::now().as_millisecond();
        arrivals.lock().unwrap().entry(uuid.to_owned()).or_insert(now);
    }
}

fn read_kafka(address: &str, topic: &str, arrivals: &Arrivals, stop: &AtomicBool) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", address).set("group.id", "latency").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = client.set("fetch.wait.max.ms", "10").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            arrived(arrivals, message.payload().unwrap_or_default());
        }
    }
}

/// A part of a flood.
async fn ring(url: String, secret: String) {
    let http = reqwest::Client::new();
    for _ in 0..FLOOD / FLOOD_SENDERS {
        let _ = http.post(&url).header("authorization", &secret).body("{}").send().await;
    }
}
