//! The same for a route whose place is in its bus.

use super::{reset, stopped};
#[cfg(feature = "kafka")]
use crate::support::kafka::Broker;
use crate::support::{
    daemon::{Workplace, uuid},
    nats::{NatsServer, Stored},
    okta::Okta,
};

const STREAM: &str = "OKTA";

fn configuration(nats: &NatsServer, standby: &str) -> String {
    format!(
        r#"
{standby}
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
poll_interval = "200ms"
routes = [{{ sink = "once" }}]
{}
[sinks.once]
kind = "nats"
stream = "{STREAM}"
delivery = "exactly_once"
create = {{}}
"#,
        nats.section()
    )
}

async fn arrived(nats: &NatsServer) -> Vec<String> {
    let is_event = |stored: &Stored| stored.subject.starts_with("okta.");
    let stored = nats.stored(STREAM).await;
    let payloads = stored.iter().filter(|stored| is_event(stored));
    payloads.map(|stored| uuid(str::from_utf8(&stored.payload).unwrap())).collect()
}

/// Each of `served` that often.
fn times(served: &[String], times: usize) -> Vec<String> {
    let mut all: Vec<_> = std::iter::repeat_n(served, times).flatten().cloned().collect();
    all.sort();
    all
}

#[tokio::test]
async fn it_begins_at_its_new_place_and_not_at_the_checkpoint_and_goes_on_where_the_bus_is_away() {
    let (okta, mut nats) = (Okta::with_backlog(700).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &configuration(&nats, ""));
    let daemon = workplace.start(&[]);
    workplace.route("log/once", |route| route.phase == "at_tail" && route.delivered == 700).await;
    let said = reset(&workplace, "log/once", "-90d").await;
    assert!(said.code == Some(0) && said.stdout.contains("route log/once begins at"), "{said:?}");
    workplace.route("log/once", |route| route.phase == "at_tail" && route.delivered == 1_400).await;
    let all = okta.uuids().await;
    let mut twice = arrived(&nats).await;
    twice.sort();
    assert!(twice == times(&all, 2), "{} of {} events", twice.len(), all.len());

    // Its place is in the bus: without that it cannot be moved, and goes on where it was.
    nats.stop().await;
    let refused = reset(&workplace, "log/once", "-90d").await;
    assert_eq!(refused.code, Some(69), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    nats.restart().await;
    okta.add(r#"[{"uuid":"later"}]"#).await;
    workplace.route("log/once", |route| route.delivered == 1_401).await;
    stopped(daemon).await;
    workplace.catch_up().await;
    assert_eq!(arrived(&nats).await.len(), 1_401);
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn on_kafka_too_it_begins_at_its_new_place() {
    let (okta, broker) = (Okta::with_backlog(700).await, Broker::start().await);
    broker.create_topic("okta.reset", 1, &[]).await;
    let workplace = Workplace::new(
        &okta,
        &format!(
            "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npoll_interval = \"200ms\"\nroutes = [{{ sink = \"once\" }}]\n{}\n\
             [sinks.once]\nkind = \"kafka\"\ntopic = \"okta.reset\"\ndelivery = \"exactly_once\"\n",
            broker.section()
        ),
    );
    let daemon = workplace.start(&[]);
    workplace.route("log/once", |route| route.phase == "at_tail" && route.delivered == 700).await;
    let said = reset(&workplace, "log/once", "-90d").await;
    assert!(said.code == Some(0) && said.stdout.contains("route log/once begins at"), "{said:?}");
    workplace.route("log/once", |route| route.phase == "at_tail" && route.delivered == 1_400).await;
    stopped(daemon).await;
    let records = broker.records("okta.reset").await;
    let mut ids: Vec<_> = records.iter().map(|record| record.headers["ce_id"].clone()).collect();
    ids.sort();
    assert!(ids == times(&okta.uuids().await, 2), "{} records", ids.len());
}

#[tokio::test]
async fn whoever_stands_by_refuses_and_says_who_has_the_route() {
    let (okta, nats) = (Okta::with_backlog(500).await, NatsServer::start().await);
    let places = [(); 2].map(|()| Workplace::new(&okta, &configuration(&nats, "[standby]")));
    let owner = places[0].start(&[]);
    places[0].route("log/once", |route| route.phase == "at_tail" && route.delivered == 500).await;
    let _standby = places[1].start(&[]);
    places[1].route("log/once", |route| route.phase == "standby").await;
    let refused = reset(&places[1], "log/once", "-90d").await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let names_owner = format!("process {} on", owner.id());
    assert!(
        refused.stderr.contains("stands by") && refused.stderr.contains(&names_owner),
        "{}",
        refused.stderr
    );
    assert_eq!(arrived(&nats).await.len(), 500);

    // Where the other one takes the route over in between, that is said, and it is moved there.
    let mut asked = [0, 1].into_iter().cycle().take(20);
    let moved = loop {
        let place = &places[asked.next().expect("one of the two moves it")];
        place.route("log/once", |route| ["at_tail", "standby"].contains(&route.phase.as_str())).await;
        let said = reset(place, "log/once", "-90d").await;
        match said.code {
            Some(0) => break place,
            _ => assert!(said.code == Some(1) && said.stderr.contains("reset it there"), "{said:?}"),
        }
    };
    moved.route("log/once", |route| route.phase == "at_tail" && route.delivered == 1_000).await;
    let mut twice = arrived(&nats).await;
    twice.sort();
    assert!(twice == times(&okta.uuids().await, 2), "{} events", twice.len());
}
