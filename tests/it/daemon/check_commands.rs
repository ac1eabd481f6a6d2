//! `oktabus check` of commands: the org, the queue, the places of outcomes, and those who are protected.

use async_nats::jetstream::stream::Config as Stream;

use crate::support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

const TOPICS: [&str; 8] = [
    "commands",
    "audit",
    "outcomes.done",
    "outcomes.already",
    "outcomes.refused",
    "outcomes.failed",
    "outcomes.expired",
    "outcomes.dry_run",
];

/// Commands from either bus.
const QUEUED: &str = r#"
[orgs.acme]
url = "{okta}"
auth = { token_file = "{dir}/token" }
[orgs.other]
url = "{other}"
auth = { token_file = "{dir}/token" }
[buses.nats]
kind = "nats"
servers = ["{nats}"]
[buses.kafka]
kind = "kafka"
brokers = ["{kafka}"]
[sinks.events]
kind = "nats"
stream = "OKTA"
[sinks.siem]
kind = "kafka"
topic = "check.unused"
[commands.one]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.one" }
signature = { required = false }
outcomes = { sink = "events", subject = "outcomes.{action}" }
audit = { file = "{dir}/token/audit.jsonl" }
allow = ["user.*"]
protect = { groups = ["Administrators"] }
[commands.two]
org = "other"
intake = { kind = "kafka", topic = "check.commands" }
signature = { required = false }
outcomes = { sink = "siem", topic = "check.outcomes.{status}" }
audit = { sink = "siem", topic = "check.audit" }
allow = ["group.*"]
"#;

#[tokio::test]
async fn a_check_tries_all_that_commands_need() {
    let (okta, other) = (Okta::with_backlog(1).await, Okta::with_backlog(1).await);
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    let rest = QUEUED
        .replace("{okta}", okta.url())
        .replace("{other}", other.url())
        .replace("{nats}", &nats.url())
        .replace("{kafka}", broker.bus().brokers.join(",").as_str());
    let workplace = Workplace::with_orgs(&rest);

    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}{}", said.stdout, said.stderr);
    for told in [
        "answers, and shows users, groups",
        "the protected group Administrators is 00g",
        "the queue: stream `COMMANDS` does not exist: create it with",
        "no stream takes `outcomes.other`",
        "there is no stream `OKTA` either: create it, for example with `nats stream add OKTA --subjects 'outcomes.>' --defaults`",
        "the topic `check.commands` does not exist",
        "there is no topic `check.outcomes.already`",
        "the topic `check.audit` does not exist",
        "the audit: cannot create",
    ] {
        assert!(said.stdout.contains(told), "{told}\n{}", said.stdout);
    }

    let stream = |name: &str, subject: &str| Stream {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        ..Stream::default()
    };
    nats.create_stream(stream("COMMANDS", "commands.>")).await;
    nats.create_stream(stream("OKTA", "outcomes.>")).await;
    for topic in TOPICS {
        broker.create_topic(&format!("check.{topic}"), 1, &[]).await;
    }
    let rest = rest.replace("/token/audit", "/audit");
    workplace.configure(&rest);
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    for told in
        ["all 25 subject(s) are taken by a stream", "all 6 topics are there", "oktabus-one will be created"]
    {
        assert!(said.stdout.contains(told), "{told}\n{}", said.stdout);
    }

    std::os::unix::fs::symlink("/dev/full", workplace.path("full.jsonl")).unwrap();
    workplace.configure(&rest.replace("Administrators", "Nobody").replace("/audit.jsonl", "/full.jsonl"));
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}", said.stdout);
    for told in
        ["there is no group `Nobody`, which `protect` names", "full.jsonl: it is a directory, a device or"]
    {
        assert!(said.stdout.contains(told), "{told}\n{}", said.stdout);
    }

    workplace.write_token("00wrong");
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}", said.stdout);
    assert!(said.stdout.contains("E0000011"), "{}", said.stdout);
}

/// Secrets go to `replies.private`, which no stream of the configuration takes.
const PRIVATE: &str = r#"
[orgs.acme]
url = "{okta}"
auth = { token_file = "{dir}/token" }
[buses.nats]
kind = "nats"
servers = ["{nats}"]
[sinks.events]
kind = "nats"
stream = "OKTA"
[commands.one]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.one" }
signature = { required = false }
outcomes = { sink = "events", subject = "outcomes" }
allow = ["user.*"]
reply_to = ["replies.>"]
reveal = { allowed = true, private = ["replies.private"]{stored_in} }
"#;

#[tokio::test]
async fn a_check_finds_a_stream_of_the_server_that_would_store_secrets() {
    let (okta, nats) = (Okta::with_backlog(1).await, NatsServer::start().await);
    let rest = PRIVATE.replace("{okta}", okta.url()).replace("{nats}", &nats.url());
    let workplace = Workplace::with_orgs(&rest.replace("{stored_in}", ""));
    for (name, subjects) in [("COMMANDS", "commands.>"), ("OKTA", "outcomes"), ("OTHERS", "others.>")] {
        let subjects = vec![subjects.to_owned()];
        nats.create_stream(Stream { name: name.to_owned(), subjects, ..Stream::default() }).await;
    }
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("no other stream takes `replies.private`"), "{}", said.stdout);

    let subjects = vec!["others.>".to_owned(), "replies.*".to_owned()];
    let others = Stream { name: "OTHERS".to_owned(), subjects, ..Stream::default() };
    nats.jetstream().await.update_stream(others).await.unwrap();
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("the stream `OTHERS` takes `others.>`, `replies.*` and would store"),
        "{}",
        said.stdout
    );

    workplace.configure(&rest.replace("{stored_in}", ", stored_in = [\"OTHERS\"]"));
    assert_eq!(workplace.oktabus(&["check"]).await.code, Some(0));
}
