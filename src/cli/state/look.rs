//! What only reads: from the store, or from the daemon that has it.

use std::{fs, io, path::Path};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    super::{Exit, fail, print, table::table},
    Loaded, age, fail_state,
};
use crate::{
    admin::ask,
    search::{Kept, NOTES, Progress, Run},
    state::{Contents, Cursor, StateError, Verification, read_export},
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
        let Kept { progress, messages, .. } = match serde_json::from_str(&note.content) {
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
    let found = match loaded.open().await {
        Ok(state) => match state.verify().await {
            Ok(found) => found,
            Err(err) => return fail_state(&err, loaded.file),
        },
        Err(StateError::Locked(_)) => match verification_of_daemon(loaded).await {
            Ok(found) => found,
            Err(exit) => return exit,
        },
        Err(err) => return fail_state(&err, loaded.file),
    };
    match serde_json::to_string(&found) {
        Ok(line) if json => print(&format!("{line}\n")),
        _ => print(&verification(&found)),
    }
    Exit::Done
}

pub(super) async fn export(loaded: &Loaded<'_>, to: Option<&Path>) -> Exit {
    let exported = match exported(loaded).await {
        Ok(exported) => exported,
        Err(exit) => return exit,
    };
    match to {
        None => {
            let mut stdout = io::stdout();
            let printed =
                io::Write::write_all(&mut stdout, &exported).and_then(|()| io::Write::flush(&mut stdout));
            super::super::note_print_failure(printed);
            Exit::Done
        }
        Some(path) => match fs::write(path, &exported) {
            Ok(()) => Exit::Done,
            Err(err) => fail(Exit::Usage, &err),
        },
    }
}

/// Everything in the state, from the store or from the daemon that has it.
async fn contents(loaded: &Loaded<'_>) -> Result<Contents, Exit> {
    let exported = exported(loaded).await?;
    read_export(exported.as_slice()).map_err(|err| fail(Exit::Bug, &err))
}

async fn exported(loaded: &Loaded<'_>) -> Result<Vec<u8>, Exit> {
    match loaded.open().await {
        Ok(state) => state.export(Vec::new()).await.map_err(|err| fail(Exit::StateRefused, &err)),
        Err(StateError::Locked(_)) => ask_daemon(loaded, "/state/export").await,
        Err(err) => Err(fail_state(&err, loaded.file)),
    }
}

async fn verification_of_daemon(loaded: &Loaded<'_>) -> Result<Verification, Exit> {
    let answer = ask_daemon(loaded, "/state/verification").await?;
    serde_json::from_slice(&answer).map_err(|err| fail(Exit::Bug, &err))
}

/// The daemon has the state; it tells what it holds.
async fn ask_daemon(loaded: &Loaded<'_>, path: &str) -> Result<Vec<u8>, Exit> {
    let address = loaded.config.runtime.admin.listen;
    match ask(address, path).await {
        Ok(answer) => {
            super::note(&format!("the daemon is running; this is what it says on http://{address}{path}"));
            Ok(answer.into())
        }
        Err(err) => {
            let locked = StateError::Locked(loaded.config.runtime.state.path.clone());
            fail(Exit::StateRefused, &locked);
            Err(fail(Exit::StateRefused, &err))
        }
    }
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
            shown.route.clone(),
            shown.generation.to_string(),
            format!("{age:#}"),
            shown.delivered.to_string(),
            shown.published_max.map_or_else(|| "-".to_owned(), |published| published.to_string()),
            shown.cursor.clone(),
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
            shown.route.clone(),
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

fn verification(found: &Verification) -> String {
    let mut rows = vec![
        row("store", format!("{}, {} commits, {} bytes", found.store, found.commits, found.store_bytes)),
        row(
            "records",
            format!(
                "{} routes, {} commands and {} notes were read; all are sound",
                found.routes, found.commands, found.notes
            ),
        ),
        row("witness", found.witness.clone()),
        row("tally", found.tally.clone()),
    ];
    if let Some(weakness) = &found.weakness {
        rows.push(row("disk", format!("WARNING: the state is kept in {weakness}")));
    }
    table(&rows)
}

fn row(what: &str, text: String) -> Vec<String> {
    vec![what.to_owned(), text]
}
