//! `oktabus check`: proves a configuration against the real org and the real buses, without publishing anything.

mod commands;
mod doorbell;
mod machine;
mod scopes;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anstyle::{AnsiColor, Style};
use clap::Args;
use jiff::Timestamp;
use okta_client::{
    Auth, Client, OktaError, Priority, Scope,
    logs::{self, Order},
};
use serde::Serialize;

use super::{ConfigArgument, Exit, fail, print, table::table};
use crate::{
    app::{clients, clients_without_secrets},
    bus,
    config::{BusConfig, Config, ConfigError, Problem, SearchConfig, StreamConfig},
    remedy::remedy,
    sink,
    telemetry::{chain, printable_json},
};

/// The window that a search is tried with: whether Okta takes it is all that counts.
const WINDOW_TRIED: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only check the configuration; connect to nothing
    #[arg(long)]
    offline: bool,
    /// Read no secrets, if you may not read those of the service; with --offline
    #[arg(long, requires = "offline")]
    no_secrets: bool,
    /// One JSON object per line: `what`, `verdict` (good, warning, bad), `text`
    #[arg(long)]
    json: bool,
}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    verdict: Verdict,
    text: String,
}

impl Row {
    fn good(what: String, text: String) -> Self {
        Self { what, verdict: Verdict::Good, text }
    }

    fn warning(what: String, text: String) -> Self {
        Self { what, verdict: Verdict::Warning, text }
    }

    fn bad(what: String, text: String) -> Self {
        Self { what, verdict: Verdict::Bad, text }
    }
}

