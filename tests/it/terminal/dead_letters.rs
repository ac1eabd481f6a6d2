//! Dead letters from the command line: found with their reasons, delivered again with the same ids, dropped and not more.

use std::fs;

use serde_json::Value;

use crate::support::{
    daemon::{Daemon, Said, TO_FILES, Workplace},
    nats::{NatsServer, limited_stream},
    okta::Okta,
};

const FILE: &str = "state/dead-letters/log.nats.jsonl";

/// A daemon that has delivered all but two events, which are too large.
async fn scene() -> (Okta, NatsServer, Workplace, Daemon) {
    let okta = Okta::with_backlog(100).await;
    let nats = NatsServer::start().await;
    nats.create_stream(limited_stream(20_000)).await;
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 100).await;
    let mut delivered = 100;
    for number in 1..=2 {
        let large = format!(
            r#"{{"uuid":"large-{number}","eventType":"user.session.start","n":1.50,"padding":"{}"}}"#,
            "x".repeat(40_000)
        );
        okta.add(&format!(r#"[{{"uuid":"before-{number}"}},{large},{{"uuid":"after-{number}"}}]"#)).await;
        delivered += 2;
        workplace
            .route("log/nats", |route| route.delivered == delivered && route.dead_letters == number)
            .await;
    }
    (okta, nats, workplace, daemon)
}

fn lines(said: &Said) -> Vec<Value> {
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn listed(workplace: &Workplace, arguments: &[&str]) -> Vec<Value> {
    let said = workplace.oktabus(&[&["dead-letters", "list", "--json"], arguments].concat()).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    lines(&said)
}

/// Tries the letters again. How it ended, and what became of each.
async fn retried(workplace: &Workplace, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let said = workplace.oktabus(&[&["dead-letters", "retry", "--json"], arguments].concat()).await;
    (said.code, lines(&said))
}

fn text<'a>(letter: &'a Value, member: &str) -> &'a str {
    letter[member].as_str().unwrap_or_else(|| panic!("no {member} in {letter}"))
}

