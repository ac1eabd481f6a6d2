//! Access to the admin address: the host names that requests may use, the token, which sites' pages may ask, and what browsers are
//! told to keep to.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::actions::Caller;

/// The shortest time between two log lines about wrong tokens.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The access rules of the admin pages.
#[derive(Debug)]
pub(super) struct Access {
    /// In lower case.
    hosts: Vec<String>,
    /// None: no token is required.
    token: Option<RwLock<SecretString>>,
    wrong_tokens: Mutex<WrongTokens>,
}

/// Wrong tokens since they were told last.
#[derive(Debug, Default)]
struct WrongTokens {
    shown: u64,
    told_at: Option<Instant>,
}

/// How much a client may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Everything, since no token is configured; nothing may be changed.
    Everything,
    /// Everything, and may act: the token was shown.
    EverythingAndActs,
    /// Whether all is well, without the reasons if it is not.
    HealthAlone,
}

impl Seen {
    pub(super) fn is_everything(self) -> bool {
        match self {
            Self::Everything | Self::EverythingAndActs => true,
            Self::HealthAlone => false,
        }
    }
}

impl Access {
    pub(super) fn new(hosts: Vec<String>, token: Option<SecretString>) -> Self {
        Self { hosts, token: token.map(RwLock::new), wrong_tokens: Mutex::default() }
    }

    /// Tells of wrong tokens now and then: somebody tries, or a dashboard has the former one.
    fn note_wrong_token(&self, caller: Option<&Caller>) {
        let mut wrong = self.wrong_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.shown += 1;
        if wrong.told_at.is_some_and(|told_at| told_at.elapsed() < TOLD_EVERY) {
            return;
        }
        let from = caller.and_then(|Caller(address)| *address).map(|address| address.to_string());
        tracing::warn!(
            wrong_tokens = wrong.shown,
            from,
            "a wrong token was shown to the admin address: somebody tries to find it, or a program has an old one"
        );
        *wrong = WrongTokens { shown: 0, told_at: Some(Instant::now()) };
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
        let host = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
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
        if is_it { Seen::EverythingAndActs } else { Seen::HealthAlone }
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
    if seen == Seen::HealthAlone && request.headers().contains_key(AUTHORIZATION) {
        access.note_wrong_token(request.extensions().get());
    }
    request.extensions_mut().insert(seen);
    next.run(request).await
}

/// Refuses clients that may see health alone.
pub(super) async fn require_token(request: Request, next: Next) -> Response {
    match request.extensions().get() {
        Some(Seen::Everything | Seen::EverythingAndActs) => next.run(request).await,
        Some(Seen::HealthAlone) | None => token_is_missing(),
    }
}

/// Refuses clients that have not shown the token, also where none is needed to look: a page of another site, or another user of
/// this machine, may not change anything.
pub(super) async fn require_to_act(request: Request, next: Next) -> Response {
    match request.extensions().get() {
        Some(Seen::EverythingAndActs) => next.run(request).await,
        Some(Seen::Everything) => {
            let told = "nothing can be changed here without a token: set `admin.token_file` and show it\n";
            (StatusCode::FORBIDDEN, told).into_response()
        }
        Some(Seen::HealthAlone) | None => token_is_missing(),
    }
}

fn token_is_missing() -> Response {
    let told = "show the token: `Authorization: Bearer …`, with what `admin.token` names\n";
    (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")], told).into_response()
}

/// Refuses what a page of another site has its browser ask for: neither to act, nor to use up the room for watchers.
pub(super) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if is_of_other_site(request.headers()) {
        let told = "pages of other sites may not ask here\n";
        return (StatusCode::FORBIDDEN, told).into_response();
    }
    next.run(request).await
}

/// Browsers say where a request comes from. Those that do not say it by `Sec-Fetch-Site`, as on plain http, say it by `Origin`
/// where it matters; a program that is no browser says neither.
fn is_of_other_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let own = text(HOST.as_str()).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, host)| !host.eq_ignore_ascii_case(own))
}

/// What the page may load and who may show it: nothing but its own files, and nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Tells browsers what to keep to.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
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
        assert_eq!(access.seen(&headers("Bearer 0123456789abcdef")), Seen::EverythingAndActs);
        for wrong in ["Bearer 0123456789abcde", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer "] {
            assert_eq!(access.seen(&headers(wrong)), Seen::HealthAlone, "{wrong}");
        }
        assert_eq!(access.seen(&HeaderMap::new()), Seen::HealthAlone);
        access.exchange_token(SecretString::from("another-one-of-16"));
        assert_eq!(access.seen(&headers("Bearer 0123456789abcdef")), Seen::HealthAlone);
        assert_eq!(access.seen(&headers("Bearer another-one-of-16")), Seen::EverythingAndActs);
        let open = Access::new(Vec::new(), None);
        assert_eq!(open.seen(&headers("Bearer anything-at-all-it")), Seen::Everything, "nothing to act with");
    }

    #[test]
    fn pages_of_other_sites_are_known_by_what_browsers_say() {
        let is_other = |said: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:8088".parse().unwrap());
            for (name, value) in said {
                headers.insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            is_of_other_site(&headers)
        };
        assert!(!is_other(&[]), "a program");
        assert!(!is_other(&[("sec-fetch-site", "same-origin"), ("origin", "https://oktabus.internal")]));
        assert!(!is_other(&[("sec-fetch-site", "none")]), "typed into the address bar");
        assert!(!is_other(&[("origin", "http://localhost:8088")]));
        for site in ["cross-site", "same-site", "whatever"] {
            assert!(is_other(&[("sec-fetch-site", site), ("origin", "http://localhost:8088")]), "{site}");
        }
        for origin in ["https://evil.example", "http://localhost:3000", "http://localhost", "null", ""] {
            assert!(is_other(&[("origin", origin)]), "{origin}");
        }
    }
}
