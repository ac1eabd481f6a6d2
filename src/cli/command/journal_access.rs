//! Access to the journal: through the daemon, or in the state itself if no daemon runs.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{CommandsArgument, message::Message};
use crate::{
    app::{self, Clients},
    cli::{Exit, fail, state::fail_state},
    command::{
        LocalUser,
        engine::{
            CancelCommand, EngineError, Engines, ListCommands, Listed, ListedChain, ListedLimit, ListedPause,
            LocalAnswer, PauseCommands, PendingStep, ReleaseLimit, StopChange,
        },
    },
    config::Config,
    control::{Client, ControlError, Released, RunCommand, RunResult},
    state::{Opening, State, StateError, StatePaths},
    telemetry::logging,
};

/// How long to wait while another process has locked the state: a daemon that starts, or another command.
const HOLDER_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Where the journal is reached.
pub(super) enum JournalAccess {
    Daemon(Client),
    State { engines: Engines, journal_keep: Duration, state: State, file: std::path::PathBuf },
}

impl JournalAccess {
    /// Connects to the daemon, or opens the state without it. Errors have been printed. `acts` says whether requests to
    /// Okta will be made.
    pub(super) async fn daemon_or_state(which: &CommandsArgument, acts: bool) -> Result<Self, Exit> {
        // The daemon has read the secrets; its client need not be able to.
        let config = which.config.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
        match Client::connect(&config.runtime.state.path).await {
            Ok(Some(daemon)) => return Ok(Self::Daemon(daemon)),
            Ok(None) => {}
            Err(err) => return Err(fail(Exit::Unavailable, &err)),
        }
        let (mut config, clients) = if acts {
            let config = which.config.load().map_err(|err| fail(Exit::Usage, &err))?;
            logging::start("warn", config.runtime.log.style);
            let clients = app::clients(&config).map_err(|err| fail(Exit::Usage, &err))?;
            (config, clients)
        } else {
            let clients = app::clients_without_secrets(&config).map_err(|err| fail(Exit::Usage, &err))?;
            (config, clients)
        };
        // Messages of the queue and parked commands are for the daemon, and so are the keys of signers.
        for commands in config.commands.values_mut() {
            (commands.intake, commands.signature) = (None, None);
        }
        Self::state(&config, &clients, which.config.config.clone()).await
    }

    async fn state(config: &Config, clients: &Clients, file: std::path::PathBuf) -> Result<Self, Exit> {
        let held_until = Instant::now() + HOLDER_MAX;
        let state = loop {
            let locked = match State::open(StatePaths::from(&config.runtime.state), Opening::Trusted).await {
                Ok(state) => break state,
                Err(locked @ StateError::Locked(_)) => locked,
                Err(err) => return Err(fail_state(&err, &file)),
            };
            match Client::connect(&config.runtime.state.path).await {
                Ok(Some(daemon)) => return Ok(Self::Daemon(daemon)),
                Ok(None) if Instant::now() < held_until => sleep(LOOK_AGAIN_AFTER).await,
                Ok(None) => return Err(fail_state(&locked, &file)),
                Err(err) => return Err(fail(Exit::Unavailable, &err)),
            }
        };
        let engines = Engines::new(config, clients, &state).map_err(|err| fail(Exit::from(&err), &err))?;
        Ok(Self::State { engines, journal_keep: config.journal_keep(), state, file })
    }

    /// The message about the command `id` if it takes long.
    pub(super) fn still_waiting(&self, id: &str) -> String {
        let (who, more) = match self {
            Self::Daemon(_) => (
                "the daemon",
                "its log and /status say what it waits for, and `oktabus command list` whether commands are paused; it goes on \
                 after Ctrl-C",
            ),
            Self::State { .. } => ("this", "Ctrl-C gives it up for now"),
        };
        format!("{who} is still at it: {more}; the same command with `--id {id}` asks again")
    }

