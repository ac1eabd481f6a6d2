//! The search that the arguments ask for: org, filter, window and destination. Pure.

use std::time::Duration;

use jiff::Timestamp;
use okta_client::{
    Org,
    logs::{self, PAGE_SIZE_MAX},
};
use okta_system_log::{
    format::{Format, ocsf},
    scim::Criteria,
};

use super::{Output, SearchArguments};
use crate::config::{
    Config, Emit, Empty, Problem, RouteConfig, SearchConfig, SearchQuery, SearchRouteConfig, SelectionConfig,
    SinkConfig, Start, WindowConfig, did_you_mean,
};

/// The default length of the window.
const DEFAULT_WINDOW: Duration = Duration::from_secs(3_600);
/// What a search is called that the configuration does not have.
const UNNAMED: &str = "by-hand";
/// The bounds of what is in flight to a sink.
const IN_FLIGHT_PARTS: usize = 4;
const IN_FLIGHT_BYTES: usize = 64 << 20;

/// One search by hand.
#[derive(Debug)]
pub(super) struct SearchRequest {
    /// The name of the search, or a substitute.
    pub(super) name: String,
    pub(super) org: Org,
    pub(super) query: SearchQuery,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// The time of the request.
    pub(super) now: Timestamp,
    /// Why the window begins where it does, if no begin was given.
    chosen: Option<&'static str>,
    pub(super) destination: Destination,
}

/// Where the answer goes.
#[derive(Debug)]
pub(super) enum Destination {
    Terminal(Output, Format),
    Sink(Box<SearchRouteConfig>, Box<SinkConfig>),
}

/// Why the arguments are no valid search.
#[derive(Debug, thiserror::Error)]
pub(super) enum SearchRequestError {
    #[error("there is no {kind} `{name}`{}{}", did_you_mean(name, known.iter().map(String::as_str)), list(kind, known))]
    Unknown { kind: &'static str, name: String, known: Vec<String> },
    #[error("there are several orgs: say which one is searched with --org: {}", .0.join(", "))]
    SeveralOrgs(Vec<String>),
    #[error("--{}: {}", option(&.0.path), .0.reason)]
    Query(Problem),
    #[error("the window ends at {until}, before it begins at {since}")]
    Turned { since: Timestamp, until: Timestamp },
    #[error("the window has no length: it begins and ends at {0}")]
    NoLength(Timestamp),
    #[error("--{0} is further back than the 90 days that Okta keeps; the oldest events are of {1}")]
    BeyondRetention(&'static str, Timestamp),
    #[error("--format is for --output json and for --to: tables and CSV have columns of their own")]
    Format,
}

fn list(kind: &str, known: &[String]) -> String {
    if known.is_empty() {
        return format!("; the configuration has no {kind}");
    }
    format!("; there are {}", known.join(", "))
}

/// The option for a key of the configuration.
fn option(key: &str) -> String {
    let singular = match key {
        "event_types" => "event_type",
        key => key,
    };
    singular.replace('_', "-")
}

impl SearchRequest {
    /// What `arguments` ask, at `now`; a terminal gets a table unless they say otherwise.
    pub(super) fn new(
        arguments: &SearchArguments,
        config: &Config,
        now: Timestamp,
        is_terminal: bool,
    ) -> Result<Self, SearchRequestError> {
        let search = arguments.name.as_deref().map(|name| configured(config, name)).transpose()?;
        let org = org(arguments, config, search)?.clone();
        let query = query(arguments, search)?;
        let (since, until) = window(arguments, search, now)?;
        let chosen = match (arguments.since, search.map(|search| search.window)) {
            (Some(_), _) => None,
            (None, Some(WindowConfig::LookBack { .. })) => Some("the look_back of the search"),
            (None, _) => Some("an hour, since there is no --since"),
        };
        let destination = destination(arguments, config, search, now, is_terminal)?;
        let name = search.map_or(UNNAMED, |search| &search.name).to_owned();
        Ok(Self { name, org, query, since, until, now, chosen, destination })
    }

    /// The window to ask Okta for.
    pub(super) fn window(&self) -> logs::Window {
        // No more than is wanted.
        let limit = self.query.limit.and_then(|limit| u16::try_from(limit).ok()).unwrap_or(PAGE_SIZE_MAX);
        logs::Window {
            since: self.since,
            until: self.until,
            filter: self.query.filter.clone(),
            q: self.query.q.clone(),
            order: self.query.order,
            page_size: self.query.page_size.min(limit),
        }
    }

    /// The window, if no begin was given.
    pub(super) fn chosen_window(&self) -> Option<String> {
        let chosen = self.chosen?;
        Some(format!("searching from {} to {}: {chosen}", self.since, self.until))
    }
}

fn configured<'a>(config: &'a Config, name: &str) -> Result<&'a SearchConfig, SearchRequestError> {
    let known = || config.searches.keys().cloned().collect();
    let unknown = || SearchRequestError::Unknown { kind: "search", name: name.to_owned(), known: known() };
    config.searches.get(name).ok_or_else(unknown)
}

