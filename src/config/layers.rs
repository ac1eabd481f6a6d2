//! The files and variables that make a configuration, merged; and the file and line of each setting. Does not know
//! sections.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use config::{Environment, FileFormat, Format as _, Map, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Problem, typed::ENVIRONMENT, variables};
use crate::permissions::{self, PermissionError, Trust};

const ENVIRONMENT_PREFIX: &str = "OKTABUS";

/// The configuration as it was typed, from all its sources.
pub(super) struct Layers {
    merged: config::Config,
    files: Vec<Source>,
}

/// A file that was read. The crate's own would read it once more and call it by another path than was typed.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// What is set in the file, with variables replaced.
    fn values(&self) -> Result<Map<String, Value>, Vec<Problem>> {
        let parsed = FileFormat::Toml.parse(Some(&self.name), &self.text);
        let unread = |err: Box<dyn std::error::Error + Send + Sync>| {
            vec![Problem { origin: Some(self.name.clone()), ..Problem::new("", err.to_string()) }]
        };
        let mut values = parsed.map_err(unread)?;
        let unusable = variables::expand(&mut values, &self.name, &|name| std::env::var(name).ok());
        if unusable.is_empty() {
            return Ok(values);
        }
        let problem = |(path, reason): variables::Unusable| {
            let place = line_of(&self.text, &path).map_or(String::new(), |line| format!(":{line}"));
            Problem { origin: Some(format!("{}{place}", self.name)), ..Problem::new(path, reason) }
        };
        Err(unusable.into_iter().map(problem).collect())
    }
}

/// Values that were read already.
#[derive(Debug, Clone)]
struct Values(Map<String, Value>);

impl config::Source for Values {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The variables that set something. One that holds a JSON array is a list.
#[derive(Debug, Clone)]
struct Variables(Environment);

impl config::Source for Variables {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut values = self.0.collect()?;
        for value in values.values_mut() {
            let ValueKind::String(text) = &value.kind else { continue };
            if !text.trim_start().starts_with('[') {
                continue;
            }
            if let Ok(list) = serde_json::from_str::<Vec<serde_json::Value>>(text) {
                *value = from_json(serde_json::Value::Array(list));
            }
        }
        Ok(values)
    }
}

