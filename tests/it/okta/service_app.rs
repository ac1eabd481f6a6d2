//! A service app against the simulated org: keys, DPoP, renewal, and what happens when anything expires.

use serde_json::{Value, json};

use super::{TO_FILES, org, service_app, workplace};
use crate::support::{
    clock::Clock,
    daemon::Workplace,
    judges::okta::{ALGORITHMS, CLIENT_ID, KEY_ID, Key},
    okta::{Okta, TOKEN},
    tools::eventually,
};

const DPOP: &str = "dpop_bound_access_tokens";

/// No part of a private key or a token may be seen anywhere.
fn assert_nothing_leaks(workplace: &Workplace, key: &str) {
    let log = workplace.log();
    let body = key.lines().nth(1).unwrap_or(key);
    assert!(!log.contains(body) && !log.contains("eyJ"), "{log}");
}

#[tokio::test]
async fn every_key_in_every_form_reads_the_log_to_its_end() {
    for (kind, algorithms) in ALGORITHMS {
        let key = Key::generate(kind);
        let okta = org(1_500, &key, &json!({}), &[]).await;
        let forms = [(&key.pkcs8, false), (&key.traditional, false), (&key.jwk(None), true)];
        for (form, is_jwk) in forms {
            let key_id = if is_jwk { String::new() } else { format!("key_id = \"{KEY_ID}\"") };
            let workplace = workplace(&okta, form, &key_id);
            workplace.catch_up().await;
            assert_eq!(workplace.uuids("archive"), okta.uuids().await, "{kind}");
            assert_nothing_leaks(&workplace, form);
        }
        for algorithm in algorithms {
            let workplace = workplace(&okta, &key.pkcs8, &format!("algorithm = \"{algorithm}\""));
            let said = workplace.oktabus(&["check"]).await;
            assert_eq!(said.code, Some(0), "{}", said.stdout);
            assert!(
                said.stdout.contains(&format!("service app {CLIENT_ID}, {algorithm}")),
                "{}",
                said.stdout
            );
        }
        let jwk = workplace(&okta, &key.jwk(Some(algorithms[0])), "");
        let said = jwk.oktabus(&["check"]).await;
        assert!(
            said.stdout.contains(&format!("{}, key `{KEY_ID}`, bearer token", algorithms[0])),
            "{}",
            said.stdout
        );
    }
}

#[tokio::test]
async fn dpop_is_found_out_and_kept() {
    let key = Key::generate("P-256");
    let okta = org(3_500, &key, &json!({ DPOP: true }), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    // Demanded, nonce demanded, given: three requests, the first of them without a proof.
    assert_eq!(okta.counted("/oauth2/v1/token", 400).await, 2);
    assert_eq!(okta.tokens_given().await, 1);
    assert_nothing_leaks(&workplace, &key.pkcs8);
}

#[tokio::test]
async fn dpop_that_is_configured_needs_no_finding_out() {
    let key = Key::generate("P-256");
    let okta = org(10, &key, &json!({ DPOP: true }), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "dpop = true");
    let said = workplace.oktabus(&["check"]).await;
    assert!(said.stdout.contains("token bound by DPoP"), "{}", said.stdout);
    assert_eq!(okta.counted("/oauth2/v1/token", 400).await, 1, "the nonce alone had to be asked for");
}

#[tokio::test]
async fn an_api_that_demands_nonces_gets_them() {
    let key = Key::generate("P-256");
    let okta = org(3_500, &key, &json!({ DPOP: true, "api_demands_nonce": true }), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    assert_eq!(okta.answered(401).await, 1, "the nonce is kept");
}

#[tokio::test]
async fn tokens_are_replaced_before_they_die_and_nonces_when_they_are_old() {
    let key = Key::generate("P-256");
    let okta = org(100, &key, &json!({ DPOP: true }), &["--access-token-lifetime", "5"]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 100).await;
    okta.forget_nonces().await;
    eventually("three tokens", async || (okta.tokens_given().await >= 3).then_some(())).await;
    assert_eq!(okta.answered(401).await, 0, "no request was made with a dead token");
    assert!(workplace.routes().await[0].okta_trouble.is_none());
}

#[tokio::test]
async fn all_requests_that_wait_share_one_token() {
    let key = Key::generate("P-256");
    let okta = org(1_500, &key, &json!({ DPOP: true }), &[]).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 300, "path": "/oauth2/v1/token"})).await;
    let more =
        TO_FILES.replace("streams.log", "streams.other").replace("files", "more").replace("archive", "more");
    let more = more.replace("routes =", "filter = 'severity pr'\nroutes =");
    let workplace = Workplace::with_orgs(&(service_app(okta.url(), "") + &more));
    workplace.write_secret("key", &key.pkcs8);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive").len(), 1_500);
    assert_eq!(workplace.uuids("more").len(), 1_500);
    assert_eq!(okta.tokens_given().await, 1);
    let attempts = okta.recent().await;
    let asked = attempts.iter().filter(|attempt| attempt["path"] == "/oauth2/v1/token").count();
    assert_eq!(asked, 3, "once for both streams");
}

