//! Streams and their routes.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    OrgConfig, Problem, RedactionConfig,
    problem::did_you_mean,
    quantity::{Bytes, Span},
    redaction::{self, RawRedaction},
    secret::InlineSecrets,
};
use crate::{
    event::Origin,
    format::{Format, ocsf},
};

/// Most events that Okta gives in one answer.
pub const PAGE_SIZE_MAX: u16 = 1_000;

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
    /// How often Okta is asked while there is nothing new.
    pub poll_interval: Duration,
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
            Self::Ago(ago) => (now - ago).max(earliest),
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
        let time = text.parse();
        let time =
            time.map_err(|_| format!("`{text}` is not \"now\", a time ago such as \"-1h\", or a timestamp"))?;
        Ok(Self::At(time))
    }
}

/// One stream feeding one sink.
#[derive(Debug, Clone)]
pub struct RouteConfig {
    /// Unique in the configuration; the cursor's name. `<stream>/<sink>` unless set.
    pub name: String,
    /// The sink's name.
    pub sink: String,
    /// How events are rendered.
    pub format: Format,
    /// How OCSF is written, where that is the format.
    pub ocsf: ocsf::Options,
    /// Which events are wanted.
    pub selection: SelectionConfig,
    /// What is left out of them or made unreadable, if anything.
    pub redaction: Option<RedactionConfig>,
    /// Pages read but not yet proved, at most.
    pub in_flight_pages: usize,
    /// Bytes of pages read but not yet proved, at most, unless a single page has more.
    pub in_flight_bytes: usize,
}

impl RouteConfig {
    /// What the route's messages say of where they come from, if its stream reads `org`.
    pub fn origin(&self, org: &OrgConfig) -> Origin {
        Origin {
            org: org.name.clone(),
            route: self.name.clone(),
            source: format!("{}/api/v1/logs", org.url.origin().ascii_serialization()),
            format: self.format.name(),
            is_redacted: self.redaction.is_some(),
        }
    }
}

/// Which events a route wants: each list that is not empty must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectionConfig {
    /// Event types; `*` stands for anything.
    pub event_types: Vec<String>,
    /// First segments of event types, for example `user.lifecycle`.
    pub categories: Vec<String>,
    /// Values of `outcome.result`.
    pub outcomes: Vec<String>,
    /// Values of `severity`.
    pub severities: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStream {
    org: String,
    start: Option<String>,
    filter: Option<String>,
    page_size: Option<u16>,
    poll_interval: Option<Span>,
    overlap: Option<Span>,
    page_cache: Option<Bytes>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    sink: String,
    name: Option<String>,
    #[serde(default)]
    format: Format,
    ocsf: Option<RawOcsf>,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    outcomes: Vec<String>,
    #[serde(default)]
    severities: Vec<String>,
    redact: Option<RawRedaction>,
    in_flight_pages: Option<usize>,
    in_flight: Option<Bytes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOcsf {
    #[serde(default)]
    version: ocsf::Version,
    #[serde(default)]
    raw_data: bool,
}

/// Enough to see something arrive, and not so much that a first try is a flood.
const DEFAULT_START: Start = Start::Ago(Duration::from_secs(3_600));
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_OVERLAP: Duration = Duration::from_secs(300);
const DEFAULT_PAGE_CACHE_BYTES: u64 = 16 << 20;
const DEFAULT_IN_FLIGHT_PAGES: usize = 4;
const DEFAULT_IN_FLIGHT_BYTES: u64 = 32 << 20;
const IN_FLIGHT_PAGES_MAX: usize = 64;

/// Names that a stream may refer to.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) orgs: BTreeSet<&'a str>,
    pub(super) sinks: BTreeSet<&'a str>,
}

