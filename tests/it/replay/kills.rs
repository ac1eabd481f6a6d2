//! The daemon and the command are killed in the middle: the same command goes on, and into files nothing comes twice.

use serde_json::json;

use super::{Running, replayed, uuids};
use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
    tools::eventually,
};

const EVENTS: usize = 12_000;
const ARGUMENTS: [&str; 6] = ["--route", "log/files", "--from", "-7d", "--slices", "12"];

/// An org that answers slowly, and a route that reads small pages of it.
async fn slow() -> (Okta, Workplace) {
    let okta = Okta::with_backlog(EVENTS).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 150})).await;
    let files = TO_FILES.replace("poll_interval", "page_size = 100\npoll_interval");
    let workplace = Workplace::new(&okta, &files.replace("\"-90d\"", "\"now\""));
    (okta, workplace)
}

/// Waits until so many lines were replayed.
async fn until(workplace: &Workplace, lines: usize) {
    eventually("the replay to come so far", async || (replayed(workplace).len() >= lines).then_some(()))
        .await;
}

async fn goes_on_to_the_end(okta: &Okta, workplace: &Workplace) {
    okta.disarm().await;
    let (before, lines) = (okta.answered(200).await, replayed(workplace).len());
    let said = workplace.oktabus(&[&["replay"][..], &ARGUMENTS].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains(" goes on: "), "{said:?}");
    assert!(said.stdout.contains(&format!("{EVENTS} events delivered")), "{said:?}");
    let asked = okta.answered(200).await - before;
    // What is left in pages of 100, and for each slice one page that is not full and one that was in flight.
    let most = (EVENTS - lines) as u64 / 100 + 2 * 12;
    assert!(asked <= most, "it began again: {asked} requests, not {most}");
    assert_eq!(uuids(&replayed(workplace)), uuids(&okta.events().await));
}

#[tokio::test]
async fn the_command_is_killed_without_a_daemon() {
    let (okta, workplace) = slow().await;
    for lines in [2_000, 4_000] {
        let running = Running::start(&workplace, &ARGUMENTS);
        until(&workplace, lines).await;
        running.kill().await;
    }
    goes_on_to_the_end(&okta, &workplace).await;
}

#[tokio::test]
async fn the_daemon_and_the_command_are_killed_one_after_the_other() {
    let (okta, workplace) = slow().await;
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    let running = Running::start(&workplace, &ARGUMENTS);
    until(&workplace, 2_000).await;
    daemon.kill().await;
    assert_eq!(running.ended().await.code(), Some(69));

    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    let running = Running::start(&workplace, &ARGUMENTS);
    until(&workplace, 4_000).await;
    running.kill().await;
    let stopped = || workplace.log().contains("the replay was stopped");
    eventually("the daemon to stop the replay", async || stopped().then_some(())).await;
    assert!(replayed(&workplace).len() < EVENTS);

    goes_on_to_the_end(&okta, &workplace).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert!(!workplace.path("state/control.sock").exists());
}

#[tokio::test]
async fn a_daemon_that_is_told_to_stop_does_not_wait_for_the_replay() {
    let (okta, workplace) = slow().await;
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    let running = Running::start(&workplace, &ARGUMENTS);
    until(&workplace, 1_000).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert_eq!(running.ended().await.code(), Some(69));
    goes_on_to_the_end(&okta, &workplace).await;
}
