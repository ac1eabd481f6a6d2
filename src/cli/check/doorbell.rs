//! What a configuration says of doorbells, in words. Connects to nothing.

use super::Row;
use crate::config::{Config, RingSource};

/// A row for each org with a doorbell.
pub(super) fn rows(config: &Config) -> impl Iterator<Item = Row> {
    let listener = config.doorbells.listener.as_ref();
    config.doorbells.orgs.iter().map(move |(org, source)| {
        let text = match (source, listener) {
            (RingSource::Nats { bus, subject }, _) => format!("messages on {subject} of the bus `{}` ring", bus.name),
            (RingSource::Hook(hook), Some(listener)) => {
                let public = listener.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/'));
                let at = match public {
                    Some(url) => format!("at {url}{}", hook.path),
                    None => format!("on {}, at {}", listener.listen, hook.path),
                };
                format!("event hooks ring {at}; `oktabus doorbell register` makes them, with the scope okta.eventHooks.manage")
            }
            // Loading has refused it.
            (RingSource::Hook(_), None) => "there is no listener".to_owned(),
        };
        Row::good(format!("doorbell {org}"), text)
    })
}
