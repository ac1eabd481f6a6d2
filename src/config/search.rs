//! Searches: what is asked on a schedule, which window each run covers, and how what is found goes out.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Problem, RouteConfig, Start,
    quantity::Span,
    route::{self, Names, RawRoute, refers},
    secret::InlineSecrets,
    stream::{check_filter, page_size, start},
};
use crate::{schedule::Schedule, scim::Criteria};

/// Okta keeps 90 days.
const RETENTION: Duration = Duration::from_secs(90 * 86_400);
/// What Okta takes in `q`.
const KEYWORDS_MAX: usize = 10;
const KEYWORD_CHARS_MAX: usize = 40;
const DEFAULT_SETTLE: Duration = Duration::from_secs(120);
const DEFAULT_BATCH_SIZE: u16 = 100;
const BATCH_SIZE_MAX: u16 = 1_000;
/// Jitter spreads load; what is later than this is another schedule.
const JITTER_MAX: Duration = Duration::from_secs(86_400);

/// A bounded query of one org's log on a schedule, and where what it finds goes.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The org's name.
    pub org: String,
    /// When it is due.
    pub schedule: Schedule,
    /// It begins up to that much after the slot; the window stays that of the slot.
    pub jitter: Duration,
    /// What becomes of slots that came while oktabus was down.
    pub missed: Missed,
    /// What becomes of a slot that comes while the run before is still at work.
    pub overlap: Overlap,
    /// What a run covers.
    pub window: WindowConfig,
    /// What is asked.
    pub query: SearchQuery,
    /// Where it goes, at least one.
    pub routes: Vec<SearchRouteConfig>,
}

/// What becomes of slots that came while oktabus was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last one of them runs.
    #[default]
    Once,
    /// All of them run, one after the other.
    All,
}

/// What becomes of a slot that comes while the run before is still at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is left out.
    Skip,
    /// It runs afterwards.
    #[default]
    Queue,
}

/// What a run covers. Times are before the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowConfig {
    /// From the end of the window before up to the slot less `settle`.
    SinceLast {
        /// Where the first window begins.
        start: Start,
        /// How long events may take to appear in Okta's log.
        settle: Duration,
        /// That much of the window before is read again; what was found then is left out.
        overlap: Duration,
    },
    /// As much every time.
    LookBack {
        /// The length of the window.
        look_back: Duration,
        /// How long events may take to appear in Okta's log.
        settle: Duration,
    },
}

impl WindowConfig {
    /// How long before its slot a window ends.
    pub fn settle(self) -> Duration {
        match self {
            Self::SinceLast { settle, .. } | Self::LookBack { settle, .. } => settle,
        }
    }
}

/// What is asked of Okta.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// All criteria as one SCIM filter.
    pub filter: Option<String>,
    /// Keywords that must all be there.
    pub q: Option<String>,
    /// The order of what is found.
    pub order: Order,
    /// The most events that a run finds.
    pub limit: Option<u64>,
    /// Events a request, 1 to 1,000.
    pub page_size: u16,
}

/// The order of events by `published`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The oldest first.
    #[default]
    Ascending,
    /// The newest first.
    Descending,
}

/// One search feeding one sink.
#[derive(Debug, Clone)]
pub struct SearchRouteConfig {
    /// As of a stream.
    pub route: RouteConfig,
    /// What a message is.
    pub emit: Emit,
    /// What becomes of a run that finds nothing.
    pub empty: Empty,
}

/// What a message of a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// An event.
    Events,
    /// Some events together, with what they are a part of.
    Batches {
        /// Events a batch, 1 to 1,000.
        batch_size: u16,
    },
    /// How many there are, and of whom and from where most.
    Summary,
}

/// What becomes of a run that finds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// Nothing is published.
    #[default]
    Silent,
    /// A message says so.
    Report,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSearch {
    org: String,
    schedule: String,
    time_zone: Option<String>,
    jitter: Option<Span>,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    overlap: Overlap,
    start: Option<String>,
    look_back: Option<Span>,
    settle: Option<Span>,
    window_overlap: Option<Span>,
    filter: Option<String>,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default)]
    outcomes: Vec<String>,
    actor: Option<String>,
    target: Option<String>,
    ip: Option<std::net::IpAddr>,
    q: Option<String>,
    #[serde(default)]
    order: Order,
    limit: Option<u64>,
    page_size: Option<u16>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

