//! `oktabus config`: what is set and where, and the schema of configurations for editors.

use clap::{Args, Subcommand};

use super::{ConfigArgument, Exit, fail, print, table::table};
use crate::{
    config::{Config, Setting, configuration_schema},
    telemetry::printable_json,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oktabus config show --config oktabus.toml
  oktabus config schema > oktabus.schema.json   # then `#:schema ./oktabus.schema.json` as first line of oktabus.toml")]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show what is set in files and variables, each with its place, without secrets
    Show {
        #[command(flatten)]
        config: ConfigArgument,
        /// One JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of configurations, with which editors complete and check them
    Schema,
}

pub(super) fn config(arguments: &ConfigArguments) -> Exit {
    match &arguments.command {
        ConfigCommand::Show { config, json } => match Config::settings(&config.config) {
            Ok(settings) => {
                print(&shown(&settings, *json));
                Exit::Done
            }
            Err(err) => fail(Exit::Usage, &err),
        },
        ConfigCommand::Schema => {
            print(&format!("{:#}\n", configuration_schema()));
            Exit::Done
        }
    }
}

fn shown(settings: &[Setting], json: bool) -> String {
    if json {
        let line = |setting: &Setting| serde_json::to_string(setting).ok();
        let lines = settings.iter().filter_map(line);
        return lines.map(|line| format!("{}\n", printable_json(&line))).collect();
    }
    let row = |setting: &Setting| {
        let origin = setting.origin.as_deref().map(|origin| format!("# {origin}")).unwrap_or_default();
        vec![format!("{} = {}", setting.path, setting.value), origin]
    };
    table(&settings.iter().map(row).collect::<Vec<_>>())
}
