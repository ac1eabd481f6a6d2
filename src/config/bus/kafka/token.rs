//! Tokens with which we identify ourselves: which properties of librdkafka ask for one, and from where.
//!
//! librdkafka would fetch tokens itself with libcurl, which we do without, so its properties are taken out and done here under
//! the same names. `AWS_MSK_IAM` is the name that clients of MSK know for a token that is made of AWS credentials; to a
//! broker it is OAUTHBEARER.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use url::Url;

use super::{KafkaBus, MECHANISM_NAMES, Problem, Secret};
use crate::config::did_you_mean;

/// Where tokens come from.
#[derive(Debug, Clone)]
pub enum TokenConfig {
    /// From a token endpoint, for a client with a secret (RFC 6749, section 4.4).
    Oidc(OidcConfig),
    /// Made of AWS credentials, for Amazon MSK with IAM.
    AwsMskIam(AwsMskIamConfig),
}

/// A token endpoint, and our credentials for it.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// Where tokens are given.
    pub endpoint: Url,
    /// Our client id.
    pub client_id: String,
    /// The proof of it.
    pub client_secret: Secret,
    /// What the token is to be good for, if the endpoint wants to know.
    pub scope: Option<String>,
    /// Certificate authorities to trust in addition to those of the system, PEM.
    pub ca_file: Option<PathBuf>,
}

/// An MSK cluster with IAM.
#[derive(Debug, Clone)]
pub struct AwsMskIamConfig {
    /// Where the cluster is, for example `eu-west-1`.
    pub region: String,
}

const PREFIX: &str = "sasl.oauthbearer.";
const METHOD: &str = "sasl.oauthbearer.method";
const SECRET_NAMES: [&str; 2] =
    ["sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"];
const MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER, AWS_MSK_IAM];
const OAUTHBEARER: &str = "OAUTHBEARER";
const AWS_MSK_IAM: &str = "AWS_MSK_IAM";

/// Refuses mechanisms that this client does not have.
pub(super) fn require_mechanism(bus: &KafkaBus) -> Result<(), Problem> {
    let reason = match bus.mechanism() {
        None => return Ok(()),
        Some(mechanism) if MECHANISMS.contains(&mechanism) => return Ok(()),
        Some("GSSAPI") => format!(
            "Kerberos (GSSAPI, which librdkafka takes where nothing else is set) is not supported: use one of {}",
            MECHANISMS.join(", ")
        ),
        Some(other) => {
            format!("`{other}` is not one of {}{}", MECHANISMS.join(", "), did_you_mean(other, MECHANISMS))
        }
    };
    Err(Problem::new("options.sasl.mechanism", reason))
}

/// Where tokens come from, if the mechanism of `bus` needs them. What says so is taken out of its properties.
pub(super) fn take(bus: &mut KafkaBus) -> Result<Option<TokenConfig>, Problem> {
    match bus.mechanism() {
        Some(OAUTHBEARER) => Properties { bus }.oidc().map(TokenConfig::Oidc).map(Some),
        Some(AWS_MSK_IAM) => {
            let region = region(&bus.brokers)?;
            for name in MECHANISM_NAMES {
                bus.options.remove(name);
            }
            bus.options.insert(MECHANISM_NAMES[0].to_owned(), OAUTHBEARER.to_owned());
            Ok(Some(TokenConfig::AwsMskIam(AwsMskIamConfig { region })))
        }
        _ => Ok(None),
    }
}

/// The properties that concern tokens.
struct Properties<'a> {
    bus: &'a mut KafkaBus,
}

