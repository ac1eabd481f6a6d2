//! Whether credentials and events are protected on the network.
//!
//! With PLAIN and OAUTHBEARER an eavesdropper gets the credential, so both need TLS. With SCRAM the password itself is
//! never sent, but an eavesdropper can try passwords offline and read every event: a warning.

use std::net::IpAddr;

use super::{KafkaBus, Problem, TokenConfig};

/// Mechanisms that send something with which anybody could be us.
const SENDS_CREDENTIALS: [&str; 2] = ["PLAIN", "OAUTHBEARER"];

/// Refuses to send credentials in plain text beyond this machine, unless that was asked for by name.
pub(super) fn require(bus: &KafkaBus) -> Result<(), Problem> {
    if bus.allow_plaintext_credentials {
        return Ok(());
    }
    if let Some(mechanism) = bus.mechanism().filter(|mechanism| SENDS_CREDENTIALS.contains(mechanism))
        && !bus.is_tls()
        && let Some(broker) = beyond_loopback(bus)
    {
        let reason = format!(
            "with {mechanism} the credentials would go to {broker} in plain text: set it to \"SASL_SSL\", or the bus's \
             `allow_plaintext_credentials = true` if the network is trusted"
        );
        return Err(Problem::new("options.security.protocol", reason));
    }
    match &bus.token {
        Some(TokenConfig::Oidc(oidc))
            if oidc.endpoint.scheme() == "http" && !is_loopback_url(&oidc.endpoint) =>
        {
            let reason = "the client secret would go there in plain text: use https, or set the bus's \
                          `allow_plaintext_credentials = true` if the network is trusted";
            Err(Problem::new("options.sasl.oauthbearer.token.endpoint.url", reason))
        }
        _ => Ok(()),
    }
}

/// What a reviewer should know.
pub(super) fn warnings(bus: &KafkaBus) -> Vec<String> {
    let mut warnings = Vec::new();
    if !bus.is_sasl() && bus.secret_options.contains_key("sasl.password") {
        warnings.push(
            "`sasl.password` is not used: set `security.protocol` to \"SASL_SSL\" to identify ourselves"
                .to_owned(),
        );
    }
    if bus.is_tls() {
        warnings.extend(unverified(bus));
    }
    let Some(broker) = beyond_loopback(bus).filter(|_| !bus.is_tls()) else { return warnings };
    warnings.push(match bus.mechanism() {
        Some(mechanism) if SENDS_CREDENTIALS.contains(&mechanism) => format!(
            "credentials and events go to {broker} in plain text, as `allow_plaintext_credentials` allows: whoever listens \
             has both"
        ),
        Some(_) => format!(
            "events go to {broker} in plain text, and whoever listens can try out passwords: set `security.protocol` to \
             \"SASL_SSL\""
        ),
        None => format!("events go to {broker} in plain text: set `security.protocol` to \"SSL\" or \"SASL_SSL\""),
    });
    warnings
}

fn unverified(bus: &KafkaBus) -> Option<String> {
    let is = |name: &str, values: &[&str]| {
        bus.options.get(name).is_some_and(|value| values.contains(&value.to_lowercase().as_str()))
    };
    if is("enable.ssl.certificate.verification", &["false", "f", "0"]) {
        return Some(
            "the brokers' certificates are not verified (`enable.ssl.certificate.verification`): anybody on the way can be \
             the cluster, and has the credentials"
                .to_owned(),
        );
    }
    is("ssl.endpoint.identification.algorithm", &["none"]).then(|| {
        "the brokers' names are not verified (`ssl.endpoint.identification.algorithm`): whoever has any certificate of the \
         authority can be the cluster"
            .to_owned()
    })
}

/// The first broker that is not on this machine.
fn beyond_loopback(bus: &KafkaBus) -> Option<&str> {
    bus.brokers.iter().map(String::as_str).find(|broker| !is_loopback(host(broker)))
}

/// The host of `[protocol://]host[:port]`.
fn host(broker: &str) -> &str {
    let address = broker.split_once("://").map_or(broker, |(_, address)| address).trim();
    match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => address.rsplit_once(':').map_or(address, |(host, _)| host),
    }
}

fn is_loopback_url(url: &url::Url) -> bool {
    url.host_str().is_some_and(|host| is_loopback(host.trim_matches(['[', ']'])))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bus, refusal};

    const PLAIN: [(&str, &str); 2] = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")];

    #[test]
    fn credentials_are_not_sent_in_plain_text_beyond_this_machine() {
        let told = refusal(&PLAIN);
        assert!(
            told.contains("kafka-1.example:9092") && told.contains("allow_plaintext_credentials"),
            "{told}"
        );

        let mut allowed = bus(&PLAIN);
        allowed.allow_plaintext_credentials = true;
        let allowed = allowed.resolved().unwrap();
        assert!(allowed.warnings()[0].contains("`allow_plaintext_credentials`"), "{:?}", allowed.warnings());

        let mut local = bus(&PLAIN);
        local.brokers =
            ["127.0.0.1:9092", "[::1]:9092", "SASL_PLAINTEXT://localhost:9092"].map(str::to_owned).to_vec();
        assert_eq!(local.resolved().unwrap().warnings(), Vec::<String>::new());
    }

    #[test]
    fn one_broker_beyond_this_machine_is_enough() {
        let mut mixed = bus(&PLAIN);
        mixed.brokers.insert(0, "127.0.0.1:9092".to_owned());
        assert!(mixed.resolved().is_err());
    }

    #[test]
    fn scram_without_tls_is_a_warning() {
        let scram = bus(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "SCRAM-SHA-512")]);
        let warnings = scram.resolved().unwrap().warnings();
        assert!(warnings[0].contains("try out passwords"), "{warnings:?}");
    }

    #[test]
    fn a_certificate_that_is_not_verified_is_a_warning() {
        let secure = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN")];
        assert_eq!(bus(&secure).resolved().unwrap().warnings(), Vec::<String>::new());
        for (name, value) in [
            ("enable.ssl.certificate.verification", "false"),
            ("ssl.endpoint.identification.algorithm", "none"),
        ] {
            let warnings = bus(&[secure[0], secure[1], (name, value)]).resolved().unwrap().warnings();
            assert!(warnings.len() == 1 && warnings[0].contains(name), "{warnings:?}");
        }
    }

    #[test]
    fn a_password_that_is_never_sent_is_told() {
        let warnings = bus(&[("security.protocol", "SSL")]).resolved().unwrap().warnings();
        assert!(warnings[0].contains("`sasl.password` is not used"), "{warnings:?}");
    }
}
