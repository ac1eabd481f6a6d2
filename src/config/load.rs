//! From files and environment to a configuration, with the place of whatever is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat, Map, Value, ValueKind};
use serde::Deserialize;

use super::{
    Config, ConfigError, Problem, Scope, bus, commands, org,
    problem::{nearest, unknown_key},
    route, runtime, search,
    secret::InlineSecrets,
    sink, stream, whole,
};

const ENVIRONMENT_PREFIX: &str = "OKTABUS";

/// The whole configuration as it was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    allow_inline_secrets: bool,
    #[serde(default)]
    orgs: BTreeMap<String, org::RawOrg>,
    #[serde(default)]
    streams: BTreeMap<String, stream::RawStream>,
    #[serde(default)]
    searches: BTreeMap<String, search::RawSearch>,
    #[serde(default)]
    buses: BTreeMap<String, bus::RawBus>,
    #[serde(default)]
    sinks: BTreeMap<String, sink::RawSink>,
    #[serde(default)]
    commands: BTreeMap<String, commands::RawCommands>,
    #[serde(default)]
    state: runtime::RawState,
    #[serde(default)]
    admin: runtime::RawAdmin,
    #[serde(default)]
    log: runtime::RawLog,
    #[serde(default)]
    shutdown: runtime::RawShutdown,
}

pub(super) fn load(file: &Path) -> Result<Config, ConfigError> {
    let sources = gather(file)?;
    let typed: Raw = serde_path_to_error::deserialize(sources.clone()).map_err(|err| {
        let path = err.path().to_string();
        ConfigError::Problems(vec![typing_problem(&path, err.inner(), &sources)])
    })?;
    understand(typed).map_err(|problems| {
        let located = problems.into_iter().map(|problem| locate(problem, &sources));
        ConfigError::Problems(located.collect())
    })
}

