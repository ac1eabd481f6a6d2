//! librdkafka's properties from the configuration: which of them are secret, and where a secret is allowed.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    config::{
        Problem, Secret,
        secret::{Given, Secrets},
    },
    telemetry::chain,
};

/// Parts of the names of librdkafka properties whose values must not stand in the configuration itself: what a later
/// version of it has is known by its name, too. `sasl.oauthbearer.config` is whatever its handler takes.
const SECRET_PARTS: [&str; 8] = [
    "password",
    "passphrase",
    "secret",
    "private.key",
    "key.pem",
    "jaas",
    "credentials",
    "oauthbearer.config",
];
/// Properties with such a part that name a file.
const FILE_ENDS: [&str; 2] = [".location", ".file"];

/// The value of a librdkafka property as TOML may have it.
#[derive(Debug)]
pub(in crate::config::bus) struct Scalar(String);

impl schemars::JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl serde::de::Visitor<'_> for AnyScalar {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string, a number or a boolean")
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

/// Where the value of a secret property is, as TOML has it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config::bus) struct RawSecret {
    file: Option<PathBuf>,
    env: Option<String>,
    credential: Option<String>,
    #[schemars(with = "Option<String>")]
    value: Option<SecretString>,
}

/// Properties by their names.
#[derive(Debug)]
pub(super) struct Options {
    /// Those that may be shown.
    pub(super) open: BTreeMap<String, String>,
    /// Those that are never shown.
    pub(super) secret: BTreeMap<String, Secret>,
}

/// The properties of `options` and `secret_options`. Refuses a secret in `options`, which are shown.
pub(super) fn resolve(
    raw_options: BTreeMap<String, Scalar>,
    raw_secrets: BTreeMap<String, RawSecret>,
    secrets: Secrets,
) -> Result<Options, Problem> {
    let mut secret = BTreeMap::new();
    for (property, RawSecret { file, env, credential, value }) in raw_secrets {
        let under = |problem: Problem| problem.under(&format!("secret_options.{property}"));
        // What decides how we are protected must be seen here.
        if !is_secret(&property) && !property.ends_with("username") {
            return Err(under(Problem::new("", "this is no secret: move it to `options`")));
        }
        let given = Given { file, env, credential, inline: value };
        let value = given.resolve("value", secrets).map_err(under)?;
        secrets.try_read(&value).map_err(|err| under(Problem::new("", chain(&err))))?;
        secret.insert(property, value);
    }
    let mut open = BTreeMap::new();
    for (property, Scalar(value)) in raw_options {
        if !is_secret(&property) {
            open.insert(property, value);
            continue;
        }
        if !secrets.may_be_inline {
            let reason = format!(
                "this is a secret: move it to `secret_options`, as \"{property}\" = {{ file = \"…\" }}"
            );
            return Err(Problem::new(format!("options.{property}"), reason));
        }
        // From here on it is one, and never shown.
        secret.insert(property, Secret::Inline(value.into()));
    }
    Ok(Options { open, secret })
}

/// Whether the value of a librdkafka property is a secret, by the property's name.
fn is_secret(property: &str) -> bool {
    let has = |part: &&str| property.contains(*part);
    SECRET_PARTS.iter().any(has) && !FILE_ENDS.iter().any(|end| property.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_properties_are_known_by_their_names() {
        for property in [
            "sasl.password",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.config",
            "sasl.jaas.config",
            "ssl.key.pem",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.truststore.password",
        ] {
            assert!(is_secret(property), "{property}");
        }
        for property in [
            "sasl.username",
            "ssl.key.location",
            "ssl.ca.pem",
            "ssl.certificate.pem",
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.assertion.private.key.file",
            "security.protocol",
        ] {
            assert!(!is_secret(property), "{property}");
        }
    }
}