impl Properties<'_> {
    fn oidc(mut self) -> Result<OidcConfig, Problem> {
        match self.option(METHOD) {
            Some(method) if method.eq_ignore_ascii_case("oidc") => {}
            _ => {
                return Err(problem(
                    METHOD,
                    "OAUTHBEARER needs a source of tokens: set this to \"oidc\", and for Amazon MSK with IAM \
                     `sasl.mechanism` to \"AWS_MSK_IAM\"",
                ));
            }
        }
        if let Some(grant) =
            self.option("sasl.oauthbearer.grant.type").filter(|of| of != "client_credentials")
        {
            let reason = format!("`{grant}` is not supported: only `client_credentials` is");
            return Err(problem("sasl.oauthbearer.grant.type", reason));
        }
        let client_id = ["sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"];
        let client_id = client_id.iter().find_map(|name| self.option(name));
        let client_id = client_id.ok_or_else(|| missing("sasl.oauthbearer.client.id", "who we are"))?;
        let client_secret = self.client_secret()?;
        let endpoint = self.endpoint()?;
        let scope = self.option("sasl.oauthbearer.scope").filter(|scope| !scope.is_empty());
        let ca_file = self.option("https.ca.location").map(PathBuf::from);
        self.refuse_rest()?;
        Ok(OidcConfig { endpoint, client_id, client_secret, scope, ca_file })
    }

    fn client_secret(&mut self) -> Result<Secret, Problem> {
        for name in SECRET_NAMES {
            // Loading refused it among the `options` unless inline secrets are allowed.
            let inline = |value| Secret::Inline(SecretString::from(value));
            let secret = self.bus.secret_options.remove(name);
            if let Some(secret) = secret.or_else(|| self.option(name).map(inline)) {
                return Ok(secret);
            }
        }
        let name = SECRET_NAMES[0];
        let reason = format!("missing: put it there, as \"{name}\" = {{ file = \"…\" }}");
        Err(Problem::new(format!("secret_options.{name}"), reason))
    }

    fn endpoint(&mut self) -> Result<Url, Problem> {
        const NAME: &str = "sasl.oauthbearer.token.endpoint.url";
        let text = self.option(NAME).ok_or_else(|| missing(NAME, "where tokens are given, https://…"))?;
        let url: Url = text.parse().map_err(|err| problem(NAME, format!("`{text}` is not a URL: {err}")))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(problem(NAME, "this must be an https URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(problem(
                NAME,
                "a URL with a password in it is not used: the secret belongs to `secret_options`",
            ));
        }
        Ok(url)
    }

    /// The remaining properties would have no effect, although they were meant to.
    fn refuse_rest(self) -> Result<(), Problem> {
        let options = self.bus.options.keys().chain(self.bus.secret_options.keys());
        let Some(rest) = options.clone().find(|name| name.starts_with(PREFIX)) else { return Ok(()) };
        let reason = match rest.as_str() {
            "sasl.oauthbearer.extensions" => {
                "SASL extensions are not supported: the client's binding cannot pass them on. For Confluent Cloud use \
                 `sasl.mechanism` = \"PLAIN\" with an API key"
            }
            _ => "this is not supported: tokens are fetched with the client's id and secret alone",
        };
        let section = if self.bus.options.contains_key(rest) { "options" } else { "secret_options" };
        Err(Problem::new(format!("{section}.{rest}"), reason))
    }

    fn option(&mut self, name: &str) -> Option<String> {
        self.bus.options.remove(name)
    }
}

/// The region of an MSK cluster, which the names of its brokers have: `b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com`.
fn region(brokers: &[String]) -> Result<String, Problem> {
    let of = |broker: &String| {
        let (_, after) = broker.split_once(".kafka.").or_else(|| broker.split_once(".kafka-serverless."))?;
        let (region, domain) = after.split_once('.')?;
        domain.starts_with("amazonaws.com").then(|| region.to_owned())
    };
    let named = brokers.iter().find_map(of).or_else(|| std::env::var("AWS_REGION").ok());
    named.filter(|region| is_region(region)).ok_or_else(|| {
        let reason = "the region of the MSK cluster cannot be told from their names: give the bootstrap brokers as AWS names \
                      them, or set the environment variable AWS_REGION";
        Problem::new("brokers", reason)
    })
}

