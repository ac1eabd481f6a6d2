//! `oktabus command publish`: onto the queue, with proof that the bus has it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::{Which, message::MessageArguments};
use crate::{
    cli::{Exit, fail, print},
    command::{
        OutcomeError,
        engine::pick,
        message::{Headers, decode},
        outlet::{Outlet, OutletError, Parcel},
    },
    config::{CommandsConfig, Encoding, IntakeConfig, KafkaSink, NatsSink, SinkConfig},
    event::{Template, Use},
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
struct NoCommand(OutcomeError);

pub(super) async fn publish(which: &Which, message: MessageArguments, subject: Option<String>) -> Exit {
    let config = match which.config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let commands = match pick(&config.commands, which.commands.as_deref()) {
        Ok(commands) => commands,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let json = message.json;
    let message = match message.compose() {
        Ok(message) => message,
        Err(err) => return fail(Exit::Usage, &err),
    };
    // A slip of the pen is told here, and not by an outcome that somebody must look for.
    let payload = Bytes::from(String::from(Box::<str>::from(message.json)));
    if let Err(undecodable) = decode(&payload, &Headers::new(), None) {
        return fail(Exit::Usage, &NoCommand(undecodable.error));
    }
    let (sink, address) = match queue(commands, &message.action, subject) {
        Ok(queue) => queue,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let parcel =
        Parcel::command(&commands.name, &message.id, message.user.as_deref(), payload).to(address.clone());
    match put(&sink, &commands.name, &parcel).await {
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

async fn put(sink: &SinkConfig, commands: &str, parcel: &Parcel) -> Result<(), OutletError> {
    let outlet = Outlet::open(sink, commands).await?;
    let published = outlet.publish(parcel).await;
    outlet.close().await;
    published
}

/// The queue of `commands` as a sink, and where on it a command belongs.
fn queue(
    commands: &CommandsConfig,
    action: &str,
    subject: Option<String>,
) -> Result<(SinkConfig, String), NoQueue> {
    let name = format!("intake of {}", commands.name);
    if commands.signature.as_ref().is_some_and(|signature| signature.required) {
        return Err(NoQueue::Signed(commands.name.clone()));
    }
    match &commands.intake {
        None => Err(NoQueue::NoIntake(commands.name.clone())),
        Some(IntakeConfig::Kafka { .. }) if subject.is_some() => Err(NoQueue::NoSubjects),
        Some(IntakeConfig::Kafka { bus, topic, .. }) => {
            let sink = KafkaSink {
                name,
                bus: Arc::clone(bus),
                topic: Template::nothing(Use::Topic),
                key: Template::nothing(Use::Key),
                encoding: Encoding::Binary,
            };
            Ok((SinkConfig::Kafka(sink), topic.clone()))
        }
        Some(IntakeConfig::Nats { bus, stream, subject: read, .. }) => {
            let address = address(read, action, subject)?;
            let sink = NatsSink {
                name,
                bus: Arc::clone(bus),
                stream: stream.clone(),
                subject: Template::nothing(Use::Subject),
                key: Template::nothing(Use::Key),
                encoding: Encoding::Binary,
                create: None,
                unacknowledged_max: 1,
            };
            Ok((SinkConfig::Nats(sink), address))
        }
    }
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
