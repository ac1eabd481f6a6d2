//! Opens the state as soon as its disk is writable.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::AppError;
use crate::{
    admin,
    config::AdminConfig,
    control::Client,
    retry::RetryPolicy,
    state::{Opening, State, StateError, StatePaths},
    telemetry::chain,
};

/// How long a start waits for a command of this machine that has the state for a moment.
const HOLDER_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Opens the state at `places`. Waits while the disk is full or read-only, as the running daemon does; no part of the
/// state is lost by that. Meanwhile the admin pages say so.
pub(super) async fn open_state(
    places: &StatePaths,
    opening: &Opening,
    config: &AdminConfig,
) -> Result<State, AppError> {
    let mut backoff = RetryPolicy::STATE.backoff();
    let mut held_until = None;
    let (reason, told) = watch::channel(String::new());
    let mut pages = JoinSet::new();
    loop {
        let err = match State::open(places.clone(), opening.clone()).await {
            Err(err) if is_for_want_of_room(&err) => err,
            Err(StateError::Locked(_)) if is_held_for_a_moment(places, &mut held_until).await => {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                continue;
            }
            opened => {
                // Releases the address for the pages of the daemon.
                pages.shutdown().await;
                return Ok(opened?);
            }
        };
        reason.send_replace(chain(&err));
        if pages.is_empty() {
            tracing::error!(error = chain(&err), "the state cannot be opened; trying again");
            let server = admin::Server::bind(config.clone(), None).await?;
            pages.spawn(admin::serve_starting(server, told.clone()));
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// Whether the state is locked by something that ends by itself: a daemon has a socket, a command like `command list` has
/// none.
async fn is_held_for_a_moment(places: &StatePaths, held_until: &mut Option<Instant>) -> bool {
    let until = *held_until.get_or_insert_with(|| {
        tracing::info!("another process has the state, perhaps for a moment; waiting for it");
        Instant::now() + HOLDER_MAX
    });
    Instant::now() < until && !matches!(Client::connect(&places.directory).await, Ok(Some(_)))
}

fn is_for_want_of_room(err: &StateError) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match err {
        StateError::NoRoom { .. } | StateError::ReadOnly(_) => true,
        StateError::Io { source, .. } => {
            matches!(source.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull)
        }
        _ => false,
    }
}
