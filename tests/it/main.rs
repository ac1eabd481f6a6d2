//! The integration tests: the library and the program against real brokers and a simulated org. Run `tests/setup` first.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod daemon;
mod format;
mod sinks;
mod support;
