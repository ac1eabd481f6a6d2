//! Tokens for Amazon MSK with IAM: a URL that asks for `kafka-cluster:Connect`, signed with AWS credentials (Signature
//! Version 4 in the query), in base64url. The form is that of Amazon's signers (`aws-msk-iam-sasl-signer-*`), against one of
//! which the test below is made. Their crates for Rust bring the whole AWS SDK, for these few lines.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jiff::{Timestamp, tz::TimeZone};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{
    Token, TokenError,
    aws::{Credentials, Provider},
};
use crate::config::AwsMskIamConfig;

/// How long a signed URL is good for; MSK takes no more.
const LIVES_SECONDS: i64 = 900;
const SERVICE: &str = "kafka-cluster";
const USER_AGENT: &str = concat!("oktabus%2F", env!("CARGO_PKG_VERSION"));

pub(super) async fn make(config: &AwsMskIamConfig) -> Result<Token, TokenError> {
    let credentials = Provider::of_environment(&config.region).credentials().await?;
    let now = Timestamp::now();
    let url = format!("{}&User-Agent={USER_AGENT}", signed_url(&config.region, &credentials, now));
    Ok(Token {
        value: URL_SAFE_NO_PAD.encode(url),
        principal: credentials.access_key_id,
        expires_at_ms: (now.as_second() + LIVES_SECONDS) * 1_000,
    })
}

fn signed_url(region: &str, credentials: &Credentials, now: Timestamp) -> String {
    let time = now.to_zoned(TimeZone::UTC);
    let (date, time) = (time.strftime("%Y%m%d").to_string(), time.strftime("%Y%m%dT%H%M%SZ").to_string());
    let host = format!("kafka.{region}.amazonaws.com");
    let scope = format!("{date}/{region}/{SERVICE}/aws4_request");
    // In the order of their names, as the signature demands.
    let mut query = format!(
        "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={time}\
         &X-Amz-Expires={LIVES_SECONDS}",
        encoded(&format!("{}/{scope}", credentials.access_key_id))
    );
    if let Some(token) = &credentials.session_token {
        let _ = write!(query, "&X-Amz-Security-Token={}", encoded(token.expose_secret()));
    }
    query.push_str("&X-Amz-SignedHeaders=host");

    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex(&Sha256::digest("")));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let key = format!("AWS4{}", credentials.secret_access_key.expose_secret());
    let key = [date.as_str(), region, SERVICE, "aws4_request"]
        .iter()
        .fold(key.into_bytes(), |key, part| mac(&key, part));
    format!("https://{host}/?{query}&X-Amz-Signature={}", hex(&mac(&key, &to_sign)))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `text` with all but the unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    /// Made with `aws-msk-iam-sasl-signer-python` 1.0.2 and botocore 1.44.8, at this time and with these credentials.
    const PERMANENT: &str = "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=7cc178453342e479def8e0e69cbff443ca929b5b0426af0f4b64554172c7195d";
    const TEMPORARY: &str = "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2Ftoken%2Bwith%3Dsigns&X-Amz-Signature=417a08f29462df903ada7657c99fa844cfbb12ea79e683d0dfda0ef7a51467b2";

    #[test]
    fn the_url_is_that_of_amazons_own_signer() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        assert_eq!(parts(&signed_url("eu-west-1", &credentials, now)), parts(PERMANENT));
        credentials.session_token = Some(SecretString::from("FwoGZXIvYXdzEXAMPLE/token+with=signs"));
        assert_eq!(parts(&signed_url("eu-west-1", &credentials, now)), parts(TEMPORARY));
    }

    /// In any order: a verifier sorts them.
    fn parts(url: &str) -> std::collections::BTreeSet<&str> {
        url.split(['?', '&']).collect()
    }
}