/// It becomes a part of a host name.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn missing(name: &str, what: impl fmt::Display) -> Problem {
    problem(name, format!("missing: {what}"))
}

fn problem(name: &str, reason: impl Into<String>) -> Problem {
    Problem::new(format!("options.{name}"), reason)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{bus, refusal},
        *,
    };

    const OIDC: [(&str, &str); 5] = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanisms", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.id", "bus-client"),
        ("sasl.oauthbearer.token.endpoint.url", "https://idp.example/oauth2/token"),
    ];

    fn oidc_bus(more: &[(&str, &str)]) -> KafkaBus {
        let mut bus = bus(&[&OIDC, more].concat());
        let secret = Secret::Inline(SecretString::from("s3cret"));
        bus.secret_options = [("sasl.oauthbearer.client.secret".to_owned(), secret)].into();
        bus
    }

    #[test]
    fn oidc_is_taken_by_the_names_that_librdkafka_documents() {
        let bus = oidc_bus(&[("sasl.oauthbearer.scope", "kafka")]).resolved().unwrap();
        let Some(TokenConfig::Oidc(oidc)) = &bus.token else { panic!("{bus:?}") };
        assert_eq!((oidc.client_id.as_str(), oidc.scope.as_deref()), ("bus-client", Some("kafka")));
        assert_eq!(oidc.endpoint.as_str(), "https://idp.example/oauth2/token");
        // What is left is what librdkafka is to know.
        let left: Vec<_> = bus.options.keys().map(String::as_str).collect();
        assert_eq!(left, ["sasl.mechanisms", "security.protocol"]);
        assert!(bus.secret_options.is_empty());
    }

    #[test]
    fn what_oidc_lacks_or_cannot_have_is_named() {
        let no_secret = refusal(&OIDC);
        assert!(no_secret.contains("secret_options.sasl.oauthbearer.client.secret"), "{no_secret}");
        let told = |more: &[(&str, &str)]| oidc_bus(more).resolved().unwrap_err().to_string();
        let extensions = told(&[("sasl.oauthbearer.extensions", "logicalCluster=lkc-1")]);
        assert!(extensions.contains("not supported") && extensions.contains("API key"), "{extensions}");
        let grant = told(&[("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer")]);
        assert!(grant.contains("only `client_credentials`"), "{grant}");
        let unsecured = refusal(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")]);
        assert!(unsecured.contains("\"oidc\"") && unsecured.contains("AWS_MSK_IAM"), "{unsecured}");
    }

    #[test]
    fn a_client_secret_does_not_go_over_plain_http_beyond_this_machine() {
        let bus_with = |url: &str| {
            let mut bus = oidc_bus(&[]);
            bus.options.insert("sasl.oauthbearer.token.endpoint.url".to_owned(), url.to_owned());
            bus
        };
        let told = bus_with("http://idp.example/token").resolved().unwrap_err().to_string();
        assert!(told.contains("allow_plaintext_credentials"), "{told}");
        for local in ["http://127.0.0.1:8080/token", "http://[::1]:8080/token", "http://localhost/token"] {
            bus_with(local).resolved().unwrap();
        }
        assert!(bus_with("https://me:secret@idp.example/token").resolved().is_err());
    }

    #[test]
    fn the_region_of_msk_is_that_of_its_brokers() {
        for (broker, region) in [
            ("b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098", "eu-west-1"),
            ("boot-xyz.c2.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
            ("b-1.demo.abc123.c2.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
        ] {
            let mut msk = bus(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "AWS_MSK_IAM")]);
            msk.brokers = vec![broker.to_owned()];
            let msk = msk.resolved().unwrap();
            assert!(
                matches!(&msk.token, Some(TokenConfig::AwsMskIam(aws)) if aws.region == region),
                "{msk:?}"
            );
            assert_eq!(msk.options["sasl.mechanism"], "OAUTHBEARER");
        }
    }
}
