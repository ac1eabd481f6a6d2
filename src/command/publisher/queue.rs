//! The queue of an intake, as a sink to publish commands to.

use std::sync::Arc;

use crate::{
    config::{Encoding, IntakeConfig, KafkaSink, NatsSink, SinkConfig},
    message::{Template, TemplateUse},
};

/// The queue that `intake` reads. Each command has its address.
pub(super) fn as_sink(intake: &IntakeConfig, commands: &str) -> SinkConfig {
    let name = format!("intake of {commands}");
    match intake {
        IntakeConfig::Kafka { bus, .. } => SinkConfig::Kafka(KafkaSink {
            name,
            bus: Arc::clone(bus),
            topic: Template::nothing(TemplateUse::Topic),
            key: Template::nothing(TemplateUse::Key),
            encoding: Encoding::Binary,
            transactions: None,
        }),
        IntakeConfig::Nats { bus, stream, .. } => SinkConfig::Nats(NatsSink {
            name,
            bus: Arc::clone(bus),
            stream: stream.clone(),
            subject: Template::nothing(TemplateUse::Subject),
            key: Template::nothing(TemplateUse::Key),
            encoding: Encoding::Binary,
            create: None,
            unacknowledged_max: 1,
            transactions: None,
        }),
    }
}
