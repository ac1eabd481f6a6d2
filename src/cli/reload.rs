//! What SIGHUP does: secrets are read again, so that a rotation need not wait for a refusal.

use std::{io, sync::Arc};

use okta_client::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use crate::{app::App, command::engine::Engines, config::BusConfig, systemd::ServiceManager};

/// What has secrets that can be read again.
pub(super) struct Secrets {
    clients: Vec<Arc<Client>>,
    buses: Vec<BusConfig>,
    engines: Engines,
}

impl Secrets {
    /// The orgs, the buses and the keys of signatures of `app`.
    pub(super) fn of(app: &App) -> Self {
        Self { clients: app.view().clients.clone(), buses: app.buses(), engines: app.engines() }
    }

    async fn reload(&self) {
        self.buses.iter().for_each(BusConfig::reload);
        for client in &self.clients {
            client.reload_secret().await;
        }
        self.engines.reload_keys().await;
    }
}

/// Reads `secrets` again on each SIGHUP, until the handle is dropped. `manager` is told when it begins and ends; `status` is
/// what it shows otherwise.
pub(super) fn on_hangup(
    secrets: Secrets,
    manager: Arc<ServiceManager>,
    status: String,
) -> io::Result<AbortOnDropHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let reloading = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            manager.reloading();
            secrets.reload().await;
            manager.ready(&status);
        }
    });
    Ok(AbortOnDropHandle::new(reloading))
}