#[tokio::test]
async fn a_clock_that_is_off_is_found_out() {
    let key = Key::generate("P-256");
    for seconds in [-7_200, 7_200] {
        let okta = org(1_500, &key, &json!({ DPOP: true }), &[]).await;
        okta.arm(json!({"kind": "clock_skew", "seconds": seconds})).await;
        let workplace = workplace(&okta, &key.pkcs8, "");
        workplace.catch_up().await;
        assert_eq!(workplace.uuids("archive"), okta.uuids().await, "{seconds}");
        assert!(workplace.log().contains("clock and Okta's disagree"), "{}", workplace.log());
    }
}

#[tokio::test]
async fn a_clock_that_is_put_costs_neither_the_link_nor_a_request() {
    let key = Key::generate("P-256");
    let okta = org(500, &key, &json!({ DPOP: true }), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    let clock = Clock::new(&workplace);
    clock.put(7_200);
    let _daemon = workplace.start_with(&[], &clock.environment());
    workplace.route("log/files", |route| route.delivered == 500).await;
    for (number, offset) in [0, -7_200, 7_200].into_iter().enumerate() {
        clock.put(offset);
        okta.add(&json!([{"uuid": format!("new-{number}")}]).to_string()).await;
        let delivered = 501 + number as u64;
        let route = workplace.route("log/files", |route| route.delivered == delivered).await;
        assert_eq!((route.okta_trouble, route.possible_gaps), (None, 0), "{offset}");
    }
    assert_eq!(okta.answered(400).await, 0, "each proof was right");
}

#[tokio::test]
async fn a_clock_of_okta_that_is_put_costs_one_request_and_no_link() {
    let key = Key::generate("P-256");
    let okta = org(500, &key, &json!({ DPOP: true }), &[]).await;
    okta.arm(json!({"kind": "clock_skew", "seconds": 7_200})).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 500).await;
    let refused = okta.answered(400).await;
    okta.disarm().await;
    okta.add(r#"[{"uuid":"new"}]"#).await;
    let route = workplace.route("log/files", |route| route.delivered == 501).await;
    assert_eq!((route.okta_trouble, route.possible_gaps), (None, 0));
    assert_eq!(okta.answered(400).await, refused + 1);
}

#[tokio::test]
async fn a_bearer_token_is_refused_where_the_configuration_demands_dpop() {
    let key = Key::generate("P-256");
    let okta = org(500, &key, &json!({}), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "dpop = true");
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}", said.stdout);
    assert!(said.stdout.contains("bearer token") && said.stdout.contains("Possession"), "{}", said.stdout);
    assert_eq!(okta.answered(200).await, 0);
}

