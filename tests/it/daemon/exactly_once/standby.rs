//! Two daemons with one configuration: the second waits, takes over when the first is gone, and the first becomes the standby
//! when it is back. Without `[standby]` the second takes over at once and the first steps down for good. `OKTABUS_TAKEOVERS` makes
//! more takeovers, and tells how long they took.

use std::time::{Duration, Instant};

use super::{STREAM, TOPIC, assert_each_once, in_jetstream, in_kafka};
use crate::support::{
    daemon::{Daemon, RouteStatus, Workplace},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

/// How long it may take with the defaults.
const TAKEOVER_MAX: Duration = Duration::from_secs(10);

fn configuration(bus: &str, standby: &str) -> String {
    format!(
        r#"
{standby}
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
poll_interval = "200ms"
routes = [{{ sink = "once" }}]
{bus}
"#
    )
}

fn on_nats(nats: &NatsServer) -> String {
    let sink = format!(
        "[sinks.once]\nkind = \"nats\"\nstream = \"{STREAM}\"\ndelivery = \"exactly_once\"\ncreate = {{}}\n"
    );
    format!("{}\n{sink}", nats.section())
}

fn on_kafka(broker: &Broker) -> String {
    let sink = format!("[sinks.once]\nkind = \"kafka\"\ntopic = \"{TOPIC}\"\ndelivery = \"exactly_once\"\n");
    format!("{}\n{sink}", broker.section())
}

async fn phase(place: &Workplace, phase: &str) -> RouteStatus {
    place.route("log/once", |route| route.phase == phase).await
}

/// Waits until the route has delivered more than `events` and more are read.
async fn moves_beyond(place: &Workplace, events: u64) -> u64 {
    place.route("log/once", |route| route.delivered > events).await.delivered
}

/// A daemon that owns the route, and one that waits.
async fn pair(places: &[Workplace; 2]) -> [Daemon; 2] {
    let first = places[0].start(&[]);
    moves_beyond(&places[0], 0).await;
    let second = places[1].start(&[]);
    phase(&places[1], "standby").await;
    assert_eq!(places[1].get("/readyz").await.unwrap().0, 200, "a standby is ready to take over");
    let told = places[1].oktabus(&["status"]).await;
    let standing = format!("this daemon stands by for 1 route, which process {} on", first.id());
    assert!(told.code == Some(0) && told.stdout.contains(&standing), "{told:?}");
    [first, second]
}

/// The owner is killed, again and again if that is wanted, then paused and stopped; the other one goes on each time.
async fn takes_turns(okta: &Okta, bus: &str) {
    let takeovers = std::env::var("OKTABUS_TAKEOVERS").map_or(1, |takeovers| takeovers.parse().unwrap());
    let places = [(); 2].map(|()| Workplace::new(okta, &configuration(bus, "[standby]")));
    let [mut owner, mut standby] = pair(&places).await;
    let (mut at, mut waiting_at) = (0, 1);
    let mut times = Vec::new();
    for _ in 0..takeovers {
        let delivered = places[at].routes().await[0].delivered;
        let delivered = moves_beyond(&places[at], delivered).await;
        owner.kill().await;
        let killed_at = Instant::now();
        moves_beyond(&places[waiting_at], delivered).await;
        times.push(killed_at.elapsed());
        // It comes back as the standby.
        (owner, standby) = (standby, places[at].start(&[]));
        phase(&places[at], "standby").await;
        (at, waiting_at) = (waiting_at, at);
    }
    tell(&mut times);

    let waits_for = places[waiting_at].routes().await[0].owner.clone();
    assert_eq!(waits_for.unwrap().split(' ').nth(1).unwrap(), owner.id().to_string());
    owner.signal("-STOP").await;
    let delivered = places[waiting_at].routes().await[0].delivered;
    let stopped_at = Instant::now();
    moves_beyond(&places[waiting_at], delivered).await;
    println!("taken over after a pause: {} ms", stopped_at.elapsed().as_millis());
    owner.signal("-CONT").await;
    phase(&places[at], "standby").await;
    let (first, second) = (standby, owner);
    let places = [&places[waiting_at], &places[at]];

    // A clean stop leaves the route at once.
    let delivered = places[0].routes().await[0].delivered;
    first.terminate().await;
    let ended_at = Instant::now();
    first.ended().await;
    moves_beyond(places[1], delivered).await;
    println!("taken over after a stop: {} ms", ended_at.elapsed().as_millis());
    second.terminate().await;
    second.ended().await;
    places[1].catch_up().await;
}

fn tell(times: &mut [Duration]) {
    times.sort();
    let [min, median, max] = [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_secs_f64());
    println!("{} takeovers after a kill: min {min:.1} s, median {median:.1} s, max {max:.1} s", times.len());
    assert!(times.iter().all(|time| *time < TAKEOVER_MAX), "{times:?}");
}

#[tokio::test]
async fn a_standby_takes_over_on_jetstream_and_nothing_is_missing_or_twice() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "50"]).await;
    let nats = NatsServer::start().await;
    takes_turns(&okta, &on_nats(&nats)).await;
    let arrived = in_jetstream(&nats).await;
    let served = okta.uuids().await;
    assert_each_once("jetstream", &among(&served, &arrived), &arrived);
}

