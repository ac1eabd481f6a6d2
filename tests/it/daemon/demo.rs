//! `oktabus demo`, as a newcomer finds it.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_command_that_the_demo_proposes_is_carried_out_and_comes_by() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_oktabus"))
        .args(["demo", "--backlog", "100", "--rate", "0", "--directory"])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut line_with = async |what: &str| {
        let found = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the demo goes on");
                if line.contains(what) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no line has {what}"))
    };
    let proposed = line_with(" command run ").await;
    // The live stream begins with what happens from now on.
    line_with("live").await;
    let arguments = proposed.split_whitespace().skip_while(|word| *word != "command");
    let done = Command::new(env!("CARGO_BIN_EXE_oktabus")).args(arguments).output().await.unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.starts_with("user.suspend: done"), "{proposed}\n{said}");
    line_with("user.lifecycle.suspend").await;
    demo.kill().await.unwrap();
}

/// The demo with these arguments, in a folder of its own.
fn demo(directory: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    demo.args(["demo", "--rate", "0", "--directory"]).arg(directory.path()).args(arguments);
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    demo
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_second_demo_into_the_same_broker_shows_its_own_events() {
    let server = crate::support::nats::NatsServer::start().await;
    for run in 1..=2 {
        let directory = tempfile::tempdir().unwrap();
        let mut running = demo(&directory, &["--backlog", "100", "--nats", &server.url()]).spawn().unwrap();
        crate::support::tools::eventually("the demo's events in the stream", async || {
            let stream = server.jetstream().await.get_stream("OKTA_DEMO").await.ok()?;
            (stream.cached_info().state.messages == run * 100).then_some(())
        })
        .await;
        running.kill().await.unwrap();
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_demo_whose_broker_is_away_says_that_not_all_was_delivered() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", crate::support::tools::free_port());
    let url = format!("nats://{address}");
    let ended =
        demo(&directory, &["--backlog", "10", "--seconds", "2", "--nats", &url]).output().await.unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    let (_, summary) =
        said.split_once("Not all was delivered: 1 route(s)").unwrap_or_else(|| panic!("{said}"));
    let trouble = summary.lines().find(|line| line.contains("cannot reach the bus")).unwrap();
    assert!(trouble.contains(&address), "{trouble}");
}

#[tokio::test]
async fn a_machine_without_certificate_authorities_runs_the_demo_and_is_told_what_a_real_org_needs() {
    let nowhere = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--backlog", "10", "--seconds", "1"];
    let ended = demo(&directory, &arguments).envs(nowhere).output().await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let workplace = crate::support::daemon::Workplace::with_orgs(&format!(
        "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{}",
        super::TO_FILES
    ));
    let status = workplace.start_with(&[], &nowhere).ended().await;
    assert_eq!(status.code(), Some(64), "{}", workplace.log());
    assert!(workplace.log().contains("apt-get install ca-certificates"), "{}", workplace.log());
    assert_eq!(workplace.log().lines().count(), 1, "{}", workplace.log());
}
