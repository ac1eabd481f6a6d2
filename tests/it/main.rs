//! The integration tests: the library and the program against real brokers and a simulated org. Run `tests/setup` first.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "some tests have a table to show")]

mod command;
mod daemon;
mod documentation;
mod format;
mod okta;
mod replay;
mod search;
mod security;
mod sinks;
mod state;
mod support;
