//! What this binary was built from, for metrics and people.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, as `deploy/build` names it; `unknown` in a build by hand.
pub const COMMIT: &str = match option_env!("OKTABUS_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The features that it was built with, in the order of their names, with commas.
pub fn features() -> String {
    let features = [
        ("kafka", cfg!(feature = "kafka")),
        ("kafka-static", cfg!(feature = "kafka-static")),
        ("nats", cfg!(feature = "nats")),
        ("simulator", cfg!(feature = "simulator")),
    ];
    features.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect::<Vec<_>>().join(",")
}
