//! Makes a command from the arguments.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};

use crate::{
    command::{
        Action,
        message::{PAYLOAD_BYTES_MAX, object},
    },
    config::{Secret, SecretError},
};

/// Bytes of a digest that tell one input, or one command of it, from another.
pub(super) const DIGEST_BYTES: usize = 6;
/// What a line with a secret may have.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What a command asks for.
#[derive(Debug, Args)]
pub(super) struct MessageArguments {
    /// What to do, for example user.suspend
    #[arg(required_unless_present = "file")]
    action: Option<String>,
    /// A parameter: user=ada@acme.com, limit=5, profile.department=Ops. A value that is JSON is read as JSON: quote
    /// a text of digits, as in 'profile.badge="7"'. A secret is given by reference: password=@FILE, password=env:VARIABLE,
    /// or password=- for a line of standard input. `oktabus schema --what commands` shows all parameters
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// The whole command as JSON; `-` for standard input. `publish` accepts many commands: JSON lines, or CSV with a header row
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "parameters"])]
    file: Option<PathBuf>,
    /// The id of the command; copies have the same id [default: generated]
    #[arg(long)]
    pub(super) id: Option<String>,
    /// Only show which requests would be sent
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    why: WhyArguments,
    /// Show the secrets of the result, if policy allows it
    #[arg(long)]
    reveal: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What the audit records of the user of the command line.
#[derive(Debug, Args)]
pub(super) struct WhyArguments {
    /// The reason, for the audit
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// The requester, for the audit [default: SUDO_USER or USER]. The audit also records the user of the system
    #[arg(long, value_name = "WHO")]
    pub(super) requested_by: Option<String>,
}

/// How standard input is called.
const STDIN: &str = "standard input";

/// The user of the command line, as far as the environment says.
pub(super) fn user() -> Option<String> {
    ["SUDO_USER", "USER"].into_iter().find_map(|name| std::env::var(name).ok())
}

/// The arguments are no command.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("`--param {0}`: write NAME=VALUE, for example user=ada@acme.com")]
    Parameter(String),
    #[error("`--param {0}=…` is given twice, or is both a value and an object")]
    Twice(String),
    #[error(
        "`--param {0}=…` is a secret, which everybody on this machine can see in the list of processes: write \
         {0}=@FILE, {0}=env:VARIABLE, or {0}=- and give it on standard input"
    )]
    Shown(String),
    #[error("cannot read the secret of `--param {0}`")]
    Secret(String, #[source] SecretError),
    #[error("cannot read the command from {from}")]
    Read { from: String, source: io::Error },
    #[error("{from} has more than the {bytes_max} bytes that are taken: make several files of it")]
    TooLarge { from: String, bytes_max: usize },
    #[error("{from}: {reason}")]
    Form { from: String, reason: String },
    #[error("the command cannot be written")]
    Write(#[source] serde_json::Error),
}

/// What a file has, or standard input.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it comes from.
    pub(super) name: PathBuf,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

/// A command, ready to go.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) action: String,
    /// The user that it names, if it names one.
    pub(super) user: Option<String>,
    pub(super) json: Box<RawValue>,
}

impl MessageArguments {
    /// The command, with an id and a requester.
    pub(super) fn compose(&self) -> Result<Message, MessageError> {
        self.compose_from(self.source(PAYLOAD_BYTES_MAX)?.as_ref(), |_| random_id())
    }

    /// The file that was named, if one was: no more of it than shows that it has more than `bytes_max`.
    pub(super) fn source(&self, bytes_max: usize) -> Result<Option<Source>, MessageError> {
        self.file.as_deref().map(|file| Source::read(file, bytes_max)).transpose()
    }

    /// The command that `source` has, or that was typed; without an id of its own it gets the one that is made of it.
    pub(super) fn compose_from(
        &self,
        source: Option<&Source>,
        id_of: impl FnOnce(&Map<String, Value>) -> String,
    ) -> Result<Message, MessageError> {
        let command = match source {
            Some(source) => object(&source.bytes)
                .map_err(|err| MessageError::Form { from: source.to_string(), reason: err.message })?,
            None => {
                let parameters = parameters(&self.parameters)?;
                Map::from_iter([
                    ("action".to_owned(), json!(self.action)),
                    ("parameters".to_owned(), Value::Object(parameters)),
                ])
            }
        };
        let id = id_of(&command);
        self.complete(command, || id)
    }

