//! `oktabus schema`: what a configuration will publish, for the programs that will read it.

mod asyncapi;
mod channel;
mod headers;
mod json_schema;
mod payload;

use clap::{Args, ValueEnum};

use self::channel::Channel;
use super::{ConfigArgument, Exit, fail, print};

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Which kind of document
    #[arg(long = "as", value_name = "KIND", value_enum, default_value_t = Kind::Asyncapi)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// AsyncAPI 3.0: servers, channels and messages
    Asyncapi,
    /// JSON Schema 2020-12 of a message, given as an object of route, address, key, headers and payload
    JsonSchema,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let channels = Channel::all(&config);
    let document = match arguments.kind {
        Kind::Asyncapi => asyncapi::document(&channels),
        Kind::JsonSchema => json_schema::document(&channels),
    };
    print(&format!("{document:#}\n"));
    Exit::Done
}
