//! The owners of the files that a configuration names: no two owners may share a file name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{AuditConfig, Config, FileStem, Problem, SinkConfig};

/// The directory of dead letters, and that of audits, in the state.
const DEAD_LETTERS: &str = "dead-letters";
const AUDITS: &str = "audit";

/// An owner of files: its place in the configuration, and its description.
#[derive(Debug)]
struct FileOwner {
    path: String,
    who: String,
}

/// All owners, by directory and stem. Dead letters have a directory of their own.
type Owners<'a> = BTreeMap<(&'a Path, FileStem), FileOwner>;

/// Two owners of files of one name. Only a route whose name begins with `commands/` can meet another owner.
pub(super) fn shared(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let known = of_commands(config);
    for (owner, _, route) in config.owned_routes() {
        let stem = FileStem::of_route(&route.name);
        let archive = match config.sink_of(route) {
            Some(SinkConfig::File(sink)) => known.get(&(sink.directory.as_path(), stem.clone())),
            _ => None,
        };
        if let Some(other) = archive.or_else(|| known.get(&(Path::new(DEAD_LETTERS), stem.clone()))) {
            let reason = format!(
                "the route `{}` would keep files of the same names, `{stem}…`, as {} ({}): give the route another `name`",
                route.name, other.who, other.path
            );
            problems.push(Problem::new(format!("{owner}.routes"), reason));
        }
    }
    problems
}

/// Files of audits that have another owner: another audit, the state, or a sink.
pub(super) fn misplaced_audits(config: &Config) -> Vec<Problem> {
    let owners = with_routes(config);
    let state = real(&config.runtime.state.path);
    let witness = config.runtime.state.witness.as_deref().map(real);
    let mut known: BTreeMap<PathBuf, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for commands in config.commands.values() {
        let AuditConfig::File(file) = &commands.audit else { continue };
        let file = real(&file.path);
        let in_state = file.strip_prefix(&state).ok();
        let is_states =
            in_state.is_some_and(|within| !within.starts_with(AUDITS)) || Some(&file) == witness.as_ref();
        let reason = if is_states {
            Some(format!(
                "{} is among the files of the state, of which `{AUDITS}/` alone is for audits",
                file.display()
            ))
        } else if let Some(other) = known.get(&file) {
            Some(format!("{} has the audit of the commands `{other}` already", file.display()))
        } else {
            owner_of(&owners, &file).map(|owner| {
                format!("{} would be taken for a file of {} ({})", file.display(), owner.who, owner.path)
            })
        };
        known.entry(file).or_insert(&commands.name);
        if let Some(reason) = reason {
            let reason = format!("{reason}: choose another file");
            problems.push(Problem::new(format!("commands.{}.audit.file", commands.name), reason));
        }
    }
    problems
}

fn of_commands(config: &Config) -> Owners<'_> {
    let mut known = BTreeMap::new();
    for commands in config.commands.values() {
        let name = &commands.name;
        let mut owns = |directory, stem, key: &str, what: &str| {
            let path = format!("commands.{name}{key}");
            known.insert(
                (directory, stem),
                FileOwner { path, who: format!("{what} of the commands `{name}`") },
            );
        };
        owns(Path::new(DEAD_LETTERS), FileStem::of_dead_letters(name), "", "the dead letters");
        if let SinkConfig::File(sink) = &commands.outcomes.sink {
            owns(&sink.directory, FileStem::of_outcomes(name), ".outcomes", "the outcomes");
        }
        if let AuditConfig::Sink(to) = &commands.audit
            && let SinkConfig::File(sink) = &to.sink
        {
            owns(&sink.directory, FileStem::of_audit(name), ".audit", "the audit");
        }
    }
    known
}

fn with_routes(config: &Config) -> Owners<'_> {
    let mut known = of_commands(config);
    for (owner, _, route) in config.owned_routes() {
        let Some(SinkConfig::File(sink)) = config.sink_of(route) else { continue };
        let (path, who) = (format!("{owner}.routes"), format!("the route `{}`", route.name));
        known.insert((&sink.directory, FileStem::of_route(&route.name)), FileOwner { path, who });
    }
    known
}

/// The owner of a stem whose file this would be.
fn owner_of<'a>(owners: &'a Owners<'_>, file: &Path) -> Option<&'a FileOwner> {
    let (directory, name) = (file.parent()?, file.file_name()?.to_str()?);
    let found = owners.iter().find(|((of, stem), _)| stem.has(name) && real(of) == directory);
    found.map(|(_, owner)| owner)
}

/// The one path of a file, however it is written, as far as its directories are there.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for (length, directory) in absolute.ancestors().enumerate() {
        let Ok(there) = fs::canonicalize(directory) else { continue };
        let missing = absolute.components().rev().take(length).collect::<Vec<_>>();
        return missing.into_iter().rev().fold(there, |mut path, component| {
            match component {
                Component::ParentDir => _ = path.pop(),
                other => path.push(other),
            }
            path
        });
    }
    absolute
}