fn org<'a>(
    arguments: &SearchArguments,
    config: &'a Config,
    search: Option<&SearchConfig>,
) -> Result<&'a Org, SearchRequestError> {
    let known = || config.orgs.keys().cloned().collect();
    let name = search.map(|search| &search.org).or(arguments.org.as_ref());
    match (name, config.orgs.len()) {
        (Some(name), _) => config.orgs.get(name).ok_or_else(|| SearchRequestError::Unknown {
            kind: "org",
            name: name.clone(),
            known: known(),
        }),
        (None, 1) => config.orgs.values().next().ok_or_else(|| SearchRequestError::SeveralOrgs(known())),
        (None, _) => Err(SearchRequestError::SeveralOrgs(known())),
    }
}

fn query(
    arguments: &SearchArguments,
    search: Option<&SearchConfig>,
) -> Result<SearchQuery, SearchRequestError> {
    let criteria = Criteria {
        filter: arguments.filter.clone(),
        event_types: arguments.event_types.clone(),
        outcomes: arguments.outcomes.clone(),
        actor: arguments.actor.clone(),
        target: arguments.target.clone(),
        ip: arguments.ip.map(|ip| ip.to_string()),
    };
    let base = search.map(|search| search.query.clone());
    let base = base.unwrap_or_else(|| SearchQuery { page_size: PAGE_SIZE_MAX, ..SearchQuery::default() });
    let query = SearchQuery::new(
        &criteria,
        arguments.q.clone(),
        arguments.order.map_or(base.order, Into::into),
        arguments.limit.or(base.limit),
        Some(arguments.page_size.unwrap_or(base.page_size)),
    );
    let query = query.map_err(SearchRequestError::Query)?;
    // With a named search there are no options that could conflict with its settings.
    Ok(SearchQuery { filter: query.filter.or(base.filter), q: query.q.or(base.q), ..query })
}

fn window(
    arguments: &SearchArguments,
    search: Option<&SearchConfig>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), SearchRequestError> {
    let now = milliseconds(now);
    let earliest = now - logs::RETENTION;
    let beyond = |option| SearchRequestError::BeyondRetention(option, earliest);
    // What comes later than now is not in the log.
    let until = arguments.until.map_or(Some(now), |until| resolve(until, now, earliest));
    let until = until.ok_or_else(|| beyond("until"))?.min(now);
    let length = match search.map(|search| search.window) {
        Some(WindowConfig::LookBack { look_back, .. }) => look_back,
        Some(WindowConfig::SinceLast { .. }) | None => DEFAULT_WINDOW,
    };
    let since = match arguments.since {
        Some(since) => resolve(since, now, earliest).ok_or_else(|| beyond("since"))?,
        None => (until - length).max(earliest),
    };
    if since > until {
        return Err(SearchRequestError::Turned { since, until });
    }
    if since == until {
        return Err(SearchRequestError::NoLength(since));
    }
    Ok((since, until))
}

/// The point in time, unless it is further back than `earliest`.
fn resolve(time: Start, now: Timestamp, earliest: Timestamp) -> Option<Timestamp> {
    let time = match time {
        Start::Now => now,
        Start::Ago(ago) if ago > logs::RETENTION => return None,
        Start::Ago(ago) => now - ago,
        Start::At(time) => time,
    };
    Some(milliseconds(time)).filter(|time| *time >= earliest)
}

/// Okta looks at milliseconds.
fn milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

fn destination(
    arguments: &SearchArguments,
    config: &Config,
    search: Option<&SearchConfig>,
    now: Timestamp,
    is_terminal: bool,
) -> Result<Destination, SearchRequestError> {
    let format = arguments.format.map(Format::from);
    let Some(to) = &arguments.to else {
        let as_json = !is_terminal || format.is_some();
        let output = arguments.output.unwrap_or(if as_json { Output::Json } else { Output::Table });
        if output != Output::Json && format.is_some() {
            return Err(SearchRequestError::Format);
        }
        return Ok(Destination::Terminal(output, format.unwrap_or(Format::Okta)));
    };
    let sink = config.sinks.get(to).ok_or_else(|| SearchRequestError::Unknown {
        kind: "sink",
        name: to.clone(),
        known: config.sinks.keys().cloned().collect(),
    })?;
    let routes = search.map_or(&[][..], |search| &search.routes);
    let route = routes.iter().find(|route| &route.route.sink == to);
    let mut route = route.cloned().unwrap_or_else(|| plain_route(search, to));
    route.route.format = format.unwrap_or(route.route.format);
    if sink.has_one_writer() {
        // A daemon may write the route's own files just now.
        route.route.name = format!("{}/{}", route.route.name, now.strftime("%Y%m%dT%H%M%S%6fZ"));
    }
    Ok(Destination::Sink(Box::new(route), Box::new(sink.clone())))
}

/// Each event as it is.
fn plain_route(search: Option<&SearchConfig>, sink: &str) -> SearchRouteConfig {
    let route = RouteConfig {
        name: format!("{}/{sink}", search.map_or(UNNAMED, |search| &search.name)),
        sink: sink.to_owned(),
        format: Format::Okta,
        ocsf: ocsf::Options::default(),
        selection: SelectionConfig::default(),
        redaction: None,
        in_flight_pages: IN_FLIGHT_PARTS,
        in_flight_bytes: IN_FLIGHT_BYTES,
    };
    SearchRouteConfig { route, emit: Emit::Events, empty: Empty::Silent }
}