pub(super) async fn check(arguments: CheckArguments) -> Exit {
    let loaded = match arguments.no_secrets {
        true => arguments.config.load_without_secrets(),
        false => arguments.config.load(),
    };
    let config = match loaded {
        Ok(config) => config,
        Err(err) => return refuse(&err, arguments.json),
    };
    let clients = match arguments.no_secrets {
        true => clients_without_secrets(&config),
        false => clients(&config),
    };
    let clients = match clients {
        Ok(clients) => clients,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let searches = match config.searches.len() {
        0 => String::new(),
        count => format!("{count} search(es), "),
    };
    let commands = match config.commands.len() {
        0 => String::new(),
        count => format!("{count} set(s) of commands, "),
    };
    let mut rows = vec![Row {
        what: "configuration".to_owned(),
        verdict: Verdict::Good,
        text: format!(
            "{} org(s), {} stream(s), {searches}{commands}{} route(s), {} sink(s)",
            config.orgs.len(),
            config.streams.len(),
            config.routes().count(),
            config.sinks.len()
        ),
    }];
    let now = Timestamp::now();
    rows.extend(config.warnings().into_iter().map(|warning| Row::warning(warning.path, warning.reason)));
    rows.extend(config.searches.values().map(|search| schedule_row(search, now)));
    rows.extend(config.commands.values().flat_map(commands::in_words));
    rows.extend(doorbell::rows(&config));
    for commands in config.commands.values() {
        rows.extend(commands::check_keys(commands).await);
    }
    rows.extend(config.buses.iter().flat_map(|(name, bus)| bus_rows(name, bus)));
    if arguments.offline {
        rows.extend(clients.values().flat_map(|client| access_rows(client)));
    } else {
        for client in clients.values() {
            rows.extend(check_org(&config, client).await);
        }
        rows.extend(check_sinks(&config).await);
        for commands in config.commands.values() {
            rows.extend(commands::check_places(commands, &config.runtime.state.path).await);
        }
    }
    if !arguments.offline {
        rows.extend(machine::rows(&config).await);
    }
    print(&if arguments.json { as_lines(&rows) } else { render(&rows) });
    let is_bad = rows.iter().any(|row| row.verdict == Verdict::Bad);
    if is_bad { Exit::Unavailable } else { Exit::Done }
}

/// Tells what is wrong with a configuration: to programs each mistake by itself.
fn refuse(err: &ConfigError, json: bool) -> Exit {
    if json && let ConfigError::Problems(problems) = err {
        let row = |problem: &Problem| Row::bad(problem.path.clone(), problem.to_string());
        print(&as_lines(&problems.iter().map(row).collect::<Vec<_>>()));
    }
    fail(Exit::Usage, err)
}

fn as_lines(rows: &[Row]) -> String {
    let lines = rows.iter().filter_map(|row| serde_json::to_string(row).ok());
    lines.map(|line| format!("{}\n", printable_json(&line))).collect()
}

/// The checks of a bus without a connection.
fn bus_rows(name: &str, bus: &BusConfig) -> Vec<Row> {
    let what = format!("bus {name}");
    let warnings = bus.warnings().into_iter().map(|text| Row::warning(what.clone(), text));
    let options = bus::check_options(bus).err().map(|err| Row::bad(what.clone(), chain(&err)));
    warnings.chain(options).collect()
}

/// How we identify ourselves to an org, and what it must allow us: a row for each scope, since a role is often several.
fn access_rows(client: &Client) -> Vec<Row> {
    let org = client.org();
    let needs = |scope: &Scope| match &org.auth {
        Auth::ApiToken(_) => format!("needs the role {} for the token's owner", scope.role()),
        Auth::PrivateKeyJwt(_) => format!(
            "needs the scope {} granted to the app, and for the app the role {}",
            scope.name(),
            scope.role()
        ),
    };
    let needs: BTreeSet<_> = org.scopes.iter().map(needs).collect();
    let texts = [client.authentication()].into_iter().chain(needs);
    texts.map(|text| Row::good(format!("org {}", org.name), text)).collect()
}

/// When a search is due next, by the clock of its own zone.
fn schedule_row(search: &SearchConfig, now: Timestamp) -> Row {
    const SLOTS: usize = 3;
    let schedule = &search.schedule;
    let slots =
        std::iter::successors(schedule.next_after(now), |slot| schedule.next_after(*slot)).take(SLOTS);
    let shown: Vec<_> = slots
        .map(|slot| slot.to_zoned(schedule.zone().clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string())
        .collect();
    let what = format!("search {}", search.name);
    match shown.as_slice() {
        [] => Row { what, verdict: Verdict::Warning, text: format!("{schedule}: is not due any more") },
        _ => Row { what, verdict: Verdict::Good, text: format!("{schedule}: due next {}", shown.join(", ")) },
    }
}

/// Asks an org for the page that each stream would begin with, and for one event of each search: credential, rights and
/// filter in one request.
async fn check_org(config: &Config, client: &Arc<Client>) -> Vec<Row> {
    let org = client.org();
    let mut rows = Vec::new();
    for stream in config.streams.values().filter(|stream| stream.org == org.name) {
        rows.push(check_stream(client, stream).await);
    }
    for search in config.searches.values().filter(|search| search.org == org.name) {
        rows.push(check_search(client, search).await);
    }
    for commands in config.commands.values().filter(|commands| commands.org == org.name) {
        let answers = commands::check_access(config, commands, client).await;
        // Without access to the org there is no look-up of the protected ones.
        let is_open = answers.iter().all(|row| row.verdict != Verdict::Bad);
        rows.extend(answers);
        if is_open {
            rows.extend(commands::check_protected(commands, client).await);
        }
    }
    rows.extend(access_rows(client));
    let budget = client.logs_budget();
    if let (Some(limit), Some(allowed)) = (budget.limit, budget.allowed) {
        let text = format!("{limit} requests a minute on /api/v1/logs, of which {allowed} are ours");
        rows.push(Row { what: format!("org {}", org.name), verdict: Verdict::Good, text });
    }
    rows
}

async fn check_stream(client: &Client, stream: &StreamConfig) -> Row {
    let answer = ask_log(client, stream.filter.clone()).await;
    answer_row(client, format!("stream {}", stream.name), answer)
}

async fn ask_log(client: &Client, filter: Option<String>) -> Result<(), OktaError> {
    let query = logs::Query { since: Timestamp::now(), filter, page_size: 1 };
    logs::get(client, &logs::first_url(client, &query), Priority::LookUp).await.map(drop)
}

async fn check_search(client: &Client, search: &SearchConfig) -> Row {
    let until = Timestamp::now();
    let window = logs::Window {
        since: until - WINDOW_TRIED,
        until,
        filter: search.query.filter.clone(),
        q: search.query.q.clone(),
        order: Order::Ascending,
        page_size: 1,
    };
    let part =
        logs::bounded_page(client, &logs::window_url(&client.org().url, &window), Priority::LookUp).await;
    answer_row(client, format!("search {}", search.name), part.map(drop))
}

fn answer_row(client: &Client, what: String, answer: Result<(), OktaError>) -> Row {
    match answer {
        Ok(()) => {
            let text = format!("{} answers, and takes the credential and the filter", client.org().url);
            Row::good(what, text)
        }
        Err(err) => failed_row(what, &err),
    }
}

fn failed_row(what: String, err: &OktaError) -> Row {
    // What commands lack besides the log has a row of its own.
    if err.is_ungranted_scope() {
        let grant = scopes::GRANT;
        return Row::bad(what, format!("{}: grant the scope to the app ({grant})", chain(err)));
    }
    let remedy = remedy(err).map(|remedy| format!(": {remedy}")).unwrap_or_default();
    Row::bad(what, format!("{}{remedy}", chain(err)))
}

async fn check_sinks(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, sink) in &config.sinks {
        let what = format!("sink {name}");
        let routes = config.routes().filter(|(route, _)| &route.sink == name);
        let origins: Vec<_> = routes.map(|(_, origin)| origin).collect();
        // Where commands alone publish, it depends on them what must hold.
        if origins.is_empty() && sink.bus().is_some() {
            continue;
        }
        match sink::check(sink, &origins).await {
            Ok(findings) => rows.extend(findings.into_iter().map(|finding| Row {
                what: what.clone(),
                verdict: if finding.is_warning { Verdict::Warning } else { Verdict::Good },
                text: finding.text,
            })),
            Err(err) => rows.push(Row { what, verdict: Verdict::Bad, text: chain(&err) }),
        }
    }
    rows
}

fn render(rows: &[Row]) -> String {
    let verdicts = rows.iter().map(|row| match row.verdict {
        Verdict::Good => ("ok", AnsiColor::Green),
        Verdict::Warning => ("warn", AnsiColor::Yellow),
        Verdict::Bad => ("FAIL", AnsiColor::Red),
    });
    let cells =
        |(row, (word, _)): (&Row, (&str, _))| vec![format!("{word:4}"), row.what.clone(), row.text.clone()];
    let plain = table(&rows.iter().zip(verdicts.clone()).map(cells).collect::<Vec<_>>());
    // A row is one line. Colours come last: what is in the cells must not bring any.
    let coloured = plain.lines().zip(verdicts).map(|(line, (word, colour))| {
        let style: Style = colour.on_default();
        let rest = line.strip_prefix(word).unwrap_or(line);
        format!("{style}{word}{style:#}{rest}\n")
    });
    coloured.collect()
}
