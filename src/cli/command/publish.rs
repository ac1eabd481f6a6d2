//! `oktabus command publish`: onto the queue, with proof that the bus has it.

use bytes::Bytes;
use serde_json::json;

use super::{
    Which,
    bulk::{Asked, Bulk, FILE_BYTES_MAX},
    message::{MessageArguments, Source},
};
use crate::{
    cli::{Exit, fail, print},
    command::{
        OutcomeError,
        engine::pick,
        message::{Headers, decode},
        publisher::{self, Publication, Publisher},
    },
    config::{CommandsConfig, IntakeConfig},
};

/// Why there is nowhere to publish to.
#[derive(Debug, thiserror::Error)]
enum NoQueue {
    #[error("the commands `{0}` have no intake: use `oktabus command run`")]
    NoIntake(String),
    #[error("the intake reads `{0}`: say which subject with --subject")]
    Wildcards(String),
    #[error("`{0}` is no subject that the intake reads: it reads `{1}`")]
    NotRead(String, String),
    #[error("the commands `{0}` demand signatures, and this makes none: use `oktabus command run`")]
    Signed(String),
    #[error("--subject is for an intake of kind nats")]
    NoSubjects,
}

/// It would be refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}{}", .0.code, .0.message, .0.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default())]
pub(super) struct NoCommand(pub(super) OutcomeError);

pub(super) async fn publish(
    which: &Which,
    message: MessageArguments,
    subject: Option<String>,
    no_validate: bool,
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
    let intake = match intake(commands) {
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
            let asked = Asked { commands, message: &message, validates: !no_validate, place: &place };
            bulk.publish(asked, &*publisher).await
        }
        None => publish_one(commands, &message, source.as_ref(), place, &*publisher).await,
    };
    publisher.close().await;
    exit
}

async fn publish_one(
    commands: &CommandsConfig,
    message: &MessageArguments,
    source: Option<&Source>,
    place: impl Fn(&str) -> Result<String, NoQueue>,
    publisher: &dyn Publisher,
) -> Exit {
    let json = message.json;
    let message = match message.compose_from(source) {
        Ok(message) => message,
        Err(err) => return fail(Exit::Usage, &err),
    };
    // A slip of the pen is told here, and not by an outcome that somebody must look for.
    let payload = Bytes::from(String::from(Box::<str>::from(message.json)));
    if let Err(undecodable) = decode(&payload, &Headers::new(), None) {
        return fail(Exit::Usage, &NoCommand(undecodable.error));
    }
    let address = match place(&message.action) {
        Ok(address) => address,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let command = Publication::command(&commands.name, &message.id, message.user.as_deref(), payload);
    match publisher.publish(&command.to(address.clone())).await {
        Ok(()) => {
            print(&if json {
                format!("{}\n", json!({ "command_id": message.id, "address": address }))
            } else {
                format!("published `{}` to {address}\n", message.id)
            });
            Exit::Done
        }
        Err(err) => fail(Exit::Unavailable, &err),
    }
}

/// Where on the queue that `intake` reads a command for `action` belongs.
fn place(intake: &IntakeConfig, action: &str, subject: Option<String>) -> Result<String, NoQueue> {
    match intake {
        IntakeConfig::Kafka { .. } if subject.is_some() => Err(NoQueue::NoSubjects),
        IntakeConfig::Kafka { topic, .. } => Ok(topic.clone()),
        IntakeConfig::Nats { subject: read, .. } => address(read, action, subject),
    }
}

/// The intake of `commands`, if what is published there unsigned is obeyed.
fn intake(commands: &CommandsConfig) -> Result<&IntakeConfig, NoQueue> {
    if commands.signature.as_ref().is_some_and(|signature| signature.required) {
        return Err(NoQueue::Signed(commands.name.clone()));
    }
    commands.intake.as_ref().ok_or_else(|| NoQueue::NoIntake(commands.name.clone()))
}

/// A subject that the intake reads: as given, the only one there is, or the action where it ends in `>`.
fn address(read: &str, action: &str, given: Option<String>) -> Result<String, NoQueue> {
    if let Some(given) = given {
        let is_read =
            read.parse::<crate::command::AddressPattern>().is_ok_and(|pattern| pattern.matches(&given));
        return if is_read { Ok(given) } else { Err(NoQueue::NotRead(given, read.to_owned())) };
    }
    match read.strip_suffix('>') {
        None if !read.contains('*') => Ok(read.to_owned()),
        Some(prefix) if !prefix.contains('*') => Ok(format!("{prefix}{action}")),
        _ => Err(NoQueue::Wildcards(read.to_owned())),
    }
}
