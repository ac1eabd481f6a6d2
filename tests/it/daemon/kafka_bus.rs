//! The daemon and Kafka: how it ends while the cluster is away, and what a configuration may not say.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::support::{
    daemon::Workplace,
    events::event,
    kafka::Broker,
    okta::Okta,
    tools::{eventually, free_port},
};

const TO_KAFKA: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{ sink = "siem" }]

[sinks.siem]
kind = "kafka"
topic = "events"
"#;

/// A stop has ten seconds, of which it needs none.
const STOPS_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_stop_does_not_wait_for_a_cluster_that_is_away() {
    let mut broker = Broker::start().await;
    broker.create_topic("events", 1, &[]).await;
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, &format!("{TO_KAFKA}{}", broker.section()));
    let daemon = workplace.start(&[]);
    workplace.route("log/siem", |route| route.delivered == 100).await;
    broker.kill();
    let more: Vec<_> = (0..10).map(event).collect();
    okta.add(&more.join("\n")).await;
    workplace.route("log/siem", |route| route.sink_trouble.is_some()).await;
    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(asked.elapsed() < STOPS_WITHIN, "it took {:?}", asked.elapsed());

    broker.restart().await;
    workplace.catch_up().await;
    let ids: BTreeSet<_> =
        broker.records("events").await.into_iter().map(|record| record.headers["ce_id"].clone()).collect();
    assert_eq!(ids.len(), okta.uuids().await.len());
}

/// What `oktabus check --offline` says of a bus beyond this machine with these options.
async fn checked(bus: &str) -> (Option<i32>, String) {
    let okta = Okta::with_backlog(0).await;
    let workplace = Workplace::new(&okta, &format!("{TO_KAFKA}[buses.kafka]\nkind = \"kafka\"\n{bus}\n"));
    workplace.write_secret("secret", "hunter2");
    let said = workplace.oktabus(&["check", "--offline"]).await;
    (said.code, format!("{}{}", said.stdout, said.stderr))
}

#[tokio::test]
async fn credentials_in_plain_text_are_refused_and_unverified_certificates_are_told_offline() {
    let plain = r#"brokers = ["kafka-1.example:9092"]
options = { "security.protocol" = "SASL_PLAINTEXT", "sasl.mechanism" = "PLAIN", "sasl.username" = "me" }
secret_options = { "sasl.password" = { file = "{dir}/secret" } }"#;
    let (code, said) = checked(plain).await;
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("allow_plaintext_credentials"), "{said}");

    let (code, said) = checked(&format!("{plain}\nallow_plaintext_credentials = true")).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warn") && said.contains("in plain text"), "{said}");

    let unverified =
        plain.replace("SASL_PLAINTEXT\"", "SASL_SSL\", \"enable.ssl.certificate.verification\" = false");
    let (code, said) = checked(&unverified).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warn") && said.contains("are not verified"), "{said}");
}

#[tokio::test]
async fn an_option_that_the_client_does_not_take_is_told_offline() {
    let (code, said) = checked("brokers = [\"127.0.0.1:9092\"]\noptions = { \"linger.seconds\" = 1 }").await;
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("`linger.seconds` is unknown"), "{said}");
}

#[tokio::test]
async fn oidc_is_understood_and_a_token_endpoint_that_is_away_is_told_in_the_same_words() {
    let okta = Okta::with_backlog(10).await;
    let idp = format!("http://127.0.0.1:{}/oauth2/token", free_port());
    let bus = r#"[buses.kafka]
kind = "kafka"
brokers = ["127.0.0.1:9"]
[buses.kafka.options]
"security.protocol" = "SASL_SSL"
"sasl.mechanisms" = "OAUTHBEARER"
"sasl.oauthbearer.method" = "oidc"
"sasl.oauthbearer.client.id" = "bus-client"
"sasl.oauthbearer.token.endpoint.url" = "{idp}"
[buses.kafka.secret_options]
"sasl.oauthbearer.client.secret" = { file = "{dir}/secret" }
"#;
    let workplace = Workplace::new(&okta, &format!("{TO_KAFKA}{}", bus.replace("{idp}", &idp)));
    workplace.write_secret("secret", "hunter2");
    let daemon = workplace.start(&[]);
    let told = |log: &str| log.lines().filter(|line| line.contains("the sink cannot be used")).count();
    workplace.route("log/siem", |route| route.sink_trouble.is_some()).await;
    eventually("several tries", async || {
        let (_, metrics) = workplace.get("/metrics").await.ok()?;
        let mut lines = metrics.lines().filter(|line| line.starts_with("oktabus_sink_failures_total"));
        lines.any(|line| line.ends_with(" 3")).then_some(())
    })
    .await;
    let log = workplace.log();
    assert_eq!(told(&log), 1, "{log}");
    assert!(log.contains("no token") && log.contains(&idp), "{log}");
    drop(daemon);
}
