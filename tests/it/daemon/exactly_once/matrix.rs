//! The fault matrix: what a fault of a bus, of the way to it or of the daemon costs a reader, for both buses and both promises. A long
//! run, which prints a line for each; `tests/faults/run` starts it and makes a table of them. An element runs if `OKTABUS_FAULTS` is a part of its name, as in
//! `OKTABUS_FAULTS=jetstream/exactly_once/`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use super::{STREAM, TOPIC};
use crate::support::{
    daemon::{Daemon, Workplace, uuid},
    kafka::{Broker, Record},
    nats::NatsServer,
    okta::Okta,
    proxy::Proxy,
    slow_line::SlowLine,
    tools::found_within,
};

/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(6);
/// How long it may take until a fresh event is there.
const PATIENCE: Duration = Duration::from_secs(240);
const ROUTE: &str = "log/bus";
const DELIVERIES: [&str; 2] = ["exactly_once", "at_least_once"];

/// What is done to a route that delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    DaemonKilled,
    ServerKilled,
    ServerRestarted,
    ServerPaused,
    ConnectionCut,
    ConnectionHalfOpen,
    ConnectionSlow,
    Purged,
    Deleted,
    Sealed,
    LimitsLowered,
    Full,
    AccessRevoked,
    Restored,
}

const ON_KAFKA: [Fault; 6] = [
    Fault::DaemonKilled,
    // A lone broker, when no transaction is decided whose end is not written.
    Fault::ServerKilled,
    Fault::ServerRestarted,
    Fault::ServerPaused,
    Fault::Deleted,
    Fault::LimitsLowered,
];
const ON_JETSTREAM: [Fault; 14] = [
    Fault::DaemonKilled,
    Fault::ServerKilled,
    Fault::ServerRestarted,
    Fault::ServerPaused,
    Fault::ConnectionCut,
    Fault::ConnectionHalfOpen,
    Fault::ConnectionSlow,
    Fault::Purged,
    Fault::Deleted,
    Fault::Sealed,
    Fault::LimitsLowered,
    Fault::Full,
    Fault::AccessRevoked,
    Fault::Restored,
];

/// An event as a reader sees it: what it is, and what orders it.
type Read = (String, String);

/// What a fault cost.
struct Cost {
    served: usize,
    missing: usize,
    twice: usize,
    breaks: usize,
    seconds: f64,
}

#[tokio::test]
async fn what_each_fault_costs() {
    let Ok(wanted) = std::env::var("OKTABUS_FAULTS") else { return };
    for delivery in DELIVERIES {
        for fault in ON_KAFKA {
            let name = format!("kafka/{delivery}/{fault:?}");
            if name.contains(&wanted) {
                tell(&name, &on_kafka(delivery, fault).await);
            }
        }
        for fault in ON_JETSTREAM {
            let name = format!("jetstream/{delivery}/{fault:?}");
            if name.contains(&wanted) {
                tell(&name, &on_jetstream(delivery, fault).await);
            }
        }
    }
}

fn tell(name: &str, cost: &Cost) {
    let Cost { served, missing, twice, breaks, seconds } = cost;
    println!("{name:<48} {served:>7} {missing:>8} {twice:>6} {breaks:>7} {seconds:>8.1}");
}

/// A daemon whose route delivers, and the org that it reads.
struct World {
    okta: Okta,
    workplace: Workplace,
    daemon: Daemon,
}

impl World {
    async fn begin(sink: &str) -> Self {
        let okta = Okta::start(&["--backlog", "2000", "--rate", "100"]).await;
        let route = "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npage_size = 200\npoll_interval = \"200ms\"\n\
                     routes = [{ sink = \"bus\" }]\n";
        let workplace = Workplace::new(&okta, &format!("{route}{sink}"));
        let daemon = workplace.start(&[]);
        workplace.route(ROUTE, |route| route.delivered > 300).await;
        Self { okta, workplace, daemon }
    }

    async fn kill_daemon(&mut self) {
        let another = self.workplace.start(&[]);
        std::mem::replace(&mut self.daemon, another).kill().await;
    }

    /// The fault is over: waits until a fresh event is read, and counts what all of it cost.
    async fn end(self, mut read: impl AsyncFnMut() -> Vec<Read>) -> Cost {
        let Self { okta, workplace, daemon } = self;
        let over_at = Instant::now();
        okta.add(
            r#"[{"uuid":"fresh","published":"2026-11-30T10:00:00.000Z","eventType":"user.session.start"}]"#,
        )
        .await;
        let is_there = async || read().await.iter().any(|(uuid, _)| uuid == "fresh").then_some(());
        let came = found_within(PATIENCE, is_there).await.is_some();
        let seconds = if came { over_at.elapsed().as_secs_f64() } else { f64::INFINITY };
        if came {
            daemon.terminate().await;
            daemon.ended().await;
            workplace.catch_up().await;
        }
        let (served, arrived) = (okta.uuids().await, read().await);
        let last = served.iter().rposition(|uuid| arrived.iter().any(|(read, _)| read == uuid));
        let served = &served[..last.map_or(0, |last| last + 1)];
        let order: BTreeMap<&str, usize> =
            served.iter().enumerate().map(|(at, uuid)| (uuid.as_str(), at)).collect();
        let mut counts = vec![0_usize; served.len()];
        let (mut before, mut breaks) = (BTreeMap::new(), 0);
        for (uuid, key) in &arrived {
            let at = order[uuid.as_str()];
            counts[at] += 1;
            if counts[at] == 1 && before.insert(key, at).is_some_and(|before| before > at) {
                breaks += 1;
            }
        }
        let of = |is_so: fn(usize) -> bool| counts.iter().filter(|count| is_so(**count)).count();
        Cost {
            served: served.len(),
            missing: of(|count| count == 0),
            twice: of(|count| count > 1),
            breaks,
            seconds,
        }
    }
}

