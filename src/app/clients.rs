//! The clients of the configured orgs. An error names the configuration key; requests are counted in the metrics.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use okta_client::{Client, ClientError, Observer, Org};

use crate::{
    config::Config,
    telemetry::{histogram::Histogram, metrics, traces},
};

/// Clients by the names of their orgs.
pub type Clients = BTreeMap<String, Arc<Client>>;

/// The client of an org cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("orgs.{org}.{key}")]
pub struct UnusableOrg {
    org: String,
    /// The key below the org's.
    key: &'static str,
    source: ClientError,
}

/// Counts the requests to one org in the daemon's metrics.
#[derive(Debug)]
struct Counted {
    /// How long they took, by rate-limit bucket.
    seconds: Vec<(&'static str, Arc<Histogram>)>,
}

impl Counted {
    fn of(client: &Client) -> Self {
        let org = client.org().name.as_str();
        let seconds = |bucket| (bucket, metrics::OKTA_SECONDS.with(&[("org", org), ("bucket", bucket)]));
        Self { seconds: client.budgets().map(|(bucket, _)| seconds(bucket)).collect() }
    }
}

impl Observer for Counted {
    fn requested(&self, org: &str, bucket: &'static str, status: Option<u16>, took: Duration) {
        metrics::okta_request(org, status);
        traces::requested(org, bucket, status, took);
        if let Some((_, seconds)) = self.seconds.iter().find(|(name, _)| *name == bucket) {
            seconds.record(took);
        }
    }
}

/// The client of `org`.
pub fn client(org: Org) -> Result<Client, UnusableOrg> {
    client_by(org, Client::new)
}

/// The clients of all orgs of `config`, by name.
pub fn clients(config: &Config) -> Result<Clients, UnusableOrg> {
    clients_by(config, Client::new)
}

/// Clients that send no request and only describe their orgs. Reads no secret.
pub fn clients_without_secrets(config: &Config) -> Result<Clients, UnusableOrg> {
    clients_by(config, Client::without_secrets)
}

fn clients_by(
    config: &Config,
    make: impl Fn(Org) -> Result<Client, ClientError>,
) -> Result<Clients, UnusableOrg> {
    let made = |(name, org): (&String, &Org)| Ok((name.clone(), Arc::new(client_by(org.clone(), &make)?)));
    config.orgs.iter().map(made).collect()
}

fn client_by(org: Org, make: impl Fn(Org) -> Result<Client, ClientError>) -> Result<Client, UnusableOrg> {
    let name = org.name.clone();
    match make(org) {
        Ok(client) => {
            let counted = Counted::of(&client);
            Ok(client.observed_by(Arc::new(counted)))
        }
        Err(source) => Err(UnusableOrg { org: name, key: key(&source), source }),
    }
}

/// The key that an operator changes.
fn key(error: &ClientError) -> &'static str {
    match error {
        ClientError::Authorities { .. } | ClientError::NoAuthorities { .. } => "http.ca_file",
        ClientError::Http { .. } => "http",
        ClientError::PrivateKey { .. } => "auth.private_key",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::chain;

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let make = |_| Err(ClientError::NoAuthorities { org: "acme".to_owned() });
        let told = client_by(crate::config::acme("https://acme.okta.com"), make).unwrap_err();
        let told = chain(&told);
        assert!(told.starts_with("orgs.acme.http.ca_file: this machine has no"), "{told}");
    }
}
