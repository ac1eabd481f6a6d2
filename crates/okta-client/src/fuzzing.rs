//! What is fuzzed here: one function a target, which takes any bytes and panics if a promise is broken. `fuzz/` hands them
//! what a fuzzer thinks of; the tests below hand them the committed inputs and changes of these.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

pub use super::auth::fuzzing::token;
use super::{
    Auth, Client, FixedSecret, OktaError, Org, Priority, budget::Budget, header, link, transport::Reply,
};

/// Longer than anything waits for one answer: a window, a second, and the jitter.
const WAIT_MAX: Duration = Duration::from_secs(80);
/// A summary and a code are cut to a line.
const TOLD_CHARS_MAX: usize = 1_500;

/// The lines of `data` are `Link` headers of an answer to a request for the System Log.
pub fn link(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("link", value);
        }
    }
    let lines = || headers.get_all("link").iter().filter_map(|line| line.to_str().ok());
    let target = link::find(lines(), "next");
    if let Some(target) = target {
        assert!(lines().any(|line| line.contains(&format!("<{target}>"))), "{target} stands in no line");
    }
    let Some((client, asked)) = client() else { unreachable!("a client can be built") };
    match client.next_link(&headers, asked) {
        Ok(None) => assert_eq!(target, None),
        Ok(Some(next)) => {
            assert_eq!((next.scheme(), next.host_str(), next.port()), ("https", Some("acme.okta.com"), None));
            assert_eq!(next.path(), "/api/v1/logs", "a credential is for what was asked");
            assert!(next.username().is_empty() && next.password().is_none(), "{next} brings a credential");
        }
        Err(err) => require_told(&err),
    }
}

/// `data` has answers with a blank line between two: a line with the status, then headers, and in the last one what comes
/// after the headers is the body.
pub fn headers(data: &[u8]) {
    let mut budget = Budget::new(0.5, 1);
    let mut now = Instant::now();
    for block in data.split_inclusive(|byte| *byte == b'\n').collect::<Vec<_>>().split(|line| *line == b"\n")
    {
        let Some((status, lines)) = block.split_first() else { continue };
        let status = std::str::from_utf8(status).ok().and_then(|status| status.trim().parse::<u16>().ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
        let (headers, body) = headers_of(lines);
        now = admitted(&mut budget, now);
        let told = header::rate_limit(&headers);
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = budget.refuse(told, now);
            assert!(wait <= WAIT_MAX, "{told:?} holds everything up for {wait:?}");
        } else {
            budget.observe(told, now);
        }
        let seen = budget.status(now);
        assert!(seen.waiting.is_none_or(|wait| wait <= WAIT_MAX), "{seen:?}");
        let reply = Reply { status, headers, body };
        let refusal = header::oauth_error(&reply);
        let told = [refusal.error, refusal.description].into_iter().flatten();
        for told in told {
            assert!(told.chars().count() <= 300 && !told.contains(char::is_control), "{told:?}");
        }
        assert_ne!(header::dpop_nonce(&reply.headers), Some(""));
        let request_id = header::request_id(&reply.headers);
        let challenge = header::challenge(&reply.headers);
        require_told(&OktaError::from_answer(status.as_u16(), &reply.body, challenge, request_id));
        now += Duration::from_secs(1);
    }
    admitted(&mut budget, now);
}

/// Lets one request go as soon as the budget allows it, which must be soon.
fn admitted(budget: &mut Budget, from: Instant) -> Instant {
    let mut now = from;
    for _ in 0..10_000 {
        match budget.admit(Priority::Stream, now) {
            Ok(()) => return now,
            Err(until) => {
                assert!(until > now, "it would spin");
                assert!(until - now <= WAIT_MAX && until - from <= 2 * WAIT_MAX, "{:?}", until - from);
                now = until;
            }
        }
    }
    unreachable!("nothing is ever admitted");
}

/// The headers in `lines`, and what comes after the first line that is none.
fn headers_of(lines: &[&[u8]]) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    for (line, index) in lines.iter().zip(0..) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let header = line.iter().position(|byte| *byte == b':').and_then(|colon| {
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        });
        match header {
            Some((name, value)) => drop(headers.append(name, value)),
            None => return (headers, lines[index..].concat().into()),
        }
    }
    (headers, Bytes::new())
}

/// Asserts that what people are told is a line of bounded length.
fn require_told(error: &OktaError) {
    let told = error.to_string();
    assert!(told.chars().count() <= TOLD_CHARS_MAX && !told.contains(['\n', '\r', '\u{1b}']), "{told:?}");
    let _ = (error.class(), error.remedy(), error.essence(), error.is_ambiguous(), error.refuses_link());
}

/// A client, and a request that it has made.
fn client() -> Option<&'static (Client, Url)> {
    static CLIENT: OnceLock<Option<(Client, Url)>> = OnceLock::new();
    let build = || {
        let auth = Auth::api_token(FixedSecret::new(SecretString::from("00token")));
        let url = Url::parse("https://acme.okta.com").ok()?;
        let asked = url.join("/api/v1/logs?limit=1000").ok()?;
        Some((Client::new(Org::new("acme", url, auth)).ok()?, asked))
    };
    CLIENT.get_or_init(build).as_ref()
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{headers, link, replay::replay, token};

    #[test]
    fn any_link_leads_to_the_same_resource_of_the_org_or_nowhere() {
        replay("link", link);
    }

    #[test]
    fn any_headers_let_requests_go_on_within_two_windows() {
        replay("headers", headers);
    }

    #[test]
    fn any_answer_is_a_token_or_refused_without_showing_it() {
        replay("token", token);
    }
}
