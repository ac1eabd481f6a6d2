//! Doorbells: where Okta's event hooks ring, or messages in their place, and which org each is of.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use okta_client::is_loopback;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    NatsBus, Problem, Secret, ServerTls,
    bus::BusConfig,
    load::Resolved,
    secret::{Given, Secrets},
    server_tls::{self, RawServerTls},
    sink::choose_bus,
};
use crate::telemetry::chain;

/// All doorbells.
#[derive(Debug, Clone, Default)]
pub struct DoorbellsConfig {
    /// Where hooks are received, if any are.
    pub listener: Option<DoorbellListener>,
    /// By the name of the org.
    pub orgs: BTreeMap<String, RingSource>,
}

/// Where hooks are received.
#[derive(Debug, Clone)]
pub struct DoorbellListener {
    /// The address.
    pub listen: SocketAddr,
    /// The certificate and key of the server; none: plain text, on a loopback address or behind a proxy.
    pub tls: Option<ServerTls>,
    /// What Okta is told of where the listener is: scheme, host and perhaps a path before those of the orgs.
    pub public_url: Option<Url>,
}

/// Who rings for an org.
#[derive(Debug, Clone)]
pub enum RingSource {
    /// Okta's event hooks.
    Hook(HookConfig),
    /// Whoever may publish on a subject of NATS.
    Nats {
        /// The bus.
        bus: Arc<NatsBus>,
        /// The subject, perhaps with wildcards.
        subject: String,
    },
}

/// How the event hooks of an org are recognised.
#[derive(Debug, Clone)]
pub struct HookConfig {
    /// The path of its requests.
    pub path: String,
    /// The header that has the secret, in lower case.
    pub header: String,
    /// The secret.
    pub secret: Secret,
    /// One that is taken too, while it is being exchanged at Okta.
    pub previous_secret: Option<Secret>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListener {
    listen: Option<String>,
    tls: Option<RawServerTls>,
    #[serde(default)]
    behind_proxy: bool,
    public_url: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDoorbell {
    #[serde(default)]
    kind: DoorbellKind,
    path: Option<String>,
    header: Option<String>,
    #[schemars(with = "Option<String>")]
    secret: Option<SecretString>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    secret_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    previous_secret: Option<SecretString>,
    previous_secret_file: Option<PathBuf>,
    previous_secret_env: Option<String>,
    previous_secret_credential: Option<String>,
    bus: Option<String>,
    subject: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DoorbellKind {
    /// Okta's event hooks, over HTTPS.
    #[default]
    Hook,
    Nats,
}

const EXAMPLE_LISTEN: &str = "0.0.0.0:8443";
const DEFAULT_HEADER: &str = "authorization";
/// A shorter secret could be found by trying.
const SECRET_CHARACTERS_MIN: usize = 16;
/// Headers that HTTP itself needs.
const RESERVED_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "x-okta-verification-challenge",
];

/// What was typed, as far as it makes sense; the rest is in `problems`.
pub(super) fn resolve(
    listener: Option<RawListener>,
    orgs: BTreeMap<String, RawDoorbell>,
    buses: &Resolved<BusConfig>,
    secrets: Secrets,
    problems: &mut Vec<Problem>,
) -> DoorbellsConfig {
    let has_listener = listener.is_some();
    let listener = listener.and_then(|raw| {
        let resolved = listener_of(raw, secrets).map_err(|problem| problem.under("doorbell"));
        resolved.map_err(|problem| problems.push(problem)).ok()
    });
    let mut resolved = DoorbellsConfig { listener, orgs: BTreeMap::new() };
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    for (org, raw) in orgs {
        let place = format!("orgs.{org}.doorbell");
        let source = match source_of(&org, raw, buses, secrets) {
            Ok(source) => source,
            Err(problem) if problem.is_consequence => continue,
            Err(problem) => {
                problems.push(problem.under(&place));
                continue;
            }
        };
        if let RingSource::Hook(hook) = &source {
            if !has_listener {
                let reason =
                    format!("hooks need a place to ring at: [doorbell] with listen = \"{EXAMPLE_LISTEN}\"");
                problems.push(Problem::new(&place, reason));
            }
            if let Some(other) = paths.insert(hook.path.clone(), org.clone()) {
                let reason = format!("`{other}` has the path {} already: give each its own", hook.path);
                problems.push(Problem::new(format!("{place}.path"), reason));
            }
        }
        resolved.orgs.insert(org, source);
    }
    if has_listener && paths.is_empty() && problems.is_empty() {
        let reason = "no org has a doorbell that rings here: [orgs.NAME] doorbell = { secret_file = \"…\" }";
        problems.push(Problem::new("doorbell", reason));
    }
    resolved
}

fn listener_of(raw: RawListener, secrets: Secrets) -> Result<DoorbellListener, Problem> {
    let example = || format!("such as {EXAMPLE_LISTEN}");
    let listen = raw.listen.ok_or_else(|| {
        Problem::new("listen", format!("is missing: an address with a port, {}", example()))
    })?;
    let listen: SocketAddr = listen.parse().map_err(|_| {
        Problem::new("listen", format!("`{listen}` is not an IP address with a port {}", example()))
    })?;
    let tls = raw.tls.map(|tls| server_tls::resolve(tls, secrets)).transpose()?;
    if tls.is_some() && raw.behind_proxy {
        return Err(Problem::new("behind_proxy", "TLS is spoken here, by `tls`, or at a proxy: choose one"));
    }
    if tls.is_none() && !raw.behind_proxy && !listen.ip().is_loopback() {
        let reason = "Okta sends hooks over https alone, and the secret would travel in the clear: set `tls = { \
                      certificate_file = …, key_file = … }`, or `behind_proxy = true` if a proxy that speaks TLS stands before it";
        return Err(Problem::new("listen", reason));
    }
    let public_url = raw.public_url.as_deref().map(public_url).transpose();
    let public_url = public_url.map_err(|err| Problem::new("public_url", err.to_string()))?;
    Ok(DoorbellListener { listen, tls, public_url })
}

/// Why an address cannot be told to Okta. Does not show it: it may have a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPublicUrl {
    /// It cannot be read.
    #[error("this is not a URL such as https://bell.acme.com")]
    NotUrl,
    /// It is plain http, or something else.
    #[error("it must begin with https://: Okta sends hooks nowhere else")]
    NotHttps,
    /// It has a user, a password, a query or a fragment.
    #[error(
        "it has more than a host and a path: a user, a password, a query or a fragment, which every administrator of the org \
         could read; the secret of the doorbell goes in a header"
    )]
    MoreThanPath,
}

