//! Programs from Kafka's jars.

use std::{
    ffi::OsStr,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::support::tools::tool;

/// The program whose main class is `class`, without arguments. It starts fast rather than run fast.
pub(super) fn command(class: &str) -> Command {
    command_with(class, &[])
}

/// The same with more options for Java.
pub(super) fn command_with(class: &str, options: &[String]) -> Command {
    let mut command = Command::new("java");
    command.args([
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]);
    command.args(options).arg("-cp").arg(tool("kafka/libs").join("*")).arg(class);
    command
}

/// Runs such a program to its end, with `input` on its standard input, and gives what it printed. Blocking.
pub(super) fn run(
    class: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: &str,
) -> String {
    let mut program = command(class);
    program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().expect("java does not run: run tests/setup first");
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success(), "{class}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
