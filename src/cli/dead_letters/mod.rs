//! `oktabus dead-letters`: list, show, retry and drop what could not be delivered or carried out.
//!
//! Letters are found in the files of the state, whether a daemon runs or not. What changes something is done by the daemon if one
//! runs, and here otherwise.

mod change;
mod display;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{ConfigArgument, Exit, fail, note, print, state::point_in_time};
use crate::{
    config::Config,
    dead_letters::{FoundLetters, LetterFilter, LetterId, LetterKind, find_letters},
    state::StatePaths,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oktabus dead-letters list --route system-log/siem --since -1d
  oktabus dead-letters show 3f9a1c0b2d7e4f10
  oktabus dead-letters retry --route system-log/siem
  oktabus dead-letters drop --kind command --until -30d --yes")]
pub(super) struct DeadLettersArguments {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// List dead letters, of each route the oldest first
    List {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        which: WhichLetters,
        /// The largest number of dead letters: the latest
        #[arg(long, value_name = "N", default_value_t = LISTED)]
        limit: usize,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show dead letters with what was kept of them
    Show {
        #[command(flatten)]
        config: ConfigArgument,
        /// The dead letters, as listed by `list`
        #[arg(required = true, value_name = "LETTER")]
        letters: Vec<String>,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Deliver messages again to the sink of their route, with the same ids, and remove those that it has proved
    Retry {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        chosen: ChosenLetters,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Remove dead letters for good
    Drop {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        chosen: ChosenLetters,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
}

/// How many are listed.
const LISTED: usize = 50;

/// Conditions, all of which must hold.
#[derive(Debug, Args)]
struct WhichLetters {
    /// Only those of this route, as listed by `state show`
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Only those of this `[commands.NAME]`
    #[arg(long, value_name = "NAME")]
    commands: Option<String>,
    /// Only messages that could not be delivered, or only messages that were no commands
    #[arg(long, value_name = "KIND")]
    kind: Option<LetterKind>,
    /// Only those kept since: -1d, or a timestamp
    #[arg(long, value_name = "TIME", value_parser = point_in_time, allow_hyphen_values = true)]
    since: Option<Timestamp>,
    /// Only those kept before: -30d, or a timestamp
    #[arg(long, value_name = "TIME", value_parser = point_in_time, allow_hyphen_values = true)]
    until: Option<Timestamp>,
    /// Only those with these words in the reason
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
}

/// Letters that something is done to: named, by conditions, or all.
#[derive(Debug, Args)]
struct ChosenLetters {
    /// The dead letters, as listed by `list`
    #[arg(value_name = "LETTER")]
    letters: Vec<String>,
    #[command(flatten)]
    which: WhichLetters,
    /// All of them
    #[arg(long, conflicts_with = "letters")]
    all: bool,
}

impl WhichLetters {
    fn is_nothing(&self) -> bool {
        let Self { route, commands, kind, since, until, reason } = self;
        let is_of_owner = route.is_some() || commands.is_some() || kind.is_some();
        !is_of_owner && since.is_none() && until.is_none() && reason.is_none()
    }

    fn filter(self) -> LetterFilter {
        let Self { route, commands, kind, since, until, reason } = self;
        LetterFilter { route, commands, kind, since, until, reason, ..LetterFilter::default() }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeadLettersError {
    #[error("say which dead letters: their ids, conditions such as --route, or --all")]
    NothingChosen,
    #[error("there is no dead letter {0}: `oktabus dead-letters list` has those that there are")]
    Unknown(String),
}

pub(super) async fn dead_letters(arguments: DeadLettersArguments) -> Exit {
    match arguments.command {
        DeadLettersCommand::List { config, which, limit, json } => {
            let filter = LetterFilter { limit: Some(limit), ..which.filter() };
            match found(&config, filter).await {
                Ok((_, found)) => list(&found, json),
                Err(exit) => exit,
            }
        }
        DeadLettersCommand::Show { config, letters, json } => show(&config, letters, json).await,
        DeadLettersCommand::Retry { config, chosen, json } => match choose(&config, chosen).await {
            Ok((loaded, letters)) => change::retry(&config, loaded, letters, json).await,
            Err(exit) => exit,
        },
        DeadLettersCommand::Drop { config, chosen, yes, json } => match choose(&config, chosen).await {
            Ok((loaded, letters)) => change::drop(&loaded, letters, yes, json).await,
            Err(exit) => exit,
        },
    }
}

/// The configuration, without secrets, and the letters that `filter` wants.
async fn found(argument: &ConfigArgument, filter: LetterFilter) -> Result<(Config, FoundLetters), Exit> {
    let config = argument.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
    let directory = StatePaths::from(&config.runtime.state).dead_letters().path;
    let found = find_letters(&directory, filter).await.map_err(|err| fail(Exit::Unavailable, &err))?;
    Ok((config, found))
}

/// The configuration, and the ids of the letters that were chosen, each of which there is.
async fn choose(argument: &ConfigArgument, chosen: ChosenLetters) -> Result<(Config, Vec<LetterId>), Exit> {
    let ChosenLetters { letters, which, all } = chosen;
    if letters.is_empty() && !all && which.is_nothing() {
        return Err(fail(Exit::Usage, &DeadLettersError::NothingChosen));
    }
    let named = ids(letters);
    let filter = LetterFilter { letters: named.clone(), ..which.filter() };
    let (config, found) = found(argument, filter).await?;
    // The same line of two owners is one letter.
    let there: BTreeSet<_> = found.letters.into_iter().map(|letter| letter.letter).collect();
    if let Some(unknown) = named.iter().find(|letter| !there.contains(letter)) {
        return Err(fail(Exit::Failed, &DeadLettersError::Unknown(unknown.to_string())));
    }
    Ok((config, there.into_iter().collect()))
}

fn ids(letters: Vec<String>) -> BTreeSet<LetterId> {
    letters.into_iter().map(LetterId::from).collect()
}

fn list(found: &FoundLetters, json: bool) -> Exit {
    let shown = found.letters.len() as u64;
    match found.letters.as_slice() {
        [] if !json => note("there are no such dead letters"),
        letters => print(&display::list(letters, json)),
    }
    if shown < found.total {
        note(&format!("the latest {shown} of {}: --limit shows more", found.total));
    }
    if found.unreadable > 0 {
        note(&format!("{} line(s) in the files are no dead letters of this version", found.unreadable));
    }
    if found.uncommitted > 0 {
        note(&format!(
            "{} message(s) of routes that deliver exactly once are none yet: they become some, or are sent again, when it is known \
             whether the transaction that leaves them out is committed",
            found.uncommitted
        ));
    }
    Exit::Done
}

async fn show(argument: &ConfigArgument, letters: Vec<String>, json: bool) -> Exit {
    let named = ids(letters);
    let filter = LetterFilter { letters: named.clone(), is_whole: true, ..LetterFilter::default() };
    let found = match found(argument, filter).await {
        Ok((_, found)) => found.letters,
        Err(exit) => return exit,
    };
    print(&display::details(&found, json));
    let unknown = named.iter().find(|id| found.iter().all(|letter| letter.letter != **id));
    match unknown {
        Some(unknown) => fail(Exit::Failed, &DeadLettersError::Unknown(unknown.to_string())),
        None => Exit::Done,
    }
}