#[tokio::test]
async fn a_proof_is_made_anew_for_every_attempt() {
    let key = Key::generate("P-256");
    for fault in [
        json!({"kind": "rate_limited", "seconds": 1, "count": 1}),
        json!({"kind": "drop_connection", "count": 2}),
        json!({"kind": "cut_body", "count": 1}),
        json!({"kind": "status", "status": 503, "count": 1}),
    ] {
        for path in ["/api/v1/logs", "/oauth2/v1/token"] {
            let okta = org(1_500, &key, &json!({ DPOP: true }), &[]).await;
            let mut armed = fault.clone();
            armed["path"] = path.into();
            okta.arm(armed).await;
            let workplace = workplace(&okta, &key.pkcs8, "");
            workplace.catch_up().await;
            assert_eq!(workplace.uuids("archive"), okta.uuids().await, "{fault} on {path}");
            assert!(!workplace.log().contains("already been used"), "{}", workplace.log());
        }
    }
}

#[tokio::test]
async fn a_token_that_okta_forgets_is_replaced_at_once() {
    let key = Key::generate("P-256");
    let okta = org(1_000, &key, &json!({}), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 1_000).await;
    okta.register(&key.app(&json!({}))).await;
    eventually("another token", async || (okta.tokens_given().await == 2).then_some(())).await;
    assert_eq!(okta.answered(401).await, 1);
    assert!(!workplace.log().contains("trying again"), "{}", workplace.log());
}

