//! How we identify ourselves to Okta.

use std::sync::Arc;

use okta_client::{Auth, Dpop, PrivateKeyJwt, SigningAlgorithm};
use serde::Deserialize;

use super::{
    Problem,
    secret::{Given, Secrets},
};
use crate::telemetry::chain;

/// Keys of both methods; which of them a method has is checked when they are understood.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    method: Option<Method>,
    token_file: Option<std::path::PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    token: Option<secrecy::SecretString>,
    client_id: Option<String>,
    private_key_file: Option<std::path::PathBuf>,
    private_key_env: Option<String>,
    private_key_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    private_key: Option<secrecy::SecretString>,
    key_id: Option<String>,
    #[schemars(with = "Option<crate::config::schema::SigningAlgorithmWords>")]
    algorithm: Option<SigningAlgorithm>,
    #[schemars(with = "Option<crate::config::schema::DpopWords>")]
    dpop: Option<Dpop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    ApiToken,
    PrivateKeyJwt,
}

pub(super) fn resolve(raw: RawAuth, secrets: Secrets) -> Result<Auth, Problem> {
    let token = Given {
        file: raw.token_file,
        env: raw.token_env,
        credential: raw.token_credential,
        inline: raw.token,
    };
    let private_key = Given {
        file: raw.private_key_file,
        env: raw.private_key_env,
        credential: raw.private_key_credential,
        inline: raw.private_key,
    };
    let has_app = raw.client_id.is_some()
        || private_key.is_given()
        || raw.key_id.is_some()
        || raw.algorithm.is_some()
        || raw.dpop.is_some();
    match raw.method.unwrap_or(Method::ApiToken) {
        Method::ApiToken if has_app => Err(Problem::new(
            "method",
            "an API token has no such keys; for a service app say method = \"private_key_jwt\"",
        )),
        Method::ApiToken => {
            let token = token.resolve("token", secrets)?;
            secrets.try_read_line(&token).map_err(|err| Problem::new("", chain(&err)))?;
            Ok(Auth::api_token(token))
        }
        Method::PrivateKeyJwt if token.is_given() => {
            Err(Problem::new("token", "a service app has a `private_key`, and no token"))
        }
        Method::PrivateKeyJwt => {
            let client_id = raw.client_id.filter(|id| !id.trim().is_empty()).ok_or_else(|| {
                Problem::new("client_id", "missing: the app's client id, which begins with 0oa")
            })?;
            let private_key = private_key.resolve("private_key", secrets)?;
            secrets.try_read(&private_key).map_err(|err| Problem::new("", chain(&err)))?;
            Ok(Auth::PrivateKeyJwt(PrivateKeyJwt {
                client_id,
                private_key: Arc::new(private_key),
                key_id: raw.key_id,
                algorithm: raw.algorithm,
                dpop: raw.dpop.unwrap_or_default(),
            }))
        }
    }
}
