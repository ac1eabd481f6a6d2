//! What subjects begin with on which a bus of NATS speaks to JetStream, and is answered.

use serde::Deserialize;

use crate::config::Problem;

/// Where the JetStream API listens: by the name of a domain, or by the prefix itself.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config::bus) struct RawJetStream {
    domain: Option<String>,
    api_prefix: Option<String>,
}

impl RawJetStream {
    /// Whether anything is said of it.
    pub(in crate::config::bus) fn is_given(&self) -> bool {
        self.domain.is_some() || self.api_prefix.is_some()
    }
}

/// What the subjects of the JetStream API begin with, if it is said.
pub(super) fn api_prefix(raw: RawJetStream) -> Result<Option<String>, Problem> {
    match (raw.domain, raw.api_prefix) {
        (Some(_), Some(_)) => Err(Problem::new("domain", "`domain` and `api_prefix` exclude each other")),
        (Some(domain), None) if domain.contains('.') => {
            Err(Problem::new("domain", format!("`{domain}` is not the name of a domain: it has no dots")))
        }
        (Some(domain), None) => Ok(Some(format!("$JS.{}.API", subject_prefix("domain", domain)?))),
        (None, prefix) => prefix.map(|prefix| subject_prefix("api_prefix", prefix)).transpose(),
    }
}

/// What subjects may begin with: tokens with something in them, without wildcards, and no dot at the end.
pub(super) fn subject_prefix(key: &str, prefix: String) -> Result<String, Problem> {
    let is_token = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    if prefix.split('.').all(is_token) {
        return Ok(prefix);
    }
    Err(Problem::new(key, format!("`{prefix}` is nothing that a subject begins with, such as `a.b`")))
}