    /// `command` with the options of the command line, a requester, and an id: its own, or `made_up`.
    pub(super) fn complete(
        &self,
        mut command: Map<String, Value>,
        made_up: impl FnOnce() -> String,
    ) -> Result<Message, MessageError> {
        let given =
            [("id", &self.id), ("reason", &self.why.reason), ("requested_by", &self.why.requested_by)];
        for (name, value) in given {
            if let Some(value) = value {
                command.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
        for (name, value) in [("dry_run", self.dry_run), ("reveal", self.reveal)] {
            if value {
                command.insert(name.to_owned(), Value::Bool(true));
            }
        }
        command.entry("id").or_insert_with(|| Value::String(made_up()));
        if let Some(user) = user() {
            command.entry("requested_by").or_insert(Value::String(user));
        }
        let text =
            |pointer: &str| Value::Object(command.clone()).pointer(pointer)?.as_str().map(str::to_owned);
        Ok(Message {
            id: text("/id").unwrap_or_default(),
            action: text("/action").unwrap_or_default(),
            user: text("/parameters/user"),
            json: serde_json::value::to_raw_value(&command).map_err(MessageError::Write)?,
        })
    }
}

impl Source {
    fn read(file: &Path, bytes_max: usize) -> Result<Self, MessageError> {
        let name = if file == Path::new("-") { PathBuf::from(STDIN) } else { file.to_owned() };
        let mut source = Self { name, bytes: Vec::new() };
        // One byte more than is allowed shows that it is too much.
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let done = if file == Path::new("-") {
            io::stdin().take(limit).read_to_end(&mut source.bytes)
        } else {
            File::open(file).and_then(|file| file.take(limit).read_to_end(&mut source.bytes))
        };
        done.map_err(|err| MessageError::Read { from: source.to_string(), source: err })?;
        if source.bytes.len() > bytes_max {
            return Err(MessageError::TooLarge { from: source.to_string(), bytes_max });
        }
        Ok(source)
    }
}

impl Source {
    /// Whether it has no name that tells it from others.
    pub(super) fn is_pipe(&self) -> bool {
        self.name.as_os_str() == STDIN
    }

    /// What its commands are known by that have no ids: the name of the file. Pipes all have the same name, so it is what
    /// came through.
    pub(super) fn known_by(&self) -> String {
        if !self.is_pipe() {
            return self.name.to_string_lossy().into_owned();
        }
        let digest = Sha256::digest(&self.bytes);
        digest[..DIGEST_BYTES].iter().fold("stdin-".to_owned(), |known, byte| format!("{known}{byte:02x}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.display().fmt(formatter)
    }
}

/// An id that no other command has.
pub(super) fn random_id() -> String {
    format!("cli-{:032x}", crate::random::unpredictable())
}

fn parameters(given: &[String]) -> Result<Map<String, Value>, MessageError> {
    let mut parameters = Map::new();
    for parameter in given {
        let Some((name, text)) = parameter.split_once('=') else {
            return Err(MessageError::Parameter(parameter.clone()));
        };
        let value = if is_secret(name) {
            secret(name, text)?
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        insert(&mut parameters, name, value).ok_or_else(|| MessageError::Twice(name.to_owned()))?;
    }
    Ok(parameters)
}

/// Whether the value at `path` is a secret or contains one.
fn is_secret(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    Action::ALL.iter().any(|action| action.secrets().contains(&first)) && path != "recovery_question.question"
}

/// The secret that `text` names. It is a text, whatever it looks like.
fn secret(name: &str, text: &str) -> Result<Value, MessageError> {
    let unreadable = |source| MessageError::Secret(name.to_owned(), source);
    let read = if text == "-" {
        let mut line = String::new();
        let read = io::stdin().lock().take(SECRET_BYTES_MAX).read_line(&mut line);
        read.map_err(|source| MessageError::Read { from: "standard input".to_owned(), source })?;
        return Ok(Value::String(line.trim_end_matches(['\n', '\r']).to_owned()));
    } else if let Some(path) = text.strip_prefix('@') {
        Secret::File(path.into()).read()
    } else if let Some(variable) = text.strip_prefix("env:") {
        Secret::Environment(variable.to_owned()).read()
    } else {
        return Err(MessageError::Shown(name.to_owned()));
    };
    read.map(|secret| Value::String(secret.expose_secret().to_owned())).map_err(unreadable)
}

/// Puts `value` at `path`, whose dots lead into objects; none if something is there already.
pub(super) fn insert(into: &mut Map<String, Value>, path: &str, value: Value) -> Option<()> {
    match path.split_once('.') {
        None if into.contains_key(path) => None,
        None => {
            into.insert(path.to_owned(), value);
            Some(())
        }
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| Value::Object(Map::new()));
            insert(inner.as_object_mut()?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_written_where_others_see_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        std::fs::write(&file, "007\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let file = file.display();
        let read = |parameter: &str| parameters(&["user=ada".to_owned(), parameter.to_owned()]);
        for (parameter, expected) in [
            (format!("password=@{file}"), json!({ "user": "ada", "password": "007" })),
            ("password=env:CARGO_PKG_NAME".to_owned(), json!({ "user": "ada", "password": "oktabus" })),
            (
                format!("recovery_question.answer=@{file}"),
                json!({ "user": "ada", "recovery_question": { "answer": "007" } }),
            ),
            (
                "recovery_question.question=What?".to_owned(),
                json!({ "user": "ada", "recovery_question": { "question": "What?" } }),
            ),
        ] {
            assert_eq!(Value::Object(read(&parameter).unwrap()), expected, "{parameter}");
        }
        for shown in [
            "password=Winter2026",
            "recovery_question.answer=blue",
            "recovery_question={\"answer\":\"blue\"}",
        ] {
            let told = read(shown).unwrap_err().to_string();
            assert!(told.contains("is a secret") && told.contains("=@FILE"), "{told}");
            assert!(!told.contains("Winter2026") && !told.contains("blue"), "{told}");
        }
        assert!(read("password=@/nowhere").unwrap_err().to_string().contains("cannot read the secret"));
    }

    #[test]
    fn a_pipe_is_known_by_what_came_through_it_and_a_file_by_its_name() {
        let known_by = |name: &str, bytes: &str| {
            Source { name: PathBuf::from(name), bytes: bytes.as_bytes().to_vec() }.known_by()
        };
        assert_eq!(known_by("leavers.csv", "a"), known_by("leavers.csv", "b"));
        assert_eq!(known_by(STDIN, "a"), known_by(STDIN, "a"));
        assert_ne!(known_by(STDIN, "a"), known_by(STDIN, "b"));
    }

    #[test]
    fn parameters_are_json_where_they_can_be_and_no_name_stands_twice() {
        let given = [
            "user=ada@acme.com",
            "limit=5",
            "profile.department=Ops",
            "profile.badge=\"7\"",
            "users=[\"a\"]",
        ];
        let given: Vec<_> = given.into_iter().map(str::to_owned).collect();
        let expected = json!({
            "user": "ada@acme.com", "limit": 5, "users": ["a"], "profile": { "department": "Ops", "badge": "7" }
        });
        assert_eq!(Value::Object(parameters(&given).unwrap()), expected);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("command.json");
        std::fs::write(&file, "{\"action\":\"user.delete\",\"action\":\"user.get\"}").unwrap();
        let source = Source::read(&file, 100).unwrap();
        assert!(object(&source.bytes).unwrap_err().message.contains("stands twice: `action`"));
        assert!(Source::read(&file, 10).unwrap_err().to_string().contains("more than the 10 bytes"));
        for bad in [vec!["user"], vec!["user=a", "user=b"], vec!["profile=1", "profile.x=2"]] {
            let bad: Vec<_> = bad.into_iter().map(str::to_owned).collect();
            assert!(parameters(&bad).is_err(), "{bad:?}");
        }
    }
}
