//! The integration tests: the library and the program against real brokers and a simulated org.
//!
//! `tests/run` installs brokers and judges into `.tools/` and runs all tests. Where these are missing, `cargo test` leaves out
//! what needs them, which `needs_tools.txt` lists.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "some tests have a table to show")]

mod command;
mod daemon;
mod deployment;
mod documentation;
mod doorbell;
mod format;
mod okta;
mod reload;
mod replay;
mod search;
mod security;
mod sinks;
mod state;
mod support;
mod terminal;
