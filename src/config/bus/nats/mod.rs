//! Buses of kind NATS: servers, credentials and TLS. Does not know the client.

mod auth;
mod resolve;
mod servers;
mod subjects;

use std::path::PathBuf;

pub(super) use auth::RawAuth;
pub(super) use resolve::{RawTls, resolve};
pub(super) use subjects::RawJetStream;

use crate::config::Secret;

/// How to reach a NATS server or cluster.
#[derive(Debug)]
pub struct NatsBus {
    /// Its name in the configuration.
    pub name: String,
    /// URLs of the schemes `nats`, `tls`, `ws` or `wss`, at least one, without credentials.
    pub servers: Vec<String>,
    /// Our credentials.
    pub auth: NatsAuth,
    /// Whether credentials may be sent without TLS.
    pub tls: NatsTls,
    /// Certificate authorities to trust in place of those of the system, PEM.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub client_certificate: Option<ClientCertificate>,
    /// What the subjects of the JetStream API begin with, if not with `$JS.API`.
    pub api_prefix: Option<String>,
    /// What the subjects begin with on which we are answered, if not with `_INBOX`.
    pub inbox_prefix: Option<String>,
}

/// Whether TLS is used for servers whose URL does not decide it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NatsTls {
    /// If the server offers it. An attacker in place of the server need not offer it.
    #[default]
    Offered,
    /// Always: nothing is sent to a server without TLS.
    Required,
    /// Always, and before the first message of the server.
    First,
}

/// A certificate that identifies us, with its key; both PEM files.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// How we identify ourselves to NATS.
#[derive(Debug, Clone)]
pub enum NatsAuth {
    /// Not at all.
    None,
    /// A `.creds` file: JWT and nkey seed.
    Credentials(Secret),
    /// An nkey seed.
    Nkey(Secret),
    /// A token.
    Token(Secret),
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}