/// What a variable says in JSON.
fn from_json(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => ValueKind::Nil,
        serde_json::Value::Bool(value) => ValueKind::Boolean(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => ValueKind::I64(number),
            (None, Some(number), _) => ValueKind::U64(number),
            (None, None, number) => ValueKind::Float(number.unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => ValueKind::String(text),
        serde_json::Value::Array(list) => ValueKind::Array(list.into_iter().map(from_json).collect()),
        serde_json::Value::Object(members) => {
            let entries = members.into_iter().map(|(key, value)| (key, from_json(value)));
            ValueKind::Table(entries.collect())
        }
    };
    Value::new(Some(&ENVIRONMENT.to_owned()), kind)
}

impl Layers {
    /// Reads `file`, what is in `conf.d` beside it, and the environment.
    pub(super) fn gather(file: &Path) -> Result<Self, ConfigError> {
        let mut sources = Vec::new();
        for path in [vec![file.to_owned()], fragments(file)?].concat() {
            let text =
                read(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
            sources.push(Source { name: path.to_string_lossy().into_owned(), text });
        }
        Self::merge(sources)
    }

    /// A file with this text and nothing beside it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of_text(text: &str) -> Result<Self, ConfigError> {
        Self::merge(vec![Source { name: "oktabus.toml".to_owned(), text: text.to_owned() }])
    }

    /// The `sources` and the environment; what comes later wins.
    fn merge(sources: Vec<Source>) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for Source { name, text } in sources {
            if let Err(err) = DeTable::parse(&text) {
                problems.push(syntax_problem(&name, &text, &err, err.message()));
                continue;
            }
            // What is TOML may still not fit: the parser's own words would show the number, which may be a secret.
            if let Err(err) = toml::from_str::<toml::Table>(&text) {
                problems.push(syntax_problem(&name, &text, &err, "a number is too large"));
                continue;
            }
            let source = Source { name, text };
            match source.values() {
                Ok(values) => builder = builder.add_source(Values(values)),
                Err(unusable) => problems.extend(unusable),
            }
            files.push(source);
        }
        if !problems.is_empty() {
            return Err(ConfigError::Problems(problems));
        }
        let environment = Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator("__").separator("__");
        let merged = builder.add_source(Variables(environment)).build();
        let merged = merged.map_err(|err| ConfigError::Problems(vec![Problem::new("", err.to_string())]))?;
        Ok(Self { merged, files })
    }

    /// The whole of it: a table.
    pub(super) fn root(&self) -> &Value {
        &self.merged.cache
    }

    /// The value at `path`, if there is one.
    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        let (found, is_whole) = deepest(self.root(), path);
        is_whole.then_some(found.last().map_or(self.root(), |(_, value)| *value))
    }

    /// Adds to a problem the file and line, or the variable, that it is about.
    pub(super) fn locate(&self, problem: Problem) -> Problem {
        if problem.origin.is_some() {
            return problem;
        }
        // A missing setting belongs into the main file.
        let main = self.files.first().filter(|_| !problem.path.is_empty());
        let origin = self.origin_of(&problem.path).or_else(|| main.map(|source| source.name.clone()));
        Problem { origin, ..problem }
    }

    /// The file and line, or the variable, that sets what is at `path`.
    pub(super) fn origin_of(&self, path: &str) -> Option<String> {
        let (found, _) = deepest(self.root(), path);
        let own = found.iter().rev().find_map(|(_, value)| value.origin());
        // A table's own origin is lost when several sources are merged into it; one of its values has it.
        let origin =
            own.map(str::to_owned).or_else(|| found.last().and_then(|(_, value)| any_origin(value)))?;
        let origin = variables::file_of(&origin).unwrap_or(&origin);
        Some(match self.files.iter().find(|source| source.name == origin) {
            Some(source) => match line_of(&source.text, path) {
                Some(line) => format!("{origin}:{line}"),
                None => origin.to_owned(),
            },
            None if origin == ENVIRONMENT => {
                // Below a list that came from a variable there is no other variable.
                let keys = found.iter().map(|(key, _)| key.to_uppercase());
                let keys: Vec<_> = keys.take_while(|key| key.parse::<usize>().is_err()).collect();
                format!("{ENVIRONMENT_PREFIX}__{}", keys.join("__"))
            }
            None => origin.to_owned(),
        })
    }
}

/// The text of a file that others cannot have written.
fn read(path: &Path) -> Result<String, PermissionError> {
    let bytes = permissions::read(path, Trust::Configuration)?;
    String::from_utf8(bytes)
        .map_err(|_| PermissionError::Unreadable(io::Error::other("it is not text in UTF-8")))
}