    /// Carries a command out.
    pub(super) async fn run(self, commands: Option<&str>, message: Message) -> Result<RunResult, Exit> {
        match self {
            Self::Daemon(mut daemon) => {
                let request = RunCommand { commands: commands.map(str::to_owned), message: message.json };
                let mut answers = daemon.post("/commands", &request).await.map_err(|err| refused(&err))?;
                let ran = answers.next().await.map_err(|err| refused(&err))?;
                Ok(ran.unwrap_or_else(|| RunResult::NotNow("the daemon has ended".to_owned())))
            }
            Self::State { engines, journal_keep, state, file } => {
                let ran = run_here(&engines, journal_keep, commands, message).await;
                close(&state, &file).await?;
                ran.map_err(|err| failed(&err, &file))
            }
        }
    }

    /// What the journal says of the commands that are wanted, and which of the sections are paused.
    pub(super) async fn list(self, wanted: ListCommands) -> Result<(Vec<Listed>, Vec<ListedPause>), Exit> {
        match self {
            Self::Daemon(mut daemon) => {
                let listed = all(&mut daemon, &with_query("/commands", &wanted)).await?;
                Ok((listed, all(&mut daemon, &with_query("/commands/pause", &wanted)).await?))
            }
            Self::State { engines, state, file, .. } => {
                let listing = async {
                    let listed = engines.list(&wanted).await?;
                    Ok((listed, engines.list_pauses(wanted.commands.as_deref()).await?))
                };
                let listed = listing.await.map_err(|err: EngineError| failed(&err, &file));
                close(&state, &file).await?;
                listed
            }
        }
    }

    /// The limits, and whether they have tripped.
    pub(super) async fn limits(self, commands: Option<&str>) -> Result<Vec<ListedLimit>, Exit> {
        match self {
            Self::Daemon(mut daemon) => {
                let wanted =
                    ListCommands { commands: commands.map(str::to_owned), ..ListCommands::default() };
                all(&mut daemon, &with_query("/limits", &wanted)).await
            }
            Self::State { engines, state, file, .. } => {
                let listed = engines.list_limits(commands).await.map_err(|err| failed(&err, &file));
                close(&state, &file).await?;
                listed
            }
        }
    }

    /// What the state keeps of the ends of audits.
    pub(super) async fn audit_chains(self, commands: Option<&str>) -> Result<Vec<ListedChain>, Exit> {
        match self {
            Self::Daemon(mut daemon) => {
                let wanted =
                    ListCommands { commands: commands.map(str::to_owned), ..ListCommands::default() };
                all(&mut daemon, &with_query("/audit", &wanted)).await
            }
            Self::State { engines, state, file, .. } => {
                let listed = engines.audit_chains(commands).await.map_err(|err| failed(&err, &file));
                close(&state, &file).await?;
                listed
            }
        }
    }

    /// Releases a limit; says whether it had tripped.
    pub(super) async fn release(self, wanted: &ReleaseLimit) -> Result<bool, Exit> {
        match self {
            Self::Daemon(mut daemon) => {
                let mut answers =
                    daemon.post("/limits/release", wanted).await.map_err(|err| refused(&err))?;
                let released: Option<Released> = answers.next().await.map_err(|err| refused(&err))?;
                Ok(released.is_some_and(|released| released.had_tripped))
            }
            Self::State { engines, state, file, .. } => {
                let released = engines
                    .release(wanted, Some(&LocalUser::of_process()))
                    .await
                    .map_err(|err| failed(&err, &file));
                close(&state, &file).await?;
                released
            }
        }
    }
}

impl JournalAccess {
    /// Lets nothing be sent any more.
    pub(super) async fn pause(self, wanted: &PauseCommands) -> Result<StopChange, Exit> {
        match self {
            Self::Daemon(daemon) => switch(daemon, "/commands/pause", wanted).await,
            Self::State { engines, state, file, .. } => {
                closed(engines.pause(wanted, Some(&LocalUser::of_process())).await, &state, &file).await
            }
        }
    }

    /// Lets commands go on.
    pub(super) async fn resume(self, wanted: &PauseCommands) -> Result<StopChange, Exit> {
        match self {
            Self::Daemon(daemon) => switch(daemon, "/commands/resume", wanted).await,
            Self::State { engines, state, file, .. } => {
                closed(engines.resume(wanted, Some(&LocalUser::of_process())).await, &state, &file).await
            }
        }
    }

