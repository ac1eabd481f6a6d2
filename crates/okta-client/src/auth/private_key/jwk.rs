//! A private key as JSON Web Key (RFC 7517, RFC 7518), the form in which Okta's Admin Console shows it.

use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use serde::Deserialize;

use super::{Parsed, Signer, p256_signer, p384_signer, p521_signer, rsa};
use crate::{SigningAlgorithm, auth::jws};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    keys: Option<serde::de::IgnoredAny>,
    x: Option<Number>,
    y: Option<Number>,
    n: Option<Number>,
    e: Option<Number>,
    d: Option<Number>,
    p: Option<Number>,
    q: Option<Number>,
    dp: Option<Number>,
    dq: Option<Number>,
    qi: Option<Number>,
}

/// Big-endian bytes.
struct Number(Vec<u8>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Not shown, because it may be the secret part.
        let bytes = jws::from_base64url(&text);
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a number that is not base64url"))
    }
}

pub(super) fn parse(json: &str) -> Result<Parsed, String> {
    // A message of serde may quote the key.
    let jwk: Jwk = serde_json::from_str(json)
        .map_err(|err| format!("it is no JWK: line {}, column {}", err.line(), err.column()))?;
    if jwk.keys.is_some() {
        return Err("it is a set of keys: keep one of them, with the braces around it".to_owned());
    }
    if jwk.d.is_none() {
        return Err(
            "it has no `d`, so it is the public half, which belongs into Okta; name the file with the private key"
                .to_owned(),
        );
    }
    let algorithm = jwk.alg.as_deref().map(algorithm).transpose()?;
    let key_id = jwk.kid.clone();
    let signer = match jwk.kty.as_str() {
        "RSA" => rsa_key(jwk)?,
        "EC" => ec_key(jwk)?,
        other => return Err(format!("its `kty` is `{other}`; Okta takes RSA and EC")),
    };
    Ok(Parsed { signer, algorithm, key_id })
}

fn algorithm(name: &str) -> Result<SigningAlgorithm, String> {
    let known = SigningAlgorithm::ALL.iter().copied().find(|known| known.name() == name);
    known.ok_or_else(|| {
        format!("its `alg` is `{name}`; Okta takes RS256, RS384, RS512, ES256, ES384 and ES512")
    })
}

fn rsa_key(jwk: Jwk) -> Result<Signer, String> {
    let member = |name: &str, number: Option<Number>| {
        number.map(|Number(bytes)| bytes).ok_or_else(|| format!("its member `{name}` is missing"))
    };
    let public_key = PublicKeyComponents { n: member("n", jwk.n)?, e: member("e", jwk.e)? };
    let components = KeyPairComponents {
        public_key,
        d: member("d", jwk.d)?,
        p: member("p", jwk.p)?,
        q: member("q", jwk.q)?,
        dP: member("dp", jwk.dp)?,
        dQ: member("dq", jwk.dq)?,
        qInv: member("qi", jwk.qi)?,
    };
    rsa(KeyPair::from_components(&components))
}

fn ec_key(jwk: Jwk) -> Result<Signer, String> {
    let curve = jwk.crv.unwrap_or_default();
    let d = jwk.d.map(|Number(bytes)| bytes).unwrap_or_default();
    let damaged = || format!("its `d` is no private key on {curve}");
    let (signer, length) = match curve.as_str() {
        "P-256" => (p256::SecretKey::from_slice(&d).ok().map(p256_signer), 32),
        "P-384" => (p384::SecretKey::from_slice(&d).ok().map(p384_signer), 48),
        "P-521" => (p521::SecretKey::from_slice(&d).ok().and_then(p521_signer), 66),
        other => return Err(format!("its `crv` is `{other}`; Okta takes P-256, P-384 and P-521")),
    };
    let signer = signer.filter(|_| d.len() == length).ok_or_else(damaged)?;
    match (jwk.x, jwk.y) {
        (Some(Number(x)), Some(Number(y))) if public_point(&signer) != [&[4], &x[..], &y].concat() => {
            Err("its public half, `x` and `y`, does not belong to its private half".to_owned())
        }
        _ => Ok(signer),
    }
}

/// The uncompressed point (SEC1, section 2.3.3).
fn public_point(signer: &Signer) -> Vec<u8> {
    match signer {
        Signer::Rsa(_) => Vec::new(),
        Signer::P256(key) => key.verifying_key().to_encoded_point(false).as_bytes().to_vec(),
        Signer::P384(key) => key.verifying_key().to_encoded_point(false).as_bytes().to_vec(),
        Signer::P521(key) => {
            p521::ecdsa::VerifyingKey::from(&**key).to_encoded_point(false).as_bytes().to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The example keys of RFC 7517, appendix A.2.
    fn ec() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        })
    }

    fn refusal(jwk: &Value) -> String {
        parse(&jwk.to_string()).map(drop).unwrap_err()
    }

    #[test]
    fn a_jwk_brings_its_key_id_and_algorithm() {
        let mut jwk = ec();
        jwk["alg"] = "ES256".into();
        let parsed = parse(&jwk.to_string()).unwrap();
        assert_eq!(parsed.key_id.as_deref(), Some("1"));
        assert_eq!(parsed.algorithm, Some(SigningAlgorithm::Es256));
        assert!(matches!(parsed.signer, Signer::P256(_)));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        let with = |name: &str, value: Value| {
            let mut jwk = ec();
            jwk[name] = value;
            refusal(&jwk)
        };
        assert!(with("d", Value::Null).contains("public half"));
        assert!(with("kty", "oct".into()).contains("`oct`"));
        assert!(with("crv", "P-384".into()).contains("no private key on P-384"));
        assert!(with("alg", "HS256".into()).contains("`HS256`"));
        assert!(with("x", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM".into()).contains("does not belong"));
        assert!(refusal(&json!({"keys": [ec()]})).contains("set of keys"));
        let damaged = with("d", "870MB6gf+++".into());
        assert!(damaged.contains("no JWK: line 1") && !damaged.contains("870MB"), "{damaged}");
        assert!(refusal(&json!({"kty": "RSA", "d": "AQAB", "n": "AQAB"})).contains("`e` is missing"));
    }
}
