//! From the configuration of a bus to the options of the client: servers, TLS and credentials.

use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    bus::BusError,
    config::{NatsAuth, NatsBus, NatsTls, Secret, TrustedFile},
    telemetry::chain,
};

/// What NATS shows to its operators as the connection's name.
const NAME: &str = "oktabus";
/// How long one server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent connection is tried; it counts as lost after the third silence.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// The addresses of the bus's servers.
pub(super) fn servers(name: &str, bus: &NatsBus) -> Result<Vec<ServerAddr>, BusError> {
    let address = |server: &String| {
        server.parse().map_err(|error| misconfigured(name, bus, &format!("server `{server}`: {error}")))
    };
    bus.servers.iter().map(address).collect()
}

/// The options of a connection to the bus. Reads the secrets anew, so that a rotated one is used from then on.
pub(super) async fn options(name: &str, bus: &NatsBus) -> Result<ConnectOptions, BusError> {
    require_files(name, bus).await?;
    // Only the configured servers are used, because a connection never moves to another one.
    let mut options = ConnectOptions::new()
        .name(NAME)
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .require_tls(bus.tls != NatsTls::Offered)
        .ignore_discovered_servers();
    if bus.tls == NatsTls::First {
        options = options.tls_first();
    }
    if let Some(prefix) = &bus.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    if let Some(ca_file) = &bus.ca_file {
        options = options.add_root_certificates(ca_file.clone());
    }
    if let Some(ours) = &bus.client_certificate {
        options = options.add_client_certificate(ours.certificate_file.clone(), ours.key_file.clone());
    }
    authenticated(options, name, bus).await
}

async fn authenticated(
    options: ConnectOptions,
    name: &str,
    bus: &NatsBus,
) -> Result<ConnectOptions, BusError> {
    let read = async |secret: &Secret| read(secret).await.map_err(|reason| misconfigured(name, bus, &reason));
    Ok(match &bus.auth {
        NatsAuth::None => options,
        NatsAuth::Token(token) => options.token(read(token).await?.expose_secret().to_owned()),
        NatsAuth::Nkey(seed) => options.nkey(read(seed).await?.expose_secret().trim().to_owned()),
        NatsAuth::Password { user, password } => {
            options.user_and_password(user.clone(), read(password).await?.expose_secret().to_owned())
        }
        NatsAuth::Credentials(credentials) => {
            options.credentials(read(credentials).await?.expose_secret()).map_err(|error| {
                misconfigured(name, bus, &format!("{credentials} has no NATS credentials: {error}"))
            })?
        }
    })
}

/// The client opens these by their paths.
async fn require_files(name: &str, bus: &NatsBus) -> Result<(), BusError> {
    let files: Vec<_> = bus.files().collect();
    let trusted = move || files.iter().try_for_each(TrustedFile::require).map_err(|err| chain(&err));
    let looking = tokio::task::spawn_blocking(trusted);
    let found = looking.await.map_err(|error| error.to_string()).flatten();
    found.map_err(|reason| misconfigured(name, bus, &reason))
}

/// Files are small, but they may be on a disk that is slow.
async fn read(secret: &Secret) -> Result<SecretString, String> {
    let secret = secret.clone();
    let reading = tokio::task::spawn_blocking(move || secret.read().map_err(|error| chain(&error)));
    reading.await.map_err(|error| error.to_string())?
}

fn misconfigured(name: &str, bus: &NatsBus, reason: &str) -> BusError {
    BusError::Misconfigured { name: name.to_owned(), reason: format!("bus `{}`: {reason}", bus.name) }
}
