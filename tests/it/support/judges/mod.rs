//! Judges: programs in `tests/judges` that share no code with oktabus, and stand on other people's libraries.

pub(crate) mod messages;
pub(crate) mod okta;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Runs a judge, which must not complain.
async fn judge(program: &str, script: &str, arguments: &[&str], input: &str) -> Vec<Value> {
    let mut command = Command::new(program);
    command.arg(self::program(script)).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (script, input) = (script.to_owned(), input.to_owned());
    let judged = tokio::task::spawn_blocking(move || {
        let mut judge = command.spawn().unwrap();
        let mut stdin = judge.stdin.take().unwrap();
        // A judge may have made up its mind before it has read all.
        let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = judge.wait_with_output().unwrap();
        let _ = writing.join().unwrap();
        output
    });
    let output = judged.await.unwrap();
    let (said, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} complains: {complaints}\n{said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the program of a judge is.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(name)
}
