//! Where hooks are received: an address of its own, on a thread of its own, within bounds.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    bell::Doorbell,
    hooks::{HookBell, Hooks, router},
    secrets::HookSecrets,
};
use crate::{
    config::{DoorbellListener, HookConfig, SecretError, ServerTls},
    serving::{
        self, BoundAddress, Bounds, ConnectionLimits,
        refresh::{RefreshHandle, RefreshRequests, refresh_channel},
        tls::{CertificateError, CurrentAcceptor, read_acceptor},
    },
    telemetry::chain,
};

/// A hook is one request on one connection. Beyond these the oldest connection gives way, so that idle ones keep nobody out.
const BOUNDS: Bounds = Bounds {
    connections_max: 256,
    head_time: Duration::from_secs(2),
    connections: ConnectionLimits::OneAnswer(Duration::from_secs(5)),
};
/// How often secrets and certificate are read again.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How long senders may take to read their answers when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Hooks cannot be received as configured.
#[derive(Debug, thiserror::Error)]
pub enum DoorbellError {
    /// The address cannot be bound.
    #[error("cannot receive event hooks on {address}: choose another `doorbell.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system gives no thread.
    #[error("cannot start the thread of the doorbell")]
    Thread(#[source] io::Error),
    /// A secret cannot be read.
    #[error("orgs.{org}.doorbell.secret")]
    Secret {
        /// The org.
        org: String,
        /// Why not.
        source: SecretError,
    },
    /// The certificate and the key cannot be used.
    #[error("doorbell.tls")]
    Certificate(#[from] CertificateError),
}

/// A bound address, and what is needed to serve it.
#[derive(Debug)]
pub(super) struct Listener {
    bound: Arc<BoundAddress>,
    /// Another one on it, for this server.
    listener: StdListener,
    address: SocketAddr,
    tls: Option<ServerTls>,
    acceptor: CurrentAcceptor,
    hooks: Arc<Hooks>,
    refresh: (RefreshHandle, RefreshRequests),
}

impl Listener {
    /// Reads secrets and certificate, and binds the address unless it is `bound` already.
    pub(super) async fn bind(
        config: &DoorbellListener,
        hooks: Vec<(Arc<Doorbell>, HookConfig)>,
        bound: Option<&Arc<BoundAddress>>,
    ) -> Result<Self, DoorbellError> {
        let by_path: BTreeMap<_, _> = hooks
            .into_iter()
            .map(|(bell, hook)| (hook.path.clone(), HookBell { bell, secrets: HookSecrets::new(&hook) }))
            .collect();
        let hooks = Arc::new(Hooks::new(by_path));
        let (tls, read) = (config.tls.clone(), Arc::clone(&hooks));
        let reading = tokio::task::spawn_blocking(move || {
            for hook in read.bells() {
                hook.secrets
                    .refresh()
                    .map_err(|source| DoorbellError::Secret { org: hook.bell.org().to_owned(), source })?;
            }
            Ok(tls.map(|tls| read_acceptor(&tls)).transpose()?)
        });
        let interrupted = |_| Err(DoorbellError::Thread(io::ErrorKind::Interrupted.into()));
        let acceptor: Option<TlsAcceptor> = reading.await.unwrap_or_else(interrupted)?;
        let address = config.listen;
        let unbound = |source| DoorbellError::Listen { address, source };
        let bound = BoundAddress::bind(address, bound).map_err(unbound)?;
        let (listener, address) = (bound.listener().map_err(unbound)?, bound.address().map_err(unbound)?);
        Ok(Self {
            bound,
            listener,
            address,
            tls: config.tls.clone(),
            acceptor: CurrentAcceptor::new(acceptor),
            hooks,
            refresh: refresh_channel(),
        })
    }

    /// Has secrets and certificate read again.
    pub(super) fn refresh_handle(&self) -> RefreshHandle {
        self.refresh.0.clone()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn bound(&self) -> Arc<BoundAddress> {
        Arc::clone(&self.bound)
    }

    /// Serves until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let (ended, has_ended) = oneshot::channel::<()>();
        let serving = move || {
            let served = own_runtime().and_then(|runtime| runtime.block_on(self.serve(stop)));
            if let Err(err) = served {
                tracing::error!(error = %err, "event hooks are not received: streams go on at their normal interval");
            }
            drop(ended);
        };
        if let Err(err) = std::thread::Builder::new().name("doorbell".to_owned()).spawn(serving) {
            tracing::error!(error = %err, "event hooks are not received: there is no thread for it");
            return;
        }
        // It is dropped at the end.
        let _ = has_ended.await;
    }

    async fn serve(self, stop: CancellationToken) -> io::Result<()> {
        let Self { listener, tls, acceptor, hooks, refresh: (_, requests), .. } = self;
        let listener = TcpListener::from_std(listener)?;
        let pages = router(Arc::clone(&hooks));
        let serving =
            serving::serve(listener, acceptor.clone(), move |_| pages.clone(), BOUNDS, stop.clone());
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            () = serving => {}
            () = refresh(hooks, tls, acceptor, requests) => {}
            () = over => {}
        }
        Ok(())
    }
}

fn own_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Reads secrets and certificate again and again, at once when that is asked for. What cannot be used is told once, and what was read before stays.
async fn refresh(
    hooks: Arc<Hooks>,
    tls: Option<ServerTls>,
    acceptor: CurrentAcceptor,
    mut requests: RefreshRequests,
) {
    let mut certificate_trouble = None;
    loop {
        let _told = requests.next_within(REFRESH_EVERY).await;
        let (read, tls) = (Arc::clone(&hooks), tls.clone());
        let reading = tokio::task::spawn_blocking(move || {
            read.bells().for_each(refresh_secrets);
            tls.map(|tls| read_acceptor(&tls)).transpose()
        });
        let Ok(read) = reading.await else { continue };
        match read {
            Ok(read) => {
                certificate_trouble = None;
                acceptor.exchange(read);
            }
            Err(err) => {
                let told = Some(chain(&err));
                if told != certificate_trouble {
                    tracing::warn!(
                        error = told,
                        "the doorbell goes on with the certificate that was read before"
                    );
                    certificate_trouble = told;
                }
            }
        }
    }
}

fn refresh_secrets(hook: &HookBell) {
    let trouble = hook.secrets.refresh().err().map(|err| chain(&err));
    let text = trouble.clone();
    if hook.bell.trouble(trouble)
        && let Some(error) = text
    {
        tracing::warn!(
            org = hook.bell.org(),
            error,
            "the doorbell goes on with the secret that was read before"
        );
    }
}
