//! Judges: programs in `tests/judges` that share no code with oktabus, and stand on other people's libraries.

pub(crate) mod eyes;
pub(crate) mod kafka;
pub(crate) mod messages;
pub(crate) mod okta;
#[cfg(feature = "nats")]
pub(crate) mod traces;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

/// Runs a judge, which must not complain.
async fn judge(program: &str, script: &str, arguments: &[&str], input: &str) -> Vec<Value> {
    let mut command = Command::new(program);
    command.arg(self::program(script)).args(arguments);
    let (is_content, said, complaints) = run(command, input.to_owned()).await;
    assert!(is_content, "{script} complains: {complaints}\n{said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a program on `input`: whether it ended well, what it printed, and what it complained of.
pub(crate) async fn run(command: Command, input: String) -> (bool, String, String) {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A judge may have made up its mind before it has read all.
    let writing = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let output = child.wait_with_output().await.unwrap();
    let _ = writing.await.unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), String::from_utf8(output.stdout).unwrap(), complaints)
}

/// The Node.js that `tests/setup` installed, where the machine's own is too old; else the machine's.
pub(crate) fn node() -> String {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/node/bin/node");
    if ours.exists() { ours.display().to_string() } else { "node".to_owned() }
}

/// Where the program of a judge is.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(name)
}
