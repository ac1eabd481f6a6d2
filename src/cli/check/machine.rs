//! What the daemon needs of this machine: a place for its state, the admin address, and beginnings that Okta still has.
//! Creates and changes nothing.

use std::net::TcpListener;

use jiff::Timestamp;
use okta_client::logs::RETENTION;

use super::Row;
use crate::{
    config::{Config, Start, WindowConfig},
    control::Client,
    sink::file::require_writable,
    state::{StateError, StatePaths},
    telemetry::chain,
};

/// A row for each thing that the daemon needs.
pub(super) async fn rows(config: &Config) -> Vec<Row> {
    let is_running = matches!(Client::connect(&config.runtime.state.path).await, Ok(Some(_)));
    let mut rows = beginnings(config, Timestamp::now());
    rows.push(state_row(&StatePaths::from(&config.runtime.state), is_running));
    rows.push(admin_row(config, is_running));
    rows
}

fn state_row(places: &StatePaths, is_running: bool) -> Row {
    let (what, directory) = ("state".to_owned(), &places.directory);
    if is_running {
        return Row::good(what, format!("{} is in use by the daemon that runs", directory.display()));
    }
    match places.require_usable() {
        Err(err @ StateError::Owner { .. }) if rustix::process::geteuid().is_root() => {
            return Row::warning(what, chain(&err));
        }
        Err(err) => return Row::bad(what, chain(&err)),
        Ok(()) => {}
    }
    for place in [directory.as_path(), places.witness.parent().unwrap_or(directory)] {
        if let Err(err) = require_writable(place) {
            return Row::bad(what, chain(&err.in_sink("the state")));
        }
    }
    let text = if directory.exists() { "can be written to" } else { "will be made" };
    Row::good(what, format!("{} {text}", directory.display()))
}

fn admin_row(config: &Config, is_running: bool) -> Row {
    let (what, address) = ("admin".to_owned(), config.runtime.admin.listen);
    if is_running {
        return Row::good(what, format!("{address} is for the daemon that runs"));
    }
    match TcpListener::bind(address) {
        Ok(_) => Row::good(what, format!("{address} is free")),
        Err(err) => Row::bad(what, format!("{address}: {err}: choose another `admin.listen`")),
    }
}

/// Beginnings that are not as they were typed.
fn beginnings(config: &Config, now: Timestamp) -> Vec<Row> {
    let streams =
        config.streams.values().map(|stream| (format!("stream {}", stream.name), Some(stream.start)));
    let searches = config.searches.values().map(|search| {
        let start = match search.window {
            WindowConfig::SinceLast { start, .. } => Some(start),
            WindowConfig::LookBack { .. } => None,
        };
        (format!("search {}", search.name), start)
    });
    let told = |(what, start): (String, Option<Start>)| Some(Row::warning(what, oddity(start?, now)?));
    streams.chain(searches).filter_map(told).collect()
}

fn oddity(start: Start, now: Timestamp) -> Option<String> {
    let is_beyond = match start {
        Start::Now => false,
        Start::Ago(ago) => ago > RETENTION,
        Start::At(time) if time > now => {
            return Some(format!("`start` is in the future: nothing before {time} is read"));
        }
        Start::At(time) => time < now - RETENTION,
    };
    is_beyond.then(|| "`start` is before the 90 days that Okta keeps: reading begins 90 days ago".to_owned())
}
