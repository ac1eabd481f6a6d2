//! Every check of the token endpoint and of proofs, with tokens that are wrong in one way each.

use axum::http::{HeaderMap, HeaderValue, Request, request::Parts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::proof::Presented;
use super::{ASSERTION_TYPE, AccessDenied, ApiRequest, App, Inner, OAuthError, jwt, proof};

const NOW_S: i64 = 1_800_000_000;
const ENDPOINT: &str = "https://org.test/oauth2/v1/token";
const LOGS: &str = "https://org.test/api/v1/logs";

/// A P-256 key.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        Self(pair.unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature.as_ref()))
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn app(key: &Key, more: &Value) -> App {
    let mut app = json!({"client_id": "0oa1", "jwks": {"keys": [key.jwk("k1")]}});
    app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(app).unwrap()
}

fn org(app: App) -> Inner {
    let mut inner = Inner::default();
    inner.apps.insert(app.client_id.clone(), app);
    inner
}

fn with(mut value: Value, name: &str, to: Value) -> Value {
    value[name] = to;
    value
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k1"})
}

fn claims(id: &str) -> Value {
    json!({"iss": "0oa1", "sub": "0oa1", "aud": ENDPOINT, "exp": NOW_S + 300, "iat": NOW_S, "jti": id})
}

fn proof_header(key: &Key) -> Value {
    let mut jwk = key.jwk("");
    jwk.as_object_mut().unwrap().remove("kid");
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
}

fn proof_claims(id: &str) -> Value {
    json!({"htm": "POST", "htu": ENDPOINT, "iat": NOW_S, "jti": id})
}

fn parts(proofs: &[String]) -> Parts {
    let mut headers = HeaderMap::new();
    for proof in proofs {
        headers.append("dpop", HeaderValue::from_str(proof).unwrap());
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers = headers;
    parts
}

fn ask(inner: &mut Inner, assertion: &str, scope: &str, proofs: &[String]) -> Result<Value, OAuthError> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion)
        .append_pair("scope", scope)
        .finish();
    let lifetime = std::time::Duration::from_hours(1);
    let given = inner.give(&parts(proofs), ENDPOINT, form.as_bytes(), NOW_S, lifetime)?;
    Ok(serde_json::from_slice(&given.body).unwrap())
}

#[test]
fn a_good_assertion_gives_a_token_once() {
    let key = Key::new();
    let mut org = org(app(&key, &json!({})));
    let assertion = key.sign(&header(), &claims("1"));
    let given = ask(&mut org, &assertion, "okta.logs.read", &[]).unwrap();
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let again = ask(&mut org, &assertion, "okta.logs.read", &[]).unwrap_err();
    assert_eq!(again.description, "The client_assertion token has already been used.");
}

#[test]
fn every_flaw_of_an_assertion_is_found() {
    let (key, other) = (Key::new(), Key::new());
    let flaws = [
        (header(), with(claims("1"), "iss", json!("0oa2")), "issuer claim"),
        (header(), with(claims("2"), "sub", json!("0oa2")), "subject claim"),
        (with(header(), "kid", json!("k2")), claims("3"), "kid is invalid"),
        (with(header(), "alg", json!("none")), claims("4"), "signature algorithm"),
        (with(header(), "alg", json!("RS256")), claims("5"), "signature algorithm"),
        (header(), with(claims("6"), "aud", json!("https://org.test")), "audience claim"),
        (header(), with(claims("7"), "exp", Value::Null), "must contain the 'exp'"),
        (header(), with(claims("8"), "exp", json!(NOW_S)), "is expired"),
        (header(), with(claims("9"), "exp", json!(NOW_S + 3_601)), "too far"),
        (header(), with(claims("10"), "iat", json!(NOW_S + 1)), "before the current time"),
    ];
    let mut org = org(app(&key, &json!({})));
    for (header, claims, expected) in flaws {
        let error = ask(&mut org, &key.sign(&header, &claims), "okta.logs.read", &[]).unwrap_err();
        assert_eq!(error.code, "invalid_client");
        assert!(error.description.contains(expected), "{expected}: {}", error.description);
    }
    let forged = other.sign(&header(), &claims("11"));
    let error = ask(&mut org, &forged, "okta.logs.read", &[]).unwrap_err();
    assert_eq!(error.description, "The client_assertion signature is invalid.");
    let error = ask(&mut org, "nonsense", "okta.logs.read", &[]).unwrap_err();
    assert!(error.description.contains("parsing"));
    let error = ask(&mut org, &key.sign(&header(), &claims("12")), "okta.users.read", &[]).unwrap_err();
    assert_eq!(error.code, "invalid_scope");
}

