//! From at least once to exactly once and back, and what happens when the bus and the local copy differ.

use super::{STREAM, assert_each_once, in_jetstream};
use crate::support::{
    daemon::{Workplace, uuid},
    nats::NatsServer,
    okta::Okta,
};

fn configuration(nats: &NatsServer, delivery: &str) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
routes = [{{ sink = "once" }}]
{}
[sinks.once]
kind = "nats"
stream = "{STREAM}"
subject = "okta.{{org}}.{{format}}.{{event_type}}"
delivery = "{delivery}"
create = {{}}
"#,
        nats.section()
    )
}

/// Events that come later, with their uuids in the order in which they were added.
async fn more(okta: &Okta, from: usize) {
    let events = (from..from + 250).map(|number| {
        format!(
            r#"{{"uuid":"later-{number}","published":"2026-11-30T10:00:00.000Z","eventType":"user.session.start"}}"#
        )
    });
    okta.add(&format!("[{}]", events.collect::<Vec<_>>().join(","))).await;
}

#[tokio::test]
async fn the_mode_is_changed_in_both_directions_without_a_gap_or_a_copy() {
    let (okta, nats) = (Okta::with_backlog(1_500).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, "");
    let mut from = 0;
    // The stream is made for exactly once from the beginning: it serves both.
    for delivery in ["exactly_once", "at_least_once", "exactly_once"] {
        let org = format!(
            "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
            okta.url()
        );
        workplace.configure(&format!("{org}{}", configuration(&nats, delivery)));
        workplace.catch_up().await;
        more(&okta, from).await;
        from += 250;
    }
    workplace.catch_up().await;
    assert_each_once("jetstream", &okta.uuids().await, &in_jetstream(&nats).await);
}

#[tokio::test]
async fn a_daemon_without_its_state_goes_on_at_the_checkpoint_in_the_bus() {
    let (okta, nats) = (Okta::with_backlog(1_500).await, NatsServer::start().await);
    Workplace::new(&okta, &configuration(&nats, "exactly_once")).catch_up().await;
    more(&okta, 0).await;
    // Another machine: nothing of the first one's state is there.
    Workplace::new(&okta, &configuration(&nats, "exactly_once")).catch_up().await;
    assert_each_once("jetstream", &okta.uuids().await, &in_jetstream(&nats).await);
}

#[tokio::test]
async fn a_stream_restored_from_a_backup_gets_again_what_it_lost() {
    let (okta, mut nats) = (Okta::with_backlog(800).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, "exactly_once"));
    workplace.catch_up().await;
    let copy = nats.back_up().await;
    more(&okta, 0).await;
    workplace.catch_up().await;
    nats.restore(&copy).await;
    workplace.catch_up().await;
    assert_each_once("jetstream", &okta.uuids().await, &in_jetstream(&nats).await);
    assert!(workplace.log().contains("older than its local copy"), "{}", workplace.log());
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_is_told_and_the_local_copy_counts() {
    let (okta, nats) = (Okta::with_backlog(800).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, "exactly_once"));
    workplace.catch_up().await;
    let stream = nats.jetstream().await.get_stream(STREAM).await.unwrap();
    stream.purge().filter("oktabus.checkpoints.>").await.unwrap();
    more(&okta, 0).await;
    workplace.catch_up().await;
    assert!(workplace.log().contains("the bus has lost the route's checkpoint"), "{}", workplace.log());
    assert_each_once("jetstream", &okta.uuids().await, &in_jetstream(&nats).await);
}

