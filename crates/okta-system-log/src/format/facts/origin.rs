//! The address that a request came from, wherever Okta writes it.

use std::borrow::Cow;

use super::address::Address;
use crate::format::log_event::LogEvent;

/// Where an address stands in the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Client,
    DebugData(&'static str),
    /// The first of `request.ipChain`, which is the client's: the others are those of proxies.
    FirstHop,
}

/// The address of the client.
#[derive(Debug)]
pub(in crate::format) struct ClientAddress<'a> {
    pub(in crate::format) address: Address<'a>,
    place: Place,
}

/// Privileged Access, whose events have no client: a server or a gateway tells of somebody who connects to it.
const PRIVILEGED_ACCESS: &str = "pam.";
/// Where its events name the address of who connects.
const CONNECTED_FROM: [&str; 2] = ["fromAddress", "clientIp"];

impl<'a> ClientAddress<'a> {
    /// The address; None where there is none that can be read.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Option<Self> {
        if let Some(text) = event.client.peek("ipAddress") {
            return Self::read(text, Place::Client);
        }
        // What is no text is told, and nobody else's address stands for it either.
        if event.has_other_forms && event.client.raw("ipAddress").is_some() {
            return None;
        }
        let is_privileged = || {
            event.root.peek("eventType").is_some_and(|event_type| event_type.starts_with(PRIVILEGED_ACCESS))
        };
        let named = CONNECTED_FROM.into_iter().find_map(|name| {
            let text = event.debug_data.peek(name)?;
            Self::read(text, Place::DebugData(name)).filter(|_| is_privileged())
        });
        named.or_else(|| Self::read(event.ip_chain.first()?.peek("ip")?, Place::FirstHop))
    }

    fn read(text: Cow<'a, str>, place: Place) -> Option<Self> {
        Some(Self { address: Address::read(text)?, place })
    }

    /// Notes that the address has found its place, if it says all that Okta wrote.
    pub(in crate::format) fn mark(&self, event: &LogEvent<'_>) {
        if !self.address.is_whole {
            return;
        }
        match self.place {
            Place::Client => event.client.mark("ipAddress"),
            Place::DebugData(name) => event.debug_data.mark(name),
            // Whoever writes the chain takes it.
            Place::FirstHop => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(event: &str) -> Option<String> {
        ClientAddress::of(&LogEvent::read(event).unwrap()).map(|client| client.address.ip.into_owned())
    }

    #[test]
    fn the_client_is_found_where_okta_names_it() {
        let chain = r#""request":{"ipChain":[{"ip":"203.0.113.1"},{"ip":"203.0.113.2"}]}"#;
        let debug = r#""debugContext":{"debugData":{"fromAddress":"203.0.113.77:50022"}}"#;
        for (event, expected) in [
            (format!(r#"{{"client":{{"ipAddress":"198.51.100.7"}},{chain},{debug}}}"#), Some("198.51.100.7")),
            (format!(r#"{{"client":{{"ipAddress":null}},{chain}}}"#), Some("203.0.113.1")),
            (format!(r#"{{"eventType":"pam.server.ssh_login",{debug}}}"#), Some("203.0.113.77")),
            (format!(r#"{{"eventType":"user.session.start",{debug}}}"#), None),
            // What cannot be read is told, and nobody else's address stands for it.
            (format!(r#"{{"client":{{"ipAddress":"junk"}},{chain}}}"#), None),
            (format!(r#"{{"client":{{"ipAddress":["203.0.113.66","203.0.113.67"]}},{chain}}}"#), None),
            (format!(r#"{{"client":{{"ipAddress":{{"ip":"203.0.113.66","port":1}}}},{chain}}}"#), None),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(ip(&event).as_deref(), expected, "{event}");
        }
    }
}
