//! `oktabus command`: with the daemon and without, the same policy, journal and audit.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::scene::{Scene, essence, until};

fn said(said: &crate::support::daemon::Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|err| panic!("{err}: {said:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_carried_out_by_hand_with_the_daemon_and_without() {
    let mut scene = Scene::start("allow = [\"user.*\"]").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    scene.ask("ready", "user.get", "ada@acme.com").await;
    let run = |id: &'static str, action: &'static str| {
        ["run", action, "-p", "user=ada@acme.com", "--id", id, "--json", "--reason", "a test"]
    };
    let suspended = scene.by_hand(&run("h1", "user.suspend")).await;
    assert_eq!(essence(&said(&suspended)), ("done", ""));
    assert_eq!(suspended.code, Some(0));
    scene.stop().await;
    let again = said(&scene.by_hand(&run("h1", "user.suspend")).await);
    assert_eq!((essence(&again), again["repeated"].as_bool()), (("done", ""), Some(true)));
    let unsuspended = said(&scene.by_hand(&run("h2", "user.unsuspend")).await);
    assert_eq!(essence(&unsuspended), ("done", ""));
    let forbidden = scene.by_hand(&["run", "group.get", "-p", "group=x", "--json"]).await;
    assert_eq!((essence(&said(&forbidden)), forbidden.code), (("refused", "not_allowed"), Some(1)));
    let dry = said(
        &scene.by_hand(&["run", "user.suspend", "-p", "user=ada@acme.com", "--dry-run", "--json"]).await,
    );
    assert_eq!(essence(&dry), ("dry_run", ""));
    for senseless in [&["run"][..], &["run", "user.get", "-p", "user"], &["list", "--status", "gone"]] {
        assert_eq!(scene.by_hand(senseless).await.code, Some(64), "{senseless:?}");
    }
    let list = scene.by_hand(&["list", "--status", "done", "--json"]).await.stdout;
    let ids: Vec<_> =
        list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["h2", "h1", "ready"]);
    assert_eq!(scene.by_hand(&["show", "nothing"]).await.code, Some(1));
    let reasons = scene
        .audit()
        .iter()
        .filter(|line| line["reason"] == "a test" && line["place"] == "command line")
        .count();
    assert_eq!(reasons, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_by_hand_that_is_paused_keeps_the_state_from_nobody() {
    let mut scene = Scene::start("allow = [\"user.*\"]").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    scene.ask("ready", "user.get", "ada@acme.com").await;
    scene.stop().await;
    assert_eq!(scene.by_hand(&["pause", "--reason", "a leak"]).await.code, Some(0));
    let run = ["run", "user.suspend", "-p", "user=ada@acme.com", "--id", "h1", "--json"];
    let refused = timeout(Duration::from_secs(8), scene.by_hand(&run)).await.expect("it does not wait");
    assert_eq!(refused.code, Some(69), "{refused:?}");
    for said in ["were paused", "a leak", "`oktabus command resume`"] {
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    assert_eq!(scene.by_hand(&["show", "h1"]).await.code, Some(1), "nothing was received");
    // What has its outcome is told all the same.
    let known = ["run", "user.get", "-p", "user=ada@acme.com", "--id", "h0", "--json"];
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    assert_eq!(scene.by_hand(&known).await.code, Some(0));
    assert_eq!(scene.by_hand(&["pause"]).await.code, Some(0));
    assert_eq!(essence(&said(&scene.by_hand(&known).await)), ("done", ""));
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    assert_eq!(essence(&said(&scene.by_hand(&run).await)), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_published_by_hand() {
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let published =
        scene.by_hand(&["publish", "user.suspend", "-p", "user=ada@acme.com", "--id", "p1"]).await;
    assert_eq!(published.stdout, "published `p1` to commands.user.suspend\n", "{published:?}");
    let slip = scene.by_hand(&["publish", "user.suspnd", "-p", "user=ada@acme.com"]).await;
    assert_eq!(slip.code, Some(64), "{slip:?}");
    assert!(slip.stderr.contains("unknown_action") && slip.stderr.contains("`user.suspend`"), "{slip:?}");
    let copy = ["publish", "user.suspend", "-p", "user=ada@acme.com", "--id", "p1", "--json"];
    let copied = said(&scene.by_hand(&copy).await);
    assert_eq!(copied, json!({ "command_id": "p1", "address": "commands.user.suspend" }));
    scene.resume();
    assert_eq!(essence(&scene.outcome("p1").await), ("done", ""));
    let shown = scene.by_hand(&["show", "p1"]).await.stdout;
    assert!(shown.starts_with("user.suspend: done"), "{shown}");
    assert!(shown.contains("\n  user          ada@acme.com (00u"), "{shown}");
    let listed = scene.by_hand(&["list"]).await.stdout;
    let columns: Vec<_> = listed.lines().last().unwrap().split_whitespace().skip(1).take(3).collect();
    assert_eq!(columns, ["done", "user.suspend", "ada@acme.com"], "{listed}");
    assert!(listed.trim_end().ends_with(") p1") || listed.contains(")  p1"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_the_log_arrive_byte_for_byte_however_they_are_asked_for() {
    let mut scene = Scene::start("allow = [\"log.search\"]").await;
    // Numbers that no double is, a member twice, members in an order of their own.
    let event = format!(
        r#"{{"uuid":"odd", "published":"{:.3}","eventType":"user.session.start","n":[12345678901234567890123,0.1000000000000000055,1e400,1.10],"x":1,"a":"\u00e9","x":2}}"#,
        jiff::Timestamp::now()
    );
    scene.okta.add(&format!("[{}]", event.replacen(' ', "\n", 1))).await;
    let command = json!({ "id": "l1", "action": "log.search", "parameters": { "limit": 1 } });
    for outcomes in 1..=2 {
        scene.send(command.clone()).await;
        until(async || scene.nats.stored("OUTCOMES").await.len() == outcomes).await;
    }
    let published = scene.nats.stored("OUTCOMES").await.into_iter();
    let mut told: Vec<_> = published.map(|message| String::from_utf8(message.payload).unwrap()).collect();

    for (id, has_daemon) in [("l2", true), ("l3", false)] {
        if !has_daemon {
            scene.stop().await;
        }
        told.push(scene.by_hand(&["run", "log.search", "-p", "limit=1", "--id", id, "--json"]).await.stdout);
        told.push(scene.by_hand(&["show", id, "--json"]).await.stdout);
        told.push(scene.by_hand(&["show", id]).await.stdout);
    }
    assert_eq!(told.len(), 8);
    for text in told {
        assert!(text.contains(&event), "{text}");
    }
}
