//! Certificate and key of a server of ours. Both are read when it starts, and again when they change.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Problem, secret::Secrets};
use crate::{permissions::Trust, telemetry::chain};

/// Certificate and key of a server; both PEM files.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// The certificate chain.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServerTls {
    certificate_file: PathBuf,
    key_file: PathBuf,
}

pub(super) fn resolve(raw: RawServerTls, secrets: Secrets) -> Result<ServerTls, Problem> {
    let RawServerTls { certificate_file, key_file } = raw;
    for (key, path, trust) in [
        ("tls.certificate_file", &certificate_file, Trust::Public),
        ("tls.key_file", &key_file, Trust::Secret),
    ] {
        secrets
            .try_trust(path, trust)
            .map_err(|err| Problem::new(key, format!("{}: {}", path.display(), chain(&err))))?;
    }
    Ok(ServerTls { certificate_file, key_file })
}
