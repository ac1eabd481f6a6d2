//! `oktabus status`: how the running daemon stands, on one screen. `oktabus top`: the same, again and again.

use std::{
    io::{self, BufReader, Read as _},
    net::SocketAddr,
    time::Duration,
};

use clap::Args;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    ConfigArgument, Exit,
    admin_page::{AdminAnswer, readiness},
    fail, print,
    signal::StopSignals,
    standing::{Charts, Screen, Standing, StandingGrade, draw, terminal_width},
};
use crate::{
    admin::STATE_NOT_OPEN,
    config::Config,
    control::{Client, ControlError},
    telemetry::{printable, printable_json},
};

/// The shortest time between two looks.
const INTERVAL_MIN: f64 = 0.2;
/// The longest.
const INTERVAL_MAX: f64 = 3_600.0;
/// Keys that were pressed and not looked at yet.
const KEYS_MAX: usize = 8;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all is well, or something should be looked at in time; 1 in trouble, or the daemon still waits for its state; 64 a \
                  daemon answers at the admin address whose state is elsewhere; 69 no daemon runs.

Examples:
  oktabus status --config oktabus.toml
  oktabus status --json | jq .verdict"
)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q ends it. Where the output is no terminal, each look is printed below the one before."
)]
pub(super) struct TopArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    interval: f64,
    /// End after so many looks
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// A number of seconds, with or without its unit.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    seconds.ok().filter(|seconds| seconds.is_finite()).ok_or_else(|| "it is no number of seconds".to_owned())
}

/// There is no daemon to be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDaemon {
    #[error(
        "no daemon runs with the state in {0}: start it with `oktabus run`, or name its configuration with --config"
    )]
    None(String),
    /// One answers at the admin address, which does not have its state open.
    #[error("the daemon at {address} starts, and waits with the state in {directory}: {reason}")]
    Starting { address: SocketAddr, directory: String, reason: String },
    /// One answers at the admin address, which has its state open.
    #[error(
        "no daemon has its state in {directory}, and one answers at {address}: if `state.path` was changed, restart that daemon, since \
         this key cannot change while it runs; if its state was moved away, put it back"
    )]
    Elsewhere { address: SocketAddr, directory: String },
}

impl NoDaemon {
    async fn of(config: &Config) -> Self {
        let directory = config.runtime.state.path.display().to_string();
        let address = config.runtime.admin.listen;
        match readiness(&config.runtime.admin).await {
            None => Self::None(directory),
            Some(AdminAnswer { is_ready: false, text }) if is_starting(&text) => {
                Self::Starting { address, directory, reason: text }
            }
            Some(_) => Self::Elsewhere { address, directory },
        }
    }

    /// A configuration that the running daemon does not have is not usable here; the others are matters of the daemon.
    fn exit(&self) -> Exit {
        match self {
            Self::None(_) | Self::Starting { .. } => Exit::Unavailable,
            Self::Elsewhere { .. } => Exit::Usage,
        }
    }
}

/// Whether the page is that of a daemon that waits for its state.
fn is_starting(readiness: &str) -> bool {
    readiness.contains(STATE_NOT_OPEN)
}

/// The daemon of this configuration. Errors have been printed.
pub(super) async fn connect(argument: &ConfigArgument) -> Result<Client, Exit> {
    let config = argument.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
    match connect_to(&config).await? {
        Ok(daemon) => Ok(daemon),
        Err(nobody) => Err(fail(nobody.exit(), &nobody)),
    }
}

/// The daemon of this configuration, or why there is none. Other errors have been printed.
async fn connect_to(config: &Config) -> Result<Result<Client, NoDaemon>, Exit> {
    match Client::connect(&config.runtime.state.path).await {
        Ok(Some(daemon)) => Ok(Ok(daemon)),
        Ok(None) => Ok(Err(NoDaemon::of(config).await)),
        Err(err) => Err(fail(Exit::Unavailable, &err)),
    }
}

/// The running daemon, to be looked at until a signal comes.
pub(super) async fn connect_until_stopped(argument: &ConfigArgument) -> Result<(Client, StopSignals), Exit> {
    let daemon = connect(argument).await?;
    let signals = StopSignals::listen().map_err(|err| fail(Exit::Bug, &err))?;
    Ok((daemon, signals))
}

