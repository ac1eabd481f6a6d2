//! Judges: programs under `tests/judges` that share no code with oktabus and go by the specifications.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::tools::tool;

/// What a judge said: one JSON value a line.
pub(crate) async fn messages_judge(arguments: &[&str], input: &str) -> Vec<Value> {
    tool("judges-messages/python");
    judge("python3", "messages/judge.py", arguments, input).await
}

/// What AsyncAPI's parser has against `document`; it must have nothing.
pub(crate) async fn asyncapi_judge(document: &str) {
    tool("judges-asyncapi/node_modules");
    assert_eq!(judge("node", "asyncapi/judge.mjs", &[], document).await, [] as [Value; 0]);
}

/// Runs a judge, which must not complain.
async fn judge(program: &str, script: &str, arguments: &[&str], input: &str) -> Vec<Value> {
    let mut command = Command::new(program);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(script)).args(arguments);
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
