//! What the headers of an answer say: rate limit, server clock, request id.

use reqwest::header::{DATE, HeaderMap};

use super::budget::RateLimit;

const LIMIT: &str = "x-rate-limit-limit";
const REMAINING: &str = "x-rate-limit-remaining";
const RESET: &str = "x-rate-limit-reset";
const REQUEST_ID: &str = "x-okta-request-id";

/// The rate limit as the headers tell it; members that are missing or nonsense are absent.
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
    fn nonsense_is_absent() {
        let map = headers(&[(LIMIT, "many"), (REMAINING, "-1"), (RESET, ""), ("date", "yesterday")]);
        assert_eq!(rate_limit(&map), RateLimit::default());
    }
}
