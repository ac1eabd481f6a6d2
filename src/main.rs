//! The `oktabus` program: arguments, bootstrap, run, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    oktabus::cli::main().into()
}
