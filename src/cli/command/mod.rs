//! `oktabus command`: carry a command out now or put it on the queue, see what became of others, stop them, release limits,
//! verify the audit.
//!
//! The daemon does the work if one runs, reached through its control socket; else it is done here, with the same policy,
//! journal and audit.

mod audit;
mod bulk;
mod display;
mod journal_access;
mod message;
mod publish;

use std::{num::NonZeroUsize, pin::pin, time::Duration};

use clap::{Args, Subcommand};

use super::{ConfigArgument, Exit, fail, note, print};
use crate::{
    command::{
        Status,
        engine::{
            CancelCommand, ListCommands, ListedPause, PauseCommands, PendingStep, ReleaseLimit, StopRecord,
        },
    },
    control::RunResult,
    telemetry::printable,
};

use audit::AuditArguments;
use journal_access::JournalAccess;
use message::{MessageArguments, WhyArguments};
use publish::SignArguments;

#[derive(Debug, Args)]
pub(super) struct CommandArguments {
    #[command(subcommand)]
    what: CommandAction,
}

#[derive(Debug, Subcommand)]
enum CommandAction {
    /// Run a command now, and print its outcome
    Run {
        #[command(flatten)]
        which: CommandsArgument,
        #[command(flatten)]
        message: MessageArguments,
    },
    /// Put a command, or all commands of a file, on the daemon's queue
    Publish {
        #[command(flatten)]
        which: CommandsArgument,
        #[command(flatten)]
        message: MessageArguments,
        /// The subject, if the intake's subject has wildcards
        #[arg(long)]
        subject: Option<String>,
        /// Send the valid commands of a file even if other lines are invalid or not allowed
        #[arg(long, requires = "file")]
        no_validate: bool,
        #[command(flatten)]
        sign: SignArguments,
    },
    /// List commands, latest first
    List {
        #[command(flatten)]
        which: CommandsArgument,
        /// The largest number of commands
        #[arg(long, default_value_t = LISTED)]
        limit: NonZeroUsize,
        /// Only those with this status: received, parked, awaits_approval, started, done, already, refused, failed, expired, dry_run
        #[arg(long)]
        status: Option<String>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show the record of a command
    Show {
        #[command(flatten)]
        which: CommandsArgument,
        /// The command's id
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the limits, and which have tripped
    Limits {
        #[command(flatten)]
        which: CommandsArgument,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Stop all commands until `resume`, also after a restart
    Pause {
        #[command(flatten)]
        which: CommandsArgument,
        #[command(flatten)]
        why: WhyArguments,
    },
    /// Run commands again after a `pause`
    Resume {
        #[command(flatten)]
        which: CommandsArgument,
        #[command(flatten)]
        why: WhyArguments,
    },
    /// Cancel a command that has not ended, also before it arrives
    Cancel {
        #[command(flatten)]
        which: CommandsArgument,
        /// The command's id
        id: String,
        #[command(flatten)]
        why: WhyArguments,
    },
    /// Release a limit that has tripped
    Release {
        #[command(flatten)]
        which: CommandsArgument,
        /// The limit, as listed by `limits`
        limit: String,
        #[command(flatten)]
        why: WhyArguments,
    },
    /// Verify the audit
    Audit {
        #[command(flatten)]
        which: CommandsArgument,
        #[command(flatten)]
        audit: AuditArguments,
    },
}

/// What an operator does to commands.
enum StopAction {
    Pause,
    Resume,
    Cancel(String),
}

/// How many commands are listed.
const LISTED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(19);

/// The time after which a person gets a message about the progress.
const QUIET: Duration = Duration::from_secs(5);

/// Which commands of which configuration.
#[derive(Debug, Args)]
struct CommandsArgument {
    #[command(flatten)]
    config: ConfigArgument,
    /// The name of `[commands.NAME]`; not needed if there is only one
    #[arg(long, value_name = "NAME")]
    commands: Option<String>,
}

pub(super) async fn command(arguments: CommandArguments) -> Exit {
    match arguments.what {
        CommandAction::Run { which, message } => run(which, message).await,
        CommandAction::Publish { which, message, subject, no_validate, sign } => {
            publish::publish(&which, message, subject, no_validate, &sign).await
        }
        CommandAction::List { which, limit, status, json } => {
            let wanted =
                ListCommands { commands: which.commands.clone(), id: None, status, limit: limit.get() };
            list(&which, wanted, json).await
        }
        CommandAction::Show { which, id, json } => show(&which, id, json).await,
        CommandAction::Limits { which, json } => limits(&which, json).await,
        CommandAction::Pause { which, why } => stop(&which, StopAction::Pause, why).await,
        CommandAction::Resume { which, why } => stop(&which, StopAction::Resume, why).await,
        CommandAction::Cancel { which, id, why } => stop(&which, StopAction::Cancel(id), why).await,
        CommandAction::Release { which, limit, why } => release(&which, limit, why).await,
        CommandAction::Audit { which, audit } => audit::audit(&which, audit).await,
    }
}

async fn run(which: CommandsArgument, message: MessageArguments) -> Exit {
    let json = message.json;
    let message = match message.compose() {
        Ok(message) => message,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let ran = match JournalAccess::daemon_or_state(&which, true).await {
        Ok(reached) => {
            let still = reached.still_waiting(&message.id);
            let mut running = pin!(reached.run(which.commands.as_deref(), message));
            match tokio::time::timeout(QUIET, &mut running).await {
                Ok(ran) => ran,
                Err(_) => {
                    note(&still);
                    running.await
                }
            }
        }
        Err(exit) => return exit,
    };
    match ran {
        Ok(RunResult::Outcome(outcome)) => {
            print(&display::outcome(&outcome, json));
            match outcome.status {
                Status::Done | Status::Already | Status::DryRun => Exit::Done,
                Status::Refused | Status::Failed | Status::Expired => Exit::Failed,
            }
        }
        Ok(RunResult::NotNow(why)) => fail(Exit::Unavailable, &NotRunNow(why)),
        Err(exit) => exit,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it is not carried out now: {0}; the same command, with the same --id, asks again")]
struct NotRunNow(String);

async fn list(which: &CommandsArgument, wanted: ListCommands, json: bool) -> Exit {
    const STATUSES: [&str; 10] = [
        "received",
        "parked",
        "awaits_approval",
        "started",
        "done",
        "already",
        "refused",
        "failed",
        "expired",
        "dry_run",
    ];
    if let Some(status) = &wanted.status
        && !STATUSES.contains(&status.as_str())
    {
        return fail(Exit::Usage, &UnknownStatus(status.clone(), STATUSES.join(", ")));
    }
    let nothing = match &wanted.status {
        Some(status) => format!("the journal has no command that is `{status}`"),
        None => "the journal has no commands yet".to_owned(),
    };
    let listed = match JournalAccess::daemon_or_state(which, false).await {
        Ok(reached) => reached.list(wanted).await,
        Err(exit) => return exit,
    };
    match listed {
        Ok((listed, paused)) => {
            for ListedPause { commands, paused } in paused.iter().filter(|_| !json) {
                let paused = printable(&paused.to_string()).into_owned();
                note(&format!(
                    "the commands {commands} were paused{paused}; `oktabus command resume` lets them go on"
                ));
            }
            match listed.as_slice() {
                [] if !json => note(&nothing),
                listed => print(&display::list(listed, json)),
            }
            Exit::Done
        }
        Err(exit) => exit,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no command is ever `{0}`; it is one of {1}")]
struct UnknownStatus(String, String);

async fn show(which: &CommandsArgument, id: String, json: bool) -> Exit {
    let wanted =
        ListCommands { commands: which.commands.clone(), id: Some(id.clone()), status: None, limit: 16 };
    let listed = match JournalAccess::daemon_or_state(which, false).await {
        Ok(reached) => reached.list(wanted).await,
        Err(exit) => return exit,
    };
    match listed {
        Ok((listed, _)) if listed.is_empty() => fail(Exit::Failed, &UnknownCommand(id)),
        Ok((listed, _)) => {
            print(&display::details(&listed, json));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the journal has no command `{0}`: it was never received, it was forgotten after `keep`, or its entry cannot be \
     read, which `oktabus state verify` tells"
)]
struct UnknownCommand(String);

async fn limits(which: &CommandsArgument, json: bool) -> Exit {
    let limits = match JournalAccess::daemon_or_state(which, false).await {
        Ok(reached) => reached.limits(which.commands.as_deref()).await,
        Err(exit) => return exit,
    };
    match limits {
        Ok(limits) => {
            match limits.as_slice() {
                [] if !json => note("the configuration has no `limits`"),
                limits => print(&display::limits(limits, json)),
            }
            Exit::Done
        }
        Err(exit) => exit,
    }
}

async fn release(which: &CommandsArgument, limit: String, why: WhyArguments) -> Exit {
    let WhyArguments { reason, requested_by } = why;
    let (commands, requested_by) = (which.commands.clone(), requested_by.or_else(message::user));
    let wanted = ReleaseLimit { commands, limit, requested_by, reason };
    let released = match JournalAccess::daemon_or_state(which, false).await {
        Ok(reached) => reached.release(&wanted).await,
        Err(exit) => return exit,
    };
    let limit = wanted.limit;
    match released {
        Ok(true) => {
            print(&format!("released: `{limit}` counts from zero\n"));
            Exit::Done
        }
        Ok(false) => {
            print(&format!("`{limit}` had not tripped; it counts from zero\n"));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

async fn stop(which: &CommandsArgument, stop: StopAction, why: WhyArguments) -> Exit {
    let WhyArguments { reason, requested_by } = why;
    let (commands, requested_by) = (which.commands.clone(), requested_by.or_else(message::user));
    let reached = match JournalAccess::daemon_or_state(which, false).await {
        Ok(reached) => reached,
        Err(exit) => return exit,
    };
    let pause = PauseCommands {
        commands: commands.clone(),
        requested_by: requested_by.clone(),
        reason: reason.clone(),
    };
    let (switched, new, old, unknown) = match stop {
        StopAction::Pause => (
            reached.pause(&pause).await,
            "paused: nothing is sent until `oktabus command resume`".to_owned(),
            "it was paused already, and stays so as it is".to_owned(),
            None,
        ),
        StopAction::Resume => {
            (reached.resume(&pause).await, "resumed".to_owned(), "it was not paused".to_owned(), None)
        }
        StopAction::Cancel(id) => {
            let new = format!("cancelled: nothing more is sent for `{id}`");
            let old = format!("`{id}` was cancelled already");
            let unknown = format!(
                "no command `{id}` has come so far: is the id right? If one comes, it is refused; `oktabus command list` has \
                 those that have come"
            );
            let cancel = CancelCommand { commands, id, requested_by, reason };
            (reached.cancel(&cancel).await, new, old, Some(unknown))
        }
    };
    let switched = match switched {
        Ok(switched) => switched,
        Err(exit) => return exit,
    };
    let earlier = switched.earlier.as_ref().map(StopRecord::to_string).unwrap_or_default();
    match switched.is_new {
        true => print(&format!("{new}\n")),
        false => print(&format!("{old}{}\n", printable(&earlier))),
    }
    if let Some(unknown) = unknown.filter(|_| !switched.is_known) {
        note(&unknown);
    }
    match switched.pending {
        Some(step) => fail(Exit::Unavailable, &StepPending(step)),
        None => Exit::Done,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{}", match .0 {
    PendingStep::Save => "it is in effect only in the daemon's memory: the state cannot be written now, so a restart would forget it; \
                      the daemon retries, and its log and `/status` say why",
    PendingStep::Record => "it is in effect and saved, but not in the audit yet, which cannot be written now; the daemon retries, \
                         and its log and `/status` say why",
})]
struct StepPending(PendingStep);
