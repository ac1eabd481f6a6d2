//! The state under everything that happens to disks and processes: nothing that was acknowledged is lost, and nothing
//! wrong is taken for right.

mod clock;
mod commands;
mod corruption;
mod disk;
mod displaced;
mod kill;
mod power;
mod reset;

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use oktabus::state::{Cursor, Entry, Opening, RecentIds, State, StatePaths};

/// Opens the state in `directory` as the daemon does.
async fn open(directory: &Path) -> State {
    State::open(StatePaths::within(directory.to_owned()), Opening::Trusted).await.unwrap()
}

/// The cursor that a route has at `generation`: one can be told from the other by its link.
fn cursor_at(generation: u64) -> Cursor {
    let mut recent = RecentIds::default();
    recent.remember(&format!("uuid-{generation}"));
    Cursor {
        link: link_at(generation),
        question: "https://acme.okta.com".to_owned(),
        published_max: Some(Timestamp::UNIX_EPOCH),
        advanced_at: Timestamp::UNIX_EPOCH,
        delivered: generation * 1_000,
        mark: None,
        of_bus: None,
        left_behind: Vec::new(),
        recent,
    }
}

fn link_at(generation: u64) -> String {
    format!("https://acme.okta.com/api/v1/logs?limit=1000&after={generation}")
}

/// Moves `route` from `generation` to the next one, durably.
async fn advance(state: &State, route: &str, generation: u64) -> u64 {
    state.advance(route, generation, Arc::new(cursor_at(generation + 1))).await.unwrap()
}

fn entry(content: &str) -> Entry {
    Entry { received_at: Timestamp::UNIX_EPOCH, content: content.to_owned() }
}
