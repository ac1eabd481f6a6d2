//! Which build this is: version, commit and features.

use std::sync::LazyLock;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, if the build said so in the environment variable `OKTABUS_COMMIT`.
pub const COMMIT: Option<&str> = option_env!("OKTABUS_COMMIT");

/// The Cargo features of this build.
pub fn features() -> Vec<&'static str> {
    let all = [
        ("kafka", cfg!(feature = "kafka")),
        ("nats", cfg!(feature = "nats")),
        ("otlp", cfg!(feature = "otlp")),
        ("simulator", cfg!(feature = "simulator")),
        ("kafka-static", cfg!(feature = "kafka-static")),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

static LONG: LazyLock<String> = LazyLock::new(|| {
    let features = match features() {
        none if none.is_empty() => "none".to_owned(),
        features => features.join(", "),
    };
    format!("{VERSION}\ncommit: {}\nfeatures: {features}", COMMIT.unwrap_or("unknown"))
});

/// All of it, over several lines.
pub fn long() -> &'static str {
    &LONG
}
