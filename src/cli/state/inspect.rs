//! What only reads: from the store, or from the daemon that has it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::{
    super::{Exit, fail, note, print, table::table},
    Loaded, age, fail_state,
    unreadable::UnreadableRecords,
};
use crate::{
    control::{Client, ControlError},
    search::{NOTES, Progress, Run, SavedProgress},
    state::{Contents, Cursor, State, StateError, Verification, read_export},
    telemetry::printable,
};

/// A route's cursor as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    route: String,
    cursor: String,
    generation: u64,
    age_seconds: u64,
    delivered: u64,
    published_max: Option<Timestamp>,
}

/// How far a search's route is, as it is shown.
#[derive(Debug, Serialize)]
struct ShownSearch {
    route: String,
    generation: u64,
    delivered: u64,
    /// Every slot up to here has run or is left out for good.
    decided: Timestamp,
    /// Windows have covered everything up to here.
    covered: Timestamp,
    run: Option<Run>,
}

pub(super) async fn show(loaded: &Loaded<'_>, json: bool) -> Exit {
    let Contents { routes, notes, .. } = match contents(loaded).await {
        Ok(contents) => contents,
        Err(exit) => return exit,
    };
    let streams: Vec<_> = routes.into_iter().map(shown).collect();
    let mut searches = Vec::new();
    for note in notes {
        let Some(route) = note.name.strip_prefix(NOTES) else { continue };
        let SavedProgress { progress, messages, .. } = match serde_json::from_str(&note.content) {
            Ok(kept) => kept,
            Err(err) => return fail(Exit::StateRefused, &err),
        };
        let Progress { decided, covered, run, .. } = progress;
        let (route, generation) = (route.to_owned(), note.generation);
        searches.push(ShownSearch { route, generation, delivered: messages, decided, covered, run });
    }
    match (json, searches.is_empty()) {
        (true, _) => print(&(json_lines(&streams) + &json_lines(&searches))),
        (false, true) => print(&human(&streams)),
        (false, false) if streams.is_empty() => print(&human_searches(&searches)),
        (false, false) => print(&format!("{}\n{}", human(&streams), human_searches(&searches))),
    }
    Exit::Done
}

pub(super) async fn verify(loaded: &Loaded<'_>, json: bool) -> Exit {
    let (found, unreadable) = match verified(loaded).await {
        Ok(verified) => verified,
        Err(exit) => return exit,
    };
    let refused = unreadable.named();
    match serde_json::to_string(&Verified { found: &found, refused_count: unreadable.count(), refused }) {
        Ok(line) if json => print(&format!("{line}\n")),
        _ => print(&verification(&found, &unreadable)),
    }
    if unreadable.count() > 0 {
        fail(Exit::StateRefused, &SomeUnreadable(unreadable.count()))
    } else {
        Exit::Done
    }
}

/// The result of a verification of the whole state, with the entries and notes that the daemon could not read.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    found: &'a Verification,
    refused_count: u64,
    refused: &'a [String],
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{0} record(s) of the state are whole and not understood: of an entry, its command ends with `journal_unreadable` if it \
     comes again; for a note, run the version that wrote it, or give it up with `oktabus state remove-note`"
)]
struct SomeUnreadable(u64);

/// Whether a daemon has the state. On a full or read-only disk nothing is opened, not even to see that it is locked.
async fn has_daemon(loaded: &Loaded<'_>, err: &StateError) -> bool {
    match err {
        StateError::Locked(_) => true,
        StateError::NoRoom { .. } | StateError::ReadOnly(_) => {
            matches!(Client::connect(&loaded.config.runtime.state.path).await, Ok(Some(_)))
        }
        _ => false,
    }
}

