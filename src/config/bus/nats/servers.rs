//! The addresses of NATS servers: which are valid, whether TLS is used, and what must not be sent without it. Connects
//! to nothing.

use std::net::IpAddr;

use url::Url;

use super::{NatsAuth, NatsTls};
use crate::config::Problem;

/// The schemes of URLs.
const SCHEMES: [&str; 4] = ["nats", "tls", "ws", "wss"];

/// The addresses in `servers`, refused where they are none, or where a secret would travel to them in plain text although
/// `is_plaintext_allowed` does not say that it may.
pub(super) fn resolve(
    servers: &[String],
    tls: NatsTls,
    auth: &NatsAuth,
    is_plaintext_allowed: bool,
) -> Result<Vec<String>, Problem> {
    let mut addresses = Vec::with_capacity(servers.len());
    for server in servers {
        let address = address(server).map_err(|reason| Problem::new("servers", reason))?;
        let is_plaintext = is_plaintext(&address, tls).map_err(|reason| Problem::new("servers", reason))?;
        let exposed = exposed(auth).filter(|_| is_plaintext && !is_plaintext_allowed);
        if let Some(secret) = exposed.filter(|_| !is_loopback(&address)) {
            return Err(Problem::new("servers", exposure(&address, secret)));
        }
        addresses.push(address);
    }
    let web_sockets = addresses.iter().filter(|address| is_web_socket(address)).count();
    if web_sockets > 0 && web_sockets < addresses.len() {
        return Err(Problem::new("servers", "WebSocket addresses and others cannot be mixed on one bus"));
    }
    Ok(addresses.into_iter().map(String::from).collect())
}

fn address(server: &str) -> Result<Url, String> {
    let server = server.trim();
    let with_scheme = if server.contains("://") { server.to_owned() } else { format!("nats://{server}") };
    // The text is not shown before it is known that it has no credentials in it.
    let url = Url::parse(&with_scheme)
        .map_err(|err| format!("a server is not an address such as nats://nats-1:4222: {err}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("who we are belongs in `auth`, not into the address of a server".to_owned());
    }
    let scheme = url.scheme();
    if !SCHEMES.contains(&scheme) {
        return Err(format!("`{server}`: NATS has no scheme `{scheme}`; it has {}", SCHEMES.join(", ")));
    }
    if url.host_str().unwrap_or_default().is_empty() {
        return Err(format!("`{server}` names no host"));
    }
    let has_more = !is_web_socket(&url) && !["", "/"].contains(&url.path());
    if has_more || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{server}` has more than scheme, host and port"));
    }
    Ok(url)
}

fn is_web_socket(address: &Url) -> bool {
    ["ws", "wss"].contains(&address.scheme())
}

/// Whether the connection to the server may be without TLS.
fn is_plaintext(address: &Url, tls: NatsTls) -> Result<bool, String> {
    match (address.scheme(), tls) {
        ("ws", NatsTls::Required | NatsTls::First) => {
            Err(format!("`{address}` is spoken to without TLS, which `tls` demands: use wss://"))
        }
        ("wss", NatsTls::First) => {
            Err(format!("`{address}` begins with TLS anyway: remove `first` from `tls`"))
        }
        ("tls" | "wss", _) | (_, NatsTls::Required | NatsTls::First) => Ok(false),
        _ => Ok(true),
    }
}

/// The part of `auth` that an eavesdropper could use. An nkey is never sent, only the signature of a nonce.
fn exposed(auth: &NatsAuth) -> Option<&'static str> {
    match auth {
        NatsAuth::None | NatsAuth::Nkey(_) => None,
        NatsAuth::Credentials(_) => Some("the JWT of the credentials"),
        NatsAuth::Token(_) => Some("the token"),
        NatsAuth::Password { .. } => Some("the password"),
    }
}

fn exposure(address: &Url, secret: &str) -> String {
    let mut secured = address.clone();
    let secure = if is_web_socket(address) { "wss" } else { "tls" };
    // Between schemes of one kind this cannot fail, and the text is for a person.
    let _ = secured.set_scheme(secure);
    format!(
        "{secret} would travel to `{address}` in plain text, or to whoever stands in for it: write `{secured}` or add \
         `tls = {{}}`, or allow it with `allow_plaintext_credentials = true`"
    )
}

/// The scheme `nats` is unknown to the standard of URLs, so its hosts are texts.
fn is_loopback(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::config::Secret;

    fn password() -> NatsAuth {
        NatsAuth::Password {
            user: "oktabus".to_owned(),
            password: Secret::Inline(SecretString::from("hush")),
        }
    }

    fn refusal(server: &str, tls: NatsTls, auth: &NatsAuth) -> String {
        resolve(&[server.to_owned()], tls, auth, false).unwrap_err().to_string()
    }

    fn accepted(server: &str, tls: NatsTls, auth: &NatsAuth) -> String {
        resolve(&[server.to_owned()], tls, auth, false).unwrap().remove(0)
    }

    #[test]
    fn a_secret_travels_in_plain_text_to_loopback_alone_unless_that_is_allowed() {
        let auth = password();
        for server in ["nats://nats-1:4222", "nats-1:4222", "ws://nats-1:8080", "nats://10.0.0.1"] {
            let told = refusal(server, NatsTls::Offered, &auth);
            assert!(told.contains("allow_plaintext_credentials") && !told.contains("hush"), "{told}");
            resolve(&[server.to_owned()], NatsTls::Offered, &auth, true).unwrap();
        }
        for server in
            ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222", "ws://127.0.0.1:8080"]
        {
            accepted(server, NatsTls::Offered, &auth);
        }
        for server in ["tls://nats-1:4222", "wss://nats-1"] {
            accepted(server, NatsTls::Offered, &auth);
        }
        accepted("nats://nats-1:4222", NatsTls::Required, &auth);
        accepted("nats://nats-1:4222", NatsTls::Offered, &NatsAuth::None);
    }

    #[test]
    fn an_nkey_may_be_used_in_plain_text_because_it_does_not_travel() {
        let secret = || Secret::Inline(SecretString::from("x"));
        accepted("nats://nats-1", NatsTls::Offered, &NatsAuth::Nkey(secret()));
        for auth in [NatsAuth::Token(secret()), NatsAuth::Credentials(secret())] {
            refusal("nats://nats-1", NatsTls::Offered, &auth);
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_showing_a_secret() {
        let refused = |server: &str| refusal(server, NatsTls::Offered, &NatsAuth::None);
        assert!(refused("kafka://nats-1:4222").contains("nats, tls, ws, wss"));
        assert!(refused("nats://nats-1:4222/path").contains("more than scheme"));
        assert!(refused("nats://:4222").contains("host"));
        for server in ["nats://oktabus:hush@nats-1", "oktabus:hush@nats-1", "nats://oktabus:hush@nats-1:port"]
        {
            let told = refused(server);
            assert!(!told.contains("hush"), "{told}");
        }
    }

    #[test]
    fn web_sockets_stand_alone_and_have_tls_by_their_scheme() {
        accepted("wss://nats-1/js", NatsTls::Required, &NatsAuth::None);
        assert!(refusal("ws://nats-1", NatsTls::Required, &NatsAuth::None).contains("wss://"));
        assert!(refusal("wss://nats-1", NatsTls::First, &NatsAuth::None).contains("`first`"));
        let mixed = ["wss://nats-1".to_owned(), "tls://nats-2".to_owned()];
        resolve(&mixed, NatsTls::Offered, &NatsAuth::None, false).unwrap_err();
    }
}
