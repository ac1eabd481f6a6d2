//! `oktabus command publish`: onto the queue, with proof that the bus has it.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{
    CommandsArgument,
    bulk::{self, Bulk, BulkOptions, FILE_BYTES_MAX},
    message::{MessageArguments, Source},
};
use crate::{
    cli::{Exit, fail, note, print},
    command::{
        OutcomeError,
        engine::pick,
        message::{DecodedMessage, Headers, decode_any},
        policy::{Signer, SignerError},
        publisher::{self, Publication, Publisher},
    },
    config::{CommandsConfig, IntakeConfig},
};

/// Why there is nowhere to publish to.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error("the commands `{0}` have no intake: use `oktabus command run`")]
    NoIntake(String),
    #[error("the intake reads `{0}`: say which subject with --subject")]
    Wildcards(String),
    #[error("`{0}` is no subject that the intake reads: it reads `{1}`")]
    NotRead(String, String),
    #[error(
        "the commands `{0}` demand signatures: name the private key or the shared secret with --sign-key FILE, or use \
         `oktabus command run`"
    )]
    Signed(String),
    #[error("--subject is for an intake of kind nats")]
    NoSubjects,
}

/// It would be refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}{}", .0.code, .0.message, .0.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default())]
pub(super) struct InvalidCommand(pub(super) OutcomeError);

/// With what commands are signed.
#[derive(Debug, Args)]
pub(super) struct SignArguments {
    /// Sign with this Ed25519 private key (PEM), or with this shared secret; mode 0600
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
    /// The name of that key in `signature.keys` [default: found by the key itself]
    #[arg(long, value_name = "NAME", requires = "sign_key")]
    key_id: Option<String>,
}

impl SignArguments {
    fn signer(&self, commands: &CommandsConfig) -> Result<Option<Signer>, SignerError> {
        let read = |file: &PathBuf| Signer::read(commands, file, self.key_id.as_deref());
        self.sign_key.as_ref().map(read).transpose()
    }
}

pub(super) async fn publish(
    which: &CommandsArgument,
    message: MessageArguments,
    subject: Option<String>,
    no_validate: bool,
    sign: &SignArguments,
) -> Exit {
    let config = match which.config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let commands = match pick(&config.commands, which.commands.as_deref()) {
        Ok(commands) => commands,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let source = match message.source(FILE_BYTES_MAX) {
        Ok(source) => source,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let signer = match sign.signer(commands) {
        Ok(signer) => signer,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let intake = match intake(commands, signer.as_ref()) {
        Ok(intake) => intake,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let publisher = match publisher::open_queue(intake, &commands.name) {
        Ok(publisher) => publisher,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let place = |action: &str| place(intake, action, subject.clone());
    let exit = match source.as_ref().and_then(Bulk::of) {
        Some(bulk) => {
            let place = |action: &str| place(action).map_err(|err| err.to_string());
            let (validates, signer) = (!no_validate, signer.as_ref());
            let options = BulkOptions { commands, message: &message, validates, signer, place: &place };
            bulk.publish(options, &*publisher).await
        }
        None => {
            let one = SingleCommand {
                commands,
                message: &message,
                validates: !no_validate,
                signer: signer.as_ref(),
            };
            one.publish(source.as_ref(), place, &*publisher).await
        }
    };
    publisher.close().await;
    exit
}

/// One command, from the command line or a file.
struct SingleCommand<'a> {
    commands: &'a CommandsConfig,
    message: &'a MessageArguments,
    validates: bool,
    signer: Option<&'a Signer>,
}

impl SingleCommand<'_> {
    async fn publish(
        &self,
        source: Option<&Source>,
        place: impl Fn(&str) -> Result<String, QueueError>,
        publisher: &dyn Publisher,
    ) -> Exit {
        let message = match self.message.compose_from(source, |command| bulk::id_of_one(source, command)) {
            Ok(message) => message,
            Err(err) => return fail(Exit::Usage, &err),
        };
        // A mistake is reported here, rather than by an outcome that has to be looked for.
        let payload = Bytes::from(String::from(Box::<str>::from(message.json)));
        match validate(&payload, self.signer) {
            Ok(_) => {}
            Err(refused) if self.validates => return fail(Exit::Usage, &refused),
            Err(refused) => note(&sent_all_the_same(&refused.to_string())),
        }
        let address = match place(&message.action) {
            Ok(address) => address,
            Err(err) => return fail(Exit::Usage, &err),
        };
        let signature = self.signer.map(|signer| signer.sign(&payload, Timestamp::now()));
        let command =
            Publication::command(&self.commands.name, &message.id, message.user.as_deref(), payload)
                .signed(signature)
                .to(address.clone());
        match publisher.publish(&command).await {
            Ok(()) => {
                print(&if self.message.json {
                    format!("{}\n", json!({ "command_id": message.id, "address": address }))
                } else {
                    format!("published `{}` to {address}\n", message.id)
                });
                Exit::Done
            }
            Err(err) => fail(Exit::Unavailable, &err),
        }
    }
}

/// What `payload` asks for, if `signer` may ask for it.
pub(super) fn validate(payload: &Bytes, signer: Option<&Signer>) -> Result<DecodedMessage, InvalidCommand> {
    let asking = decode_any(payload, &Headers::new(), None)
        .map_err(|undecodable| InvalidCommand(undecodable.error))?;
    let is_allowed = match (signer, &asking) {
        (Some(signer), DecodedMessage::Command(command)) => signer.require_allowed(command.request.action()),
        (Some(signer), DecodedMessage::Approval(_)) => signer.require_approver(),
        (None, _) => Ok(()),
    };
    is_allowed.map(|()| asking).map_err(InvalidCommand)
}

/// The warning about a command that is sent although it will be refused.
pub(super) fn sent_all_the_same(problem: &str) -> String {
    format!("{problem}; it is sent nevertheless, because of --no-validate")
}

/// Where on the queue that `intake` reads a command for `action` belongs.
fn place(intake: &IntakeConfig, action: &str, subject: Option<String>) -> Result<String, QueueError> {
    match intake {
        IntakeConfig::Kafka { .. } if subject.is_some() => Err(QueueError::NoSubjects),
        IntakeConfig::Kafka { topic, .. } => Ok(topic.clone()),
        IntakeConfig::Nats { subject: read, .. } => address(read, action, subject),
    }
}

/// The intake of `commands`, if it accepts commands by `signer`, or unsigned ones.
fn intake<'a>(commands: &'a CommandsConfig, signer: Option<&Signer>) -> Result<&'a IntakeConfig, QueueError> {
    let is_required = commands.signature.as_ref().is_some_and(|signature| signature.required);
    if is_required && signer.is_none() {
        return Err(QueueError::Signed(commands.name.clone()));
    }
    commands.intake.as_ref().ok_or_else(|| QueueError::NoIntake(commands.name.clone()))
}

/// A subject that the intake reads: as given, the only one there is, or the action where it ends in `>`.
fn address(read: &str, action: &str, given: Option<String>) -> Result<String, QueueError> {
    if let Some(given) = given {
        let is_read =
            read.parse::<crate::command::AddressPattern>().is_ok_and(|pattern| pattern.matches(&given));
        return if is_read { Ok(given) } else { Err(QueueError::NotRead(given, read.to_owned())) };
    }
    match read.strip_suffix('>') {
        None if !read.contains('*') => Ok(read.to_owned()),
        Some(prefix) if !prefix.contains('*') => Ok(format!("{prefix}{action}")),
        _ => Err(QueueError::Wildcards(read.to_owned())),
    }
}