#[tokio::test]
async fn check_shows_scopes_and_role_offline_too() {
    let key = Key::generate("RSA");
    let okta = org(10, &key, &json!({}), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    for arguments in [&["check"][..], &["check", "--offline"]] {
        let said = workplace.oktabus(arguments).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let needs = "needs the scope okta.logs.read granted to the app, and for the app the role Report administrator";
        assert!(said.stdout.contains(needs), "{}", said.stdout);
    }
    let tokened = Workplace::new(&okta, TO_FILES);
    let said = tokened.oktabus(&["check", "--offline"]).await;
    assert!(said.stdout.contains("for the token's owner"), "{}", said.stdout);
    assert!(!said.stdout.contains(TOKEN));
}

/// A configuration that needs more than the log: commands, by hand alone.
const COMMANDS: &str = r#"
[commands.provisioning]
org = "acme"
allow = ["user.get", "user.suspend", "zone.*"]
outcomes = { sink = "files" }
"#;

/// What keeps commands from being carried out at Okta.
async fn commands_trouble(workplace: &Workplace) -> Option<String> {
    let (_, page) = workplace.get("/status").await.ok()?;
    let status: Value = serde_json::from_str(&page).unwrap();
    Some(status["commands"][0]["troubles"]["okta"].as_str()?.to_owned())
}

async fn run(workplace: &Workplace, action: &str) -> Value {
    let said = workplace.oktabus(&["command", "run", action, "-p", "user=ada@acme.com", "--json"]).await;
    serde_json::from_str(&said.stdout).unwrap_or_else(|err| panic!("{err}: {said:?}"))
}

#[tokio::test]
async fn streams_go_on_without_the_scopes_that_only_commands_need() {
    let key = Key::generate("P-256");
    let app = |scopes: &[&str]| key.app(&json!({ "scopes": scopes, "roles": ["ORG_ADMIN"], DPOP: true }));
    let okta = org(1_500, &key, &json!({}), &[]).await;
    okta.register(&app(&["okta.logs.read", "okta.users.manage"])).await;
    let workplace = Workplace::with_orgs(&(service_app(okta.url(), "") + COMMANDS));
    workplace.write_secret("key", &key.pkcs8);
    let _daemon = workplace.start(&[]);
    let route = workplace.route("log/files", |route| route.delivered == 1_500).await;
    assert_eq!(route.okta_trouble, None);

    okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let put_right = async {
        let told =
            eventually("the trouble of the commands", async || commands_trouble(&workplace).await).await;
        assert!(told.contains("no access token for okta.users.manage okta.networkZones.manage"), "{told}");
        assert!(told.contains("oktabus check"), "{told}");
        okta.add(r#"[{"uuid":"later"}]"#).await;
        let route = workplace.route("log/files", |route| route.delivered >= 1_501).await;
        assert_eq!(route.okta_trouble, None);

        let said = workplace.oktabus(&["check"]).await;
        assert_eq!(said.code, Some(69), "{}", said.stdout);
        for told in [
            "the app is not granted okta.networkZones.manage, and",
            "out of `allow`: zone.block_ip, zone.unblock_ip",
        ] {
            assert!(said.stdout.contains(told), "no `{told}` in:\n{}", said.stdout);
        }
        let named = COMMANDS.replace(", \"zone.*\"", "") + "protect = { groups = [\"Everyone\"] }\n";
        workplace.configure(&(service_app(okta.url(), "") + &named));
        let said = workplace.oktabus(&["check"]).await;
        for told in ["the app is not granted okta.groups.read, and", "; `protect.groups` needs it too"] {
            assert!(said.stdout.contains(told), "no `{told}` in:\n{}", said.stdout);
        }
        workplace.configure(&(service_app(okta.url(), "") + COMMANDS));
        assert!(said.stdout.lines().any(|line| line.starts_with("ok    stream log")), "{}", said.stdout);
        okta.register(&app(&["okta.logs.read", "okta.users.manage", "okta.networkZones.manage"])).await;
    };
    let (suspended, ()) = tokio::join!(run(&workplace, "user.suspend"), put_right);
    assert_eq!(suspended["status"], "done", "{suspended}");
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stdout);
}

#[tokio::test]
async fn commands_go_on_without_the_scope_that_only_streams_need() {
    let key = Key::generate("P-256");
    let app = json!({ "scopes": ["okta.users.manage", "okta.networkZones.manage"], "roles": ["ORG_ADMIN"] });
    let okta = org(10, &key, &app, &[]).await;
    okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let workplace = Workplace::with_orgs(&(service_app(okta.url(), "") + COMMANDS));
    workplace.write_secret("key", &key.pkcs8);
    let _daemon = workplace.start(&[]);
    let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    assert!(route.okta_trouble.unwrap().contains("for okta.logs.read"));
    let suspended = run(&workplace, "user.suspend").await;
    assert_eq!(suspended["status"], "done", "{suspended}");
    let said = workplace.oktabus(&["check"]).await;
    let row = said.stdout.lines().find(|line| line.contains("stream log")).unwrap();
    assert!(row.starts_with("FAIL") && row.contains("grant the scope to the app"), "{row}");
    assert!(!row.contains("allow no actions") && !row.contains("oktabus check"), "{row}");
}

#[tokio::test]
async fn secrets_may_come_from_systemd() {
    let key = Key::generate("P-256");
    let okta = org(1_000, &key, &json!({}), &[]).await;
    let configuration = service_app(okta.url(), "")
        .replace("private_key_file = \"{dir}/key\"", "private_key_credential = \"okta-key\"");
    let workplace = Workplace::with_orgs(&configuration);
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(64));
    assert!(said.stderr.contains("LoadCredential=okta-key:"), "{}", said.stderr);
    workplace.write_secret("okta-key", &key.pkcs8);
    let directory = workplace.path("").display().to_string();
    let daemon = workplace.start_with(&["--until-caught-up"], &[("CREDENTIALS_DIRECTORY", &directory)]);
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn apps_may_stand_in_a_file() {
    let key = Key::generate("P-256");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("apps.json");
    std::fs::write(&path, Value::Array(vec![key.app(&json!({ DPOP: true }))]).to_string()).unwrap();
    let okta = Okta::start(&["--backlog", "100", "--rate", "0", "--apps", path.to_str().unwrap()]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}
