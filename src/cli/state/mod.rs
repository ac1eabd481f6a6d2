//! `oktabus state`: shows, verifies, exports and changes the durable state.
//!
//! All of it works while the daemon is stopped. While it runs the state is the daemon's: what only reads, and the reset of a route,
//! asks the daemon through its control socket, and what changes something else says that it must be stopped. None of it reads a
//! secret but for the bus of a route that delivers exactly once.

mod change;
mod inspect;
mod unreadable;

use std::{io::Write as _, path::Path, time::Duration};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use okta_client::logs;

use super::{ConfigArgument, Exit, fail};
use crate::{
    command::engine::RECOVERY_CONSEQUENCE,
    config::{Config, Start},
    state::{Opening, RecoveryMode, State, StateError, StatePaths, is_import_unfinished},
};
use change::WantedReset;

#[derive(Debug, Args)]
pub(super) struct StateArguments {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Show the position of each route
    Show {
        #[command(flatten)]
        config: ConfigArgument,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Read every record and both witnesses
    Verify {
        #[command(flatten)]
        config: ConfigArgument,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Export everything as JSON lines
    Export {
        #[command(flatten)]
        config: ConfigArgument,
        /// The file [default: standard output]
        #[arg(long, value_name = "FILE")]
        to: Option<std::path::PathBuf>,
    },
    /// Replace the state by an export
    Import {
        #[command(flatten)]
        config: ConfigArgument,
        /// The export; `-` for standard input
        #[arg(value_name = "FILE")]
        from: std::path::PathBuf,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Move a route to another time; a running daemon stops it for that, and no other
    Reset {
        #[command(flatten)]
        config: ConfigArgument,
        /// The route, as listed by `state show`
        route: String,
        /// now, -2h, or a timestamp
        #[arg(long, value_name = "TIME", value_parser = point_in_time, allow_hyphen_values = true)]
        to: Timestamp,
        /// Why, for the log and the audit of a running daemon
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Remove a note that cannot be read; its content is lost
    RemoveNote {
        #[command(flatten)]
        config: ConfigArgument,
        /// The note, as named in the daemon's message or in an export
        note: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Rewrite the store without records that it no longer needs
    Compact {
        #[command(flatten)]
        config: ConfigArgument,
    },
}

pub(super) async fn state(arguments: StateArguments) -> Exit {
    match arguments.command {
        StateCommand::Show { config, json } => match load(&config) {
            Ok(config) => inspect::show(&config, json).await,
            Err(exit) => exit,
        },
        StateCommand::Verify { config, json } => match load(&config) {
            Ok(config) => inspect::verify(&config, json).await,
            Err(exit) => exit,
        },
        StateCommand::Export { config, to } => match load(&config) {
            Ok(config) => inspect::export(&config, to.as_deref()).await,
            Err(exit) => exit,
        },
        StateCommand::Import { config, from, yes } => match load(&config) {
            Ok(config) => change::import(&config, &from, yes).await,
            Err(exit) => exit,
        },
        StateCommand::Reset { config, route, to, reason, yes } => match load(&config) {
            Ok(config) => change::reset(&config, WantedReset { route, to, reason, yes }).await,
            Err(exit) => exit,
        },
        StateCommand::RemoveNote { config, note, yes } => match load(&config) {
            Ok(config) => change::remove_note(&config, &note, yes).await,
            Err(exit) => exit,
        },
        StateCommand::Compact { config } => match load(&config) {
            Ok(config) => change::compact(&config).await,
            Err(exit) => exit,
        },
    }
}

/// A configuration and the file that it came from, which remedies name.
struct Loaded<'a> {
    config: Config,
    file: &'a Path,
}

fn load(argument: &ConfigArgument) -> Result<Loaded<'_>, Exit> {
    let config = argument.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
    Ok(Loaded { config, file: &argument.config })
}

impl Loaded<'_> {
    async fn open(&self) -> Result<State, StateError> {
        self.open_as(Opening::Existing).await
    }

    async fn open_as(&self, opening: Opening) -> Result<State, StateError> {
        State::open(StatePaths::from(&self.config.runtime.state), opening).await
    }
}

/// Prints why the state cannot be used and what can be done: exit code 65, or 69 if its disk is full.
pub(super) fn fail_state(err: &StateError, file: &Path) -> Exit {
    let exit = fail(Exit::from(err), err);
    if let StateError::Refused(refusal) = err {
        // Nothing more can be done if even this cannot be printed.
        let is_import_unfinished = is_import_unfinished(&refusal.directory);
        let _ = std::io::stderr()
            .write_all(recovery_modes(&refusal.recovery_modes(), is_import_unfinished, file).as_bytes());
    }
    exit
}

fn recovery_modes(modes: &[RecoveryMode], is_import_unfinished: bool, file: &Path) -> String {
    let mut text = "  to go on, choose one; the store that is there is kept under another name:\n".to_owned();
    if is_import_unfinished {
        text += &format!(
            "    oktabus state import EXPORT --config {}  # an import was begun here and did not end (the file \
             `unfinished-import` says so): the same again\n",
            file.display()
        );
    }
    for mode in modes {
        let (word, consequence) = match mode {
            RecoveryMode::Witness => {
                ("witness", "go on where the witness stood: nothing is missing, some events may come twice")
            }
            RecoveryMode::Store => {
                ("store", "trust the store as it is: what was delivered since may come twice")
            }
            RecoveryMode::Since => {
                ("since=-1h", "all routes begin an hour ago (or at another time): choose one before the loss")
            }
            RecoveryMode::Now => {
                ("now", "all routes begin with what is new: what came in between is NOT delivered")
            }
        };
        text += &format!("    oktabus run --config {} --recover={word:9}  # {consequence}\n", file.display());
    }
    text + &format!(
        "  where there are commands: with each of these ways {RECOVERY_CONSEQUENCE}; an \
                     audit in a file has records that the recovered state does not know: move it away before, and keep it\n"
    )
}

/// A time as it is typed: `now`, `-2h` or a timestamp; never before Okta's memory begins.
pub(super) fn point_in_time(text: &str) -> Result<Timestamp, String> {
    let start: Start = text.parse()?;
    Ok(start.resolve(Timestamp::now(), logs::RETENTION))
}

/// Asks a person, who must type `expected`.
pub(super) fn confirm(question: &str, expected: &str) -> bool {
    let _ = write!(std::io::stderr(), "{question}\nType `{expected}` to go on: ");
    let mut typed = String::new();
    let is_read = std::io::stdin().read_line(&mut typed).is_ok();
    is_read && typed.trim() == expected
}

/// How long ago `time` was, for people.
fn age(time: Timestamp) -> Duration {
    Timestamp::now().duration_since(time).try_into().unwrap_or_default()
}
