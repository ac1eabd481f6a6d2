//! Opens the state as soon as its disk is writable.

use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::AppError;
use crate::{
    admin,
    config::AdminConfig,
    retry::RetryPolicy,
    state::{Opening, State, StateError, StatePaths},
    telemetry::chain,
};

/// Opens the state at `places`. Waits while the disk is full or read-only, as the running daemon does; no part of the
/// state is lost by that. Meanwhile the admin pages say so.
pub(super) async fn open_state(
    places: &StatePaths,
    opening: &Opening,
    config: &AdminConfig,
) -> Result<State, AppError> {
    let mut backoff = RetryPolicy::STATE.backoff();
    let (reason, told) = watch::channel(String::new());
    let mut pages = JoinSet::new();
    loop {
        let err = match State::open(places.clone(), opening.clone()).await {
            Err(err) if is_for_want_of_room(&err) => err,
            opened => {
                // Releases the address for the pages of the daemon.
                pages.shutdown().await;
                return Ok(opened?);
            }
        };
        reason.send_replace(chain(&err));
        if pages.is_empty() {
            tracing::error!(error = chain(&err), "the state cannot be opened; trying again");
            pages.spawn(admin::serve_starting(bind(config).await?, told.clone()));
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// The address and access rules of the admin pages.
pub(super) async fn bind(config: &AdminConfig) -> Result<admin::Server, AppError> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })?;
    Ok(admin::Server::new(listener, config.clone()).await?)
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