#[tokio::test]
async fn a_letter_is_found_with_its_reason_and_delivered_again_once_the_sink_takes_it() {
    let (_okta, nats, workplace, daemon) = scene().await;
    let letters = listed(&workplace, &["--route", "log/nats"]).await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    let first = text(&letters[0], "letter");
    assert_eq!((text(&letters[0], "id"), text(&letters[0], "kind")), ("acme:large-1", "message"));
    assert!(text(&letters[0], "reason").contains("max_msg_size"), "{}", letters[0]);
    assert!(letters[0].get("content").is_none(), "a list is short");
    let told = workplace.log();
    let told = told.lines().find(|line| line.contains("kept as dead letters")).unwrap();
    assert!(told.contains("max_msg_size") && told.contains("acme:large-1"), "the log has the reason: {told}");
    for none in [["--route", "log/other"], ["--kind", "command"], ["--until", "-1h"], ["--reason", "never"]] {
        assert!(listed(&workplace, &none).await.is_empty(), "{none:?}");
    }
    let shown = workplace.oktabus(&["dead-letters", "show", first]).await;
    assert!(shown.stdout.contains("\"uuid\": \"large-1\"") && shown.stdout.contains("max_msg_size"));
    let people = workplace.oktabus(&["dead-letters", "list"]).await.stdout;
    assert!(people.contains("user.session.start") && people.lines().count() == 3, "{people}");

    // The sink refuses it still: it is kept, and the reason told.
    let before = fs::read_to_string(workplace.path(FILE)).unwrap();
    let (code, results) = retried(&workplace, &[first]).await;
    assert_eq!((code, text(&results[0], "result")), (Some(1), "rejected"));
    assert!(text(&results[0], "reason").contains("max_msg_size"), "{}", results[0]);
    assert_eq!(fs::read_to_string(workplace.path(FILE)).unwrap(), before);

    nats.jetstream().await.update_stream(limited_stream(1_000_000)).await.unwrap();
    let (code, results) = retried(&workplace, &[first]).await;
    assert_eq!(
        (code, text(&results[0], "result")),
        (Some(0), "delivered"),
        "{results:?}\n{}",
        workplace.log()
    );
    let stored = nats.stored("OKTA").await;
    let last = stored.last().unwrap();
    assert_eq!(last.header("ce-id"), Some("large-1"));
    assert!(last.header("Nats-Msg-Id").unwrap().starts_with("acme:large-1#"));
    assert!(last.payload.starts_with(br#"{"uuid":"large-1","eventType":"user.session.start","n":1.50,"#));
    assert_eq!(listed(&workplace, &[]).await.len(), 1, "what is delivered is removed");

    // Without a daemon it is done in the files.
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let (code, results) = retried(&workplace, &["--all"]).await;
    assert_eq!((code, text(&results[0], "id")), (Some(0), "acme:large-2"), "{results:?}");
    assert_eq!(nats.stored("OKTA").await.last().unwrap().header("ce-id"), Some("large-2"));
    assert!(listed(&workplace, &[]).await.is_empty());
}

#[tokio::test]
async fn nothing_is_dropped_that_was_not_named_and_confirmed() {
    let (_okta, _nats, workplace, daemon) = scene().await;
    let letters = listed(&workplace, &[]).await;
    let (first, second) = (text(&letters[0], "letter"), text(&letters[1], "letter"));
    let before = fs::read_to_string(workplace.path(FILE)).unwrap();
    let drop =
        async |arguments: &[&str]| workplace.oktabus(&[&["dead-letters", "drop"], arguments].concat()).await;

    let unconfirmed = drop(&[first]).await;
    assert_eq!(unconfirmed.code, Some(64));
    assert!(unconfirmed.stderr.contains("--yes"), "{}", unconfirmed.stderr);
    assert_eq!(drop(&["--yes"]).await.code, Some(64), "something has to be chosen");
    let unknown = drop(&["0123456789abcdef", first, "--yes"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no dead letter 0123456789abcdef"), "{}", unknown.stderr);
    assert_eq!(drop(&["--route", "log/other", "--yes"]).await.code, Some(0));
    assert_eq!(fs::read_to_string(workplace.path(FILE)).unwrap(), before);

    let dropped = drop(&[first, "--yes"]).await;
    assert_eq!((dropped.code, dropped.stdout.as_str()), (Some(0), "dropped: 1 dead letter(s)\n"));
    let (_, rest) = before.split_once('\n').unwrap();
    assert_eq!(fs::read_to_string(workplace.path(FILE)).unwrap(), rest, "the other one is as it was");
    assert!(workplace.log().contains("dead letters were dropped"));

    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert_eq!(drop(&[second, "--yes"]).await.code, Some(0));
    assert!(!workplace.path(FILE).exists());
}

#[tokio::test]
async fn what_was_no_command_is_shown_and_not_tried_again() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    fs::create_dir_all(workplace.path("state/dead-letters")).unwrap();
    let line = r#"{"at":"2026-01-03T00:00:00.000Z","place":"COMMANDS@4","reason":"no id","headers":[],"bytes":9,"payload":"{}"}"#;
    fs::write(workplace.path("state/dead-letters/commands.hr.jsonl"), format!("{line}\n")).unwrap();
    let letters = listed(&workplace, &["--commands", "hr"]).await;
    assert_eq!((text(&letters[0], "kind"), text(&letters[0], "place")), ("command", "COMMANDS@4"));
    let (code, results) = retried(&workplace, &["--all"]).await;
    assert_eq!((code, text(&results[0], "result")), (Some(1), "refused"));
    assert!(text(&results[0], "reason").contains("oktabus command publish"), "{}", results[0]);
    assert_eq!(listed(&workplace, &[]).await.len(), 1);
}
