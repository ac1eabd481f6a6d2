//! The text of a configuration: usable, or refused with the place of each mistake.

use crate::config::{Config, ConfigError, SinkConfig};

/// What one mistake may say.
const TOLD_BYTES_MAX: usize = 64 << 10;

/// Reads the configuration that `data` is. No secret and no other file is read.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::of_text(text) {
        Ok(config) => {
            for (route, origin) in config.routes() {
                assert!(config.sink_of(route).is_some(), "{} has no sink", route.name);
                assert_eq!(origin.route, route.name);
            }
            let streams = config.streams.values().map(|stream| &stream.org);
            let searches = config.searches.values().map(|search| &search.org);
            let commands = config.commands.values().map(|commands| &commands.org);
            if config.standby.is_some() {
                let is_exclusive =
                    |(route, _)| config.sink_of(route).is_some_and(SinkConfig::is_transactional);
                assert!(config.routes().all(is_exclusive), "two daemons would deliver the same");
                assert!(config.searches.is_empty() && config.commands.is_empty(), "two would do the same");
            }
            let mut orgs = streams.chain(searches).chain(commands);
            assert!(orgs.all(|org| config.orgs.contains_key(org)), "an org is missing");
        }
        Err(ConfigError::Unreadable { path, .. }) => unreachable!("{} is not read", path.display()),
        Err(ConfigError::Problems(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.path.is_empty() || problem.origin.is_some(), "{problem} has no place");
                assert!(!problem.reason.is_empty() && problem.reason.len() <= TOLD_BYTES_MAX + data.len());
            }
        }
    }
}
