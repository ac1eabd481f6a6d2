//! What `oktabus check` says of routes that deliver exactly once, while a daemon has them: whose the checkpoint is, and what would
//! hold the route up.

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use super::STREAM;
use crate::support::{
    daemon::{Said, Workplace},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

const ROUTE: &str = "log/nats";

fn on_nats(okta: &Okta, nats: &NatsServer) -> Workplace {
    let sink = nats.configuration("{ sink = \"nats\" }") + "delivery = \"exactly_once\"\n";
    Workplace::new(okta, &sink)
}

fn assert_says(said: &Said, code: i32, texts: &[&str]) {
    for text in texts {
        assert!(said.stdout.contains(text), "{text}: {}{}", said.stdout, said.stderr);
    }
    assert_eq!(said.code, Some(code), "{}", said.stdout);
}

#[tokio::test]
async fn whose_a_checkpoint_is_is_told_and_whoever_has_the_route_is_not_disturbed() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "50"]).await;
    let nats = NatsServer::start().await;
    let workplace = on_nats(&okta, &nats);
    assert_says(&workplace.oktabus(&["check"]).await, 0, &[ROUTE, "has no checkpoint yet"]);
    assert!(nats.jetstream().await.get_stream(STREAM).await.is_err(), "a check creates nothing");

    let daemon = workplace.start(&[]);
    let delivered = workplace.route(ROUTE, |route| route.delivered > 0).await.delivered;
    // The machine has a daemon already: the admin address is taken, and the state is.
    let said = workplace.oktabus(&["check"]).await;
    let owner = format!("the checkpoint in the bus is of process {} on ", daemon.id());
    assert!(said.stdout.contains(&owner) && said.stdout.contains("committed "), "{}", said.stdout);
    let route = workplace.route(ROUTE, |route| route.delivered > delivered).await;
    assert_ne!(route.phase, "superseded");
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_read_is_told_with_its_place() {
    let okta = Okta::with_backlog(300).await;
    let nats = NatsServer::start().await;
    let workplace = on_nats(&okta, &nats);
    workplace.catch_up().await;
    let stored = nats.stored(STREAM).await;
    let subject = stored.iter().map(|stored| &stored.subject).find(|subject| subject.starts_with("oktabus."));
    let jetstream = nats.jetstream().await;
    jetstream.publish(subject.unwrap().clone(), "junk".into()).await.unwrap().await.unwrap();
    let purge = format!("nats stream purge {STREAM} --subject {}", subject.unwrap());
    assert_says(&workplace.oktabus(&["check"]).await, 69, &["FAIL", "not what oktabus writes", &purge]);
}

#[tokio::test]
async fn a_stream_or_an_account_without_room_is_told() {
    let okta = Okta::with_backlog(300).await;
    let nats = NatsServer::start().await;
    let workplace = on_nats(&okta, &nats);
    workplace.catch_up().await;
    let jetstream = nats.jetstream().await;
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    let (config, has) = (stream.cached_info().config.clone(), stream.cached_info().state.bytes);
    let limited = |bytes: u64| Config {
        max_bytes: i64::try_from(bytes).unwrap(),
        discard: DiscardPolicy::New,
        ..config.clone()
    };
    jetstream.update_stream(limited(has + 100)).await.unwrap();
    assert_says(
        &workplace.oktabus(&["check"]).await,
        69,
        &["FAIL", "`max_bytes` allows", "takes nothing more"],
    );
    jetstream.update_stream(limited(has + 10_000)).await.unwrap();
    assert_says(&workplace.oktabus(&["check"]).await, 0, &["warn", "will soon take nothing more"]);
}

#[tokio::test]
async fn a_topic_that_takes_no_checkpoints_is_told_with_the_command() {
    let okta = Okta::with_backlog(300).await;
    let broker = Broker::shared().await;
    let (topic, checkpoints) = ("okta.check", "checkpoints.check");
    broker.create_topic(topic, 1, &[]).await;
    let small = [("cleanup.policy", "compact"), ("max.message.bytes", "10000")];
    broker.create_topic(checkpoints, 1, &small).await;
    let configuration = format!(
        "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\nroutes = [{{ sink = \"kafka\" }}]\n{}\n[sinks.kafka]\nkind = \
         \"kafka\"\ntopic = \"{topic}\"\ndelivery = \"exactly_once\"\ncheckpoint_topic = \"{checkpoints}\"\n",
        broker.section()
    );
    let workplace = Workplace::new(&okta, &configuration);
    let command = format!("--entity-name {checkpoints} --add-config max.message.bytes=65536");
    assert_says(&workplace.oktabus(&["check"]).await, 69, &["FAIL", "10000 bytes at most", &command]);

    broker.set_topic(checkpoints, &[("cleanup.policy", "compact"), ("max.message.bytes", "65536")]).await;
    assert_says(&workplace.oktabus(&["check"]).await, 0, &["has no checkpoint yet"]);
    workplace.catch_up().await;
    assert_says(
        &workplace.oktabus(&["check"]).await,
        0,
        &["the checkpoint in the bus", "300 messages in all"],
    );
}
