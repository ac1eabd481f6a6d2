//! How the program behaves towards shells, supervisors and whoever reads its log.

use std::{fs::File, net::TcpListener, process::Stdio};

use tokio::process::Command;

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

#[tokio::test]
async fn the_log_says_what_the_daemon_does_and_how_it_goes_when_it_is_asked() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 10).await;
    assert!(workplace.log().contains("stream log of acme goes to files"), "{}", workplace.log());
    // Both would end a process that does not know them.
    for signal in ["-USR1", "-USR2"] {
        let told_before = workplace.log().matches("how it goes").count();
        daemon.signal(signal).await;
        eventually("the log to say how it goes", async || {
            (workplace.log().matches("how it goes").count() > told_before).then_some(())
        })
        .await;
    }
    let line = workplace.log().lines().rfind(|line| line.contains("how it goes")).unwrap().to_owned();
    assert!(line.contains("\"messages_in_all\":10") && line.contains("\"in_trouble\":\"\""), "{line}");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_the_daemon_is_never_written_to_a_file() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.routes().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    daemon.kill().await;
}

#[tokio::test]
async fn an_admin_address_that_is_taken_ends_the_start_so_that_it_is_tried_again() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [("OKTABUS__ADMIN__LISTEN", address.as_str())];
    let ended = workplace.start_with(&[], &environment).ended().await;
    assert_eq!(ended.code(), Some(69), "{}", workplace.log());
    assert!(workplace.log().contains(&address), "{}", workplace.log());
}

#[tokio::test]
async fn a_result_that_cannot_be_printed_has_an_exit_code_of_its_own() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let file = workplace.path("oktabus.toml");
    let file = file.to_str().unwrap();
    for arguments in
        [&["check", "--offline", "--config", file][..], &["schema", "--config", file], &["--help"]]
    {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
        let command = command.args(arguments).stdout(full).stderr(Stdio::piped());
        let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(
            ended.status.code(),
            Some(74),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
        assert!(String::from_utf8_lossy(&ended.stderr).contains("No space left"), "{arguments:?}");
    }
}

#[tokio::test]
async fn nothing_is_coloured_where_colours_are_not_wanted() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, &TO_FILES.replace("200ms", "1s"));
    let run = |environment: &'static [(&'static str, &'static str)]| {
        let workplace = &workplace;
        async move {
            let _ = std::fs::remove_file(workplace.path("log"));
            let with_style = [environment, &[("OKTABUS__LOG__STYLE", "human")]].concat();
            let ended = workplace.start_with(&["--until-caught-up"], &with_style).ended().await;
            assert!(ended.success(), "{}", workplace.log());
            workplace.log()
        }
    };
    assert!(run(&[("CLICOLOR_FORCE", "1")]).await.contains('\u{1b}'));
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).await.contains('\u{1b}'));
}

#[tokio::test]
async fn a_check_looks_at_what_a_run_needs_of_the_machine() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, &TO_FILES.replace("-90d", "-200d"));
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    for row in ["before the 90 days that Okta keeps", "state will be made", "is free"] {
        assert!(said.stdout.contains(row), "no `{row}` in:\n{}", said.stdout);
    }

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_the_way = workplace.path("in-the-way");
    std::fs::write(&in_the_way, "").unwrap();
    let broken = format!("{TO_FILES}\n");
    workplace.configure(&format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{broken}",
        okta.url()
    ));
    let text = std::fs::read_to_string(workplace.path("oktabus.toml")).unwrap();
    let text = text.replace("/state\"", "/in-the-way\"");
    std::fs::write(workplace.path("oktabus.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    let command = command.args(["check", "--config"]).arg(workplace.path("oktabus.toml"));
    let ended = command.env("OKTABUS__ADMIN__LISTEN", address.to_string()).output().await.unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(69), "{said}");
    assert!(
        said.contains("is not a directory") && said.contains(&format!("{address}: Address already in use")),
        "{said}"
    );
}

#[tokio::test]
async fn a_wrong_level_in_the_environment_is_refused() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let ended = workplace.start_with(&["--until-caught-up"], &[("OKTABUS_LOG", "inof")]).ended().await;
    assert_eq!(ended.code(), Some(64), "{}", workplace.log());
    assert!(workplace.log().contains("OKTABUS_LOG: `inof` is not a level"), "{}", workplace.log());
}