pub(super) fn understand(
    name: &str,
    raw: RawSearch,
    names: &Names<'_>,
    secrets: InlineSecrets,
) -> Result<SearchConfig, Problem> {
    refers("org", &raw.org, &names.orgs)?;
    if raw.routes.is_empty() {
        return Err(Problem::new(
            "routes",
            "a search without routes goes nowhere: routes = [{ sink = \"…\" }]",
        ));
    }
    let schedule = schedule(&raw.schedule, raw.time_zone.as_deref())?;
    let window = window(raw.start.as_deref(), raw.look_back, raw.settle, raw.window_overlap)?;
    let criteria = Criteria {
        filter: raw.filter,
        event_types: raw.event_types,
        outcomes: raw.outcomes,
        actor: raw.actor,
        target: raw.target,
        ip: raw.ip.map(|ip| ip.to_string()),
    };
    let query = query(&criteria, raw.q, raw.order, raw.limit, raw.page_size)?;
    let mut routes = Vec::new();
    for (index, raw) in raw.routes.into_iter().enumerate() {
        let route = search_route(name, raw, names, secrets);
        routes.push(route.map_err(|problem| problem.under(&format!("routes[{index}]")))?);
    }
    Ok(SearchConfig {
        name: name.to_owned(),
        org: raw.org,
        schedule,
        jitter: jitter(raw.jitter)?,
        missed: raw.missed,
        overlap: raw.overlap,
        window,
        query,
        routes,
    })
}

impl SearchQuery {
    /// A query for what `criteria`, `q` and the rest say, if Okta could take it. The error says which key is wrong.
    pub fn new(
        criteria: &Criteria,
        q: Option<String>,
        order: Order,
        limit: Option<u64>,
        page_size: u16,
    ) -> Result<Self, Problem> {
        query(criteria, q, order, limit, Some(page_size))
    }
}

fn schedule(typed: &str, zone: Option<&str>) -> Result<Schedule, Problem> {
    Schedule::parse(typed, zone.unwrap_or("UTC")).map_err(|err| {
        let key = match err {
            crate::schedule::ScheduleError::UnknownZone { .. } => "time_zone",
            _ => "schedule",
        };
        Problem::new(key, err.to_string())
    })
}

fn jitter(typed: Option<Span>) -> Result<Duration, Problem> {
    let jitter = typed.map_or(Duration::ZERO, |Span(span)| span);
    if jitter > JITTER_MAX { Err(Problem::new("jitter", "is more than a day")) } else { Ok(jitter) }
}

fn window(
    typed_start: Option<&str>,
    look_back: Option<Span>,
    settle: Option<Span>,
    overlap: Option<Span>,
) -> Result<WindowConfig, Problem> {
    let settle = settle.map_or(DEFAULT_SETTLE, |Span(span)| span);
    let Some(Span(look_back)) = look_back else {
        let overlap = overlap.map_or(Duration::ZERO, |Span(span)| span);
        if settle.saturating_add(overlap) >= RETENTION {
            return Err(Problem::new(
                "settle",
                "with `window_overlap` it is more than the 90 days that Okta keeps",
            ));
        }
        return Ok(WindowConfig::SinceLast { start: start(typed_start)?, settle, overlap });
    };
    if typed_start.is_some() || overlap.is_some() {
        let reason = "with `look_back` every window is as long: leave out `start` and `window_overlap`";
        return Err(Problem::new("look_back", reason));
    }
    if look_back.is_zero() {
        return Err(Problem::new("look_back", "a window without length finds nothing"));
    }
    if look_back.saturating_add(settle) > RETENTION {
        return Err(Problem::new("look_back", "with `settle` it is more than the 90 days that Okta keeps"));
    }
    Ok(WindowConfig::LookBack { look_back, settle })
}

fn query(
    criteria: &Criteria,
    q: Option<String>,
    order: Order,
    limit: Option<u64>,
    typed_page_size: Option<u16>,
) -> Result<SearchQuery, Problem> {
    check_filter(criteria.filter.as_deref())?;
    criteria.event_types.iter().try_for_each(|pattern| check_event_type(pattern))?;
    if let Some(q) = &q {
        check_keywords(q)?;
    }
    if limit == Some(0) {
        return Err(Problem::new(
            "limit",
            "a search that may find nothing finds nothing: leave it out for all",
        ));
    }
    let page_size = page_size(typed_page_size)?;
    Ok(SearchQuery { filter: criteria.to_filter(), q, order, limit, page_size })
}

/// What Okta cannot be asked for would find nothing for ever, unseen.
fn check_event_type(pattern: &str) -> Result<(), Problem> {
    let within = pattern.strip_prefix('*').unwrap_or(pattern);
    let within = within.strip_suffix('*').unwrap_or(within);
    if pattern.is_empty() {
        return Err(Problem::new("event_types", "an event type is empty: leave it out to get all"));
    }
    if within.contains('*') {
        let reason = format!(
            "`{pattern}` is more than Okta can be asked for: `*` stands at the beginning or the end; \
             `event_types` of a route take it anywhere"
        );
        return Err(Problem::new("event_types", reason));
    }
    Ok(())
}

fn check_keywords(q: &str) -> Result<(), Problem> {
    let keywords: Vec<_> = q.split_whitespace().collect();
    if keywords.is_empty() {
        return Err(Problem::new("q", "is empty: leave it out to get everything"));
    }
    if keywords.len() > KEYWORDS_MAX {
        let reason = format!("has {} keywords, and Okta takes {KEYWORDS_MAX}", keywords.len());
        return Err(Problem::new("q", reason));
    }
    match keywords.iter().find(|keyword| keyword.chars().count() > KEYWORD_CHARS_MAX) {
        None => Ok(()),
        Some(long) => {
            let reason = format!(
                "`{long}` has {} characters, and Okta takes {KEYWORD_CHARS_MAX} a keyword",
                long.chars().count()
            );
            Err(Problem::new("q", reason))
        }
    }
}