pub(super) async fn status(arguments: StatusArguments) -> Exit {
    let config = match arguments.config.load_without_secrets() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let mut daemon = match connect_to(&config).await {
        Ok(Ok(daemon)) => daemon,
        Ok(Err(starting @ NoDaemon::Starting { .. })) => return show_starting(&starting, arguments.json),
        Ok(Err(nobody)) => return fail(nobody.exit(), &nobody),
        Err(exit) => return exit,
    };
    let line = match overview(&mut daemon).await {
        Ok(line) => line,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    let standing: Standing = match serde_json::from_slice(&line) {
        Ok(standing) => standing,
        Err(source) => return fail(Exit::Unavailable, &ControlError::Garbled { source }),
    };
    if arguments.json {
        print(&printable_json(&String::from_utf8_lossy(&line)));
    } else {
        print(&draw(&standing, &Charts::new(), terminal_width()));
    }
    match standing.verdict.grade {
        StandingGrade::Well | StandingGrade::Attention => Exit::Done,
        StandingGrade::Trouble => Exit::Failed,
    }
}

/// A daemon that waits with its start is in trouble, and that is all there is to say.
fn show_starting(starting: &NoDaemon, json: bool) -> Exit {
    let sentence = starting.to_string();
    if json {
        let verdict = serde_json::json!({ "grade": "trouble", "sentence": sentence, "concerns": [] });
        print(&printable_json(&format!("{}\n", serde_json::json!({ "verdict": verdict }))));
    } else {
        print(&format!("{}\n", printable(&sentence)));
    }
    Exit::Failed
}

async fn overview(daemon: &mut Client) -> Result<bytes::Bytes, ControlError> {
    let nothing = || ControlError::Broken { reason: "it said nothing".to_owned() };
    daemon.get("/overview").await?.line().await?.ok_or_else(nothing)
}

async fn look(daemon: &mut Client) -> Result<String, ControlError> {
    let line = overview(daemon).await?;
    let standing = serde_json::from_slice(&line).map_err(|source| ControlError::Garbled { source })?;
    let charts: Option<Charts> = daemon.get("/history").await?.next().await?;
    Ok(draw(&standing, &charts.unwrap_or_default(), terminal_width()))
}

pub(super) async fn top(arguments: TopArguments) -> Exit {
    let (mut daemon, mut signals) = match connect_until_stopped(&arguments.config).await {
        Ok(connected) => connected,
        Err(exit) => return exit,
    };
    let mut due = interval(Duration::from_secs_f64(arguments.interval.clamp(INTERVAL_MIN, INTERVAL_MAX)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, screen) = (0, Screen::enter());
    let mut keys = screen.as_ref().map(|_| keys());
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = signals.next() => return Exit::Done,
            key = pressed(&mut keys) => match key {
                b'q' | b'Q' => return Exit::Done,
                _ => continue,
            },
        }
        match look(&mut daemon).await {
            Ok(text) => match &screen {
                Some(screen) => screen.show(&text),
                None => print(&format!("{text}\n")),
            },
            Err(err) => {
                // What is told must not stand on the page that goes.
                drop(screen);
                return fail(Exit::Unavailable, &err);
            }
        }
        looks += 1;
        if arguments.count.is_some_and(|count| looks >= count) {
            return Exit::Done;
        }
    }
}

/// The keys that are pressed. The thread that reads them ends with the process.
fn keys() -> mpsc::Receiver<u8> {
    let (sender, keys) = mpsc::channel(KEYS_MAX);
    std::thread::spawn(move || {
        for key in BufReader::new(io::stdin()).bytes().map_while(Result::ok) {
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// The next key; none ever if there is nobody to press one.
async fn pressed(keys: &mut Option<mpsc::Receiver<u8>>) -> u8 {
    let Some(receiver) = keys else { return std::future::pending().await };
    match receiver.recv().await {
        Some(key) => key,
        None => {
            *keys = None;
            std::future::pending().await
        }
    }
}
