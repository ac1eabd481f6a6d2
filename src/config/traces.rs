//! `[traces]`: which pages and commands are traced, and where spans go.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use okta_client::SecretSource;
use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

use super::{
    Problem,
    secret::{Given, Secrets},
};
use crate::telemetry::chain;

pub use crate::telemetry::traces::TracesConfig;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraces {
    endpoint: String,
    sample: Option<f64>,
    #[serde(default)]
    headers: BTreeMap<String, RawHeader>,
    service_name: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Where the value of a header is, as TOML has it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    file: Option<PathBuf>,
    env: Option<String>,
    credential: Option<String>,
    #[schemars(with = "Option<String>")]
    value: Option<SecretString>,
}

/// One page or command of a hundred.
const DEFAULT_SAMPLE: f64 = 0.01;
const DEFAULT_SERVICE_NAME: &str = "oktabus";
/// Where OTLP over HTTP takes traces.
const TRACES_PATH: &str = "v1/traces";

pub(super) fn resolve(raw: RawTraces, secrets: Secrets) -> Result<TracesConfig, Problem> {
    resolve_section(raw, secrets).map_err(|problem| problem.under("traces"))
}

fn resolve_section(raw: RawTraces, secrets: Secrets) -> Result<TracesConfig, Problem> {
    if !cfg!(feature = "otlp") {
        return Err(Problem::new(
            "",
            "this binary was built without the feature `otlp`, and hands over no traces",
        ));
    }
    let RawTraces { endpoint, sample, headers, service_name, ca_file } = raw;
    let endpoint = endpoint_of(&endpoint)?;
    let sample = sample.unwrap_or(DEFAULT_SAMPLE);
    if !(sample > 0.0 && sample <= 1.0) {
        return Err(Problem::new(
            "sample",
            "must be above 0 and at most 1: leave the table out to trace nothing",
        ));
    }
    let headers = headers.into_iter().map(|(name, raw)| {
        let under = |problem: Problem| problem.under(&format!("headers.{name}"));
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(under(Problem::new("", "is not the name of a header")));
        }
        let RawHeader { file, env, credential, value } = raw;
        let secret =
            Given { file, env, credential, inline: value }.resolve("value", secrets).map_err(under)?;
        secrets.try_read_line(&secret).map_err(|err| under(Problem::new("", chain(&err))))?;
        let secret: SecretSource = Arc::new(secret);
        Ok((name, secret))
    });
    let headers: Vec<_> = headers.collect::<Result<_, _>>()?;
    if !headers.is_empty() && endpoint.scheme() == "http" && !is_loopback(&endpoint) {
        let reason =
            "the headers would go over the network in plain text: use https, or a collector on this machine";
        return Err(Problem::new("endpoint", reason));
    }
    let service_name = service_name.unwrap_or_else(|| DEFAULT_SERVICE_NAME.to_owned());
    Ok(TracesConfig { endpoint, sample, headers, service_name, ca_file })
}

/// The address for traces, of which `/v1/traces` may be left out.
fn endpoint_of(text: &str) -> Result<Url, Problem> {
    let refused = |reason: &str| Problem::new("endpoint", format!("`{text}` {reason}"));
    let mut url = Url::parse(text).map_err(|_| refused("is no URL such as http://127.0.0.1:4318"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refused(
            "is not of OTLP over HTTP: it begins with http:// or https://, and usually ends with :4318",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new("endpoint", "has a user or a password in it: use `headers`"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(TRACES_PATH) {
        url.set_path(&format!("{path}/{TRACES_PATH}"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(feature = "otlp")]
#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<TracesConfig, Problem> {
        resolve(toml::from_str(text).unwrap(), Secrets::ALLOWED)
    }

    #[test]
    fn the_path_of_traces_is_added_where_it_is_missing() {
        for (given, used) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
            ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
        ] {
            let config = resolved(&format!("endpoint = \"{given}\"")).unwrap();
            assert_eq!((config.endpoint.as_str(), config.sample), (used, 0.01));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_secret_goes_in_plain_text() {
        let header = "headers.authorization.value = \"Bearer s3cret\"";
        for (text, path) in [
            ("endpoint = \"collector:4317\"".to_owned(), "traces.endpoint"),
            ("endpoint = \"grpc://collector:4317\"".to_owned(), "traces.endpoint"),
            ("endpoint = \"https://user:s3cret@collector\"".to_owned(), "traces.endpoint"),
            ("endpoint = \"https://collector\"\nsample = 0.0".to_owned(), "traces.sample"),
            ("endpoint = \"https://collector\"\nsample = 2.0".to_owned(), "traces.sample"),
            (format!("endpoint = \"http://collector:4318\"\n{header}"), "traces.endpoint"),
            ("endpoint = \"https://c\"\nheaders.\"a b\".value = \"x\"".to_owned(), "traces.headers.a b"),
        ] {
            let problem = resolved(&text).unwrap_err();
            assert_eq!(problem.path, path, "{text}");
            assert!(!problem.reason.contains("s3cret"), "{}", problem.reason);
        }
        let config = resolved(&format!("endpoint = \"http://localhost:4318\"\n{header}")).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
