//! `oktabus check` against a real (simulated) org and real sinks.

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta};

#[tokio::test]
async fn what_works_is_shown_as_a_table() {
    let okta = Okta::start(&["--backlog", "10", "--rate", "0", "--rate-limit", "120"]).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("120 requests a minute"), "{}", said.stdout);
    assert!(said.stdout.lines().all(|line| line.contains("ok  ")), "{}", said.stdout);
    assert!(!workplace.path("state").exists(), "a check leaves nothing behind");
}

#[tokio::test]
async fn a_check_changes_nothing() {
    use std::{fs, os::unix::fs::symlink};

    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(!workplace.path("archive").exists(), "what is missing is made by who runs the daemon");

    fs::create_dir(workplace.path("archive")).unwrap();
    fs::write(workplace.path("precious"), "precious").unwrap();
    symlink("../precious", workplace.path("archive/.oktabus-check")).unwrap();
    let said = workplace.oktabus(&["check"]).await;
    assert!(said.code == Some(0) && said.stdout.contains("archive can be written to"), "{}", said.stdout);
    assert_eq!(fs::read_to_string(workplace.path("precious")).unwrap(), "precious");
    assert!(workplace.path("archive/.oktabus-check").is_symlink());

    fs::remove_dir_all(workplace.path("archive")).unwrap();
    fs::write(workplace.path("archive"), "").unwrap();
    let said = workplace.oktabus(&["check"]).await;
    assert!(said.code == Some(69) && said.stdout.contains("is not a directory"), "{}", said.stdout);
}

#[tokio::test]
async fn what_does_not_work_is_told_with_the_reason() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.write_token("00wrong");
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69));
    assert!(said.stdout.contains("FAIL") && said.stdout.contains("E0000011"), "{}", said.stdout);

    // What only Okta knows is told by Okta; what can be known without it is told before it is asked.
    for (filter, code, reason) in
        [("nonsense eq \"x\"", 69, "nonsense"), ("eventType eqq \"x\"", 64, "did you mean `eq`?")]
    {
        let rest = TO_FILES.replace("poll_interval = \"200ms\"", &format!("filter = '{filter}'"));
        let workplace = Workplace::new(&okta, &rest);
        let said = workplace.oktabus(&["check"]).await;
        assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
        assert!(format!("{}{}", said.stdout, said.stderr).contains(reason), "{}{}", said.stdout, said.stderr);
    }
}