#[tokio::test]
async fn junk_in_place_of_the_checkpoint_stops_the_start_with_the_way_out() {
    let (okta, nats) = (Okta::with_backlog(300).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, "exactly_once"));
    workplace.catch_up().await;
    let stored = nats.stored(STREAM).await;
    let subject = stored.iter().map(|stored| &stored.subject).find(|subject| subject.starts_with("oktabus."));
    let jetstream = nats.jetstream().await;
    jetstream.publish(subject.unwrap().clone(), "junk".into()).await.unwrap().await.unwrap();
    let ended = workplace.start(&[]).ended().await;
    assert_eq!(ended.code(), Some(65));
    let log = workplace.log();
    assert!(log.contains("cannot be read") && log.contains("goes on at its local copy"), "{log}");
    assert!(log.contains("nats stream purge OKTA --subject oktabus.checkpoints.OKTA."), "{log}");
}

#[tokio::test]
async fn a_route_that_is_reset_begins_at_its_new_place_and_not_at_the_checkpoint_in_the_bus() {
    let (okta, mut nats) = (Okta::with_backlog(300).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, "exactly_once"));
    workplace.catch_up().await;
    let reset = ["state", "reset", "log/once", "--to", "-90d", "--yes"];
    let said = workplace.oktabus(&reset).await;
    assert_eq!(
        (said.code, said.stdout.contains("route log/once begins at")),
        (Some(0), true),
        "{}",
        said.stderr
    );
    workplace.catch_up().await;
    let mut twice = [okta.uuids().await, okta.uuids().await].concat();
    let mut arrived = in_jetstream(&nats).await;
    twice.sort();
    arrived.sort();
    assert!(arrived == twice, "{} of {} events", arrived.len(), twice.len());

    // Its place is in the bus: without that it cannot be moved.
    nats.stop().await;
    let said = workplace.oktabus(&reset).await;
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    assert!(said.stderr.contains("nothing was changed"), "{}", said.stderr);
    nats.restart().await;
    workplace.catch_up().await;
    assert_eq!(in_jetstream(&nats).await.len(), twice.len());
}

/// What a consumer of this stream's events sees.
async fn in_stream(nats: &NatsServer, stream: &str) -> Vec<String> {
    let stored = nats.stored(stream).await;
    let events = stored.iter().filter(|stored| stored.subject.contains(".okta."));
    events.map(|stored| uuid(str::from_utf8(&stored.payload).unwrap())).collect()
}

#[tokio::test]
async fn a_route_that_is_moved_to_another_stream_and_back_goes_on_where_it_stands() {
    let (okta, nats) = (Okta::with_backlog(300).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, "");
    let org = format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
        okta.url()
    );
    let mut from = 0;
    for stream in ["OKTA", "OTHER", "OKTA", "OTHER"] {
        let sink = configuration(&nats, "exactly_once")
            .replace("stream = \"OKTA\"", &format!("stream = \"{stream}\""))
            .replace("subject = \"okta.", &format!("subject = \"{}.", stream.to_lowercase()));
        workplace.configure(&format!("{org}{sink}"));
        workplace.catch_up().await;
        more(&okta, from).await;
        from += 250;
        workplace.catch_up().await;
    }
    let (okta_stream, other) = (in_stream(&nats, "OKTA").await, in_stream(&nats, "OTHER").await);
    assert_eq!((okta_stream.len(), other.len()), (300 + 250 + 250, 250 + 250));
    assert_each_once("both streams", &okta.uuids().await, &[okta_stream, other].concat());
    assert!(workplace.log().contains("was in another place since"), "{}", workplace.log());
}

#[tokio::test]
async fn a_route_whose_bus_is_away_at_the_start_shows_how_far_behind_it_is() {
    let (okta, mut nats) = (Okta::with_backlog(100).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, "exactly_once"));
    workplace.catch_up().await;
    nats.stop().await;
    let daemon = workplace.start(&[]);
    // The events of the simulated org are of the days before.
    let waiting = workplace.route("log/once", |route| route.sink_trouble.is_some()).await;
    assert!(waiting.phase == "starting" && waiting.lag_seconds > 1.0, "{waiting:?}");
    nats.restart().await;
    workplace.route("log/once", |route| route.phase == "at_tail" && route.lag_seconds < 60.0).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}
