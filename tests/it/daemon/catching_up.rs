//! A route that fell behind the others of its stream catches up as fast as it can read, while events keep coming.

use std::time::{Duration, Instant};

use super::TO_FILES;
use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta, tools::eventually};

const FILES: &str = "[sinks.files]\nkind = \"file\"\ndirectory = \"{dir}/archive\"\n";
/// How long the sink stands still, in polls.
const POLLS: u64 = 25;

#[tokio::test]
async fn a_route_that_fell_behind_catches_up_while_another_is_at_the_tail() {
    let okta = Okta::start(&["--backlog", "500", "--rate", "20", "--rate-limit", "1000000"]).await;
    let mut nats = NatsServer::start().await;
    let routes = r#"{ sink = "files" }, { sink = "nats" }"#;
    let workplace = Workplace::new(&okta, &(nats.configuration(routes) + FILES));
    let daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered >= 500).await;

    nats.freeze();
    workplace.route("log/nats", |route| route.sink_trouble.is_some()).await;
    let polls = okta.answered(200).await;
    eventually("polls", async || (okta.answered(200).await >= polls + POLLS).then_some(())).await;
    nats.thaw();

    workplace.route("log/nats", |route| route.sink_trouble.is_none()).await;
    let works_again = Instant::now();
    // The other route moves on meanwhile. A page of a poll has four events.
    let is_close = async || {
        let delivered = workplace.routes().await.into_iter().map(|route| route.delivered);
        let delivered: Vec<_> = delivered.collect();
        (delivered.iter().max()? - delivered.iter().min()? <= 12).then_some(())
    };
    eventually("the routes to stand close together", is_close).await;
    assert!(works_again.elapsed() < Duration::from_secs(5), "{:?}", works_again.elapsed());

    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    let served = okta.uuids().await;
    let stored = nats.stored("OKTA").await;
    let stored: Vec<_> = stored.iter().map(|message| uuid(&message.payload)).collect();
    assert!(stored.len() > 600, "{}", stored.len());
    assert_eq!(stored, served[..stored.len()], "nothing missing, nothing twice, in order");
}

/// Commands from a queue that need not be there.
const COMMANDS: &str = r#"
[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.hr" }
signature = { required = false }
outcomes = { sink = "files" }
audit = { file = "{dir}/audit.jsonl" }
allow = ["user.get"]
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:1"]
"#;

#[tokio::test]
async fn a_run_that_ends_when_it_has_caught_up_says_that_it_executes_no_commands() {
    let okta = Okta::with_backlog(50).await;
    let workplace = Workplace::new(&okta, &(TO_FILES.to_owned() + COMMANDS));
    workplace.catch_up().await;
    let log = workplace.log();
    let commands: Vec<_> = log.lines().filter(|line| line.contains(r#""hr""#)).collect();
    assert!(
        commands.iter().any(|line| line.contains("WARN") && line.contains("commands are not executed")),
        "{log}"
    );
    assert!(!commands.iter().any(|line| line.contains("has delivered all")), "{log}");
    assert_eq!(workplace.uuids("archive").len(), 50);
}

#[tokio::test]
async fn commands_alone_cannot_be_caught_up_with() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, &(FILES.to_owned() + COMMANDS));
    let said = workplace.oktabus(&["run", "--until-caught-up"]).await;
    assert_eq!(said.code, Some(64), "{}", said.stderr);
    assert!(said.stderr.contains("start without `--until-caught-up`"), "{}", said.stderr);
}

fn uuid(payload: &[u8]) -> String {
    crate::support::daemon::uuid(str::from_utf8(payload).unwrap())
}
