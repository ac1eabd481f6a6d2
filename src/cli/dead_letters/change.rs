//! What is done to dead letters: by the daemon if one runs, else here.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use super::display;
use crate::{
    cli::{ConfigArgument, Exit, fail, note, print, state::confirm},
    config::Config,
    control::{Client, ControlError, NamedLetters},
    dead_letters::{DroppedLetters, LetterId, LetterResult, LetterRetries, LetterRetry, drop_letters},
    sink,
    state::StatePaths,
    telemetry::logging,
};

/// Letters that are named in one request.
const NAMED_MAX: usize = 500;

#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error("{0} dead letter(s) would be lost for good: add --yes to drop them without being asked")]
    NotConfirmed(usize),
    #[error("nothing was dropped")]
    Declined,
    #[error("{0} dead letter(s) are kept still")]
    Kept(usize),
}

/// Delivers `letters` again. `config` has no secrets.
pub(super) async fn retry(
    argument: &ConfigArgument,
    config: Config,
    letters: Vec<LetterId>,
    json: bool,
) -> Exit {
    let retried = match Client::connect(&config.runtime.state.path).await {
        Ok(Some(daemon)) => by_daemon(daemon, "/dead-letters/retry", letters).await,
        Ok(None) => here(argument, letters).await,
        Err(err) => Err(fail(Exit::Unavailable, &err)),
    };
    let retried: Vec<LetterRetry> = match retried {
        Ok(retried) => retried,
        Err(exit) => return exit,
    };
    if retried.is_empty() && !json {
        note("there are no such dead letters");
        return Exit::Done;
    }
    print(&display::retries(&retried, json));
    let is_kept =
        |retry: &&LetterRetry| !matches!(retry.result, LetterResult::Delivered | LetterResult::Unknown);
    match retried.iter().filter(is_kept).count() {
        0 => Exit::Done,
        kept => fail(Exit::Failed, &ChangeError::Kept(kept)),
    }
}

async fn here(argument: &ConfigArgument, letters: Vec<LetterId>) -> Result<Vec<LetterRetry>, Exit> {
    let config = argument.load().map_err(|err| fail(Exit::Usage, &err))?;
    logging::start("warn", config.runtime.log.style);
    for sink in config.sinks.values() {
        sink::require(sink).map_err(|err| fail(Exit::Usage, &err))?;
    }
    let directory = StatePaths::from(&config.runtime.state).dead_letters().path;
    let retries = Arc::new(LetterRetries::new(config, directory));
    retries.retry(letters).await.map_err(|err| fail(Exit::Unavailable, &err))
}

/// Removes `letters`, if somebody confirms it.
pub(super) async fn drop(config: &Config, letters: Vec<LetterId>, yes: bool, json: bool) -> Exit {
    let count = letters.len();
    if count == 0 {
        note("there are no such dead letters");
        return Exit::Done;
    }
    if !yes {
        if !io::stdin().is_terminal() {
            return fail(Exit::Usage, &ChangeError::NotConfirmed(count));
        }
        if !confirm(&format!("{count} dead letter(s) will be lost for good."), "drop") {
            return fail(Exit::Failed, &ChangeError::Declined);
        }
    }
    let dropped = match Client::connect(&config.runtime.state.path).await {
        Ok(Some(daemon)) => by_daemon(daemon, "/dead-letters/drop", letters).await,
        Ok(None) => {
            let directory = StatePaths::from(&config.runtime.state).dead_letters().path;
            let dropped = drop_letters(&directory, letters.into_iter().collect()).await;
            dropped.map(|dropped| vec![dropped]).map_err(|err| fail(Exit::Unavailable, &err))
        }
        Err(err) => Err(fail(Exit::Unavailable, &err)),
    };
    let dropped: Vec<DroppedLetters> = match dropped {
        Ok(dropped) => dropped,
        Err(exit) => return exit,
    };
    let gone = dropped.iter().map(|dropped| dropped.dropped.len()).sum::<usize>();
    match json {
        true => print(&display::lines(&dropped)),
        false => print(&format!("dropped: {gone} dead letter(s)\n")),
    }
    Exit::Done
}

/// Has the daemon do what `path` says to `letters`, some at a time.
async fn by_daemon<T: serde::de::DeserializeOwned>(
    mut daemon: Client,
    path: &str,
    letters: Vec<LetterId>,
) -> Result<Vec<T>, Exit> {
    let mut results = Vec::new();
    for letters in letters.chunks(NAMED_MAX) {
        let named = NamedLetters { letters: letters.to_vec() };
        let asking = async {
            let mut answers = daemon.post(path, &named).await?;
            while let Some(result) = answers.next().await? {
                results.push(result);
            }
            Ok::<_, ControlError>(())
        };
        asking.await.map_err(|err| fail(Exit::Unavailable, &err))?;
    }
    Ok(results)
}