fn search_route(
    search: &str,
    raw: RawRoute,
    names: &Names<'_>,
    secrets: InlineSecrets,
) -> Result<SearchRouteConfig, Problem> {
    let emit = emit(raw.emit.as_deref(), raw.batch_size)?;
    let empty = match raw.empty.as_deref() {
        None | Some("silent") => Empty::Silent,
        Some("report") => Empty::Report,
        Some(other) => {
            return Err(Problem::new("empty", format!("`{other}` is not \"silent\" or \"report\"")));
        }
    };
    Ok(SearchRouteConfig { route: route::understand(search, raw, names, secrets)?, emit, empty })
}

fn emit(typed: Option<&str>, batch_size: Option<u16>) -> Result<Emit, Problem> {
    let emit = match typed.unwrap_or("events") {
        "batches" => {
            let batch_size = batch_size.unwrap_or(DEFAULT_BATCH_SIZE);
            if !(1..=BATCH_SIZE_MAX).contains(&batch_size) {
                return Err(Problem::new(
                    "batch_size",
                    format!("{batch_size} is not from 1 to {BATCH_SIZE_MAX}"),
                ));
            }
            return Ok(Emit::Batches { batch_size });
        }
        "events" => Emit::Events,
        "summary" => Emit::Summary,
        other => {
            return Err(Problem::new(
                "emit",
                format!("`{other}` is not \"events\", \"batches\" or \"summary\""),
            ));
        }
    };
    match batch_size {
        None => Ok(emit),
        Some(_) => Err(Problem::new("batch_size", "there are no batches: emit = \"batches\" makes them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(more: &str) -> Result<SearchConfig, Problem> {
        let text = format!("org = \"acme\"\nroutes = [{{ sink = \"events\" }}]\n{more}");
        let text = if more.contains("schedule") { text } else { format!("schedule = \"0 * * * *\"\n{text}") };
        let raw = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .build()
            .unwrap()
            .try_deserialize()
            .unwrap();
        let names = Names { orgs: ["acme"].into(), sinks: ["events"].into() };
        understand("failed", raw, &names, InlineSecrets::Refused)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let search = understood("").unwrap();
        assert_eq!((search.missed, search.overlap), (Missed::Once, Overlap::Queue));
        assert_eq!(search.window.settle(), Duration::from_secs(120));
        assert_eq!(search.routes[0].route.name, "failed/events");
        assert_eq!((search.routes[0].emit, search.routes[0].empty), (Emit::Events, Empty::Silent));
        assert_eq!(search.query, SearchQuery { page_size: 1_000, ..SearchQuery::default() });
    }

    #[test]
    fn what_could_never_work_is_refused_with_its_key() {
        for (more, key, reason) in [
            ("schedule = \"0 0 30 2 *\"", "schedule", "never due"),
            ("time_zone = \"Mars/Olympus\"", "time_zone", "no time zone"),
            ("filter = 'eventType eqq \"x\"'", "filter", "did you mean `eq`?"),
            ("filter = 'published gt \"2026\"'", "filter", "does not filter by `published`"),
            ("q = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "q", "41 characters"),
            ("q = \"a b c d e f g h i j k\"", "q", "11 keywords"),
            ("q = \" \"", "q", "is empty"),
            ("look_back = \"91d\"", "look_back", "90 days"),
            ("look_back = \"0s\"", "look_back", "without length"),
            ("look_back = \"1d\"\nstart = \"-1d\"", "look_back", "leave out `start`"),
            ("settle = \"90d\"", "settle", "90 days"),
            ("start = \"yesterday\"", "start", "not \"now\""),
            ("limit = 0", "limit", "finds nothing"),
            ("event_types = [\"user.*.start\"]", "event_types", "beginning or the end"),
            ("event_types = [\"\"]", "event_types", "is empty"),
            ("jitter = \"2d\"", "jitter", "more than a day"),
            ("look_back = \"18446744073709551615s\"", "look_back", "90 days"),
            ("settle = \"18446744073709551615s\"\nwindow_overlap = \"1s\"", "settle", "90 days"),
            ("page_size = 1001", "page_size", "not from 1"),
        ] {
            let problem = understood(more).unwrap_err();
            assert_eq!(problem.path, key, "{more}");
            assert!(problem.reason.contains(reason), "{more}: {}", problem.reason);
        }
    }

    #[test]
    fn what_a_message_is_must_fit() {
        assert_eq!(emit(Some("batches"), None).unwrap(), Emit::Batches { batch_size: 100 });
        assert_eq!(emit(Some("batches"), Some(1_000)).unwrap(), Emit::Batches { batch_size: 1_000 });
        assert!(emit(Some("batches"), Some(0)).is_err() && emit(Some("batches"), Some(1_001)).is_err());
        assert!(emit(None, Some(10)).is_err() && emit(Some("letters"), None).is_err());
    }
}
