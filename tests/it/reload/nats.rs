//! A route that delivers exactly once into JetStream is changed again and again, and while its server hangs.

use std::time::Duration;

use super::{assert_each_once, exchange, files, names, while_events_flow, with_org};
use crate::support::{
    daemon::{Workplace, uuid},
    nats::NatsServer,
    okta::Okta,
};

/// Both routes of one stream: into JetStream with these keys, and into files.
fn configuration(okta: &Okta, nats: &NatsServer, keys: &str) -> String {
    let routes = format!(r#"{{ sink = "nats", {keys} }}, {{ sink = "kept" }}"#);
    let once = nats.configuration(&routes) + "delivery = \"exactly_once\"\n";
    with_org(okta, &(once + &files("kept")))
}

async fn in_jetstream(nats: &NatsServer) -> Vec<String> {
    let stored = nats.stored("OKTA").await;
    let events = stored.iter().filter(|stored| stored.subject.starts_with("okta."));
    events.map(|stored| uuid(str::from_utf8(&stored.payload).unwrap())).collect()
}

#[tokio::test]
async fn a_route_that_delivers_exactly_once_is_changed_while_events_flow_and_while_its_server_hangs() {
    let okta = Okta::with_backlog(1_000).await;
    let mut nats = NatsServer::start().await;
    let workplace = Workplace::new(&okta, "");
    let configure = |nats: &NatsServer, keys: &str| workplace.configure(&configuration(&okta, nats, keys));
    configure(&nats, "in_flight_pages = 1");
    let daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered > 0).await;
    while_events_flow(&okta, async {
        for number in 2..12 {
            let text = configuration(&okta, &nats, &format!("in_flight_pages = {number}"));
            let answer = exchange(&workplace, &text).await;
            assert_eq!(
                (names(&answer, "changed"), names(&answer, "kept")),
                (vec!["route log/nats".to_owned()], vec!["route log/kept".to_owned()])
            );
        }
    })
    .await;

    // While the server hangs, the route is drained for as long as it takes, at most for the grace period; its neighbour goes on.
    nats.freeze();
    let before = workplace.route("log/kept", |_| true).await.delivered;
    while_events_flow(&okta, async {
        configure(&nats, "in_flight_pages = 20");
        let reloading = workplace.oktabus(&["reload", "--json"]);
        let delivering = workplace.route("log/kept", |route| route.delivered > before + 50);
        let (said, _) = tokio::join!(reloading, delivering);
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    })
    .await;
    nats.thaw();
    let served = okta.uuids().await.len() as u64;
    workplace.route("log/nats", |route| route.delivered >= served).await;
    daemon.terminate().await;
    assert!(tokio::time::timeout(Duration::from_secs(60), daemon.ended()).await.unwrap().success());
    workplace.catch_up().await;
    let (mut served, mut arrived) = (okta.uuids().await, in_jetstream(&nats).await);
    served.sort();
    arrived.sort();
    assert_eq!(arrived.len(), served.len());
    assert!(arrived == served, "each event is there once");
    assert_each_once(&okta, &workplace, &["kept"]).await;
}
