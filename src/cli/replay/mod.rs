//! `oktabus replay`: a window of the past once more into the sink of a route, by the daemon if one runs.

use std::path::Path;

use clap::Args;
use hyper::StatusCode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgument, Exit, fail, print, progress::Progress, signal::StopSignals, state::fail_state};
use crate::{
    app::clients,
    config::Config,
    control::{self, ControlError},
    replay::{Advance, Beginning, InvalidReplay, Replays, Report, Request, Summary},
    sink,
    state::{Opening, State, StateError, StatePaths},
    telemetry::logging,
};

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The route of a stream, as listed by `state show`
    #[arg(long, value_name = "STREAM/SINK")]
    route: String,
    /// The beginning of the window: -7d, or a timestamp
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: String,
    /// The end of the window: now, -1h, or a timestamp
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Only events that match this SCIM filter and the stream's own filter
    #[arg(long, value_name = "SCIM")]
    filter: Option<String>,
    /// The number of slices of the window
    #[arg(long, value_name = "N")]
    slices: Option<u16>,
    /// The name of the replay, for resuming it [default: derived from the other arguments]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Begin again, even if an earlier run has made progress
    #[arg(long)]
    anew: bool,
}

/// Lines that wait to be shown.
const REPORTS_MAX: usize = 16;

pub(super) async fn replay(arguments: ReplayArguments) -> Exit {
    let ReplayArguments { config: argument, route, from, to, filter, slices, name, anew } = arguments;
    let request = Request { route, from, to, filter, slices, name, anew };
    // The daemon has read the secrets; its client need not be able to.
    let config = match argument.load_without_secrets() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(err) => return fail(Exit::Bug, &err),
    };
    match control::Client::connect(&config.runtime.state.path).await {
        Ok(Some(daemon)) => by_daemon(daemon, &request, signals).await,
        Ok(None) => match argument.load() {
            Ok(config) => here(config, request, signals, &argument.config).await,
            Err(err) => fail(Exit::Usage, &err),
        },
        Err(err) => fail(Exit::Unavailable, &err),
    }
}

async fn by_daemon(mut daemon: control::Client, request: &Request, mut signals: StopSignals) -> Exit {
    let mut shown = Shown::new();
    shown.progress.say(&format!("the daemon at {} does it", daemon.socket().display()));
    let mut answers = match daemon.post("/replays", request).await {
        Ok(answers) => answers,
        Err(err) => return fail(exit_of(&err), &err),
    };
    loop {
        let report = tokio::select! {
            () = signals.next() => {
                shown.progress.say("interrupted: the daemon stops it; the same command goes on with it");
                return Exit::Interrupted;
            }
            report = answers.next() => report,
        };
        match report {
            Ok(Some(report)) => {
                if let Some(exit) = shown.take(report) {
                    return exit;
                }
            }
            Ok(None) => return shown.without_end(),
            Err(err) => {
                shown.progress.say("what is delivered is kept; the same command goes on with it");
                return fail(exit_of(&err), &err);
            }
        }
    }
}

