//! Turns the typed values into a configuration, and collects all problems, not only the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use config::{Value, ValueKind};
use okta_client::Scope;
use serde::de::DeserializeOwned;

use super::{
    Config, ConfigError, Problem, Setting, bus, commands, cross_checks,
    doorbell::{self, RawDoorbell, RawListener},
    layers::Layers,
    mistyped,
    org::{self, RawOrg},
    problem::did_you_mean,
    route, runtime, search,
    secret::Secrets,
    setting_digests::SettingDigests,
    settings, sink,
    standby::{self, RawStandby},
    stream,
    traces::{self, RawTraces},
    typed,
};

/// The top-level keys.
pub(super) const SECTIONS: [&str; 14] = [
    "allow_inline_secrets",
    "orgs",
    "streams",
    "searches",
    "buses",
    "sinks",
    "commands",
    "doorbell",
    "state",
    "admin",
    "log",
    "shutdown",
    "standby",
    "traces",
];

/// A section of named tables: those that could be read, and the names of all.
struct Section<R> {
    typed: BTreeMap<String, R>,
    names: BTreeSet<String>,
}

/// The valid entries of a section.
#[derive(Debug)]
pub(super) struct Resolved<T> {
    pub(super) values: BTreeMap<String, T>,
    /// The names of invalid sections: a reference to one is no problem of its own.
    pub(super) broken: BTreeSet<String>,
}

impl<T> Resolved<T> {
    /// All names, valid or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().chain(&self.broken).map(String::as_str)
    }
}

/// `are_secrets_read` says whether each secret is read once, to check that it exists.
pub(super) fn load(file: &Path, are_secrets_read: bool) -> Result<Config, ConfigError> {
    resolved(&Layers::gather(file)?, are_secrets_read)
}

/// What is set, and where. Reads no secret.
pub(super) fn settings(file: &Path) -> Result<Vec<Setting>, ConfigError> {
    let layers = Layers::gather(file)?;
    resolved(&layers, false)?;
    Ok(settings::settings(&layers))
}

fn resolved(layers: &Layers, are_secrets_read: bool) -> Result<Config, ConfigError> {
    resolve(layers, are_secrets_read).map_err(|problems| {
        let located = problems.into_iter().map(|problem| layers.locate(problem));
        ConfigError::Problems(located.collect())
    })
}

/// The configuration that has `text` as its only file. Reads no secret.
#[cfg(any(test, fuzzing))]
pub(super) fn load_text(text: &str) -> Result<Config, ConfigError> {
    let layers = Layers::of_text(text)?;
    resolved(&layers, false)
}

/// Reads the typed values, and collects the problems.
struct Reader<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The top-level value `name`.
    fn value(&self, name: &str) -> Option<&Value> {
        self.layers.value(name)
    }

    fn refuse_unknown_sections(&mut self) {
        let ValueKind::Table(top) = &self.layers.root().kind else { return };
        let mut unknown: Vec<_> = top.keys().filter(|name| !SECTIONS.contains(&name.as_str())).collect();
        unknown.sort();
        for name in unknown {
            let suggestion = match did_you_mean(name, SECTIONS) {
                none if none.is_empty() => format!("; there are {}", typed::listed(&SECTIONS)),
                suggestion => suggestion,
            };
            self.problems.push(Problem::new(name.as_str(), format!("unknown key{suggestion}")));
        }
    }

    /// A setting or a table that needs no name; its default if it is absent. None: it is invalid.
    fn single<R: DeserializeOwned + Default>(&mut self, name: &str) -> Option<R> {
        let Some(value) = self.value(name) else { return Some(R::default()) };
        match typed::read(value) {
            Ok(raw) => Some(raw),
            Err((path, mismatch)) => {
                self.problems.push(mistyped::problem(name, &path, mismatch, self.layers));
                None
            }
        }
    }

    fn named<R: DeserializeOwned>(&mut self, section: &str) -> Section<R> {
        let mut read = Section { typed: BTreeMap::new(), names: BTreeSet::new() };
        let entries = match self.value(section).map(|value| &value.kind) {
            None => return read,
            Some(ValueKind::Table(entries)) => entries.clone().into_iter().collect::<BTreeMap<_, _>>(),
            Some(_) => {
                let reason = format!("should be a table of tables: [{section}.NAME]");
                self.problems.push(Problem::new(section, reason));
                return read;
            }
        };
        for (name, value) in entries {
            let path = format!("{section}.{name}");
            read.names.insert(name.clone());
            if !route::is_name(&name) {
                let reason = "a name has letters, digits, `-` and `_`, and at most 64 of them";
                self.problems.push(Problem::new(path, reason));
                continue;
            }
            match typed::read(&value) {
                Ok(raw) => {
                    read.typed.insert(name, raw);
                }
                Err((below, mismatch)) => {
                    self.problems.push(mistyped::problem(&path, &below, mismatch, self.layers));
                }
            }
        }
        read
    }
}