#[tokio::test]
async fn a_search_is_shown_with_its_slots_and_tried() {
    let okta = Okta::with_backlog(10).await;
    let search = "[searches.failed]\norg = \"acme\"\nschedule = \"daily at 08:00\"\ntime_zone = \"Asia/Tokyo\"\n\
                  routes = [{ sink = \"files\" }]\n";
    for (filter, code) in [("severity eq \"WARN\"", 0), ("nonsense eq \"x\"", 69)] {
        let workplace = Workplace::new(&okta, &format!("{TO_FILES}{search}filter = '{filter}'\n"));
        let said = workplace.oktabus(&["check"]).await;
        assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
        let lines: Vec<_> = said.stdout.lines().filter(|line| line.contains("search failed")).collect();
        assert_eq!(lines.len(), 2, "{}", said.stdout);
        assert_eq!(lines[0].matches("08:00 JST").count(), 3, "{}", lines[0]);
        assert_eq!(lines[1].contains("FAIL"), code != 0, "{}", lines[1]);
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_connection_that_fails_is_told_with_host_and_port() {
    let okta = format!("127.0.0.1:{}", crate::support::tools::free_port());
    let nats = format!("127.0.0.1:{}", crate::support::tools::free_port());
    let workplace = Workplace::with_orgs(&format!(
        "[orgs.acme]\nurl = \"http://{okta}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n\
         [streams.log]\norg = \"acme\"\nroutes = [{{ sink = \"nats\" }}]\n\
         [buses.nats]\nkind = \"nats\"\nservers = [\"nats://{nats}\"]\n\
         [sinks.nats]\nkind = \"nats\"\nstream = \"OKTA\"\n"
    ));
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}{}", said.stdout, said.stderr);
    for (row, address) in [("stream log", okta), ("sink nats", nats)] {
        let line = said.stdout.lines().find(|line| line.contains(row)).unwrap();
        assert!(line.contains("FAIL") && line.contains(&address), "{line}");
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn secrets_that_would_be_kept_among_the_events_are_refused() {
    let org = "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = { token_file = \"{dir}/token\" }\n";
    let rest = "[streams.log]\norg = \"acme\"\nroutes = [{ sink = \"events\" }]\n\
                [buses.nats]\nkind = \"nats\"\nservers = [\"nats://nats-1:4222\"]\n\
                [sinks.events]\nkind = \"nats\"\nstream = \"OKTA\"\n\
                [commands.hr]\norg = \"acme\"\nallow = [\"*\"]\nreply_to = [\"okta-replies.>\", \"okta.*.replies.>\"]\n\
                intake = { kind = \"nats\", stream = \"COMMANDS\", subject = \"okta-commands.acme.>\" }\n\
                signature = { required = false }\n\
                outcomes = { sink = \"events\", subject = \"okta.acme.outcomes.{action}\" }\n";
    for (private, is_refused) in [("okta.acme.replies.private.*", true), ("okta-replies.private.*", false)] {
        let reveal = format!("reveal = {{ allowed = true, private = [\"{private}\"] }}\n");
        let workplace = Workplace::with_orgs(&format!("{org}{rest}{reveal}"));
        let said = workplace.oktabus(&["check", "--offline"]).await;
        assert_eq!(said.code, Some(if is_refused { 64 } else { 0 }), "{}", said.stderr);
        assert_eq!(
            said.stderr.contains("the stream `OKTA` would store the secrets"),
            is_refused,
            "{}",
            said.stderr
        );
    }
}

/// The queries are Okta's own, as it publishes them.
#[tokio::test]
async fn filters_that_okta_publishes_are_left_to_okta() {
    let okta = Okta::with_backlog(10).await;
    for filter in [
        r#"eventType in ["system.api_token.create", "system.api_token.update"]"#,
        r#"eventType eq "security.protected_action.attempt" and target.0.displayName eq "Reset a password""#,
        r#"securityContext.isProxy eq "true""#,
        r#"authenticationContext.authenticatorContext.bindingMethod eq "LOOPBACK""#,
    ] {
        let rest = TO_FILES.replace("poll_interval = \"200ms\"", &format!("filter = '{filter}'"));
        let workplace = Workplace::new(&okta, &rest);
        let said = workplace.oktabus(&["check"]).await;
        assert_eq!(said.code, Some(0), "{filter}: {}{}", said.stdout, said.stderr);
        assert!(!said.stdout.contains("warn"), "{}", said.stdout);
    }
}

#[tokio::test]
async fn a_filter_that_nothing_may_meet_is_a_warning_with_the_nearest_value() {
    let okta = Okta::with_backlog(10).await;
    let config = r#"
[streams.log]
org = "acme"
filter = 'severity eq "warn"'
routes = [{ sink = "files", event_types = ["user.lifecyle.*", "user.session.*"], outcomes = ["FAIL"], severities = ["warn"] }]
[searches.failed]
org = "acme"
schedule = "daily at 08:00"
event_types = ["user.session.strat"]
outcomes = ["FAILURE"]
routes = [{ sink = "files" }]
[sinks.files]
kind = "file"
directory = "{dir}/archive"
"#;
    let workplace = Workplace::new(&okta, config);
    let likes = ["`WARN`", "`user.lifecycle.*`", "`FAILURE`", "`WARN`", "`user.session.start`"];
    for options in [&["check", "--offline"][..], &["check"]] {
        let said = workplace.oktabus(options).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let warnings: Vec<_> = said.stdout.lines().filter(|line| line.starts_with("warn")).collect();
        assert_eq!(warnings.len(), likes.len(), "{}", said.stdout);
        for like in likes {
            assert!(
                warnings.iter().any(|line| line.contains(&format!("did you mean {like}?"))),
                "{}",
                said.stdout
            );
        }
    }
    // And at the start, for whoever never checks.
    workplace.catch_up().await;
    assert_eq!(workplace.log().matches("did you mean").count(), likes.len(), "{}", workplace.log());
    let said = workplace.oktabus(&["search", "--outcome", "denied"]).await;
    assert!(said.code == Some(0) && said.stderr.contains("did you mean `DENY`?"), "{}", said.stderr);
}
