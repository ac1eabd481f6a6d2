//! Orgs: Okta tenants, and how to talk to them.

use std::{fmt, path::PathBuf, sync::Arc};

use okta_client::{
    BUDGET_SHARE_DEFAULT, HttpSettings, Org, PemSource, ProxyAuth, Source, SourceError, is_loopback,
};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{
    Problem, address,
    auth::{self, RawAuth},
    doorbell::RawDoorbell,
    quantity::{Bytes, Span},
    secret::{Given, Secrets},
};
use crate::{
    permissions::{self, Trust},
    telemetry::chain,
};

/// A file with certificate authorities, which no other user may write.
#[derive(Debug)]
struct AuthoritiesFile(PathBuf);

impl Source<Vec<u8>> for AuthoritiesFile {
    fn read(&self) -> Result<Vec<u8>, SourceError> {
        Ok(permissions::read(&self.0, Trust::Public)?)
    }
}

impl fmt::Display for AuthoritiesFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(formatter)
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrg {
    domain: Option<String>,
    url: Option<String>,
    auth: RawAuth,
    #[serde(default)]
    budget: RawBudget,
    #[serde(default)]
    http: RawHttp,
    /// Understood by `doorbell`: the org itself knows nothing of it.
    pub(super) doorbell: Option<RawDoorbell>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawBudget {
    share: Option<f64>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    connect_timeout: Option<Span>,
    read_timeout: Option<Span>,
    total_timeout: Option<Span>,
    body_max: Option<Bytes>,
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    proxy_user: Option<String>,
    #[schemars(with = "Option<String>")]
    proxy_password: Option<SecretString>,
    proxy_password_file: Option<PathBuf>,
    proxy_password_env: Option<String>,
    proxy_password_credential: Option<String>,
}

/// Our `User-Agent`.
const USER_AGENT: &str = concat!("oktabus/", env!("CARGO_PKG_VERSION"));

pub(super) fn resolve(name: &str, raw: RawOrg, secrets: Secrets) -> Result<Org, Problem> {
    let url = match (raw.domain, raw.url) {
        (Some(domain), None) => from_domain(&domain)?,
        (None, Some(url)) => from_url(&url)?,
        (Some(_), Some(_)) => return Err(Problem::new("url", "give `domain` or `url`, not both")),
        (None, None) => return Err(Problem::new("domain", "say which org: domain = \"acme.okta.com\"")),
    };
    let auth = auth::resolve(raw.auth, secrets).map_err(|err| err.under("auth"))?;
    let budget_share = raw.budget.share.unwrap_or(BUDGET_SHARE_DEFAULT);
    if !(budget_share > 0.0 && budget_share <= 1.0) {
        return Err(Problem::new("budget.share", format!("{budget_share} is not above 0 and at most 1")));
    }
    let http = http(raw.http, secrets).map_err(|err| err.under("http"))?;
    Ok(Org { budget_share, http, ..Org::new(name, url, auth) })
}

fn from_domain(domain: &str) -> Result<Url, Problem> {
    let problem = |reason: String| Problem::new("domain", reason);
    let shown = address::shown(domain);
    if domain.contains('/') {
        return Err(problem(format!("`{shown}` has a scheme or a path: a domain is like acme.okta.com")));
    }
    let url =
        Url::parse(&format!("https://{domain}/")).map_err(|err| problem(format!("`{shown}`: {err}")))?;
    if !is_bare(&url) {
        return Err(problem(format!("`{shown}` has more than a host: a domain is like acme.okta.com")));
    }
    refuse_console(&url).map_err(problem)?;
    Ok(url)
}

/// Whether there is nothing but scheme, host and port.
fn is_bare(url: &Url) -> bool {
    let has_user = !url.username().is_empty() || url.password().is_some();
    url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user
}

/// The admin console has a host of its own, under which there is no API.
fn refuse_console(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    match host.split_once("-admin.okta") {
        Some((tenant, rest)) => Err(format!("`{host}` is the admin console: use {tenant}.okta{rest}")),
        None => Ok(()),
    }
}

fn from_url(text: &str) -> Result<Url, Problem> {
    let problem = |reason: String| Problem::new("url", reason);
    let shown = address::shown(text);
    let url = Url::parse(text).map_err(|err| problem(format!("`{shown}`: {err}")))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(problem(format!(
                "`{shown}`: the token would travel in the clear; http is for loopback only"
            )));
        }
        scheme => return Err(problem(format!("`{scheme}` is not a scheme that Okta speaks; use https"))),
    }
    if !is_bare(&url) {
        return Err(problem(format!("`{shown}` has more than scheme, host and port")));
    }
    refuse_console(&url).map_err(problem)?;
    Ok(url)
}

