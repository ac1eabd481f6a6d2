//! `oktabus state`: what is durable, while the daemon is stopped.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{ConfigArgument, Exit, fail, print, table::table};
use crate::state::{State, StateError, Stored};

#[derive(Debug, Args)]
pub(super) struct StateArguments {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Show where each route stands
    Show {
        #[command(flatten)]
        config: ConfigArgument,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// A route's cursor as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    route: String,
    cursor: String,
    generation: u64,
    age_seconds: i64,
    delivered: u64,
    published_max: Option<Timestamp>,
}

pub(super) async fn state(arguments: StateArguments) -> Exit {
    let StateCommand::Show { config, json } = arguments.command;
    let config = match config.load() {
        Ok(config) => config,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let shown = match show(config.runtime.state_path).await {
        Ok(shown) => shown,
        Err(err @ StateError::Locked(_)) => {
            let exit = fail(Exit::StateRefused, &err);
            print(&format!(
                "A running daemon shows its routes on http://{}/status\n",
                config.runtime.admin.listen
            ));
            return exit;
        }
        Err(err) => return fail(Exit::StateRefused, &err),
    };
    print(&if json { json_lines(&shown) } else { human(&shown) });
    Exit::Done
}

async fn show(path: std::path::PathBuf) -> Result<Vec<Shown>, StateError> {
    let routes = State::open_existing(path).await?.list().await?;
    Ok(routes.into_iter().map(|(route, stored)| shown(route, stored, Timestamp::now())).collect())
}

fn shown(route: String, stored: Stored, now: Timestamp) -> Shown {
    let Stored { generation, cursor } = stored;
    Shown {
        route,
        cursor: cursor.link,
        generation,
        age_seconds: now.duration_since(cursor.advanced_at).as_secs(),
        delivered: cursor.delivered,
        published_max: cursor.published_max,
    }
}

fn json_lines(shown: &[Shown]) -> String {
    shown.iter().filter_map(|shown| serde_json::to_string(shown).ok()).map(|line| line + "\n").collect()
}

fn human(shown: &[Shown]) -> String {
    let header =
        ["ROUTE", "GENERATION", "AGE", "DELIVERED", "NEWEST EVENT", "CURSOR"].map(str::to_owned).to_vec();
    let row = |shown: &Shown| {
        vec![
            shown.route.clone(),
            shown.generation.to_string(),
            format!("{:#}", SignedDuration::from_secs(shown.age_seconds)),
            shown.delivered.to_string(),
            shown.published_max.map_or_else(|| "-".to_owned(), |published| published.to_string()),
            shown.cursor.clone(),
        ]
    };
    table(&[vec![header], shown.iter().map(row).collect()].concat())
}
