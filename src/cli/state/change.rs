//! What changes the state: in the store while the daemon is stopped; of a route also through a daemon that runs.

use std::{fs, io, path::Path, sync::Arc};

use jiff::Timestamp;

use super::{
    super::{Exit, fail, note, print},
    Loaded, confirm, fail_state,
    inspect::reach_daemon,
};
use crate::{
    app::beginnings,
    command::{
        audit::{SavedChain, VerifiedHead},
        engine::{RECOVERY_CONSEQUENCE, loss_of_note, pauses_of_recovery},
    },
    config::{AuditConfig, Config, SinkConfig},
    control::{Client, ControlError, ResetRoute, RouteChange, RoutePosition, with_query},
    route::checkpoint_in_bus,
    state::{BusCheckpoint, Contents, ImportError, Opening, State, StateError, read_export},
    telemetry::printable,
};

/// The note of a state with the end of an audit's chain begins so; the name of the commands follows.
const AUDIT_NOTES: &str = "audit/";

pub(super) async fn import(loaded: &Loaded<'_>, from: &Path, yes: bool) -> Exit {
    let contents = match read(from) {
        Ok(contents) => contents,
        Err(err) => return fail(Exit::Usage, &err),
    };
    // Whatever else keeps it from being opened is no reason against an import.
    match loaded.open().await {
        Err(err @ StateError::Locked(_)) => return refuse(&err, loaded.file),
        opened => drop(close(opened).await),
    }
    let sections = &loaded.config.commands;
    let contents = contents.with(&pauses_of_recovery(sections.keys(), Timestamp::now()));
    let (routes, commands) = (contents.routes.len(), contents.entries.len());
    let audits = audits_that_go_on(loaded, &contents);
    let path = loaded.config.runtime.state.path.display();
    let question = format!(
        "The state in {path} will be replaced by {routes} route(s) and {commands} command(s); the store that is there is kept under another name."
    );
    if !yes && !confirm(&question, "import") {
        return not_done();
    }
    match close(loaded.open_as(Opening::With(contents)).await).await {
        Ok(()) => {
            if !sections.is_empty() {
                note(RECOVERY_CONSEQUENCE);
            }
            audits.iter().for_each(|audit| note(audit));
            done(&format!("imported {routes} route(s) and {commands} command(s)\n"))
        }
        Err(err) => refuse(&err, loaded.file),
    }
}

/// Says why the state cannot be changed, and what to do while a daemon has it.
fn refuse(err: &StateError, file: &Path) -> Exit {
    let exit = fail_state(err, file);
    if matches!(err, StateError::Locked(_)) {
        note("this changes the state: stop the daemon first, and start it again afterwards");
    }
    exit
}

/// The advice for each audit whose file has more records than the state of a backup, and where its chain continues.
fn audits_that_go_on(loaded: &Loaded<'_>, contents: &Contents) -> Vec<String> {
    let files = loaded.config.commands.iter().filter_map(|(name, commands)| match &commands.audit {
        AuditConfig::File(file) => Some((name, &file.path)),
        AuditConfig::Sink(_) => None,
    });
    let told = files.filter_map(|(name, file)| {
        let note = contents.notes.iter().find(|note| note.name.strip_prefix(AUDIT_NOTES) == Some(name.as_str()));
        let kept = note.and_then(|note| serde_json::from_str::<SavedChain>(&note.content).ok());
        let head = kept.map(|kept| kept.head).unwrap_or_default();
        if head.sequence == 0 && !file.exists() {
            return None;
        }
        let after = VerifiedHead { commands: name.clone(), head };
        Some(format!(
            "the audit of `{name}` goes on where the backup ends: before anything else, move {} away if it is there, with the closed files beside it; look at \
             the new file with `oktabus command audit --verify --after {after}`",
            file.display()
        ))
    });
    told.collect()
}

