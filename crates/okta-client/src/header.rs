//! Reads the headers of an answer: rate limit, server clock, request id, DPoP nonce, and why a credential was refused.

use reqwest::header::{DATE, HeaderMap, WWW_AUTHENTICATE};

use super::{budget::RateLimit, error::shorten, quoted::quoted_string, transport::Reply};

const LIMIT: &str = "x-rate-limit-limit";
const REMAINING: &str = "x-rate-limit-remaining";
const RESET: &str = "x-rate-limit-reset";
const REQUEST_ID: &str = "x-okta-request-id";
const DPOP_NONCE: &str = "dpop-nonce";

/// Why a credential was refused, in OAuth's words: out of `WWW-Authenticate` (RFC 6750, section 3) or a body (RFC 6749,
/// section 5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// A code, for example `use_dpop_nonce`.
    pub(super) error: Option<String>,
    pub(super) description: Option<String>,
}

/// The rate limit in the headers; members that are missing or invalid are absent.
pub(super) fn rate_limit(headers: &HeaderMap) -> RateLimit {
    // Okta may send a header more than once; its own SDK takes the lowest value.
    let lowest = |name| {
        let values = headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()?.trim().parse::<u64>().ok()).min()
    };
    RateLimit {
        limit: lowest(LIMIT),
        remaining: lowest(REMAINING),
        reset_epoch_seconds: lowest(RESET),
        server_epoch_seconds: headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)),
    }
}

/// The id that Okta gave to the request: also `transaction.id` of the events that it caused.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(REQUEST_ID)?.to_str().ok()?.to_owned())
}

/// The nonce that the server demands in the next DPoP proof (RFC 9449, section 8.2).
pub(super) fn dpop_nonce(headers: &HeaderMap) -> Option<&str> {
    headers.get(DPOP_NONCE)?.to_str().ok().filter(|nonce| !nonce.is_empty())
}

/// Why the credential was refused. With an unusable DPoP proof Okta answers 400 without a body, and says it here only.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|line| line.to_str().ok());
    lines
        .map(|line| Challenge {
            error: parameter(line, "error").map(|error| shorten(&error)),
            description: parameter(line, "error_description").map(|text| shorten(&text)),
        })
        .find(|challenge| challenge.error.is_some())
}

/// Why the token endpoint refused, in OAuth's form or in Okta's.
pub(super) fn oauth_error(reply: &Reply) -> Challenge {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Body {
        error: Option<String>,
        error_description: Option<String>,
        #[serde(rename = "errorCode")]
        okta_code: Option<String>,
        #[serde(rename = "errorSummary")]
        okta_summary: Option<String>,
    }
    let body: Body = serde_json::from_slice(&reply.body).unwrap_or_default();
    let challenge = challenge(&reply.headers).unwrap_or_default();
    let description = body.error_description.or(body.okta_summary).map(|text| shorten(&text));
    Challenge {
        error: body.error.or(body.okta_code).map(|error| shorten(&error)).or(challenge.error),
        description: description.or(challenge.description),
    }
}

/// The value of a parameter of a challenge: `name="value"`, where the value may have escaped quotes.
fn parameter(line: &str, name: &str) -> Option<String> {
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let found = before.rsplit([' ', ',', '\t']).next().unwrap_or_default();
        let Some(quoted) = after.strip_prefix('"') else {
            let (value, after) = after.split_at(after.find([',', ' ']).unwrap_or(after.len()));
            if found.eq_ignore_ascii_case(name) {
                return Some(value.to_owned());
            }
            rest = after;
            continue;
        };
        let (value, after) = quoted_string(quoted);
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// `Date`, an IMF-fixdate (RFC 9110, section 5.6.7), in seconds since 1970.
fn http_date(date: &str) -> Option<u64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    time.timestamp().as_second().try_into().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn okta_headers_are_read() {
        let mut map = headers(&[
            (LIMIT, "120"),
            (REMAINING, "119"),
            (RESET, "1700000060"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ]);
        map.append(REMAINING, HeaderValue::from_static("7"));
        let expected = RateLimit {
            limit: Some(120),
            remaining: Some(7),
            reset_epoch_seconds: Some(1_700_000_060),
            server_epoch_seconds: Some(1_700_000_000),
        };
        assert_eq!(rate_limit(&map), expected);
    }

    #[test]
    fn a_challenge_says_why() {
        let map = headers(&[(
            "www-authenticate",
            r#"DPoP realm="a=b, \"c\"", algs="RS256 ES256", error="invalid_dpop_proof", error_description="The proof, \"x\", is bad.""#,
        )]);
        let told = challenge(&map).unwrap();
        assert_eq!(told.error.as_deref(), Some("invalid_dpop_proof"));
        assert_eq!(told.description.as_deref(), Some(r#"The proof, "x", is bad."#));
        assert_eq!(parameter("Bearer error=invalid_token, x=1", "error").as_deref(), Some("invalid_token"));
        for line in ["", "=", "DPoP", "error", "error=", "error=\"", "error=\"\\", "a=\"b\"=c=\"d"] {
            let _ = parameter(line, "error");
            assert_eq!(parameter(line, "error_description"), None, "{line}");
        }
        assert_eq!(challenge(&headers(&[("www-authenticate", "Basic realm=\"x\"")])), None);
    }

    #[test]
    fn nonsense_is_absent() {
        let map = headers(&[(LIMIT, "many"), (REMAINING, "-1"), (RESET, ""), ("date", "yesterday")]);
        assert_eq!(rate_limit(&map), RateLimit::default());
    }
}
