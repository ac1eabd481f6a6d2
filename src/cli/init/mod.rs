//! `oktabus init`: asks a few questions, or takes flags, and writes a first configuration, with what is to be done in Okta.

mod choices;
mod key_pair;
mod next_steps;
mod question;
mod template;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use okta_client::{AuthError, FixedSecret, SecretSource, require_private_key};

use super::{Exit, fail, note, print};
use crate::{config::Config, telemetry::chain};
use choices::{Choices, ChoicesError};
use key_pair::{KeyPair, KeyPairError};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oktabus init                                      # asks
  oktabus init --org acme.okta.com --auth service-app --sink kafka --brokers kafka-1:9092 --topic okta.acme
  oktabus init --org acme.okta.com --auth api-token --sink file --print")]
pub(super) struct InitArguments {
    /// The domain of the org: acme.okta.com
    #[arg(long, value_name = "DOMAIN")]
    org: Option<String>,
    /// How oktabus identifies itself to Okta
    #[arg(long, value_name = "METHOD")]
    auth: Option<AuthChoice>,
    /// The client id of the service app [default: a placeholder]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Where the private key of the service app is, or is to be made
    #[arg(long, value_name = "FILE", default_value = "okta-key.pem")]
    key_file: PathBuf,
    /// Where the API token is
    #[arg(long, value_name = "FILE", default_value = "okta-token")]
    token_file: PathBuf,
    /// Where events go
    #[arg(long, value_name = "KIND")]
    sink: Option<SinkChoice>,
    /// Brokers of Kafka
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    brokers: Vec<String>,
    /// The topic in Kafka
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Servers of NATS
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    servers: Vec<String>,
    /// The stream in JetStream
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// The directory for files of events
    #[arg(long, value_name = "DIR", default_value = "archive")]
    directory: PathBuf,
    /// How events are written: okta, ocsf, ecs, udm
    #[arg(long, value_name = "FORMAT", default_value = "okta")]
    format: FormatChoice,
    /// Where a route begins: now, -1h, -90d
    #[arg(long, value_name = "TIME", default_value = "-1h", allow_hyphen_values = true)]
    start: String,
    /// The directory for the state
    #[arg(long, value_name = "DIR", default_value = "state")]
    state: PathBuf,
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "oktabus.toml")]
    output: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print the configuration, and write nothing
    #[arg(long, conflicts_with = "force")]
    print: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AuthChoice {
    /// An OAuth 2.0 service app with a private key: recommended
    ServiceApp,
    /// An API token, with all rights of its owner
    ApiToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SinkChoice {
    /// A Kafka topic
    Kafka,
    /// A JetStream stream of NATS
    Nats,
    /// Files of JSON lines
    File,
    /// Standard output
    Stdout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
enum FormatChoice {
    /// Okta's own bytes
    Okta,
    /// The Open Cybersecurity Schema Framework
    Ocsf,
    /// The Elastic Common Schema
    Ecs,
    /// The Unified Data Model of Google SecOps
    Udm,
}

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error(transparent)]
    Choices(#[from] ChoicesError),
    #[error(transparent)]
    Key(#[from] KeyPairError),
    #[error("cannot read {path}, which is to be the private key: name another file with --key-file")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{path} is there already, and is no private key that can be used: {reason}; name another file with --key-file"
    )]
    NotAKey { path: PathBuf, reason: String },
    #[error("{0} is there already: --force replaces it, --output writes another file")]
    Exists(PathBuf),
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn init(arguments: InitArguments) -> Exit {
    let (output, force, is_printed) = (arguments.output.clone(), arguments.force, arguments.print);
    let written = Choices::make(arguments).map_err(InitError::from).and_then(|choices| {
        if is_printed {
            print(&template::configuration(&choices));
            return Ok(None);
        }
        if output.exists() && !force {
            return Err(InitError::Exists(output.clone()));
        }
        let key = make_key(&choices)?;
        let mut choices = choices;
        if let Some(key) = &key {
            choices.key_id = Some(key.id.clone());
        }
        // Not secret, and read by the daemon, which may be another user.
        write(&output, template::configuration(&choices).as_bytes(), 0o644, force)?;
        Ok(Some((choices, key)))
    });
    let (choices, key) = match written {
        Ok(Some(written)) => written,
        Ok(None) => return Exit::Done,
        Err(err) => return fail(Exit::Usage, &err),
    };
    match Config::load_without_secrets(&output) {
        Ok(config) => {
            print(&next_steps::told(&choices, &config, key.as_ref(), &output));
            Exit::Done
        }
        // What was typed, such as a domain, is wrong; the file is there to be mended.
        Err(err) => {
            note(&format!("{} was written, and is not right yet", output.display()));
            fail(Exit::Usage, &err)
        }
    }
}

/// Makes the private key of a service app, unless there is one, which must be one.
fn make_key(choices: &Choices) -> Result<Option<KeyPair>, InitError> {
    let Some(path) = choices.key_file() else { return Ok(None) };
    if path.exists() {
        let text = fs::read_to_string(path)
            .map_err(|source| InitError::Unreadable { path: path.to_owned(), source })?;
        let source: SecretSource = Arc::new(FixedSecret::new(text));
        // Where it comes from is told here.
        require_private_key(&source).map_err(|err| {
            let reason = match err {
                AuthError::PrivateKey { reason, .. } => reason,
                other => chain(&other),
            };
            InitError::NotAKey { path: path.to_owned(), reason }
        })?;
        return Ok(None);
    }
    let key = KeyPair::generate()?;
    write(path, key.pem.as_bytes(), 0o600, false)?;
    Ok(Some(key))
}

/// Writes a file of this mode, which is private until all of it is there.
fn write(path: &Path, content: &[u8], mode: u32, replaces: bool) -> Result<(), InitError> {
    let failed = |source| InitError::Write { path: path.to_owned(), source };
    if replaces {
        match fs::remove_file(path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(failed(err)),
            _ => {}
        }
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)
}