fn resolve(layers: &Layers, are_secrets_read: bool) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader { layers, problems: Vec::new() };
    reader.refuse_unknown_sections();
    let may_be_inline = reader.single("allow_inline_secrets").unwrap_or(false);
    let secrets = Secrets { may_be_inline, are_read: are_secrets_read };
    let mut typed_orgs: Section<RawOrg> = reader.named("orgs");
    let typed_buses = reader.named("buses");
    let typed_sinks = reader.named("sinks");
    let typed_streams = reader.named("streams");
    let typed_searches = reader.named("searches");
    let typed_commands = reader.named("commands");
    let (state, admin) = (reader.single("state"), reader.single("admin"));
    let (log, shutdown) = (reader.single("log"), reader.single("shutdown"));
    let standby = reader.single::<Option<RawStandby>>("standby");
    let listener = reader.single::<Option<RawListener>>("doorbell");
    let traces = reader.single::<Option<RawTraces>>("traces");
    let mut problems = reader.problems;

    let (org_names, sink_names) = (typed_orgs.names.clone(), typed_sinks.names.clone());
    let typed_doorbells = typed_doorbells(&mut typed_orgs);
    let orgs = section("orgs", typed_orgs, &mut problems, |name, raw| org::resolve(name, raw, secrets));
    let buses = section("buses", typed_buses, &mut problems, |name, raw| bus::resolve(name, raw, secrets));
    let doorbells = doorbell::resolve(listener.flatten(), typed_doorbells, &buses, secrets, &mut problems);
    let sinks = section("sinks", typed_sinks, &mut problems, |name, raw| sink::resolve(name, raw, &buses));
    let transactional_sinks = sinks.values.iter().filter(|(_, sink)| sink.is_transactional());
    let names = route::Names {
        orgs: org_names.iter().map(String::as_str).collect(),
        sinks: sink_names.iter().map(String::as_str).collect(),
        transactional_sinks: transactional_sinks.map(|(name, _)| name.as_str()).collect(),
    };
    let streams = section("streams", typed_streams, &mut problems, |name, raw| {
        stream::resolve(name, raw, &names, secrets)
    });
    let searches = section("searches", typed_searches, &mut problems, |name, raw| {
        search::resolve(name, raw, &names, secrets)
    });
    let standby = standby
        .flatten()
        .and_then(|raw| standby::resolve(&raw).map_err(|problem| problems.push(problem)).ok());
    let traces = traces
        .flatten()
        .and_then(|raw| traces::resolve(raw, secrets).map_err(|problem| problems.push(problem)).ok());
    let runtime = runtime::resolve(state, admin, log, shutdown, secrets, &mut problems);
    let places = commands::StatePaths {
        orgs: &names.orgs,
        buses: &buses,
        sinks: &sinks,
        state: runtime.as_ref().map(|runtime| runtime.state.path.as_path()),
    };
    let commands = section("commands", typed_commands, &mut problems, |name, raw| {
        commands::resolve(name, raw, &places, secrets)
    });

    let (mut orgs, streams, searches) = (orgs.values, streams.values, searches.values);
    let (commands, buses, sinks) = (commands.values, buses.values, sinks.values);
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
    let Some(runtime) = runtime else { return Err(problems) };
    let typed = SettingDigests::of(layers);
    let config = Config {
        orgs,
        streams,
        searches,
        commands,
        buses,
        sinks,
        doorbells,
        standby,
        traces,
        runtime,
        typed,
    };
    cross_checks::check(&config, is_complete, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// The doorbells of the orgs, by org.
fn typed_doorbells(orgs: &mut Section<RawOrg>) -> BTreeMap<String, RawDoorbell> {
    let orgs = orgs.typed.iter_mut();
    orgs.filter_map(|(name, raw)| Some((name.clone(), raw.doorbell.take()?))).collect()
}

fn section<R, T>(
    section: &str,
    read: Section<R>,
    problems: &mut Vec<Problem>,
    mut resolve: impl FnMut(&str, R) -> Result<T, Problem>,
) -> Resolved<T> {
    let mut resolved = Resolved { values: BTreeMap::new(), broken: BTreeSet::new() };
    for (name, raw) in read.typed {
        match resolve(&name, raw) {
            Ok(value) => {
                resolved.values.insert(name, value);
            }
            Err(problem) if problem.is_consequence => {}
            Err(problem) => problems.push(problem.under(&format!("{section}.{name}"))),
        }
    }
    resolved.broken = read.names.into_iter().filter(|name| !resolved.values.contains_key(name)).collect();
    resolved
}