#[test]
fn dpop_takes_three_attempts_and_each_spends_its_assertion() {
    let key = Key::new();
    let mut org = org(app(&key, &json!({"dpop_bound_access_tokens": true})));
    let assertion = |id: &str| key.sign(&header(), &claims(id));
    let missing = ask(&mut org, &assertion("1"), "okta.logs.read", &[]).unwrap_err();
    assert_eq!(missing.description, "The DPoP proof JWT header is missing.");

    let proof = |claims: &Value| vec![key.sign(&proof_header(&key), claims)];
    let first = ask(&mut org, &assertion("2"), "okta.logs.read", &proof(&proof_claims("a"))).unwrap_err();
    assert_eq!(first.code, "use_dpop_nonce");
    let nonce = json!(org.nonces.current(NOW_S));
    let spent = with(proof_claims("b"), "nonce", nonce.clone());
    let spent = ask(&mut org, &assertion("2"), "okta.logs.read", &proof(&spent)).unwrap_err();
    assert!(spent.description.contains("already been used"), "{}", spent.description);

    let bound = with(proof_claims("c"), "nonce", nonce);
    let given = ask(&mut org, &assertion("3"), "okta.logs.read", &proof(&bound)).unwrap();
    assert_eq!(given["token_type"], "DPoP");

    let token = given["access_token"].as_str().unwrap();
    let claims =
        json!({"htm": "GET", "htu": LOGS, "iat": NOW_S, "jti": "d", "ath": jwt::hash(token.as_bytes())});
    let mut admit = |signer: &Key, claims: &Value, scheme: &str, scope: &str| {
        let proof = signer.sign(&proof_header(signer), claims);
        let request = ApiRequest { method: "GET", url: LOGS, scheme, token, proofs: &[&proof], scope };
        org.admit(request, NOW_S)
    };
    assert!(admit(&key, &claims, "DPoP", "okta.logs.read").is_ok());
    let replayed = admit(&key, &claims, "DPoP", "okta.logs.read").unwrap_err();
    assert!(
        matches!(&replayed, AccessDenied::Proof(error) if error.description.contains("already been used"))
    );
    let stolen = admit(&Key::new(), &with(claims.clone(), "jti", json!("e")), "DPoP", "okta.logs.read");
    assert!(matches!(&stolen, Err(AccessDenied::Proof(error)) if error.description.contains("not bound")));
    let plain = admit(&key, &with(claims.clone(), "jti", json!("f")), "Bearer", "okta.logs.read");
    assert!(matches!(&plain, Err(AccessDenied::Proof(error)) if error.code == "invalid_request"));
    let wrong = admit(
        &key,
        &with(with(claims.clone(), "jti", json!("g")), "ath", json!("x")),
        "DPoP",
        "okta.logs.read",
    );
    assert!(matches!(&wrong, Err(AccessDenied::Proof(error)) if error.description.contains("'ath'")));
    let scope = admit(&key, &with(claims, "jti", json!("h")), "DPoP", "okta.users.read");
    assert!(matches!(scope, Err(AccessDenied::Right)));
}