/// The files in `conf.d` beside `file`, in the order of their names.
fn fragments(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let directory = file.parent().unwrap_or(Path::new("")).join("conf.d");
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |err: io::Error| ConfigError::Unreadable { path: directory.clone(), source: err.into() };
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The error for invalid TOML. The line itself is left out, since it may contain a secret.
fn syntax_problem(name: &str, text: &str, err: &toml::de::Error, what: &str) -> Problem {
    let start = err.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let origin = format!("{name}:{}:{column}", line_at(text, start));
    Problem { origin: Some(origin), ..Problem::new("", format!("this is no TOML: {what}")) }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The keys of a path such as `streams.log.routes[0].sink`.
fn keys(path: &str) -> Vec<&str> {
    path.split(['.', '[', ']']).filter(|key| !key.is_empty()).collect()
}

/// The longest beginning of `keys` that `is_there` as one key: keys may have dots of their own.
fn first_key(keys: &[&str], is_there: impl Fn(&str) -> bool) -> Option<(String, usize)> {
    let candidates = (1..=keys.len()).rev().map(|count| (keys[..count].join("."), count));
    candidates.into_iter().find(|(key, _)| is_there(key))
}

/// The keys and values along `path` as far as they exist, and whether that is all of it.
fn deepest<'a>(root: &'a Value, path: &str) -> (Vec<(String, &'a Value)>, bool) {
    let keys = keys(path);
    let (mut rest, mut at, mut found) = (keys.as_slice(), root, Vec::new());
    while !rest.is_empty() {
        let next = match &at.kind {
            ValueKind::Table(table) => first_key(rest, |key| table.contains_key(key))
                .and_then(|(key, count)| table.get(&key).map(|value| (key, count, value))),
            ValueKind::Array(list) => {
                let item = rest[0].parse::<usize>().ok().and_then(|index| list.get(index));
                item.map(|value| (rest[0].to_owned(), 1, value))
            }
            _ => None,
        };
        let Some((key, count, value)) = next else { return (found, false) };
        (at, rest) = (value, &rest[count..]);
        found.push((key, value));
    }
    (found, true)
}

/// The line of the deepest key of `path` that `text` has.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let keys = keys(path);
    let mut rest = keys.as_slice();
    let mut start = None;
    let mut table = Some(document.get_ref());
    let mut list = None;
    while !rest.is_empty() {
        let (count, offset, value) = match (table, list) {
            (Some(entries), _) => {
                let entry = |key: &str| entries.iter().find(|(known, _)| known.get_ref() == key);
                let Some((key, count)) = first_key(rest, |key| entry(key).is_some()) else { break };
                let Some((key, value)) = entry(&key) else { break };
                (count, key.span().start, value)
            }
            (None, Some(items)) => {
                let items: &toml::de::DeArray<'_> = items;
                let item = rest[0].parse::<usize>().ok().and_then(|index| items.get(index));
                let Some(item) = item else { break };
                (1, item.span().start, item)
            }
            (None, None) => break,
        };
        start = Some(offset);
        (table, list) = match value.get_ref() {
            DeValue::Table(table) => (Some(table), None),
            DeValue::Array(list) => (None, Some(list)),
            _ => (None, None),
        };
        rest = &rest[count..];
    }
    start.map(|start| line_at(text, start))
}

fn any_origin(value: &Value) -> Option<String> {
    let in_table = |table: &Map<String, Value>| table.values().find_map(any_origin);
    value.origin().map(str::to_owned).or_else(|| match &value.kind {
        ValueKind::Table(table) => in_table(table),
        ValueKind::Array(list) => list.iter().find_map(any_origin),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problem that is reported for a file with this content.
    fn told(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("oktabus.toml");
        fs::write(&path, text).unwrap();
        Layers::gather(&path).err().unwrap().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_never_by_the_line() {
        for text in [
            "[orgs.acme]\nauth = { token = hunter2-canary }\n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary }\n",
            "[orgs.acme]\nauth = { token = 'hunter2-canary\n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary\" \n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary\\q\" }\n",
            "[orgs.acme]\nauth = { token \"hunter2-canary\" }\n",
            "[orgs.acme]\nauth = { token = \"a\", token = \"hunter2-canary\" }\n",
            "[orgs.acme]\nauth = { token = 00hunter2-canary }\n",
            "[orgs.acme]\nauth.token = \"a\" hunter2-canary\n",
            "[orgs.acme]\nauth.token = \"\"\"hunter2-canary\n",
            "[orgs.acme]\nauth.token = 99999999999999999999999999\n",
        ] {
            let told = told(text);
            assert!(!told.contains("hunter2") && !told.contains("9999"), "{told}");
            assert!(told.contains("oktabus.toml:2:") || told.contains("oktabus.toml:3:"), "{told}");
        }
    }
}