#[tokio::test]
async fn a_standby_takes_over_on_kafka_and_nothing_is_missing_or_twice() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "50"]).await;
    let broker = Broker::start().await;
    broker.create_topic(TOPIC, 3, &[]).await;
    takes_turns(&okta, &on_kafka(&broker)).await;
    let arrived = in_kafka(&broker).await;
    let served = okta.uuids().await;
    assert_each_once("kafka", &among(&served, &arrived), &arrived);
}

/// Those that had come when the last daemon caught up: events go on coming, and nobody reads them.
pub(super) fn among(served: &[String], arrived: &[String]) -> Vec<String> {
    let last = served.iter().rposition(|uuid| arrived.contains(uuid)).expect("something arrived");
    served[..=last].to_vec()
}

/// Whoever waits knows less of the route than its owner, who lives.
#[tokio::test]
async fn a_checkpoint_that_is_lost_is_written_again_by_its_owner_and_not_by_the_standby() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "50"]).await;
    let nats = NatsServer::start().await;
    let places = [(); 2].map(|()| Workplace::new(&okta, &configuration(&on_nats(&nats), "[standby]")));
    let [first, second] = pair(&places).await;
    let mut delivered = moves_beyond(&places[0], 200).await;
    for _ in 0..3 {
        let stream = nats.jetstream().await.get_stream(STREAM).await.unwrap();
        stream.purge().filter("oktabus.checkpoints.>").await.unwrap();
        delivered = moves_beyond(&places[0], delivered + 100).await;
        assert_eq!(places[1].routes().await[0].phase, "standby");
    }
    second.terminate().await;
    second.ended().await;
    first.terminate().await;
    first.ended().await;
    places[0].catch_up().await;
    let arrived = in_jetstream(&nats).await;
    assert_each_once("jetstream", &among(&okta.uuids().await, &arrived), &arrived);
}

#[tokio::test]
async fn a_second_daemon_without_standby_supersedes_the_first_for_good() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "50"]).await;
    let nats = NatsServer::start().await;
    let places = [(); 2].map(|()| Workplace::new(&okta, &configuration(&on_nats(&nats), "")));
    let first = places[0].start(&[]);
    moves_beyond(&places[0], 200).await;
    let second = places[1].start(&[]);
    phase(&places[0], "superseded").await;
    let (status, body) = places[0].get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("has taken over the route log/once"), "{body}");
    assert_eq!(places[0].get("/livez").await.unwrap().0, 200, "a restart would take the route back");
    let log = places[0].log();
    assert!(log.contains("has taken over the route log/once"), "{log}");

    let delivered = moves_beyond(&places[1], 0).await;
    moves_beyond(&places[1], delivered + 200).await;
    assert_eq!(places[0].routes().await[0].phase, "superseded");
    first.terminate().await;
    assert!(first.ended().await.success());
    second.terminate().await;
    second.ended().await;
    places[1].catch_up().await;
    let arrived = in_jetstream(&nats).await;
    assert_each_once("jetstream", &among(&okta.uuids().await, &arrived), &arrived);
}