fn http(raw: RawHttp, secrets: Secrets) -> Result<HttpSettings, Problem> {
    let default = HttpSettings::default();
    let span = |span: Option<Span>, default| span.map_or(default, |Span(span)| span);
    let password = Given {
        file: raw.proxy_password_file,
        env: raw.proxy_password_env,
        credential: raw.proxy_password_credential,
        inline: raw.proxy_password,
    };
    let proxy_auth = proxy_auth(raw.proxy_user, password, secrets)?;
    if proxy_auth.is_some() && raw.proxy.is_none() {
        return Err(Problem::new("proxy_user", "there is no `proxy` to which this is said"));
    }
    if let Some(path) = &raw.ca_file {
        secrets
            .try_trust(path, Trust::Public)
            .map_err(|err| Problem::new("ca_file", format!("{}: {}", path.display(), chain(&err))))?;
    }
    let body_max_bytes = match raw.body_max {
        Some(Bytes(bytes)) => usize::try_from(bytes)
            .map_err(|_| Problem::new("body_max", "this is more than fits into memory"))?,
        None => default.body_max_bytes,
    };
    let authorities = raw.ca_file.map(|path| -> PemSource { Arc::new(AuthoritiesFile(path)) });
    Ok(HttpSettings {
        user_agent: USER_AGENT.to_owned(),
        connect_timeout: span(raw.connect_timeout, default.connect_timeout),
        read_timeout: span(raw.read_timeout, default.read_timeout),
        total_timeout: span(raw.total_timeout, default.total_timeout),
        body_max_bytes,
        authorities,
        proxy: raw.proxy.as_deref().map(proxy_url).transpose()?,
        proxy_auth,
    })
}

fn proxy_url(text: &str) -> Result<Url, Problem> {
    let problem = |reason: String| Problem::new("proxy", reason);
    let shown = address::shown(text);
    if address::has_userinfo(text) {
        return Err(problem(format!(
            "`{shown}` has a user or a password in it: use `proxy_user` and `proxy_password_file`"
        )));
    }
    let url: Url = text.parse().map_err(|err| problem(format!("`{shown}` is not a URL: {err}")))?;
    match url.scheme() {
        "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h" => Ok(url),
        scheme => Err(problem(format!(
            "`{scheme}` is no kind of proxy: use http, https, socks5, or socks5h to let the proxy look names up"
        ))),
    }
}

fn proxy_auth(user: Option<String>, password: Given, secrets: Secrets) -> Result<Option<ProxyAuth>, Problem> {
    let Some(user) = user else {
        let is_alone = password.is_given();
        let alone = || Problem::new("proxy_password", "it comes with `proxy_user`");
        return if is_alone { Err(alone()) } else { Ok(None) };
    };
    let password = password.resolve("proxy_password", secrets)?;
    secrets.try_read_line(&password).map_err(|err| Problem::new("proxy_password", chain(&err)))?;
    Ok(Some(ProxyAuth { user, password: Arc::new(password) }))
}

/// The org `acme` at `url`, with a token.
#[cfg(test)]
pub(crate) fn acme(url: &str) -> Org {
    let raw = format!("url = \"{url}\"\nauth = {{ token_env = \"PATH\" }}");
    let raw = raw.replace("url = \"https://", "domain = \"");
    let raw = config::File::from_str(&raw, config::FileFormat::Toml);
    let raw = config::Config::builder().add_source(raw).build().unwrap().try_deserialize().unwrap();
    resolve("acme", raw, Secrets::REFUSED).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_host_and_nothing_else() {
        assert_eq!(from_domain("acme.okta.com").unwrap().as_str(), "https://acme.okta.com/");
        assert!(from_domain("https://acme.okta.com").unwrap_err().reason.contains("has a scheme"));
        assert!(from_domain("acme.okta.com/").unwrap_err().reason.contains("path"));
        assert!(from_domain("acme-admin.okta.com").unwrap_err().reason.contains("use acme.okta.com"));
        assert!(from_domain("").is_err() && from_domain("a b").is_err());
        for domain in ["me@acme.okta.com", "acme.okta.com?x", "acme.okta.com#x"] {
            assert!(from_domain(domain).unwrap_err().reason.contains("more than a host"), "{domain}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for url in ["http://127.0.0.1:8780", "http://[::1]:1", "http://localhost:1", "https://okta.example"] {
            assert!(from_url(url).is_ok(), "{url}");
        }
        let console = from_url("https://acme-admin.oktapreview.com").unwrap_err().reason;
        assert!(console.contains("use acme.oktapreview.com"), "{console}");
        for url in
            ["http://10.0.0.1", "http://acme.okta.com", "ftp://a", "https://a/x", "https://u@a", "nonsense"]
        {
            assert!(from_url(url).is_err(), "{url}");
        }
    }
}