/// Where Okta is to send hooks.
pub(crate) fn public_url(text: &str) -> Result<Url, UnfitPublicUrl> {
    let url: Url = text.parse().map_err(|_| UnfitPublicUrl::NotUrl)?;
    let is_fit = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    if !is_fit {
        return Err(UnfitPublicUrl::NotHttps);
    }
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_bare { Ok(url) } else { Err(UnfitPublicUrl::MoreThanPath) }
}

fn source_of(
    org: &str,
    raw: RawDoorbell,
    buses: &Resolved<BusConfig>,
    secrets: Secrets,
) -> Result<RingSource, Problem> {
    let secret = Given {
        file: raw.secret_file,
        env: raw.secret_env,
        credential: raw.secret_credential,
        inline: raw.secret,
    };
    let previous = Given {
        file: raw.previous_secret_file,
        env: raw.previous_secret_env,
        credential: raw.previous_secret_credential,
        inline: raw.previous_secret,
    };
    match raw.kind {
        DoorbellKind::Hook => {
            if raw.subject.is_some() || raw.bus.is_some() {
                return Err(Problem::new("kind", "`bus` and `subject` are of kind \"nats\""));
            }
            let secret = secret_of("secret", secret, secrets)?;
            let previous_secret = match previous.is_given() {
                true => Some(secret_of("previous_secret", previous, secrets)?),
                false => None,
            };
            let path = path_of(raw.path.unwrap_or_else(|| format!("/{org}")))?;
            let header = header_of(raw.header.as_deref())?;
            Ok(RingSource::Hook(HookConfig { path, header, secret, previous_secret }))
        }
        DoorbellKind::Nats => {
            if secret.is_given() || previous.is_given() || raw.path.is_some() || raw.header.is_some() {
                let reason =
                    "a message is let in by NATS itself: `path`, `header` and secrets are of kind \"hook\"";
                return Err(Problem::new("kind", reason));
            }
            let bus = choose_bus(raw.bus.as_deref(), buses, "nats", |bus| match bus {
                BusConfig::Nats(bus) => Some(bus),
                BusConfig::Kafka(_) => None,
            })?;
            let subject = raw.subject.ok_or_else(|| {
                Problem::new(
                    "subject",
                    "is missing: what is published on it rings, for example \"okta.ring.acme\"",
                )
            })?;
            let is_token = |token: &str| !token.is_empty() && !token.contains(char::is_whitespace);
            if !subject.split('.').all(is_token) || subject == ">" || subject == "*" {
                return Err(Problem::new(
                    "subject",
                    format!("`{subject}` is not a subject such as okta.ring.{org}"),
                ));
            }
            Ok(RingSource::Nats { bus, subject })
        }
    }
}

