//! Streams: endless feeds of new events.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;
use okta_client::logs::PAGE_SIZE_MAX;
use okta_system_log::scim;
use serde::Deserialize;

use super::{
    PollInterval, Problem, RouteConfig,
    poll_interval::{self, RawPollInterval},
    quantity::{Bytes, Span},
    route::{self, Names, RawRoute, refers, size},
    secret::Secrets,
};

/// The endless feed of one org's new events, and where it goes.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// Where a route begins that has no cursor yet.
    pub start: Start,
    /// A SCIM filter, run by Okta.
    pub filter: Option<String>,
    /// Events a page, 1 to 1,000.
    pub page_size: u16,
    /// The interval of polls while there is nothing new.
    pub poll_interval: PollInterval,
    /// How far back a route goes if Okta refuses its link.
    pub overlap: Duration,
    /// Bytes of pages kept for routes that are a little behind; of no use to a single route.
    pub page_cache_bytes: usize,
    /// Where it goes, at least one.
    pub routes: Vec<RouteConfig>,
}

/// Where a route begins that has no cursor yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what comes after the first start.
    Now,
    /// That long before the first start.
    Ago(Duration),
    /// At this time.
    At(Timestamp),
}

impl Start {
    /// The point in time, if the first start is at `now`; never beyond `retention`.
    pub fn resolve(self, now: Timestamp, retention: Duration) -> Timestamp {
        let earliest = now - retention;
        match self {
            Self::Now => now,
            Self::Ago(ago) => now - ago.min(retention),
            Self::At(time) => time.max(earliest),
        }
    }
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Some(Span(ago)) = text.strip_prefix('-').and_then(Span::parse) {
            return Ok(Self::Ago(ago));
        }
        text.parse().map(Self::At).map_err(|_| {
            let wanted =
                "\"now\", a time ago such as \"-1h\", or a timestamp such as \"2026-01-31T00:00:00Z\"";
            let meant = meant(text).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            format!("`{text}` is not {wanted}{meant}")
        })
    }
}

/// The probable meaning of a duration without its sign, or a day or time without its zone.
fn meant(text: &str) -> Option<String> {
    let ago = || Span::parse(text).map(|_| format!("-{}", text.trim()));
    // A day alone is its midnight.
    let moment = || text.parse::<jiff::civil::DateTime>().ok().map(|moment| format!("{moment}Z"));
    ago().or_else(moment)
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStream {
    org: String,
    start: Option<String>,
    filter: Option<String>,
    page_size: Option<u16>,
    poll_interval: Option<RawPollInterval>,
    overlap: Option<Span>,
    page_cache: Option<Bytes>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

/// Enough to see something arrive, and not so much that a first try is a flood.
const DEFAULT_START: Start = Start::Ago(Duration::from_secs(3_600));
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_OVERLAP: Duration = Duration::from_secs(300);
const DEFAULT_PAGE_CACHE_BYTES: u64 = 16 << 20;

pub(super) fn resolve(
    name: &str,
    raw: RawStream,
    names: &Names<'_>,
    secrets: Secrets,
) -> Result<StreamConfig, Problem> {
    refers("org", &raw.org, &names.orgs)?;
    if raw.routes.is_empty() {
        return Err(Problem::new(
            "routes",
            "a stream without routes goes nowhere: routes = [{ sink = \"…\" }]",
        ));
    }
    let start = start(raw.start.as_deref())?;
    check_filter(raw.filter.as_deref())?;
    let page_size = page_size(raw.page_size)?;
    let poll_interval = poll_interval::resolve(raw.poll_interval, DEFAULT_POLL_INTERVAL)?;
    let mut routes = Vec::new();
    for (index, raw) in raw.routes.into_iter().enumerate() {
        let under = |problem: Problem| problem.under(&format!("routes[{index}]"));
        if raw.emit.is_some() || raw.batch_size.is_some() || raw.empty.is_some() {
            let reason = "`emit`, `batch_size` and `empty` are for routes of searches: a stream has no end to count to";
            return Err(under(Problem::new("emit", reason)));
        }
        routes.push(route::resolve(name, raw, names, secrets).map_err(under)?);
    }
    Ok(StreamConfig {
        name: name.to_owned(),
        org: raw.org,
        start,
        filter: raw.filter,
        page_size,
        poll_interval,
        overlap: raw.overlap.map_or(DEFAULT_OVERLAP, |Span(span)| span),
        page_cache_bytes: size("page_cache", raw.page_cache, DEFAULT_PAGE_CACHE_BYTES)?,
        routes,
    })
}

/// Where reading begins, if nothing has been read.
pub(super) fn start(typed: Option<&str>) -> Result<Start, Problem> {
    let start = typed.map(str::parse).transpose();
    Ok(start.map_err(|reason: String| Problem::new("start", reason))?.unwrap_or(DEFAULT_START))
}

pub(super) fn page_size(typed: Option<u16>) -> Result<u16, Problem> {
    let page_size = typed.unwrap_or(PAGE_SIZE_MAX);
    if (1..=PAGE_SIZE_MAX).contains(&page_size) {
        return Ok(page_size);
    }
    Err(Problem::new("page_size", format!("{page_size} is not from 1 to {PAGE_SIZE_MAX}")))
}

/// What Okta would refuse on the first request; Okta itself judges the rest.
pub(super) fn check_filter(filter: Option<&str>) -> Result<(), Problem> {
    let checked = filter.map_or(Ok(()), scim::check);
    checked.map_err(|err| Problem::new("filter", err.to_string()))
}

#[cfg(test)]
mod tests {
    use okta_client::logs::RETENTION;

    use super::*;

    #[test]
    fn starts_are_understood_and_kept_within_retention() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let start = |text: &str| text.parse::<Start>();
        let resolve = |text: &str| start(text).unwrap().resolve(now, RETENTION);
        assert_eq!(resolve("now"), now);
        assert_eq!(resolve("-1h"), now - Duration::from_secs(3_600));
        assert_eq!(resolve("-900d"), now - RETENTION);
        assert_eq!(resolve("-18446744073709551615s"), now - RETENTION);
        assert_eq!(resolve("2023-11-14T00:00:00Z").as_second(), 1_699_920_000);
        assert_eq!(resolve("1999-01-01T00:00:00Z"), now - RETENTION);
        assert!(start("yesterday").is_err() && start("1h").is_err() && start("").is_err());
        for (typed, meant) in [
            ("24h", "did you mean `-24h`?"),
            ("2026-01-31", "did you mean `2026-01-31T00:00:00Z`?"),
            ("2026-01-31T08:00", "did you mean `2026-01-31T08:00:00Z`?"),
        ] {
            assert!(start(typed).unwrap_err().ends_with(meant), "{:?}", start(typed));
        }
    }
}
