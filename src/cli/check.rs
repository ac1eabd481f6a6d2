//! `oktabus check`: proves a configuration against the real org and the real buses, without publishing anything.

use std::{collections::BTreeSet, time::Duration};

use anstyle::{AnsiColor, Style};
use clap::Args;
use jiff::Timestamp;

use super::{ConfigArgument, Exit, fail, print, table::table};
use crate::{
    config::{Auth, CommandsConfig, Config, Order, Scope, SearchConfig, StreamConfig},
    okta::{Client, OktaError, Priority, logs},
    sink::Sink,
    telemetry::chain,
};

/// The window that a search is tried with: whether Okta takes it is all that counts.
const WINDOW_TRIED: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Validate only; talk to nobody
    #[arg(long)]
    offline: bool,
}

/// How one thing that was tried stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Warning,
    Bad,
}

#[derive(Debug)]
struct Row {
    what: String,
    verdict: Verdict,
    text: String,
}

pub(super) async fn check(arguments: CheckArguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let clients: Result<Vec<_>, _> = config.orgs.values().cloned().map(Client::new).collect();
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
    rows.extend(config.searches.values().map(|search| schedule_row(search, now)));
    rows.extend(config.commands.values().flat_map(command_rows));
    if arguments.offline {
        rows.extend(clients.iter().flat_map(access_rows));
    } else {
        for client in &clients {
            rows.extend(check_org(&config, client).await);
        }
        rows.extend(check_sinks(&config).await);
    }
    print(&render(&rows));
    let is_bad = rows.iter().any(|row| row.verdict == Verdict::Bad);
    if is_bad { Exit::Unavailable } else { Exit::Done }
}

/// How we identify ourselves to an org, and what it must allow us.
fn access_rows(client: &Client) -> [Row; 2] {
    let org = client.org();
    let good = |text| Row { what: format!("org {}", org.name), verdict: Verdict::Good, text };
    let of = |name: fn(Scope) -> &'static str| {
        let names: BTreeSet<_> = org.scopes.iter().copied().map(name).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let needs = match &org.auth {
        Auth::ApiToken(_) => format!("needs the role {} for the token's owner", of(Scope::role)),
        Auth::PrivateKeyJwt(_) => {
            format!(
                "needs the scope {} granted to the app, and for the app the role {}",
                of(Scope::name),
                of(Scope::role)
            )
        }
    };
    [good(client.authentication()), good(needs)]
}

/// What commands may do, and whose.
fn command_rows(commands: &CommandsConfig) -> impl Iterator<Item = Row> {
    let what = format!("commands {}", commands.name);
    commands.in_words().into_iter().map(move |text| Row { what: what.clone(), verdict: Verdict::Good, text })
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
async fn check_org(config: &Config, client: &Client) -> Vec<Row> {
    let org = client.org();
    let mut rows = Vec::new();
    for stream in config.streams.values().filter(|stream| stream.org == org.name) {
        rows.push(check_stream(client, stream).await);
    }
    for search in config.searches.values().filter(|search| search.org == org.name) {
        rows.push(check_search(client, search).await);
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
    let query = logs::Query { since: Timestamp::now(), filter: stream.filter.clone(), page_size: 1 };
    let answer = logs::get(client, &logs::first_url(client, &query), Priority::LookUp).await;
    answer_row(client, format!("stream {}", stream.name), answer.map(drop))
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
    let part = logs::part(client, &logs::window_url(client, &window), Priority::LookUp).await;
    answer_row(client, format!("search {}", search.name), part.map(drop))
}

fn answer_row(client: &Client, what: String, answer: Result<(), OktaError>) -> Row {
    match answer {
        Ok(()) => {
            let text = format!("{} answers, and takes the credential and the filter", client.org().url);
            Row { what, verdict: Verdict::Good, text }
        }
        Err(err) => {
            let remedy = err.remedy().map(|remedy| format!(": {remedy}")).unwrap_or_default();
            Row { what, verdict: Verdict::Bad, text: format!("{}{remedy}", chain(&err)) }
        }
    }
}

async fn check_sinks(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, sink) in &config.sinks {
        let what = format!("sink {name}");
        let routes = config.routes().filter(|(route, _)| &route.sink == name);
        let origins: Vec<_> = routes.map(|(_, origin)| origin).collect();
        match Sink::check(sink, &origins).await {
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
    let cells = |row: &Row| {
        let (word, colour) = match row.verdict {
            Verdict::Good => ("ok  ", AnsiColor::Green),
            Verdict::Warning => ("warn", AnsiColor::Yellow),
            Verdict::Bad => ("FAIL", AnsiColor::Red),
        };
        let style: Style = colour.on_default();
        vec![format!("{style}{word}{style:#}"), row.what.clone(), row.text.clone()]
    };
    table(&rows.iter().map(cells).collect::<Vec<_>>())
}
