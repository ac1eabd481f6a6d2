//! Access to the admin pages: the host names that requests may use, and the token.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION, header::HOST},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The access rules of the admin pages.
#[derive(Debug)]
pub(super) struct Access {
    /// In lower case.
    hosts: Vec<String>,
    /// None: no token is required.
    token: Option<RwLock<SecretString>>,
}

/// How much a client may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Everything.
    Everything,
    /// Whether all is well, without the reasons if it is not.
    HealthAlone,
}

impl Access {
    pub(super) fn new(hosts: Vec<String>, token: Option<SecretString>) -> Self {
        Self { hosts, token: token.map(RwLock::new) }
    }

    /// Takes another token from now on.
    pub(super) fn exchange_token(&self, token: SecretString) {
        if let Some(held) = &self.token {
            *held.write().unwrap_or_else(PoisonError::into_inner) = token;
        }
    }

    /// Whether the host names in the request are accepted. A web page that makes its own host name resolve to this
    /// address (DNS rebinding) sends that name; a request with an IP address or without a name cannot come from such a
    /// page.
    fn knows(&self, request: &Request) -> bool {
        let host = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let named = request.headers().get_all(HOST).iter().map(host);
        let in_target = request.uri().authority().map(|authority| Some(authority.as_str().to_owned()));
        named.chain(in_target).all(|name| name.is_some_and(|name| self.is_own(&name)))
    }

    fn is_own(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_address || name == "localhost" || self.hosts.contains(&name)
    }

    fn seen(&self, headers: &HeaderMap) -> Seen {
        let Some(token) = &self.token else { return Seen::Everything };
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        let token = token.read().unwrap_or_else(PoisonError::into_inner);
        // Digests are compared, so that the time that it takes says nothing of the token.
        let digest = |text: &str| Sha256::digest(text.trim());
        let is_it = shown.is_some_and(|shown| digest(shown) == digest(token.expose_secret()));
        if is_it { Seen::Everything } else { Seen::HealthAlone }
    }
}

/// The host without its port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !name.ends_with(':') => {
            let is_bare_ipv6 = name.contains(':') && !name.ends_with(']');
            if is_bare_ipv6 { host } else { name }
        }
        _ => host,
    }
}

/// Refuses requests with unknown host names, and passes to the pages how much the client may see.
pub(super) async fn guard(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    if !access.knows(&request) {
        let told = "these pages have no such name: ask under an address, or add the name to `admin.hosts`\n";
        return (StatusCode::MISDIRECTED_REQUEST, told).into_response();
    }
    let seen = access.seen(request.headers());
    request.extensions_mut().insert(seen);
    next.run(request).await
}

/// Refuses clients that may see health alone.
pub(super) async fn require_token(request: Request, next: Next) -> Response {
    if request.extensions().get() == Some(&Seen::Everything) {
        return next.run(request).await;
    }
    let told = "show the token: `Authorization: Bearer …`, with what `admin.token` names\n";
    (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")], told).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>) -> Access {
        Access::new(vec!["oktabus.internal".to_owned()], token.map(SecretString::from))
    }

    fn asked(target: &str, host: Option<&str>) -> Request {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(axum::body::Body::empty()).unwrap()
    }

    #[test]
    fn foreign_names_are_not_ours() {
        let access = access(None);
        for host in [
            "localhost",
            "LOCALHOST:8088",
            "127.0.0.1:8088",
            "192.0.2.7",
            "[::1]:8088",
            "[::1]",
            "oktabus.internal:80",
        ] {
            assert!(access.knows(&asked("/status", Some(host))), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8088",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "a b",
        ] {
            assert!(!access.knows(&asked("/status", Some(host))), "{host}");
        }
        assert!(access.knows(&asked("/status", None)), "an old probe gives none");
        assert!(!access.knows(&asked("http://evil.example/status", Some("localhost"))));
    }

    #[test]
    fn the_token_opens_what_is_more_than_health() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            headers
        };
        let access = access(Some("0123456789abcdef"));
        assert_eq!(access.seen(&headers("Bearer 0123456789abcdef")), Seen::Everything);
        for wrong in ["Bearer 0123456789abcde", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer "] {
            assert_eq!(access.seen(&headers(wrong)), Seen::HealthAlone, "{wrong}");
        }
        assert_eq!(access.seen(&HeaderMap::new()), Seen::HealthAlone);
        access.exchange_token(SecretString::from("another-one-of-16"));
        assert_eq!(access.seen(&headers("Bearer 0123456789abcdef")), Seen::HealthAlone);
        assert_eq!(access.seen(&headers("Bearer another-one-of-16")), Seen::Everything);
    }
}
