//! What cannot be put in force is refused whole, and the daemon goes on as before.

use std::{fs, net::TcpListener};

use serde_json::Value;

use super::{add, assert_each_once, files, reload, stream, with_org};
use crate::support::{
    daemon::{Daemon, Workplace},
    okta::Okta,
    tools::{eventually, free_port},
};

const ROUTES: &str = r#"{ sink = "one" }"#;

async fn at_work() -> (Okta, Workplace, Daemon) {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, &(stream(ROUTES) + &files("one")));
    let daemon = workplace.start(&[]);
    workplace.route("log/one", |route| route.delivered == 100).await;
    (okta, workplace, daemon)
}

async fn reloads(workplace: &Workplace, result: &str) -> f64 {
    workplace.metric(&format!("oktabus_config_reloads_total{{result=\"{result}\"}}")).await.unwrap()
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let (okta, workplace, daemon) = at_work().await;
    let good = with_org(&okta, &(stream(ROUTES) + &files("one")));
    assert_eq!(reloads(&workplace, "refused").await, 0.0);
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let taken = taken.local_addr().unwrap();
    let hook = "[orgs.acme.doorbell]\nsecret_file = \"{dir}/token\"\n";
    let bad = [
        ("this is no TOML".to_owned(), "no TOML"),
        (good.replace("poll_interval", "pole_interval"), "poll_interval"),
        (good.replace(r#"sink = "one""#, r#"sink = "two""#), "two"),
        (good.replace("{dir}/token", "{dir}/no-such-token"), "no-such-token"),
        (format!("{good}[doorbell]\nlisten = \"{taken}\"\nbehind_proxy = true\n{hook}"), "doorbell.listen"),
    ];
    for (number, (text, why)) in bad.iter().enumerate() {
        workplace.configure(text);
        daemon.reload().await;
        let refused = || {
            workplace
                .log()
                .lines()
                .filter(|line| line.contains("is refused; going on as before"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        eventually(why, async || (refused().len() > number).then_some(())).await;
        assert!(refused()[number].contains(why), "{}", refused()[number]);
        add(&okta, &format!("after-{number}"), 5).await;
        assert_each_once(&okta, &workplace, &["one"]).await;
    }
    assert_eq!(reloads(&workplace, "refused").await, bad.len() as f64);
    assert_eq!(workplace.metric("oktabus_config_last_reload_successful").await, Some(0.0));
    assert_eq!(workplace.log().matches("the route begins to read").count(), 1);

    let status = workplace.oktabus(&["status"]).await;
    assert!(status.stdout.contains("The configuration that was to be reloaded is refused"), "{status:?}");
    let ready = workplace.get("/readyz").await.unwrap();
    assert!(ready.0 == 200 && ready.1.contains("configuration: the new one is refused"), "{ready:?}");

    workplace.configure(&good);
    assert_eq!(reload(&workplace, 0).await["result"], "unchanged");
    assert_eq!(workplace.metric("oktabus_config_last_reload_successful").await, Some(1.0));
    assert!(workplace.oktabus(&["status"]).await.stdout.starts_with("ok  All is well"));
    assert_eq!((reloads(&workplace, "unchanged").await, reloads(&workplace, "applied").await), (1.0, 0.0));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_nothing_of_the_rest_is_done() {
    let (okta, workplace, _daemon) = at_work().await;
    let two = format!("{ROUTES}, {{ sink = \"two\" }}");
    let text = with_org(
        &okta,
        &(stream(&two) + &files("one") + &files("two") + "[state.dead_letters]\nroute_max = \"1 MiB\"\n"),
    );
    workplace.configure(&text);
    let answer = reload(&workplace, 1).await;
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.ends_with("need a restart: state.dead_letters.route_max"), "{reason}");
    assert_eq!(workplace.routes().await.len(), 1);
    let said = workplace.oktabus(&["reload"]).await;
    assert!(said.stdout.is_empty() && said.stderr.contains("goes on as before"), "{said:?}");
}

#[tokio::test]
async fn a_state_that_is_elsewhere_and_a_file_that_is_no_toml_are_mistakes_in_the_configuration() {
    let (_okta, workplace, daemon) = at_work().await;
    let path = workplace.path("oktabus.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("/state\"", "/elsewhere\"")).unwrap();
    for command in ["reload", "status"] {
        let said = workplace.oktabus(&[command]).await;
        assert!(said.code == Some(64) && said.stderr.contains("`state.path` was changed"), "{said:?}");
    }
    fs::write(&path, "this is no TOML").unwrap();
    assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(64));
    fs::write(&path, text).unwrap();
    assert_eq!(reload(&workplace, 0).await["result"], "unchanged");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    assert_eq!(workplace.oktabus(&["status"]).await.code, Some(69));
}

#[tokio::test]
async fn a_run_that_is_to_end_keeps_its_configuration_and_a_file_that_is_invalid_is_told_at_once() {
    let okta = Okta::start(&["--backlog", "20000", "--rate", "0", "--rate-limit", "1000000"]).await;
    okta.arm(serde_json::json!({"kind": "delay", "milliseconds": 200})).await;
    let workplace = Workplace::new(&okta, &(stream(ROUTES) + &files("one")));
    let daemon = workplace.start(&["--until-caught-up"]);
    workplace.route("log/one", |route| route.delivered > 0).await;
    let both = format!("{ROUTES}, {{ sink = \"two\" }}");
    workplace.configure(&with_org(&okta, &(stream(&both) + &files("one") + &files("two"))));
    let answer: Value = reload(&workplace, 1).await;
    assert!(answer["reason"].as_str().unwrap().contains("keeps its configuration"), "{answer}");
    workplace.configure("nothing = 1");
    assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(64));
    okta.disarm().await;
    assert!(daemon.ended().await.success());
    workplace.configure(&with_org(&okta, &(stream(ROUTES) + &files("one"))));
    assert_eq!(workplace.oktabus(&["reload"]).await.code, Some(69), "there is no daemon");
    assert_each_once(&okta, &workplace, &["one"]).await;
}