/// A route that is to begin at another time.
#[derive(Debug)]
pub(super) struct WantedReset {
    pub(super) route: String,
    pub(super) to: Timestamp,
    pub(super) reason: Option<String>,
    /// Nobody is asked.
    pub(super) yes: bool,
}

impl WantedReset {
    /// Whether it is to be done; `stands` is the link at which the route stands.
    fn is_confirmed(&self, stands: Option<&str>) -> bool {
        let Self { route, to, yes, .. } = self;
        let stands = stands.unwrap_or("nowhere yet");
        let question = format!(
            "Route {route} stands at\n  {stands}\nand will begin at {to} instead: what came after that is delivered again, \
             and what came between its place and a later time is not delivered."
        );
        *yes || confirm(&question, route)
    }
}

/// Moves a route to another time: in the store, or through the daemon that has it.
pub(super) async fn reset(loaded: &Loaded<'_>, wanted: WantedReset) -> Exit {
    let WantedReset { route, to, .. } = &wanted;
    let to = *to;
    let beginnings = match beginnings(&loaded.config, to) {
        Ok(beginnings) => beginnings,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let names: Vec<_> = beginnings.iter().map(|(name, _)| name.clone()).collect();
    let Some((_, beginning)) = beginnings.into_iter().find(|(name, _)| name == route.as_str()) else {
        return fail(Exit::Usage, &UnknownRoute { route: route.clone(), names });
    };
    let state = match loaded.open().await {
        Ok(state) => state,
        Err(StateError::Locked(_)) => return reset_through_daemon(loaded, wanted).await,
        Err(err) => return refuse(&err, loaded.file),
    };
    let stored = match state.load(route).await {
        Ok(stored) => stored,
        Err(err) => return refuse(&err, loaded.file),
    };
    let of_bus = match checkpoint_of(loaded, route).await {
        Ok(of_bus) => of_bus,
        Err(exit) => return exit,
    };
    if !wanted.is_confirmed(stored.as_ref().map(|stored| stored.cursor.link.as_str())) {
        return not_done();
    }
    let expected = stored.as_ref().map_or(0, |stored| stored.generation);
    let cursor = beginning.in_place_of(stored.map(|stored| stored.cursor), of_bus);
    let moved = match state.advance(route, expected, Arc::new(cursor)).await {
        Ok(_) => close(Ok(state)).await,
        Err(err) => Err(err),
    };
    match moved {
        Ok(()) => done(&format!("route {route} begins at {to}\n")),
        Err(err) => refuse(&err, loaded.file),
    }
}

/// Has the daemon move the route, which it stops for that, and begins again.
async fn reset_through_daemon(loaded: &Loaded<'_>, wanted: WantedReset) -> Exit {
    let mut daemon = match reach_daemon(loaded).await {
        Ok(daemon) => daemon,
        Err(exit) => return exit,
    };
    if !wanted.yes {
        match position(&mut daemon, &wanted.route).await {
            Ok(RoutePosition { link }) if wanted.is_confirmed(link.as_deref()) => {}
            Ok(_) => return not_done(),
            Err(err) => return not_reset(&err),
        }
    }
    let WantedReset { route, to, reason, .. } = wanted;
    let asked = async { daemon.post("/routes/reset", &ResetRoute { route, to, reason }).await?.only().await };
    match asked.await {
        Ok(RouteChange { done: text }) => done(&format!("{}\n", printable(&text))),
        Err(err) => not_reset(&err),
    }
}

async fn position(daemon: &mut Client, route: &str) -> Result<RoutePosition, ControlError> {
    let path = with_query("/routes/position", &serde_json::json!({ "route": route }));
    daemon.get(&path).await?.only().await
}

/// Says why the daemon did not move the route.
fn not_reset(err: &ControlError) -> Exit {
    let exit = match err {
        ControlError::Refused { status, .. } if status.as_u16() == 404 => Exit::Usage,
        ControlError::Refused { status, .. } if status.as_u16() == 409 => Exit::Failed,
        _ => Exit::Unavailable,
    };
    fail(exit, err)
}

/// The checkpoint that the bus has of a route that delivers exactly once, which the new cursor is to count more than. None: it
/// has none, or the route has its cursor in the state alone. Errors have been printed.
async fn checkpoint_of(loaded: &Loaded<'_>, route: &str) -> Result<Option<BusCheckpoint>, Exit> {
    let is_exactly_once = |config: &Config| {
        let sink = config.routes().find(|(known, _)| known.name == route);
        sink.and_then(|(route, _)| config.sink_of(route)).is_some_and(SinkConfig::is_transactional)
    };
    if !is_exactly_once(&loaded.config) {
        return Ok(None);
    }
    let config = Config::load(loaded.file).map_err(|err| fail(Exit::Usage, &err))?;
    let Some((known, origin)) = config.routes().find(|(known, _)| known.name == route) else {
        return Ok(None);
    };
    let Some(sink) = config.sink_of(known) else { return Ok(None) };
    let found = checkpoint_in_bus(sink, route, &origin).await;
    found.map_err(|err| {
        let exit = fail(Exit::Unavailable, &err);
        note("the route delivers exactly once, and its bus has its place: nothing was changed");
        exit
    })
}

/// Removes a note of commands. Its content goes to standard output, so that it is not lost.
pub(super) async fn remove_note(loaded: &Loaded<'_>, name: &str, yes: bool) -> Exit {
    let Some(loss) = loss_of_note(name) else {
        return fail(Exit::Usage, &NotRemovable(name.to_owned()));
    };
    let state = match loaded.open().await {
        Ok(state) => state,
        Err(err) => return refuse(&err, loaded.file),
    };
    let stored = match state.note(name).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return fail(Exit::Usage, &UnknownNote(name.to_owned())),
        Err(err) => return refuse(&err, loaded.file),
    };
    if !yes && !confirm(&format!("The note {name} will be removed. Then {loss}."), name) {
        return not_done();
    }
    let removed = match state.drop_notes(vec![name.to_owned()]).await {
        Ok(()) => close(Ok(state)).await,
        Err(err) => Err(err),
    };
    match removed {
        Ok(()) => {
            note(&format!("the note {name} is removed, and what it said follows; now {loss}"));
            done(&format!("{}\n", stored.content))
        }
        Err(err) => refuse(&err, loaded.file),
    }
}