async fn here(config: Config, request: Request, mut signals: StopSignals, file: &Path) -> Exit {
    logging::start("warn", config.runtime.log.style);
    for sink in config.sinks.values() {
        if let Err(err) = sink::require(sink) {
            return fail(Exit::Usage, &err);
        }
    }
    let clients = match clients(&config) {
        Ok(clients) => clients,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let state = match State::open(StatePaths::from(&config.runtime.state), Opening::Trusted).await {
        Ok(state) => state,
        Err(err @ StateError::Locked(_)) => {
            let exit = fail_state(&err, file);
            Shown::new().progress.say(
                "a daemon that has no control socket must be stopped first: its log says why it has none",
            );
            return exit;
        }
        Err(err) => return fail_state(&err, file),
    };
    let replay = match Replays::new(config, clients, state.clone()).prepare(request).await {
        Ok(replay) => replay,
        Err(InvalidReplay::State(err)) => return fail_state(&err, file),
        Err(refusal) => return fail(Exit::Usage, &refusal),
    };
    let stop = CancellationToken::new();
    let (reports, mut told) = mpsc::channel(REPORTS_MAX);
    let mut shown = Shown::new();
    let watching = async {
        loop {
            let report = tokio::select! {
                () = signals.next() => {
                    if stop.is_cancelled() {
                        return Exit::Interrupted;
                    }
                    shown.progress.say("stopping: what is in flight is being delivered");
                    stop.cancel();
                    continue;
                }
                report = told.recv() => report,
            };
            let Some(report) = report else { return shown.without_end() };
            if let Some(exit) = shown.take(report) {
                return if stop.is_cancelled() && exit != Exit::Done { Exit::Interrupted } else { exit };
            }
        }
    };
    let running = async {
        replay.run(reports, &stop).await;
        std::future::pending().await
    };
    let exit = tokio::select! {
        exit = watching => exit,
        exit = running => exit,
    };
    if let Err(err) = state.close().await {
        return fail_state(&err, file);
    }
    exit
}

/// The progress that is shown.
struct Shown {
    progress: Progress,
    began: std::time::Instant,
}

impl Shown {
    fn new() -> Self {
        Self { progress: Progress::told_everywhere(), began: std::time::Instant::now() }
    }

    /// Shows a report. The exit, if it is the last one.
    fn take(&mut self, report: Report) -> Option<Exit> {
        match report {
            Report::Began(beginning) => {
                self.progress.say(&begins(&beginning));
                None
            }
            Report::Advanced(advance) => {
                self.progress.advance(advance.part, &stands(&advance), None);
                None
            }
            Report::Finished(summary) => {
                let seconds = self.began.elapsed().as_secs_f64();
                print(&format!("{} in {seconds:.1} s\n", comes_to(&summary)));
                Some(Exit::Done)
            }
            Report::Stopped(summary) => {
                print(&format!("stopped: {}; the same command goes on with it\n", comes_to(&summary)));
                Some(Exit::Unavailable)
            }
            Report::Failed { reason } => {
                self.progress.say(&reason);
                self.progress.say("what is delivered is kept; the same command goes on with it");
                Some(Exit::Unavailable)
            }
        }
    }

    fn without_end(&self) -> Exit {
        self.progress
            .say("the replay ended without saying how: see the log; the same command goes on with it");
        Exit::Unavailable
    }
}

fn begins(beginning: &Beginning) -> String {
    let Beginning { name, is_resumed, since, until, slices, slices_done, delivered } = beginning;
    let window = format!("replay {name} from {since} to {until}");
    if *is_resumed {
        return format!(
            "{window} goes on: {slices_done} of {slices} slices and {delivered} events are delivered"
        );
    }
    format!("{window} begins, in {slices} slices")
}

fn stands(advance: &Advance) -> String {
    let Advance { delivered, slices_done, slices, requests, budget_used, trouble, .. } = advance;
    let budget = budget_used.map(|used| format!(", {:.0} % of the budget", used * 100.0)).unwrap_or_default();
    let trouble = trouble.as_ref().map(|trouble| format!(", held up: {trouble}")).unwrap_or_default();
    format!("{delivered} events, {slices_done} of {slices} slices, {requests} requests{budget}{trouble}")
}

fn comes_to(summary: &Summary) -> String {
    let Summary { name, delivered, dead_letters, requests, slices_done, slices } = summary;
    let dead = if *dead_letters > 0 { format!(", {dead_letters} dead letters") } else { String::new() };
    format!(
        "replay {name}: {delivered} events delivered{dead}, {slices_done} of {slices} slices, {requests} requests"
    )
}

fn exit_of(err: &ControlError) -> Exit {
    match err {
        ControlError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, .. } => Exit::Usage,
        _ => Exit::Unavailable,
    }
}
