//! Looks now and then whether the store can still be found where it was opened. Commits look for themselves; this is for a daemon
//! that has nothing to commit. Mends nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    overview::StateTrouble,
    state::{State, StateError},
    telemetry::chain,
};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until `stop`, and keeps what is found in `trouble`.
pub(super) async fn watch_state(state: &State, trouble: &StateTrouble, stop: &CancellationToken) {
    let watching = async {
        loop {
            note(trouble, state.require_in_place().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(watching).await;
}

fn note(trouble: &StateTrouble, found: Result<(), StateError>) {
    match found {
        Ok(()) if trouble.end() => tracing::info!("the store is in its place again"),
        Err(err) if trouble.begin(&chain(&err)) => {
            tracing::error!(error = chain(&err), "the state is gone from under the daemon; still looking");
        }
        _ => {}
    }
}