/// Looks at all of the state, or lets the daemon that has it look.
async fn verified(loaded: &Loaded<'_>) -> Result<(Verification, UnreadableRecords), Exit> {
    let mut unreadable = UnreadableRecords::default();
    match loaded.open().await {
        Ok(state) => {
            let found = state.verify().await.map_err(|err| fail_state(&err, loaded.file))?;
            write_pieces(&state, &mut unreadable).await?;
            Ok((found, unreadable))
        }
        Err(err) if has_daemon(loaded, &err).await => {
            let found = verification_of_daemon(loaded).await?;
            write_export_of(connect(loaded).await?, &mut unreadable).await?;
            Ok((found, unreadable))
        }
        Err(err) => Err(fail_state(&err, loaded.file)),
    }
}

/// An export is private: it contains the results of commands about people.
const EXPORT_MODE: u32 = 0o600;

pub(super) async fn export(loaded: &Loaded<'_>, to: Option<&Path>) -> Exit {
    let written = match to {
        None => write_export(loaded, &mut io::stdout()).await,
        Some(path) => {
            // A file that is there keeps what it has until the export is whole, and takes its mode from it.
            let draft =
                tempfile::Builder::new().permissions(fs::Permissions::from_mode(EXPORT_MODE)).tempfile_in(
                    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
                );
            let mut draft = match draft {
                Ok(draft) => draft,
                Err(err) => return fail(Exit::Usage, &err),
            };
            match write_export(loaded, draft.as_file_mut()).await {
                Ok(()) => keep_export(draft, path),
                Err(exit) => Err(exit),
            }
        }
    };
    match written {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// Puts a whole export where it is wanted, and says so.
fn keep_export(draft: NamedTempFile, path: &Path) -> Result<(), Exit> {
    let replaced = if path.exists() { ", in place of what was there" } else { "" };
    draft.persist(path).map_err(|err| fail(Exit::Usage, &err.error))?;
    note(&format!("the state is exported to {}{replaced}", path.display()));
    Ok(())
}

/// Everything in the state, from the store or from the daemon that has it.
async fn contents(loaded: &Loaded<'_>) -> Result<Contents, Exit> {
    let mut exported = Vec::new();
    write_export(loaded, &mut exported).await?;
    read_export(exported.as_slice()).map_err(|err| fail(Exit::Bug, &err))
}

async fn write_export(loaded: &Loaded<'_>, out: &mut (dyn Write + Send)) -> Result<(), Exit> {
    match loaded.open().await {
        Ok(state) => write_pieces(&state, out).await,
        Err(err) if has_daemon(loaded, &err).await => {
            let daemon = reach_daemon(loaded).await?;
            write_export_of(daemon, out).await
        }
        Err(err) => Err(fail_state(&err, loaded.file)),
    }
}

async fn write_export_of(mut daemon: Client, out: &mut (dyn Write + Send)) -> Result<(), Exit> {
    let mut lines = daemon.get("/state/export").await.map_err(|err| refused(&err))?;
    while let Some(line) = lines.line().await.map_err(|err| refused(&err))? {
        out.write_all(&line).map_err(|err| unwritten(&err))?;
    }
    Ok(())
}

/// The export cannot be written where it was wanted.
fn unwritten(err: &io::Error) -> Exit {
    fail(Exit::Unprinted, err)
}

async fn write_pieces(state: &State, out: &mut (dyn Write + Send)) -> Result<(), Exit> {
    let mut export = state.export();
    while let Some(piece) = export.piece().await.map_err(|err| fail(Exit::StateRefused, &err))? {
        out.write_all(&piece).map_err(|err| unwritten(&err))?;
    }
    Ok(())
}

async fn verification_of_daemon(loaded: &Loaded<'_>) -> Result<Verification, Exit> {
    let mut daemon = reach_daemon(loaded).await?;
    let mut answers = daemon.get("/state/verification").await.map_err(|err| refused(&err))?;
    match answers.next().await.map_err(|err| refused(&err))? {
        Some(found) => Ok(found),
        None => Err(fail(Exit::Unavailable, &StateError::Interrupted)),
    }
}

/// The daemon that has locked the state and answers in its place.
pub(super) async fn reach_daemon(loaded: &Loaded<'_>) -> Result<Client, Exit> {
    let daemon = connect(loaded).await?;
    let socket = daemon.socket().display();
    note(&format!("the daemon is running; this is what it says through {socket}"));
    Ok(daemon)
}

async fn connect(loaded: &Loaded<'_>) -> Result<Client, Exit> {
    let directory = &loaded.config.runtime.state.path;
    match Client::connect_to_holder(directory).await {
        Ok(Some(daemon)) => Ok(daemon),
        // A daemon that has no control socket, or that takes its time to end.
        Ok(None) => Err(fail(Exit::StateRefused, &StateError::Locked(directory.clone()))),
        Err(err) => Err(refused(&err)),
    }
}

fn refused(err: &ControlError) -> Exit {
    let exit = match err {
        ControlError::Silent { .. } => Exit::Unavailable,
        _ => Exit::StateRefused,
    };
    fail(exit, err)
}

fn shown((route, generation, cursor): (String, u64, Cursor)) -> Shown {
    Shown {
        route,
        cursor: cursor.link,
        generation,
        age_seconds: age(cursor.advanced_at).as_secs(),
        delivered: cursor.delivered,
        published_max: cursor.published_max,
    }
}

fn json_lines<T: Serialize>(shown: &[T]) -> String {
    shown.iter().filter_map(|shown| serde_json::to_string(shown).ok()).map(|line| line + "\n").collect()
}

fn human(shown: &[Shown]) -> String {
    let header =
        ["ROUTE", "GENERATION", "AGE", "DELIVERED", "NEWEST EVENT", "CURSOR"].map(str::to_owned).to_vec();
    let row = |shown: &Shown| {
        let age = SignedDuration::from_secs(i64::try_from(shown.age_seconds).unwrap_or(i64::MAX));
        vec![
            printable(&shown.route).into_owned(),
            shown.generation.to_string(),
            format!("{age:#}"),
            shown.delivered.to_string(),
            shown.published_max.map_or_else(|| "-".to_owned(), |published| published.to_string()),
            printable(&shown.cursor).into_owned(),
        ]
    };
    table(&[vec![header], shown.iter().map(row).collect()].concat())
}

fn human_searches(shown: &[ShownSearch]) -> String {
    let header = ["ROUTE", "GENERATION", "DELIVERED", "SLOTS DECIDED UP TO", "COVERED UP TO", "RUN AT WORK"];
    let row = |shown: &ShownSearch| {
        let run = shown.run.map_or_else(
            || "-".to_owned(),
            |run| format!("{}, {} message(s) delivered", run.slot, run.delivered),
        );
        vec![
            printable(&shown.route).into_owned(),
            shown.generation.to_string(),
            shown.delivered.to_string(),
            shown.decided.to_string(),
            shown.covered.to_string(),
            run,
        ]
    };
    let header = header.map(str::to_owned).to_vec();
    table(&[vec![header], shown.iter().map(row).collect()].concat())
}

fn verification(found: &Verification, unreadable: &UnreadableRecords) -> String {
    let sound = match unreadable.count() {
        0 => "all are sound".to_owned(),
        count => format!("{count} of them cannot be understood"),
    };
    let mut rows = vec![
        row("store", format!("{}, {} commits, {} bytes", found.store, found.commits, found.store_bytes)),
        row(
            "records",
            format!(
                "{} routes, {} commands and {} notes were read; {sound}",
                found.routes, found.commands, found.notes
            ),
        ),
        row("witness", found.witness.clone()),
        row("tally", found.tally.clone()),
    ];
    rows.extend(unreadable.named().iter().map(|named| row("refused", printable(named).into_owned())));
    if let Some(weakness) = &found.weakness {
        rows.push(row("disk", format!("WARNING: the state is kept in {weakness}")));
    }
    table(&rows)
}

fn row(what: &str, text: String) -> Vec<String> {
    vec![what.to_owned(), text]
}
