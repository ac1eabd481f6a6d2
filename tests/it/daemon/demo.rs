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
