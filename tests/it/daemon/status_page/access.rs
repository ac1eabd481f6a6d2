//! Who may see what, and who may change it.

use serde_json::json;

use super::{TOKEN, act, ask, bearer, overview, overview_with, pause, start_with_token};
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

#[tokio::test]
async fn without_a_token_this_machine_may_look_and_nobody_may_act() {
    let okta = Okta::with_backlog(3).await;
    let workplace = Workplace::new(&okta, super::super::TO_FILES);
    let _daemon = workplace.start(&[]);

    let page = ask(&workplace, "/", &[]).await;
    let headers = page.headers().clone();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("<title>oktabus</title>"));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");

    let shown =
        overview_with(&workplace, "all to be well", |shown| shown["verdict"]["grade"] == "well").await;
    assert!(shown["verdict"]["sentence"].as_str().unwrap().contains("All is well"), "{shown}");
    assert_eq!(ask(&workplace, "/api/history", &[]).await.status(), 200);

    // A name that somebody else has pointed at this machine, and pages of others.
    assert_eq!(ask(&workplace, "/", &[("host", "evil.example")]).await.status(), 421);
    assert_eq!(ask(&workplace, "/api/overview", &[("host", "evil.example:80")]).await.status(), 421);
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "null")]
    {
        let refused = ask(&workplace, "/api/stream", &[(name, value)]).await;
        assert_eq!(refused.status(), 403, "{name}: {value}");
    }
    // No token is configured, so none can be shown.
    for headers in [&[][..], &bearer()[..]] {
        let (status, told) = act(&workplace, &pause("log/files"), headers).await;
        assert_eq!(status, 403, "{told}");
        assert!(told.contains("admin.token_file"), "{told}");
    }
    assert_eq!(overview(&workplace).await["routes"][0]["phase"], "at_tail");
}

#[tokio::test]
async fn the_token_opens_what_shows_events_and_nothing_else_does() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, super::super::TO_FILES);
    let _daemon = start_with_token(&workplace);
    assert_eq!(ask(&workplace, "/", &[]).await.status(), 200, "the page itself shows nothing");
    let wrong = [("authorization", "Bearer a-token-for-another-page")];
    for path in ["/api/overview", "/api/history", "/api/configuration", "/api/stream", "/api/tail", "/status"]
    {
        assert_eq!(ask(&workplace, path, &[]).await.status(), 401, "{path}");
        assert_eq!(ask(&workplace, path, &wrong).await.status(), 401, "{path}");
        assert_eq!(ask(&workplace, path, &bearer()).await.status(), 200, "{path}");
    }
    assert_eq!(act(&workplace, &pause("log/files"), &[]).await.0, 401);
    let access = ask(&workplace, "/api/access", &[]).await.text().await.unwrap();
    assert_eq!(access, r#"{"needs_token":true,"may_read":false,"may_act":false}"#);
    let shown = ask(&workplace, "/api/configuration", &bearer()).await.text().await.unwrap();
    assert!(shown.contains("log/files") && !shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_route_that_is_paused_reads_nothing_until_it_is_resumed_also_after_a_restart() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, super::super::TO_FILES);
    let daemon = start_with_token(&workplace);
    overview_with(&workplace, "the backlog", |shown| shown["routes"][0]["delivered"] == 10).await;

    let cross_site = [bearer()[0], ("origin", "https://evil.example")];
    assert_eq!(act(&workplace, &pause("log/files"), &cross_site).await.0, 403);
    let unconfirmed = json!({ "action": "pause_route", "about": "log/files", "confirm": "" });
    assert_eq!(act(&workplace, &unconfirmed, &bearer()).await.0, 422);
    let (status, told) = act(&workplace, &pause("log/file"), &bearer()).await;
    assert!(status == 422 && told.contains("there are: log/files"), "{status} {told}");
    assert_eq!(overview(&workplace).await["routes"][0]["paused"], json!(null), "nothing of it was done");

    let (status, told) = act(&workplace, &pause("log/files"), &bearer()).await;
    assert!(status == 200 && told.contains("The route log/files is paused."), "{status} {told}");
    let shown = overview_with(&workplace, "the pause", |shown| shown["routes"][0]["phase"] == "paused").await;
    assert_eq!(shown["verdict"]["grade"], "attention");
    assert_eq!(shown["verdict"]["sentence"], "Route log/files is paused.");
    assert!(shown["verdict"]["concerns"][0]["detail"].as_str().unwrap().contains("the sink moves"));
    let text = ask(&workplace, "/metrics", &bearer()).await.text().await.unwrap();
    assert!(text.contains("oktabus_route_paused{route=\"log/files\"} 1"), "{text}");

    daemon.kill().await;
    let daemon = start_with_token(&workplace);
    okta.add(r#"[{"uuid":"while-paused","eventType":"user.session.start","published":"2026-11-30T12:00:00.000Z"}]"#)
        .await;
    // The lag grows while it waits.
    let shown = overview_with(&workplace, "the lag to grow", |shown| {
        shown["routes"][0]["phase"] == "paused" && shown["routes"][0]["lag_seconds"].as_f64() > Some(2.0)
    })
    .await;
    assert_eq!(shown["routes"][0]["delivered"], 10);

    let resume = json!({ "action": "resume_route", "about": "log/files", "confirm": "log/files" });
    assert_eq!(act(&workplace, &resume, &bearer()).await.0, 200);
    eventually("what came meanwhile", async || {
        workplace.uuids("archive").contains(&"while-paused".to_owned()).then_some(())
    })
    .await;
    daemon.kill().await;

    let recorded = std::fs::read_to_string(workplace.path("state/operators.jsonl")).unwrap();
    for told in
        [r#""decision":"paused""#, r#""decision":"resuming""#, r#""reason":"the sink moves""#, "127.0.0.1"]
    {
        assert!(recorded.contains(told), "{told}: {recorded}");
    }
    let log = workplace.log();
    assert!(log.contains("the route is paused") && log.contains("the sink moves"), "{log}");
    assert!(!recorded.contains(TOKEN) && !log.contains(TOKEN));
}
