//! Routes: the sink, and which events it gets.

use std::collections::BTreeSet;

use okta_client::Org;
use okta_system_log::format::{Format, ocsf};
use serde::Deserialize;

use super::{
    Problem, RedactionConfig,
    problem::did_you_mean,
    quantity::Bytes,
    redaction::{self, RawRedaction},
    secret::Secrets,
};
use crate::message::Origin;

/// One stream or search feeding one sink.
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
    pub fn origin(&self, org: &Org) -> Origin {
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
    /// Event types; `*` matches any text.
    pub event_types: Vec<String>,
    /// First segments of event types, for example `user.lifecycle`.
    pub categories: Vec<String>,
    /// Values of `outcome.result`.
    pub outcomes: Vec<String>,
    /// Values of `severity`.
    pub severities: Vec<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    sink: String,
    name: Option<String>,
    #[serde(default)]
    #[schemars(with = "crate::config::schema::FormatWords")]
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
    /// For routes of searches alone.
    pub(super) emit: Option<String>,
    pub(super) batch_size: Option<u16>,
    pub(super) empty: Option<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOcsf {
    #[serde(default)]
    #[schemars(with = "crate::config::schema::OcsfVersionWords")]
    version: ocsf::Version,
    #[serde(default)]
    raw_data: bool,
}

/// What a route may have in flight unless its configuration says.
struct InFlight {
    pages: usize,
    bytes: u64,
}

const DEFAULT_IN_FLIGHT: InFlight = InFlight { pages: 4, bytes: 32 << 20 };
/// A commit of Kafka takes some tens of milliseconds, whatever it holds: the more pages share one, the faster the route is.
const DEFAULT_IN_FLIGHT_OF_TRANSACTIONS: InFlight = InFlight { pages: 16, bytes: 64 << 20 };
const IN_FLIGHT_PAGES_MAX: usize = 64;

/// Names that streams and searches may refer to.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) orgs: BTreeSet<&'a str>,
    pub(super) sinks: BTreeSet<&'a str>,
    /// Those sinks that deliver exactly once.
    pub(super) transactional_sinks: BTreeSet<&'a str>,
}

pub(super) fn resolve(
    owner: &str,
    raw: RawRoute,
    names: &Names<'_>,
    secrets: Secrets,
) -> Result<RouteConfig, Problem> {
    refers("sink", &raw.sink, &names.sinks)?;
    let name = raw.name.unwrap_or_else(|| format!("{owner}/{}", raw.sink));
    if !name.split('/').all(is_name) {
        let reason = format!("`{name}` is not a name: letters, digits, `-` and `_`, with `/` between parts");
        return Err(Problem::new("name", reason));
    }
    let default = match names.transactional_sinks.contains(raw.sink.as_str()) {
        true => DEFAULT_IN_FLIGHT_OF_TRANSACTIONS,
        false => DEFAULT_IN_FLIGHT,
    };
    let in_flight_pages = raw.in_flight_pages.unwrap_or(default.pages);
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
    let redaction = raw.redact.map(|raw| redaction::resolve(raw, secrets)).transpose();
    let redaction = redaction.map_err(|problem| problem.under("redact"))?;
    let in_flight_bytes = size("in_flight", raw.in_flight, default.bytes)?;
    let (sink, format, ocsf) = (raw.sink, raw.format, ocsf_options(raw.format, raw.ocsf)?);
    Ok(RouteConfig { name, sink, format, ocsf, selection, redaction, in_flight_pages, in_flight_bytes })
}

/// A table without effect is a mistake.
fn ocsf_options(format: Format, raw: Option<RawOcsf>) -> Result<ocsf::Options, Problem> {
    if raw.is_some() && format != Format::Ocsf {
        let reason = format!("the format is `{}`: these settings need format = \"ocsf\"", format.name());
        return Err(Problem::new("ocsf", reason));
    }
    let RawOcsf { version, raw_data } = raw.unwrap_or_default();
    Ok(ocsf::Options { version, raw_data })
}

pub(super) fn refers(key: &str, name: &str, known: &BTreeSet<&str>) -> Result<(), Problem> {
    if known.contains(name) {
        return Ok(());
    }
    let suggestion = did_you_mean(name, known.iter().copied());
    Err(Problem::new(key, format!("there is no {key} `{name}`{suggestion}")))
}

pub(super) fn size(key: &str, size: Option<Bytes>, default: u64) -> Result<usize, Problem> {
    let Bytes(bytes) = size.unwrap_or(Bytes(default));
    usize::try_from(bytes).map_err(|_| Problem::new(key, "this is more than fits into memory"))
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
    fn settings_of_another_format_are_refused() {
        let raw = || RawOcsf { raw_data: true, ..RawOcsf::default() };
        assert!(ocsf_options(Format::Ocsf, Some(raw())).unwrap().raw_data);
        assert_eq!(ocsf_options(Format::Okta, None).unwrap(), ocsf::Options::default());
        assert!(ocsf_options(Format::Ecs, Some(raw())).is_err());
        assert!(ocsf_options(Format::Udm, Some(raw())).is_err());
    }

    #[test]
    fn a_route_that_delivers_in_transactions_has_more_pages_in_flight() {
        let names =
            Names { orgs: [].into(), sinks: ["plain", "once"].into(), transactional_sinks: ["once"].into() };
        let pages = |table: &str| {
            let raw = toml::from_str(table).unwrap();
            resolve("log", raw, &names, Secrets { may_be_inline: false, are_read: false })
                .unwrap()
                .in_flight_pages
        };
        assert_eq!(pages("sink = 'plain'"), DEFAULT_IN_FLIGHT.pages);
        assert!(pages("sink = 'once'") > DEFAULT_IN_FLIGHT.pages);
        assert_eq!(pages("sink = 'once'\nin_flight_pages = 2"), 2);
    }
}