pub(super) async fn compact(loaded: &Loaded<'_>) -> Exit {
    match compact_store(loaded).await {
        Ok((before, after)) => done(&format!("the store had {before} bytes and has {after}\n")),
        Err(err) => refuse(&err, loaded.file),
    }
}

async fn compact_store(loaded: &Loaded<'_>) -> Result<(u64, u64), StateError> {
    let state = loaded.open().await?;
    let before = state.verify().await?.store_bytes;
    state.close().await?;
    drop(state);
    let state = loaded.open_as(Opening::Compacted).await?;
    let after = state.verify().await?.store_bytes;
    state.close().await?;
    Ok((before, after))
}

async fn close(opened: Result<State, StateError>) -> Result<(), StateError> {
    opened?.close().await
}

fn read(from: &Path) -> Result<Contents, ImportError> {
    if from == Path::new("-") {
        return read_export(io::stdin().lock());
    }
    read_export(io::BufReader::new(fs::File::open(from)?))
}

fn done(text: &str) -> Exit {
    print(text);
    Exit::Done
}

fn not_done() -> Exit {
    note("nothing was changed");
    Exit::Usage
}

#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no note of commands: their names begin with limits/, paused/, cancelled/, protected/, audit/ or parked/"
)]
struct NotRemovable(String);

#[derive(Debug, thiserror::Error)]
#[error("there is no note `{0}`: `oktabus state export` has all there are")]
struct UnknownNote(String);

/// A route that no stream of the configuration has.
#[derive(Debug, thiserror::Error)]
#[error("there is no route {route}; the routes are {}", names.join(", "))]
struct UnknownRoute {
    route: String,
    names: Vec<String>,
}