#[test]
fn every_flaw_of_a_proof_is_found() {
    let key = Key::new();
    let mut org = Inner::default();
    let mut check = |header: &Value, claims: &Value| {
        let proof = key.sign(header, claims);
        let presented =
            Presented { method: "POST", url: ENDPOINT, token: None, proofs: &[&proof], now_s: NOW_S };
        proof::check(presented, &mut org.used).map(|_| ()).map_err(|error| error.description)
    };
    let good = proof_header(&key);
    assert_eq!(check(&good, &proof_claims("1")), Ok(()));
    let private = with(good["jwk"].clone(), "d", json!("AQAB"));
    for (header, claims, expected) in [
        (with(good.clone(), "typ", json!("JWT")), proof_claims("2"), "'typ'"),
        (with(good.clone(), "alg", json!("HS256")), proof_claims("3"), "signature algorithm"),
        (with(good.clone(), "jwk", Key::new().jwk("")), proof_claims("4"), "signature is invalid"),
        (with(good.clone(), "jwk", private), proof_claims("5"), "JWT is invalid"),
        (good.clone(), with(proof_claims("6"), "htm", json!("GET")), "'htm'"),
        (good.clone(), with(proof_claims("7"), "htu", json!(LOGS)), "'htu'"),
        (good.clone(), with(proof_claims("8"), "iat", json!(NOW_S + 1)), "in the future"),
        (good.clone(), with(proof_claims("9"), "iat", json!(NOW_S - 301)), "five minutes"),
        (good.clone(), with(proof_claims("10"), "jti", Value::Null), "'jti'"),
        (good.clone(), proof_claims("1"), "already been used"),
    ] {
        let told = check(&header, &claims).unwrap_err();
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn a_role_is_needed_beside_the_scope_and_tokens_end() {
    let key = Key::new();
    for (more, at_s, is_right) in
        [(json!({"roles": []}), NOW_S, false), (json!({}), NOW_S, true), (json!({}), NOW_S + 3_600, false)]
    {
        let mut org = org(app(&key, &more));
        let given = ask(&mut org, &key.sign(&header(), &claims("1")), "okta.logs.read", &[]).unwrap();
        let token = given["access_token"].as_str().unwrap();
        let request = ApiRequest {
            method: "GET",
            url: LOGS,
            scheme: "Bearer",
            token,
            proofs: &[],
            scope: "okta.logs.read",
        };
        assert_eq!(org.admit(request, at_s).is_ok(), is_right, "{more} {at_s}");
    }
}

#[test]
fn who_may_manage_may_read_and_a_reading_role_changes_nothing() {
    let key = Key::new();
    let scopes = ["okta.users.read", "okta.users.manage"];
    for (roles, asked, needed, is_right) in [
        (["USER_ADMIN"], "okta.users.manage", "okta.users.read", true),
        (["USER_ADMIN"], "okta.users.manage", "okta.users.manage", true),
        (["USER_ADMIN"], "okta.users.read", "okta.users.manage", false),
        (["USER_ADMIN"], "okta.users.manage", "okta.groups.manage", false),
        (["READ_ONLY_ADMIN"], "okta.users.manage", "okta.users.manage", false),
        (["READ_ONLY_ADMIN"], "okta.users.manage", "okta.users.read", true),
    ] {
        let mut org = org(app(&key, &json!({"roles": roles, "scopes": scopes})));
        let given = ask(&mut org, &key.sign(&header(), &claims("1")), asked, &[]).unwrap();
        let token = given["access_token"].as_str().unwrap();
        let request =
            ApiRequest { method: "POST", url: LOGS, scheme: "Bearer", token, proofs: &[], scope: needed };
        assert_eq!(org.admit(request, NOW_S).is_ok(), is_right, "{roles:?} {asked} {needed}");
    }
}

#[test]
fn an_app_without_usable_public_keys_is_not_taken() {
    let key = Key::new();
    let with_keys = |keys: Value| json!({"client_id": "0oa1", "jwks": {"keys": keys}});
    let private = with(key.jwk("k1"), "d", json!("AQAB"));
    for (keys, expected) in [
        (json!([]), "no key"),
        (json!([key.jwk("a"), key.jwk("a")]), "kid `a`"),
        (json!([{"kty": "oct", "k": "AQAB"}]), "cannot be used"),
        (json!([private]), "public halves"),
    ] {
        let told = serde_json::from_value::<App>(with_keys(keys)).unwrap_err().to_string();
        assert!(told.contains(expected), "{expected}: {told}");
    }
}
