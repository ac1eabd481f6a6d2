//! One HTTP exchange with a token endpoint or a source of credentials: bounded in bytes, without redirects, and without
//! a proxy for plain text, which stays on this machine or its own network.

use std::path::Path;

use reqwest::{Certificate, Client, RequestBuilder, StatusCode, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::TokenError;
use crate::telemetry::chain;

const ANSWER_BYTES_MAX: usize = 256 << 10;
/// A reason longer than this is cut.
const REASON_CHARS_MAX: usize = 200;

/// A client for `url`, which trusts what is in `ca_file` too. Blocking I/O on a small file.
pub(super) fn client(url: &Url, ca_file: Option<&Path>) -> Result<Client, TokenError> {
    let setup = |reason: String| TokenError::Setup(reason);
    let mut builder =
        Client::builder().user_agent(concat!("oktabus/", env!("CARGO_PKG_VERSION"))).redirect(Policy::none());
    if url.scheme() == "http" {
        builder = builder.no_proxy();
    }
    if let Some(path) = ca_file {
        let unusable = |reason: String| setup(format!("`https.ca.location` {}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|err| unusable(err.to_string()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|err| unusable(chain(&err)))?;
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build().map_err(|err| setup(chain(&err)))
}

/// The text that `request` to `url` is answered with. `why` finds the reason in the text of a refusal.
pub(super) async fn text(
    url: &Url,
    request: RequestBuilder,
    why: impl Fn(&str) -> Option<String>,
) -> Result<String, TokenError> {
    let place = place(url);
    let lost = |err: reqwest::Error| TokenError::Unreachable {
        place: place.clone(),
        reason: chain(&err.without_url()),
    };
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            let reason = format!("more than {ANSWER_BYTES_MAX} bytes");
            return Err(TokenError::Answer { place, reason });
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if status == StatusCode::OK {
        return Ok(text);
    }
    let reason =
        why(&text).map_or_else(|| status.to_string(), |reason| format!("{}: {reason}", status.as_u16()));
    Err(TokenError::Refused { place, reason })
}

/// `text` as JSON that `url` has sent. Errors do not show the text, since it may contain a secret.
pub(super) fn json<T: DeserializeOwned>(url: &Url, text: &str) -> Result<T, TokenError> {
    serde_json::from_str(text).map_err(|err| {
        let reason = format!("no such JSON as expected ({:?})", err.classify());
        TokenError::Answer { place: place(url), reason }
    })
}

/// Why a token endpoint refuses (RFC 6749, section 5.2).
pub(super) fn oauth_reason(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: String,
        error_description: Option<String>,
    }
    let ErrorBody { error, error_description } = serde_json::from_str(text).ok()?;
    let description =
        error_description.map(|text| format!(": {}", first_sentence(&text))).unwrap_or_default();
    Some(format!("{}{description}", first_sentence(&error)))
}

/// The first sentence of an error text. Later sentences have times and trace ids, which differ each time.
pub(super) fn first_sentence(text: &str) -> String {
    let end = text.find(". ").or_else(|| text.find(['\r', '\n'])).unwrap_or(text.len());
    text[..end].chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

/// `url` without what may be secret in it.
pub(super) fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refusal_does_not_change_from_try_to_try() {
        let refusal = |trace: &str| {
            let description = format!(
                "AADSTS7000215: Invalid client secret provided. Ensure the secret is right. Trace ID: {trace}"
            );
            let text = serde_json::json!({ "error": "invalid_client", "error_description": description });
            oauth_reason(&text.to_string()).unwrap()
        };
        assert_eq!(refusal("1"), "invalid_client: AADSTS7000215: Invalid client secret provided");
        assert_eq!(refusal("1"), refusal("2"));
    }

    #[test]
    fn nothing_from_outside_forges_a_log_line() {
        let reason = oauth_reason(r#"{"error":"bad\u001b[31m\nline two"}"#).unwrap();
        assert_eq!(reason, "bad[31m");
    }
}
