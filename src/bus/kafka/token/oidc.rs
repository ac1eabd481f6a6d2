//! Tokens from a token endpoint: the client credentials grant (RFC 6749, section 4.4), with the client's id and secret in the
//! `Authorization` header.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::form_urlencoded::{self, byte_serialize};

use super::{Token, TokenError, http};
use crate::config::OidcConfig;

/// What an endpoint answers (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: SecretString,
    expires_in: Option<f64>,
}

/// The claims of a token that is a JWT. The broker verifies them.
#[derive(Deserialize, Default)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

pub(super) async fn fetch(config: &OidcConfig) -> Result<Token, TokenError> {
    let read = config.clone();
    let prepared = tokio::task::spawn_blocking(move || {
        let secret = read.client_secret.read_line();
        let what = "`sasl.oauthbearer.client.secret`";
        let secret = secret.map_err(|source| TokenError::Secret { what, source })?;
        Ok((http::client(&read.endpoint, read.ca_file.as_deref())?, secret))
    });
    let (client, secret) = prepared.await.unwrap_or(Err(TokenError::Closing))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &config.scope {
        form.append_pair("scope", scope);
    }
    let request = client
        .post(config.endpoint.clone())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(AUTHORIZATION, basic(&config.client_id, &secret)?)
        .body(form.finish());
    let asked_at = Timestamp::now();
    let text = http::text(&config.endpoint, request, http::oauth_reason).await?;
    let answer: TokenResponse = http::json(&config.endpoint, &text)?;
    token(config, answer, asked_at)
}

/// `Basic` of both, each encoded as in a form first (RFC 6749, section 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, TokenError> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(both)));
    let mut value = value.map_err(|err| TokenError::Setup(err.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The endpoint's word on how long a token lives needs no clock but ours; the token's own needs theirs to agree.
fn token(config: &OidcConfig, answer: TokenResponse, asked_at: Timestamp) -> Result<Token, TokenError> {
    let TokenResponse { access_token, expires_in } = answer;
    let value = access_token.expose_secret();
    let claims = claims(value).unwrap_or_default();
    let seconds = expires_in.map(|lives| asked_at.as_second() as f64 + lives).or(claims.exp);
    let seconds = seconds.filter(|seconds| seconds.is_finite()).ok_or_else(|| TokenError::Answer {
        place: http::place(&config.endpoint),
        reason: "it does not say when the token expires (`expires_in`)".to_owned(),
    })?;
    Ok(Token {
        value: value.to_owned(),
        principal: claims.sub.unwrap_or_else(|| config.client_id.clone()),
        expires_at_ms: (seconds * 1_000.0) as i64,
    })
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn config() -> OidcConfig {
        OidcConfig {
            endpoint: "https://idp.example/token".parse().unwrap(),
            client_id: "bus client".to_owned(),
            client_secret: Secret::Inline(SecretString::from("p:w%d")),
            scope: None,
            ca_file: None,
        }
    }

    fn answer(token: &str, expires_in: Option<f64>) -> Result<Token, TokenError> {
        let answer = TokenResponse { access_token: SecretString::from(token), expires_in };
        super::token(&config(), answer, Timestamp::from_second(1_000).unwrap())
    }

    #[test]
    fn id_and_secret_are_encoded_before_they_are_joined() {
        let header = basic("bus client", &SecretString::from("p:w%d")).unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"bus+client:p%3Aw%25d");
        assert!(header.is_sensitive());
    }

    #[test]
    fn the_life_of_a_token_is_that_of_the_answer_or_else_its_own() {
        let jwt = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"sub":"service","exp":5000}"#));
        let token = answer(&jwt, Some(300.0)).unwrap();
        assert_eq!((token.expires_at_ms, token.principal.as_str()), (1_300_000, "service"));
        assert_eq!(answer(&jwt, None).unwrap().expires_at_ms, 5_000_000);
        let opaque = answer("opaque", Some(1.0)).unwrap();
        assert_eq!(opaque.principal, "bus client");
        let endless = answer("opaque", None).err().unwrap().to_string();
        assert!(endless.contains("expires_in") && !endless.contains("opaque"), "{endless}");
    }
}