pub(super) fn understand(
    name: &str,
    raw: RawStream,
    names: &Names<'_>,
    secrets: InlineSecrets,
) -> Result<StreamConfig, Problem> {
    refers("org", &raw.org, &names.orgs)?;
    if raw.routes.is_empty() {
        return Err(Problem::new(
            "routes",
            "a stream without routes goes nowhere: routes = [{ sink = \"…\" }]",
        ));
    }
    let start = raw.start.as_deref().map(str::parse).transpose();
    let start = start.map_err(|reason: String| Problem::new("start", reason))?.unwrap_or(DEFAULT_START);
    if let Some(filter) = &raw.filter {
        check_filter(filter)?;
    }
    let page_size = raw.page_size.unwrap_or(PAGE_SIZE_MAX);
    if !(1..=PAGE_SIZE_MAX).contains(&page_size) {
        return Err(Problem::new("page_size", format!("{page_size} is not from 1 to {PAGE_SIZE_MAX}")));
    }
    let poll_interval = raw.poll_interval.map_or(DEFAULT_POLL_INTERVAL, |Span(span)| span);
    if poll_interval < Duration::from_millis(100) {
        return Err(Problem::new("poll_interval", "must be 100ms or more: each poll is a request"));
    }
    let mut routes = Vec::new();
    for (index, raw) in raw.routes.into_iter().enumerate() {
        let route = route(name, raw, names, secrets).map_err(|err| err.under(&format!("routes[{index}]")))?;
        routes.push(route);
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

fn route(
    stream: &str,
    raw: RawRoute,
    names: &Names<'_>,
    secrets: InlineSecrets,
) -> Result<RouteConfig, Problem> {
    refers("sink", &raw.sink, &names.sinks)?;
    let name = raw.name.unwrap_or_else(|| format!("{stream}/{}", raw.sink));
    if !name.split('/').all(is_name) {
        let reason = format!("`{name}` is not a name: letters, digits, `-` and `_`, with `/` between parts");
        return Err(Problem::new("name", reason));
    }
    let in_flight_pages = raw.in_flight_pages.unwrap_or(DEFAULT_IN_FLIGHT_PAGES);
    if !(1..=IN_FLIGHT_PAGES_MAX).contains(&in_flight_pages) {
        return Err(Problem::new(
            "in_flight_pages",
            format!("{in_flight_pages} is not from 1 to {IN_FLIGHT_PAGES_MAX}"),
        ));
    }
    let selection = SelectionConfig {
        event_types: raw.event_types,
        categories: raw.categories,
        outcomes: raw.outcomes,
        severities: raw.severities,
    };
    let redaction = raw.redact.map(|raw| redaction::understand(raw, secrets)).transpose();
    let redaction = redaction.map_err(|problem| problem.under("redact"))?;
    let in_flight_bytes = size("in_flight", raw.in_flight, DEFAULT_IN_FLIGHT_BYTES)?;
    let (sink, format, ocsf) = (raw.sink, raw.format, ocsf_options(raw.format, raw.ocsf)?);
    Ok(RouteConfig { name, sink, format, ocsf, selection, redaction, in_flight_pages, in_flight_bytes })
}

/// A table that does nothing where it stands is a mistake.
fn ocsf_options(format: Format, raw: Option<RawOcsf>) -> Result<ocsf::Options, Problem> {
    if raw.is_some() && format != Format::Ocsf {
        let reason = format!("the format is `{}`: these settings need format = \"ocsf\"", format.name());
        return Err(Problem::new("ocsf", reason));
    }
    let RawOcsf { version, raw_data } = raw.unwrap_or_default();
    Ok(ocsf::Options { version, raw_data })
}

fn refers(key: &str, name: &str, known: &BTreeSet<&str>) -> Result<(), Problem> {
    if known.contains(name) {
        return Ok(());
    }
    let suggestion = did_you_mean(name, known.iter().copied());
    Err(Problem::new(key, format!("there is no {key} `{name}`{suggestion}")))
}

fn size(key: &str, size: Option<Bytes>, default: u64) -> Result<usize, Problem> {
    let Bytes(bytes) = size.unwrap_or(Bytes(default));
    usize::try_from(bytes).map_err(|_| Problem::new(key, "this is more than fits into memory"))
}

/// What Okta would refuse on the first request; Okta itself judges the rest.
fn check_filter(filter: &str) -> Result<(), Problem> {
    if filter.trim().is_empty() {
        return Err(Problem::new("filter", "is empty: leave it out to get everything"));
    }
    let mentions = |word: &str| filter.split(|c: char| !c.is_alphanumeric()).any(|found| found == word);
    if mentions("published") {
        return Err(Problem::new("filter", "Okta does not filter by `published`; use `start`"));
    }
    Ok(())
}

/// Whether `name` may name an org, a stream, a bus or a sink: it becomes a part of subjects and file names.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_understood_and_kept_within_retention() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let retention = Duration::from_secs(90 * 86_400);
        let start = |text: &str| text.parse::<Start>();
        let resolve = |text: &str| start(text).unwrap().resolve(now, retention);
        assert_eq!(resolve("now"), now);
        assert_eq!(resolve("-1h"), now - Duration::from_secs(3_600));
        assert_eq!(resolve("-900d"), now - retention);
        assert_eq!(resolve("2023-11-14T00:00:00Z").as_second(), 1_699_920_000);
        assert_eq!(resolve("1999-01-01T00:00:00Z"), now - retention);
        assert!(start("yesterday").is_err() && start("1h").is_err() && start("").is_err());
    }

    #[test]
    fn settings_of_another_format_are_refused() {
        let raw = || RawOcsf { raw_data: true, ..RawOcsf::default() };
        assert!(ocsf_options(Format::Ocsf, Some(raw())).unwrap().raw_data);
        assert_eq!(ocsf_options(Format::Okta, None).unwrap(), ocsf::Options::default());
        assert!(ocsf_options(Format::Ecs, Some(raw())).is_err());
    }

    #[test]
    fn what_okta_cannot_filter_by_is_refused() {
        assert!(check_filter("published gt \"2026\"").is_err());
        assert!(check_filter(" ").is_err());
        assert!(check_filter("eventType eq \"user.session.start\"").is_ok());
    }
}
