//! Turns the typed `[searches.NAME]` into its settings.

use std::time::Duration;

use okta_client::logs::{Order, RETENTION};
use okta_system_log::scim::Criteria;
use serde::Deserialize;

use super::{
    super::{
        Problem,
        quantity::Span,
        route::{self, Names, RawRoute, refers},
        secret::Secrets,
        stream::start,
    },
    Emit, Empty, Missed, Overlap, SearchConfig, SearchQuery, SearchRouteConfig, WindowConfig,
};
use crate::schedule::{Schedule, ScheduleError};

const DEFAULT_SETTLE: Duration = Duration::from_secs(120);
const DEFAULT_BATCH_SIZE: u16 = 100;
const BATCH_SIZE_MAX: u16 = 1_000;
/// Jitter spreads load; what is later than this is another schedule.
const JITTER_MAX: Duration = Duration::from_secs(86_400);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawSearch {
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
    #[schemars(with = "crate::config::schema::OrderWords")]
    order: Order,
    limit: Option<u64>,
    page_size: Option<u16>,
    #[serde(default)]
    routes: Vec<RawRoute>,
}

pub(in crate::config) fn resolve(
    name: &str,
    raw: RawSearch,
    names: &Names<'_>,
    secrets: Secrets,
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
    let query = SearchQuery::new(&criteria, raw.q, raw.order, raw.limit, raw.page_size)?;
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

fn schedule(typed: &str, zone: Option<&str>) -> Result<Schedule, Problem> {
    Schedule::parse(typed, zone.unwrap_or("UTC")).map_err(|err| {
        let key = match err {
            ScheduleError::UnknownZone { .. } => "time_zone",
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

fn search_route(
    search: &str,
    raw: RawRoute,
    names: &Names<'_>,
    secrets: Secrets,
) -> Result<SearchRouteConfig, Problem> {
    let emit = emit(raw.emit.as_deref(), raw.batch_size)?;
    let empty = match raw.empty.as_deref() {
        None | Some("silent") => Empty::Silent,
        Some("report") => Empty::Report,
        Some(other) => {
            return Err(Problem::new("empty", format!("`{other}` is not \"silent\" or \"report\"")));
        }
    };
    Ok(SearchRouteConfig { route: route::resolve(search, raw, names, secrets)?, emit, empty })
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

    fn resolved(more: &str) -> Result<SearchConfig, Problem> {
        let text = format!("org = \"acme\"\nroutes = [{{ sink = \"events\" }}]\n{more}");
        let text = if more.contains("schedule") { text } else { format!("schedule = \"0 * * * *\"\n{text}") };
        let raw = config::Config::builder()
            .add_source(config::File::from_str(&text, config::FileFormat::Toml))
            .build()
            .unwrap()
            .try_deserialize()
            .unwrap();
        let names = Names { orgs: ["acme"].into(), sinks: ["events"].into(), transactional_sinks: [].into() };
        resolve("failed", raw, &names, Secrets::REFUSED)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let search = resolved("").unwrap();
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
            let problem = resolved(more).unwrap_err();
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