    /// Lets nothing more be sent for a command.
    pub(super) async fn cancel(self, wanted: &CancelCommand) -> Result<StopChange, Exit> {
        match self {
            Self::Daemon(daemon) => switch(daemon, "/commands/cancel", wanted).await,
            Self::State { engines, state, file, .. } => {
                closed(engines.cancel(wanted, Some(&LocalUser::of_process())).await, &state, &file).await
            }
        }
    }
}

async fn switch(
    mut daemon: Client,
    path: &str,
    wanted: &(impl serde::Serialize + Sync),
) -> Result<StopChange, Exit> {
    let answers = daemon.post(path, wanted).await.map_err(|err| refused(&err))?;
    answers.only().await.map_err(|err| refused(&err))
}

async fn closed(
    done: Result<StopChange, EngineError>,
    state: &State,
    file: &std::path::Path,
) -> Result<StopChange, Exit> {
    let done = match done {
        // Without a daemon no process could save it later.
        Ok(StopChange { pending: Some(PendingStep::Save), .. }) => {
            Err(EngineError::NotSaved { standing: "nothing is stopped, since no daemon runs" })
        }
        done => done,
    };
    let done = done.map_err(|err| failed(&err, file));
    close(state, file).await?;
    done
}

async fn run_here(
    engines: &Engines,
    journal_keep: Duration,
    commands: Option<&str>,
    message: Message,
) -> Result<RunResult, EngineError> {
    let engine = engines.get(commands)?;
    let has_ended = engine.find(&message.id).await?.is_some_and(|listed| listed.record.has_ended());
    // Who waits here has the state, and so nobody could resume.
    if let Some(paused) = engine.paused().await?.filter(|_| !has_ended) {
        return Ok(RunResult::NotNow(format!(
            "the commands were paused{paused}; `oktabus command resume` lets them go on"
        )));
    }
    let stop = CancellationToken::new();
    let running = engine.run_by_hand(journal_keep, &stop);
    let asking = async {
        let told =
            engine.submit(String::from(Box::<str>::from(message.json)).into(), LocalUser::of_process()).await;
        let answer = told.await;
        stop.cancel();
        answer
    };
    let (ended, answer) = tokio::join!(running, asking);
    ended?;
    Ok(match answer {
        Ok(LocalAnswer::Outcome(outcome)) => RunResult::Outcome(outcome),
        Ok(LocalAnswer::NotNow(why)) => RunResult::NotNow(why),
        Ok(LocalAnswer::Ended) | Err(_) => RunResult::NotNow("it was given up: the log says why".to_owned()),
    })
}

async fn all<T: serde::de::DeserializeOwned>(daemon: &mut Client, path: &str) -> Result<Vec<T>, Exit> {
    let mut answers = daemon.get(path).await.map_err(|err| refused(&err))?;
    let mut listed = Vec::new();
    while let Some(line) = answers.next().await.map_err(|err| refused(&err))? {
        listed.push(line);
    }
    Ok(listed)
}

fn with_query(path: &str, wanted: &ListCommands) -> String {
    let mut query = url::form_urlencoded::Serializer::new(format!("{path}?"));
    query.append_pair("limit", &wanted.limit.to_string());
    let given = [("commands", &wanted.commands), ("id", &wanted.id), ("status", &wanted.status)];
    for (name, value) in given {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

async fn close(state: &State, file: &std::path::Path) -> Result<(), Exit> {
    state.close().await.map_err(|err| fail_state(&err, file))
}

fn refused(err: &ControlError) -> Exit {
    let exit = match err {
        ControlError::Refused { status, .. } if *status == hyper::StatusCode::UNPROCESSABLE_ENTITY => {
            Exit::Usage
        }
        _ => Exit::Unavailable,
    };
    fail(exit, err)
}

fn failed(err: &EngineError, file: &std::path::Path) -> Exit {
    match err {
        EngineError::State(err) => fail_state(err, file),
        _ => fail(Exit::from(err), err),
    }
}