async fn lasts() {
    tokio::time::sleep(FAULT).await;
}

async fn on_kafka(delivery: &str, fault: Fault) -> Cost {
    let mut broker = Broker::start().await;
    broker.create_topic(TOPIC, 3, &[]).await;
    let sink = format!(
        "{}\n[sinks.bus]\nkind = \"kafka\"\ntopic = \"{TOPIC}\"\ndelivery = \"{delivery}\"\n",
        broker.section()
    );
    let mut world = World::begin(&sink).await;
    match fault {
        Fault::DaemonKilled => world.kill_daemon().await,
        Fault::ServerKilled => {
            world.daemon.signal("-STOP").await;
            if delivery == "exactly_once" {
                broker.ends_are_written().await;
            }
            broker.kill();
            world.daemon.signal("-CONT").await;
            lasts().await;
            broker.restart().await;
        }
        Fault::ServerRestarted => {
            broker.stop().await;
            broker.restart().await;
        }
        Fault::ServerPaused => {
            broker.process().freeze();
            lasts().await;
            broker.process().thaw();
        }
        Fault::Deleted => {
            broker.delete_topic(TOPIC).await;
            lasts().await;
            broker.create_topic(TOPIC, 3, &[]).await;
        }
        Fault::LimitsLowered => {
            broker.set_topic(TOPIC, &[("max.message.bytes", "500")]).await;
            lasts().await;
            broker.set_topic(TOPIC, &[]).await;
        }
        _ => unreachable!("{fault:?} is of JetStream"),
    }
    let read = async || {
        let records = broker.records(TOPIC).await;
        let read = |record: Record| (record.headers["ce_id"].clone(), record.key);
        records.into_iter().map(read).collect::<Vec<Read>>()
    };
    world.end(read).await
}

/// Lets everybody do everything, or nobody write events.
fn access(may_write: bool) -> String {
    let permissions = if may_write { "" } else { ", permissions: { publish: { deny: [\"okta.>\"] } }" };
    format!("authorization {{ users: [{{ user: any, password: any{permissions} }}] }}\nno_auth_user: any")
}

async fn on_jetstream(delivery: &str, fault: Fault) -> Cost {
    let mut nats = NatsServer::start_with(&access(true)).await;
    let proxy = Proxy::start(nats.port()).await;
    let slow = SlowLine::to(nats.port(), Duration::from_millis(300)).await;
    let port = match fault {
        Fault::ConnectionCut | Fault::ConnectionHalfOpen => proxy.port(),
        Fault::ConnectionSlow => slow.port(),
        _ => nats.port(),
    };
    let sink = format!(
        "[buses.nats]\nkind = \"nats\"\nservers = [\"nats://127.0.0.1:{port}\"]\n[sinks.bus]\nkind = \"nats\"\nstream = \
         \"{STREAM}\"\ndelivery = \"{delivery}\"\ncreate = {{}}\n"
    );
    let mut world = World::begin(&sink).await;
    let jetstream = nats.jetstream().await;
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    let config = stream.cached_info().config.clone();
    match fault {
        Fault::DaemonKilled => world.kill_daemon().await,
        Fault::ServerKilled => {
            nats.kill();
            lasts().await;
            nats.restart().await;
        }
        Fault::ServerRestarted => {
            nats.stop().await;
            nats.restart().await;
        }
        Fault::ServerPaused => {
            nats.freeze();
            lasts().await;
            nats.thaw();
        }
        Fault::ConnectionCut => proxy.cut(),
        Fault::ConnectionHalfOpen => proxy.lose_answers(),
        Fault::ConnectionSlow => lasts().await,
        Fault::Purged => {
            stream.purge().await.unwrap();
        }
        Fault::Deleted => {
            jetstream.delete_stream(STREAM).await.unwrap();
        }
        Fault::Sealed => {
            // For good: an operator makes another one.
            jetstream.update_stream(Config { sealed: true, ..config.clone() }).await.unwrap();
            lasts().await;
            jetstream.delete_stream(STREAM).await.unwrap();
        }
        Fault::LimitsLowered => {
            jetstream.update_stream(Config { max_message_size: 500, ..config.clone() }).await.unwrap();
            lasts().await;
            jetstream.update_stream(config).await.unwrap();
        }
        Fault::Full => {
            let max_bytes = i64::try_from(stream.cached_info().state.bytes).unwrap() + 20_000;
            let full = Config { max_bytes, discard: DiscardPolicy::New, ..config.clone() };
            jetstream.update_stream(full).await.unwrap();
            lasts().await;
            jetstream.update_stream(config).await.unwrap();
        }
        Fault::AccessRevoked => {
            nats.reconfigure(&access(false)).await;
            lasts().await;
            nats.reconfigure(&access(true)).await;
        }
        Fault::Restored => {
            let copy = nats.back_up().await;
            lasts().await;
            nats.restore(&copy).await;
        }
    }
    let read = async || {
        // The route makes a stream anew that somebody deleted.
        if nats.jetstream().await.get_stream(STREAM).await.is_err() {
            return Vec::new();
        }
        let stored = nats.stored(STREAM).await;
        let events = stored.iter().filter(|stored| stored.subject.starts_with("okta."));
        let key = |name: &str| name.to_owned();
        events
            .map(|event| {
                let ordered_by = event.header("ce-partitionkey").map(key).unwrap_or_default();
                (uuid(str::from_utf8(&event.payload).unwrap()), ordered_by)
            })
            .collect::<Vec<Read>>()
    };
    world.end(read).await
}
