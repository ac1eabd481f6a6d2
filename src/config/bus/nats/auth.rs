//! How we identify ourselves to NATS, as it was typed.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::NatsAuth;
use crate::{
    config::{
        Problem,
        secret::{Given, Secrets},
    },
    telemetry::chain,
};

/// Keys of all ways; they exclude each other.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config::bus) struct RawAuth {
    credentials_file: Option<PathBuf>,
    credentials_credential: Option<String>,
    nkey_file: Option<PathBuf>,
    nkey_env: Option<String>,
    nkey_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    nkey: Option<SecretString>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    token_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    token: Option<SecretString>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    password_credential: Option<String>,
    #[schemars(with = "Option<String>")]
    password: Option<SecretString>,
}

/// The one way that is given, if one is.
pub(super) fn resolve(raw: RawAuth, secrets: Secrets) -> Result<NatsAuth, Problem> {
    let credentials =
        Given { file: raw.credentials_file, credential: raw.credentials_credential, ..Given::default() };
    let nkey =
        Given { file: raw.nkey_file, env: raw.nkey_env, credential: raw.nkey_credential, inline: raw.nkey };
    let token = Given {
        file: raw.token_file,
        env: raw.token_env,
        credential: raw.token_credential,
        inline: raw.token,
    };
    let password = Given {
        file: raw.password_file,
        env: raw.password_env,
        credential: raw.password_credential,
        inline: raw.password,
    };
    let ways = [credentials.is_given(), nkey.is_given(), token.is_given(), raw.user.is_some()];
    if ways.iter().filter(|given| **given).count() > 1 {
        return Err(Problem::new("", "credentials, nkey, token and user exclude each other"));
    }
    let readable = |name: &str, given: Given| {
        let secret = given.resolve(name, secrets)?;
        secrets.try_read(&secret).map_err(|err| Problem::new("", chain(&err)))?;
        Ok(secret)
    };
    if credentials.is_given() {
        return readable("credentials", credentials).map(NatsAuth::Credentials);
    }
    if nkey.is_given() {
        return readable("nkey", nkey).map(NatsAuth::Nkey);
    }
    if token.is_given() {
        return readable("token", token).map(NatsAuth::Token);
    }
    let Some(user) = raw.user else { return Ok(NatsAuth::None) };
    Ok(NatsAuth::Password { user, password: readable("password", password)? })
}
