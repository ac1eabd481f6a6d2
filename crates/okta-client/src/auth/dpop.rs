//! DPoP (RFC 9449): a proof with each request that its sender has the key to which the access token is bound, so that a
//! stolen token is of no use.
//!
//! The key is not the app's: it is made in memory for one access token and lives as long as that.

use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    elliptic_curve::rand_core::OsRng,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::jws::{self, base64url};

/// Proofs "issued in the future" are refused, and those older than 5 minutes.
const BACKDATED_S: i64 = 5;

/// The key to which one access token is bound.
pub(super) struct DpopKey {
    key: SigningKey,
    x: String,
    y: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: Jwk<'a>,
}

/// The public half of the key.
#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    crv: &'static str,
    x: &'a str,
    y: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// What one proof is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) epoch_seconds: i64,
    /// The nonce that the server demands.
    pub(super) nonce: Option<&'a str>,
    /// The access token of the request; none in a token request.
    pub(super) access_token: Option<&'a str>,
}

impl DpopKey {
    pub(super) fn generate() -> Self {
        let key = SigningKey::random(&mut OsRng);
        let point = key.verifying_key().to_encoded_point(false);
        // Uncompressed points have both coordinates.
        let coordinate =
            |bytes: Option<&p256::FieldBytes>| bytes.map(|bytes| base64url(bytes)).unwrap_or_default();
        let (x, y) = (coordinate(point.x()), coordinate(point.y()));
        Self { key, x, y }
    }

    /// A proof for one attempt at one request.
    pub(super) fn proof(&self, purpose: Purpose<'_>) -> String {
        let jwk = Jwk { kty: "EC", crv: "P-256", x: &self.x, y: &self.y };
        let header = Header { typ: "dpop+jwt", alg: "ES256", jwk };
        let mut bare = purpose.url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        let claims = Claims {
            htm: purpose.method,
            htu: bare.as_str(),
            iat: purpose.epoch_seconds - BACKDATED_S,
            jti: jws::fresh_id(),
            nonce: purpose.nonce,
            ath: purpose.access_token.map(|token| base64url(&Sha256::digest(token))),
        };
        let sign = |message: &[u8]| -> Result<Vec<u8>, std::convert::Infallible> {
            let signature: Signature = self.key.sign(message);
            Ok(signature.to_vec())
        };
        match jws::compact(&header, &claims, sign) {
            Ok(proof) => proof,
            Err(never) => match never {},
        }
    }
}

impl std::fmt::Debug for DpopKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DpopKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier as _;
    use serde_json::Value;

    use super::*;

    fn part(token: &str, index: usize) -> Value {
        let bytes = jws::from_base64url(token.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_proof_says_what_it_is_for_and_nothing_secret() {
        let key = DpopKey::generate();
        let url = Url::parse("https://acme.okta.com/api/v1/logs?since=2026#x").unwrap();
        let purpose = Purpose {
            method: "GET",
            url: &url,
            epoch_seconds: 1_000,
            nonce: Some("n1"),
            // RFC 9449, section 7.1.
            access_token: Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
        };
        let proof = key.proof(purpose);
        let (header, claims) = (part(&proof, 0), part(&proof, 1));
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["jwk"].as_object().unwrap().len(), 4, "{header}");
        assert_eq!(claims["htu"], "https://acme.okta.com/api/v1/logs");
        assert_eq!((&claims["htm"], &claims["nonce"]), (&"GET".into(), &"n1".into()));
        assert_eq!(claims["iat"], 995);
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_ne!(part(&key.proof(purpose), 1)["jti"], claims["jti"]);

        let (message, signature) = proof.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&jws::from_base64url(signature).unwrap()).unwrap();
        key.key.verifying_key().verify(message.as_bytes(), &signature).unwrap();
    }
}
