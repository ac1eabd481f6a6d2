//! The `self` and `next` links: the request's own parameters in one spelling, with another `after`.

use std::fmt::Write;

const AFTER: &str = "after";

/// Makes the links of one answer.
#[derive(Debug)]
pub(super) struct Links<'a> {
    base: &'a str,
    path: &'a str,
    parameters: Vec<(String, String)>,
}

impl<'a> Links<'a> {
    pub(super) fn new(base: &'a str, path: &'a str, raw_query: &str) -> Self {
        let parameters = url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        Self { base, path, parameters }
    }

    /// The value of the header line for `self`.
    pub(super) fn this(&self) -> String {
        line(self.base, self.path, self.parameters.iter().map(pair), "self")
    }

    /// The request's own token, or else that of a cursor, spelt in another way: it looks as if it
    /// had moved on and means the same place.
    pub(super) fn respelt(&self, cursor: &str) -> String {
        let own = self.parameters.iter().find(|(name, _)| name == AFTER);
        let token = own.map_or(cursor, |(_, value)| value);
        token.replacen('_', "_0", 1)
    }

    /// The value of the header line for `next`.
    pub(super) fn next(&self, after: &str) -> String {
        self.next_elsewhere(after, None, None)
    }

    /// The same on another host or at another path, if a fault wants it so.
    pub(super) fn next_elsewhere(&self, after: &str, host: Option<&str>, path: Option<&str>) -> String {
        let others = self.parameters.iter().map(pair).filter(|(name, _)| *name != AFTER);
        let parameters = others.chain([(AFTER, after)]);
        let base = host.map(|host| format!("https://{host}"));
        let base = base.as_deref().unwrap_or(self.base);
        line(base, path.unwrap_or(self.path), parameters, "next")
    }

    /// The value of the header line for a `next` that is the request's own link.
    pub(super) fn next_is_this(&self) -> String {
        line(self.base, self.path, self.parameters.iter().map(pair), "next")
    }
}

fn line<'p>(
    base: &str,
    path: &str,
    parameters: impl Iterator<Item = (&'p str, &'p str)>,
    relation: &str,
) -> String {
    let mut line = format!("<{base}{path}");
    for (n, (name, value)) in parameters.enumerate() {
        line.push(if n == 0 { '?' } else { '&' });
        encode(name, &mut line);
        line.push('=');
        encode(value, &mut line);
    }
    // Writing to a string cannot fail.
    let _ = write!(line, ">; rel=\"{relation}\"");
    line
}

fn pair((name, value): &(String, String)) -> (&str, &str) {
    (name, value)
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str, line: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                line.push(byte.into());
            }
            _ => {
                let _ = write!(line, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &str = "/api/v1/logs";

    #[test]
    fn next_carries_the_request_over_and_replaces_the_cursor() {
        let links = Links::new("https://acme.okta.com", LOGS, "limit=20&after=1_1&q=a+%22b%22%2Cc");
        assert_eq!(
            links.this(),
            r#"<https://acme.okta.com/api/v1/logs?limit=20&after=1_1&q=a%20%22b%22%2Cc>; rel="self""#
        );
        assert_eq!(
            links.next_elsewhere("2_3", Some("evil.example.com"), Some("/x")),
            r#"<https://evil.example.com/x?limit=20&q=a%20%22b%22%2Cc&after=2_3>; rel="next""#
        );
        assert_eq!(links.next_is_this().replace("next", "self"), links.this());
    }

    #[test]
    fn a_followed_next_link_that_stays_equals_self() {
        let first = Links::new("http://a", LOGS, "since=2024-08-13T00:00:00Z&limit=5");
        let next = first.next("2_3");
        let query = next.split_once('?').unwrap().1.split_once('>').unwrap().0;
        let second = Links::new("http://a", LOGS, query);
        assert_eq!(second.this().replace("self", "next"), second.next("2_3"));
    }
}
