//! Turns the keys of a bus of kind NATS into its settings.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    ClientCertificate, NatsBus, NatsTls, auth, servers,
    subjects::{api_prefix, subject_prefix},
};
use crate::{
    config::{
        Problem,
        bus::{RawBus, non_empty, refuse_userinfo},
        secret::Secrets,
    },
    telemetry::chain,
};

/// How TLS protects the connection, and which authorities are trusted.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config::bus) struct RawTls {
    required: Option<bool>,
    #[serde(default)]
    first: bool,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// The bus that `raw` means, if it is one of this kind.
pub(in crate::config::bus) fn resolve(name: &str, raw: RawBus, secrets: Secrets) -> Result<NatsBus, Problem> {
    if raw.brokers.is_some() || !raw.options.is_empty() || !raw.secret_options.is_empty() {
        return Err(Problem::new("brokers", "a bus of kind nats has `servers`, `auth` and `tls`"));
    }
    let servers = non_empty("servers", raw.servers, "nats://nats-1:4222")?;
    refuse_userinfo("servers", &servers, "`auth = { user = …, password_file = … }`, or `token_file`")?;
    let auth = auth::resolve(raw.auth, secrets).map_err(|err| err.under("auth"))?;
    let tls = tls_of(raw.tls.as_ref())?;
    let servers = servers::resolve(&servers, tls, &auth, raw.allow_plaintext_credentials)?;
    let certificates = raw.tls.unwrap_or_default();
    let client_certificate = match (certificates.certificate_file, certificates.key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ClientCertificate { certificate_file, key_file }),
        (None, None) => None,
        _ => return Err(Problem::new("tls", "`certificate_file` and `key_file` come together")),
    };
    let bus = NatsBus {
        name: name.to_owned(),
        servers,
        auth,
        tls,
        ca_file: certificates.ca_file,
        client_certificate,
        api_prefix: api_prefix(raw.jetstream).map_err(|err| err.under("jetstream"))?,
        inbox_prefix: raw.inbox_prefix.map(|prefix| subject_prefix("inbox_prefix", prefix)).transpose()?,
    };
    if secrets.are_read {
        bus.files().try_for_each(|file| file.require()).map_err(|err| Problem::new("", chain(&err)))?;
    }
    Ok(bus)
}

/// A `tls` table means that TLS is required: otherwise an attacker in between could remove it unnoticed.
fn tls_of(raw: Option<&RawTls>) -> Result<NatsTls, Problem> {
    match raw {
        None => Ok(NatsTls::Offered),
        Some(RawTls { required: Some(false), .. }) => {
            Err(Problem::new("tls.required", "a `tls` table makes TLS required: remove this, or the table"))
        }
        Some(RawTls { first: true, .. }) => Ok(NatsTls::First),
        Some(_) => Ok(NatsTls::Required),
    }
}