fn gather(file: &Path) -> Result<config::Config, ConfigError> {
    let mut builder = config::Config::builder();
    for path in [vec![file.to_owned()], fragments(file)?].concat() {
        // Read first, because a missing file deserves a better message.
        std::fs::read(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    let environment =
        Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator("__").separator("__").try_parsing(true);
    let gathered = builder.add_source(environment).build();
    gathered.map_err(|err| ConfigError::Problems(vec![Problem::new("", err.to_string())]))
}

/// The files in `conf.d` beside `file`, in the order of their names.
fn fragments(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let directory = file.parent().unwrap_or(Path::new("")).join("conf.d");
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |source| ConfigError::Unreadable { path: directory.clone(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Serde's words on a value that does not fit, made into ours.
fn typing_problem(path: &str, err: &config::ConfigError, sources: &config::Config) -> Problem {
    let (reason, path) = match err {
        config::ConfigError::At { error, key, .. } => {
            (error.to_string(), key.clone().unwrap_or_else(|| path.to_owned()))
        }
        other => (other.to_string(), path.to_owned()),
    };
    let path = if path == "." { String::new() } else { path };
    let reason = in_words(&reason);
    let Some((unknown, known)) = unknown_key(&reason) else {
        return locate(Problem::new(path, reason), sources);
    };
    let suggestion = match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    let parent = path.strip_suffix(unknown).map_or(path.as_str(), |parent| parent.trim_end_matches('.'));
    let problem = Problem::new(unknown, format!("unknown key; {suggestion}"));
    locate(if parent.is_empty() { problem } else { problem.under(parent) }, sources)
}

/// Without the names that types have in this program.
fn in_words(reason: &str) -> String {
    if let Some((_, value)) = reason.split_once(" does not have variant constructor ") {
        return format!("`{value}` is not a value that it can have");
    }
    match reason.split_once(", expected struct ") {
        Some((what, _)) => format!("{what}, expected a table"),
        None => reason.to_owned(),
    }
}

/// Adds which file or variable says what the problem is about.
fn locate(problem: Problem, sources: &config::Config) -> Problem {
    let mut at = &sources.cache;
    let mut origin = None;
    for key in problem.path.split(['.', '[', ']']).filter(|key| !key.is_empty()) {
        let next = match &at.kind {
            ValueKind::Table(table) => table.get(key),
            ValueKind::Array(list) => key.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        let Some(next) = next else { break };
        at = next;
        origin = at.origin().map(str::to_owned).or(origin);
    }
    // A table's own origin is lost when several sources are merged into it; one of its values has it.
    let origin = origin.or_else(|| any_origin(at));
    Problem { origin, ..problem }
}

fn any_origin(value: &Value) -> Option<String> {
    let in_table = |table: &Map<String, Value>| table.values().find_map(any_origin);
    value.origin().map(str::to_owned).or_else(|| match &value.kind {
        ValueKind::Table(table) => in_table(table),
        ValueKind::Array(list) => list.iter().find_map(any_origin),
        _ => None,
    })
}

/// Everything that is wrong, not only the first thing.
fn understand(raw: Raw) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let secrets = if raw.allow_inline_secrets { InlineSecrets::Allowed } else { InlineSecrets::Refused };
    let org_names: BTreeSet<_> = raw.orgs.keys().cloned().collect();
    let sink_names: BTreeSet<_> = raw.sinks.keys().cloned().collect();
    let names = route::Names {
        orgs: org_names.iter().map(String::as_str).collect(),
        sinks: sink_names.iter().map(String::as_str).collect(),
    };

    let mut orgs = section("orgs", raw.orgs, &mut problems, |name, raw| org::understand(name, raw, secrets));
    let buses = section("buses", raw.buses, &mut problems, |name, raw| bus::understand(name, raw, secrets));
    let sinks = section("sinks", raw.sinks, &mut problems, |name, raw| sink::understand(name, raw, &buses));
    let streams = section("streams", raw.streams, &mut problems, |name, raw| {
        stream::understand(name, raw, &names, secrets)
    });
    let searches = section("searches", raw.searches, &mut problems, |name, raw| {
        search::understand(name, raw, &names, secrets)
    });
    let runtime = runtime::understand(raw.state, raw.admin, raw.log, &raw.shutdown);
    let runtime = runtime.map_err(|problem| problems.push(problem));
    let places = commands::Places {
        orgs: &names.orgs,
        buses: &buses,
        sinks: &sinks,
        state: runtime.as_ref().ok().map(|runtime| runtime.state.path.as_path()),
    };
    let commands = section("commands", raw.commands, &mut problems, |name, raw| {
        commands::understand(name, raw, &places, secrets)
    });
    for commands in commands.values() {
        if let Some(org) = orgs.get_mut(&commands.org) {
            org.scopes.extend(commands.scopes());
        }
    }
    for org in streams.values().map(|stream| &stream.org).chain(searches.values().map(|search| &search.org)) {
        if let Some(org) = orgs.get_mut(org) {
            org.scopes.insert(Scope::LogsRead);
        }
    }
    let is_complete = problems.is_empty();
    let Ok(runtime) = runtime else { return Err(problems) };
    let config = Config { orgs, streams, searches, commands, buses, sinks, runtime };
    whole::check(&config, is_complete, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn section<R, T>(
    section: &str,
    raw: BTreeMap<String, R>,
    problems: &mut Vec<Problem>,
    mut understand: impl FnMut(&str, R) -> Result<T, Problem>,
) -> BTreeMap<String, T> {
    let mut understood = BTreeMap::new();
    for (name, raw) in raw {
        let path = format!("{section}.{name}");
        if !route::is_name(&name) {
            problems
                .push(Problem::new(path, "a name has letters, digits, `-` and `_`, and at most 64 of them"));
            continue;
        }
        match understand(&name, raw) {
            Ok(value) => {
                understood.insert(name, value);
            }
            Err(problem) => problems.push(problem.under(&path)),
        }
    }
    understood
}
