//! `oktabus schema`: the schemas of published messages, commands and outcomes, for programs.

mod asyncapi;
mod channel;
mod commands;
mod fields;
mod headers;
mod json_schema;
mod payload;

use clap::{Args, ValueEnum};

use self::channel::Channel;
use super::{ConfigArgument, Exit, fail, print};
use crate::command::{Outcome, message};

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// What to describe
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = What::Events)]
    what: What,
    /// The kind of document; commands and outcomes always have a JSON Schema, and fields are JSON or a table
    #[arg(long = "as", value_name = "KIND", value_enum, default_value_t = Kind::Asyncapi)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The events that the configuration's routes publish
    Events,
    /// Commands, as sent to a queue; needs no configuration
    Commands,
    /// Outcomes of commands; needs no configuration
    Outcomes,
    /// Where each field of Okta's stands in OCSF, ECS and UDM; needs no configuration
    Fields,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// AsyncAPI 3.0: servers, channels and messages, with those of commands and outcomes
    Asyncapi,
    /// JSON Schema 2020-12 of a message, given as an object of route, address, key, headers and payload
    JsonSchema,
    /// A table in Markdown, of fields only
    Table,
}

#[derive(Debug, thiserror::Error)]
#[error("a table can be made of fields only: say `--what fields`")]
struct NoTable;

pub(super) fn schema(arguments: &SchemaArguments) -> Exit {
    let described = match arguments.what {
        What::Events => return events(arguments),
        What::Fields => {
            let is_table = arguments.kind == Kind::Table;
            print(&if is_table { fields::as_table() } else { fields::as_json() });
            return Exit::Done;
        }
        What::Commands => message::schema(),
        What::Outcomes => Outcome::schema(),
    };
    print(&format!("{described:#}\n"));
    Exit::Done
}

fn events(arguments: &SchemaArguments) -> Exit {
    if arguments.kind == Kind::Table {
        return fail(Exit::Usage, &NoTable);
    }
    let config = match arguments.config.load_without_secrets() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let channels = Channel::all(&config);
    let document = match arguments.kind {
        Kind::Asyncapi => {
            let mut document = asyncapi::document(&channels);
            commands::describe(&config, &mut document);
            document
        }
        Kind::JsonSchema | Kind::Table => json_schema::document(&channels),
    };
    print(&format!("{document:#}\n"));
    Exit::Done
}
