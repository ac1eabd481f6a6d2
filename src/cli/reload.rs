//! What SIGHUP does: secrets are read again, so that a rotation need not wait for a refusal.

use std::{io, sync::Arc};

use okta_client::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use crate::{command::engine::Engines, config::BusConfig};

/// Reads the secrets of `clients` and of `buses`, and the keys of signatures of `engines`, again on each SIGHUP, until the handle is dropped.
pub(super) fn on_hangup(
    clients: Vec<Arc<Client>>,
    buses: Vec<BusConfig>,
    engines: Engines,
) -> io::Result<AbortOnDropHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let reloading = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            buses.iter().for_each(BusConfig::reload);
            for client in &clients {
                client.reload_secret().await;
            }
            engines.reload_keys().await;
        }
    });
    Ok(AbortOnDropHandle::new(reloading))
}