fn secret_of(name: &str, given: Given, secrets: Secrets) -> Result<Secret, Problem> {
    let secret = given.resolve(name, secrets)?;
    let read = secrets.try_read_line(&secret).map_err(|err| Problem::new(name, chain(&err)))?;
    let Some(read) = read else { return Ok(secret) };
    let text = read.expose_secret();
    if text.chars().count() < SECRET_CHARACTERS_MIN {
        let reason = format!(
            "has fewer than {SECRET_CHARACTERS_MIN} characters and could be found by trying: `openssl rand -hex 32` makes a good one"
        );
        return Err(Problem::new(name, reason));
    }
    if !text.chars().all(|c| c.is_ascii_graphic() || c == ' ') || text.trim() != text {
        return Err(Problem::new(
            name,
            "has characters that no header can have: use letters, digits and signs of ASCII",
        ));
    }
    Ok(secret)
}

fn path_of(path: String) -> Result<String, Problem> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    if path.starts_with('/') && path.chars().all(is_fit) && path.len() <= 256 {
        return Ok(path);
    }
    Err(Problem::new(
        "path",
        format!("`{path}` is not a path such as /acme: letters, digits, `-`, `_`, `.` and `/`"),
    ))
}

fn header_of(header: Option<&str>) -> Result<String, Problem> {
    let header = header.unwrap_or(DEFAULT_HEADER).to_ascii_lowercase();
    let is_name = !header.is_empty() && header.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_name && !RESERVED_HEADERS.contains(&header.as_str()) {
        return Ok(header);
    }
    Err(Problem::new(
        "header",
        format!("`{header}` is not the name of a header that can have a secret, such as Authorization"),
    ))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, RingSource};

    const REST: &str = r#"
        [streams.log]
        org = "acme"
        routes = [{ sink = "out" }]
        [sinks.out]
        kind = "stdout"
        [state]
        path = "/tmp/oktabus-no-such-state"
        [buses.nats]
        kind = "nats"
        servers = ["nats://127.0.0.1:4222"]
        [orgs.acme]
        domain = "acme.okta.com"
        auth = { token_file = "/none" }
    "#;

    fn told(doorbell: &str, listener: &str) -> Result<Config, String> {
        Config::of_text(&format!("{REST}\n{doorbell}\n{listener}")).map_err(|err| err.to_string())
    }

    #[test]
    fn a_hook_has_a_path_and_a_secret_and_a_place_to_ring_at() {
        let listener = "[doorbell]\nlisten = \"127.0.0.1:0\"";
        let config = told(r#"doorbell = { secret_file = "/none" }"#, listener).unwrap();
        let RingSource::Hook(hook) = &config.doorbells.orgs["acme"] else { panic!("no hook") };
        assert_eq!((hook.path.as_str(), hook.header.as_str()), ("/acme", "authorization"));
        for (doorbell, listener, reason) in [
            (r#"doorbell = { secret_file = "/none" }"#, "", "hooks need a place to ring at"),
            (r#"doorbell = {}"#, listener, "missing: give `secret_file`"),
            ("", listener, "no org has a doorbell that rings here"),
            (r#"doorbell = { secret_file = "/none", path = "acme" }"#, listener, "is not a path"),
            (
                r#"doorbell = { secret_file = "/none", header = "Host" }"#,
                listener,
                "is not the name of a header",
            ),
            (r#"doorbell = { secret_file = "/none", subject = "a" }"#, listener, "of kind \"nats\""),
            (
                r#"doorbell = { secret_file = "/none" }"#,
                "[doorbell]\nlisten = \"0.0.0.0:8443\"",
                "in the clear",
            ),
            (
                r#"doorbell = { secret_file = "/none" }"#,
                "[doorbell]\nlisten = \"bell:8443\"",
                "is not an IP address",
            ),
            (
                r#"doorbell = { secret_file = "/none" }"#,
                "[doorbell]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://bell.acme.com\"",
                "must begin with https://",
            ),
        ] {
            let told = told(doorbell, listener).unwrap_err();
            assert!(told.contains(reason), "{doorbell} {listener}: {told}");
        }
    }

    #[test]
    fn an_address_with_a_secret_in_it_is_refused_and_not_shown() {
        for (address, reason) in [
            ("https://ada:hunter2@bell.acme.com", "more than a host and a path"),
            ("https://hunter2@bell.acme.com/x", "more than a host and a path"),
            ("https://bell.acme.com/?code=hunter2", "more than a host and a path"),
            ("https://bell.acme.com/#hunter2", "more than a host and a path"),
            ("http://ada:hunter2@bell.acme.com", "must begin with https://"),
            ("https://ada:hunter2@bell acme.com", "is not a URL"),
            ("ada:hunter2@bell.acme.com", "must begin with https://"),
        ] {
            let listener = format!("[doorbell]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{address}\"");
            let told = told(r#"doorbell = { secret_file = "/none" }"#, &listener).unwrap_err();
            assert!(told.contains("doorbell.public_url") && told.contains(reason), "{address}: {told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn the_admin_pages_and_the_doorbell_cannot_share_a_port() {
        let doorbell = r#"doorbell = { secret_file = "/none" }"#;
        let listen = |bell: &str, admin: &str| {
            told(
                doorbell,
                &format!(
                    "[doorbell]\nlisten = \"{bell}\"\nbehind_proxy = true\n[admin]\nlisten = \"{admin}\""
                ),
            )
        };
        for bell in ["127.0.0.1:8088", "0.0.0.0:8088", "[::]:8088"] {
            let told = listen(bell, "127.0.0.1:8088").unwrap_err();
            assert!(told.contains("doorbell.listen") && told.contains("another port"), "{bell}: {told}");
        }
        for (bell, admin) in [
            ("127.0.0.1:8089", "127.0.0.1:8088"),
            ("127.0.0.2:8088", "127.0.0.1:8088"),
            ("127.0.0.1:0", "127.0.0.1:0"),
        ] {
            assert!(listen(bell, admin).is_ok(), "{bell} {admin}");
        }
    }

    #[test]
    fn a_message_rings_without_a_listener() {
        let config = told(r#"doorbell = { kind = "nats", subject = "okta.ring.acme" }"#, "").unwrap();
        assert!(
            matches!(&config.doorbells.orgs["acme"], RingSource::Nats { subject, .. } if subject == "okta.ring.acme")
        );
        for (doorbell, reason) in [
            (r#"doorbell = { kind = "nats" }"#, "is missing: what is published on it"),
            (r#"doorbell = { kind = "nats", subject = "a b" }"#, "is not a subject"),
            (
                r#"doorbell = { kind = "nats", subject = "a", secret_file = "/none" }"#,
                "let in by NATS itself",
            ),
            (r#"doorbell = { kind = "nats", subject = "a", bus = "other" }"#, "there is no bus `other`"),
        ] {
            let told = told(doorbell, "").unwrap_err();
            assert!(told.contains(reason), "{doorbell}: {told}");
        }
    }

    #[test]
    fn an_org_that_no_stream_reads_has_no_use_for_one() {
        let other = "[orgs.other]\ndomain = \"other.okta.com\"\nauth = { token_file = \"/none\" }\ndoorbell = { kind = \"nats\", subject = \"a\" }";
        let search = "[searches.x]\norg = \"other\"\nschedule = \"0 * * * *\"\nroutes = [{ sink = \"out\", name = \"x\" }]";
        let told = told("", &format!("{other}\n{search}")).unwrap_err();
        assert!(told.contains("orgs.other.doorbell: no stream reads this org"), "{told}");
    }
}
