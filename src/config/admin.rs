//! The admin pages: address, TLS and access.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Problem, Secret, ServerTls,
    quantity::Span,
    secret::{Given, Secrets},
    server_tls::{self, RawServerTls},
};
use crate::telemetry::chain;

/// The admin pages.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where they are served.
    pub listen: SocketAddr,
    /// Without progress for longer than this the daemon is not alive.
    pub stalled_after: Duration,
    /// The token that all pages but health require; none: no token, on a loopback address only.
    pub token: Option<Secret>,
    /// The certificate and key of the server; none: plain text, on a loopback address or behind a proxy.
    pub tls: Option<ServerTls>,
    /// Host names, in lower case, that requests may use beside `localhost` and IP addresses.
    pub hosts: Vec<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    listen: Option<String>,
    stalled_after: Option<Span>,
    #[schemars(with = "Option<String>")]
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    tls: Option<RawServerTls>,
    #[serde(default)]
    tls_at_proxy: bool,
    #[serde(default)]
    hosts: Vec<String>,
}

const DEFAULT_LISTEN: &str = "127.0.0.1:8088";
const DEFAULT_STALLED_AFTER: Duration = Duration::from_secs(300);
/// A shorter token could be found by trying.
const TOKEN_CHARACTERS_MIN: usize = 16;

pub(super) fn resolve(raw: RawAdmin, secrets: Secrets) -> Result<AdminConfig, Problem> {
    let listen = raw.listen.unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let listen: SocketAddr = listen.parse().map_err(|_| {
        // What is often typed in place of an address: a port, or a name for it.
        let (host, port) = listen.rsplit_once(':').unwrap_or(("", &listen));
        let is_port = port.parse::<u16>().is_ok() && ["", "localhost", "*"].contains(&host);
        let remedy = match is_port {
            true => format!("; did you mean `127.0.0.1:{port}`?"),
            false => format!(" such as {DEFAULT_LISTEN}"),
        };
        Problem::new("listen", format!("`{listen}` is not an IP address with a port{remedy}"))
    })?;
    let given = Given {
        file: raw.token_file,
        env: raw.token_env,
        credential: raw.token_credential,
        inline: raw.token,
    };
    let token = given.is_given().then(|| token(given, secrets)).transpose()?;
    let tls = raw.tls.map(|tls| server_tls::resolve(tls, secrets)).transpose()?;
    let is_open = !listen.ip().is_loopback();
    if is_open && token.is_none() {
        let reason = format!(
            "on {listen} others than this machine can ask for the pages: set `token_file` (`openssl rand -hex 32` \
             makes a good token), or listen on {DEFAULT_LISTEN}"
        );
        return Err(Problem::new("listen", reason));
    }
    if is_open && tls.is_none() && !raw.tls_at_proxy {
        let reason = format!(
            "on {listen} the token would travel in the clear: set `tls = {{ certificate_file = …, key_file = … }}`, or \
             `tls_at_proxy = true` if a proxy that speaks TLS stands before it"
        );
        return Err(Problem::new("listen", reason));
    }
    if tls.is_some() && raw.tls_at_proxy {
        return Err(Problem::new("tls_at_proxy", "TLS is spoken here, by `tls`, or at a proxy: choose one"));
    }
    let hosts = raw.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let stalled_after = raw.stalled_after.map_or(DEFAULT_STALLED_AFTER, |Span(span)| span);
    Ok(AdminConfig { listen, stalled_after, token, tls, hosts })
}

fn token(given: Given, secrets: Secrets) -> Result<Secret, Problem> {
    use secrecy::{ExposeSecret as _, SecretString};

    let token = given.resolve("token", secrets)?;
    let read = secrets.try_read_line(&token).map_err(|err| Problem::new("token", chain(&err)))?;
    // Blanks around it do not count, and no header carries other characters.
    let is_sendable =
        |read: &SecretString| read.expose_secret().trim().bytes().all(|byte| byte.is_ascii_graphic());
    if read.as_ref().is_some_and(|read| !is_sendable(read)) {
        let reason = "has characters that cannot be sent: `openssl rand -hex 32` makes a good one";
        return Err(Problem::new("token", reason));
    }
    if read.is_some_and(|read| read.expose_secret().trim().len() < TOKEN_CHARACTERS_MIN) {
        let reason = format!(
            "has fewer than {TOKEN_CHARACTERS_MIN} characters and could be found by trying: `openssl rand -hex 32` makes \
             a good one"
        );
        return Err(Problem::new("token", reason));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<AdminConfig, String> {
        let raw = config::File::from_str(text, config::FileFormat::Toml);
        let raw = config::Config::builder().add_source(raw).build().unwrap().try_deserialize().unwrap();
        resolve(raw, Secrets::ALLOWED).map_err(|problem| problem.to_string())
    }

    #[test]
    fn beyond_this_machine_it_takes_a_token_and_tls_or_a_proxy() {
        const TOKEN: &str = "token = \"0123456789abcdef\"\n";
        for local in ["", "listen = \"127.0.0.1:0\"", "listen = \"[::1]:0\"", "listen = \"127.9.9.9:0\""] {
            assert!(told(local).unwrap().token.is_none());
        }
        for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8088"] {
            let listen = format!("listen = \"{listen}\"\n");
            assert!(told(&listen).unwrap_err().contains("set `token_file`"));
            assert!(told(&(listen.clone() + TOKEN)).unwrap_err().contains("in the clear"));
            let admin =
                told(&(listen + TOKEN + "tls_at_proxy = true\nhosts = [\"Oktabus.Internal\"]")).unwrap();
            assert!(admin.token.is_some() && admin.hosts == ["oktabus.internal"]);
        }
        for short in ["short", "a               "] {
            assert!(told(&format!("token = \"{short}\"")).unwrap_err().contains("fewer than 16"));
        }
        for odd in ["0123456789abcdé0", "0123456789 abcdef0"] {
            assert!(told(&format!("token = \"{odd}\"")).unwrap_err().contains("cannot be sent"));
        }
    }
}
