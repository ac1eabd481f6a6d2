//! `oktabus search`: one search now, by hand, to the terminal, into a program or to a sink. Keeps nothing, and runs beside
//! a daemon.

mod coverage;
mod print;
mod publish;
mod read;
mod request;
mod row;

use std::{
    io::{self, IsTerminal as _},
    net::IpAddr,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use self::{
    print::Printer,
    read::{OutputError, ReadError, read},
    request::{Destination, SearchRequest},
};
use super::{ConfigArgument, Exit, fail, note, render::FormatArgument, signal::StopSignals};
use crate::{
    app,
    config::{self, Config, Start},
    telemetry::logging,
};

#[derive(Debug, Args)]
pub(super) struct SearchArguments {
    /// A search of the configuration; without it, the options define the search
    name: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
    /// The beginning of the window: -24h or a timestamp [default: the search's look_back ago, else an hour ago]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<Start>,
    /// The end of the window (exclusive): now, -1h or a timestamp [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<Start>,
    /// A SCIM filter, in Okta's syntax
    #[arg(long, value_name = "SCIM", conflicts_with = "name")]
    filter: Option<String>,
    /// Keywords that must all occur
    #[arg(long, value_name = "KEYWORDS", conflicts_with = "name")]
    q: Option<String>,
    /// An event type; * at the beginning or the end matches anything; repeat the option for several types
    #[arg(long = "event-type", value_name = "TYPE", conflicts_with = "name")]
    event_types: Vec<String>,
    /// A value of outcome.result; repeat the option for several values
    #[arg(long = "outcome", value_name = "RESULT", conflicts_with = "name")]
    outcomes: Vec<String>,
    /// The actor: an id, a login or an e-mail
    #[arg(long, value_name = "WHO", conflicts_with = "name")]
    actor: Option<String>,
    /// The target: an id, a login or an e-mail
    #[arg(long, value_name = "WHAT", conflicts_with = "name")]
    target: Option<String>,
    /// The client's IP address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "name")]
    ip: Option<IpAddr>,
    /// The org, if the configuration has several
    #[arg(long, value_name = "ORG", conflicts_with = "name")]
    org: Option<String>,
    /// The order by published [default: ascending]
    #[arg(long, value_name = "ORDER", value_enum)]
    order: Option<OrderArgument>,
    /// The largest number of events
    #[arg(long, value_name = "EVENTS")]
    limit: Option<u64>,
    /// Events per request, 1 to 1000
    #[arg(long, value_name = "EVENTS")]
    page_size: Option<u16>,
    /// The format of events as JSON [default: okta; with --to, that of the route]
    #[arg(long, value_enum)]
    format: Option<FormatArgument>,
    /// The output [default: table on a terminal, else json]
    #[arg(long, value_enum)]
    output: Option<Output>,
    /// Publish to this sink instead of printing
    #[arg(long, value_name = "SINK", conflicts_with = "output")]
    to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderArgument {
    /// Oldest first
    Ascending,
    /// Newest first
    Descending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns for people
    Table,
    /// One JSON value per line
    Json,
    /// Columns for programs
    Csv,
}

impl From<OrderArgument> for okta_client::logs::Order {
    fn from(order: OrderArgument) -> Self {
        match order {
            OrderArgument::Ascending => Self::Ascending,
            OrderArgument::Descending => Self::Descending,
        }
    }
}

pub(super) async fn search(arguments: SearchArguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let request = match SearchRequest::new(&arguments, &config, Timestamp::now(), io::stdout().is_terminal())
    {
        Ok(request) => request,
        Err(err) => return fail(Exit::Usage, &err),
    };
    logging::start("warn", config.runtime.log.style);
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(err) => return fail(Exit::Bug, &err),
    };
    tokio::select! {
        biased;
        // Nothing is kept that would have to be put in order first.
        () = signals.next() => Exit::Interrupted,
        exit = Box::pin(ask(request, &config)) => exit,
    }
}

async fn ask(request: SearchRequest, config: &Config) -> Exit {
    let client = match app::client(request.org.clone()) {
        Ok(client) => Arc::new(client),
        Err(err) => return fail(Exit::Usage, &err),
    };
    if let Some(window) = request.chosen_window() {
        note(&window);
    }
    for warning in config::filter_warnings("", request.query.filter.as_deref()) {
        note(&warning.reason);
    }
    match &request.destination {
        Destination::Terminal(output, format) => {
            let printer = Printer::new(*output, *format, &request.org);
            match read(&request, client, printer).await {
                Ok(_) => Exit::Done,
                Err(err) => refuse(&err),
            }
        }
        Destination::Sink(route, sink) => {
            let state = &config.runtime.state;
            publish::publish(&request, client, route, sink, state).await
        }
    }
}

fn refuse(err: &ReadError) -> Exit {
    match err {
        // A closed pipe is no failure.
        ReadError::EventOutput(OutputError::Print(err)) if err.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Done
        }
        ReadError::EventOutput(OutputError::Print(_)) => fail(Exit::Unprinted, err),
        ReadError::EventOutput(_) | ReadError::Okta(_) => fail(Exit::Unavailable, err),
    }
}
