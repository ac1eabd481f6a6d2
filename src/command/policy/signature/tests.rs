//! What is taken for signed, by examples. Signatures that others made are in `tests/fixtures/signatures`: by jose, jwcrypto
//! and PyJWT, with the keys below.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::{
    command::{
        Action,
        message::{DecodedMessage, decode},
        policy::tests::{HOUR, at, command, config, patterns},
    },
    config::{PublicKey, Secret, SignatureAlgorithm, SignatureKeyConfig},
};

const VECTORS: &str = include_str!("../../../../tests/fixtures/signatures/vectors.jsonl");
const SHARED: &str = "0123456789abcdef0123456789abcdef";
const PAYLOAD: &[u8] = b"{\"id\":\"c-1\"}";
const AUDIENCE: &str = "acme/provisioning";
/// When the vectors were signed.
const TIME: i64 = 1_800_000_000;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn keys() -> Vec<SignatureKeyConfig> {
    let public = PublicKey::Inline(pair().public_key().as_ref().try_into().unwrap());
    let key = |id: &str, algorithm| SignatureKeyConfig {
        id: id.to_owned(),
        algorithm,
        allow: Vec::new(),
        approve: Vec::new(),
    };
    vec![
        key("hr", SignatureAlgorithm::Ed25519(public)),
        key("portal", SignatureAlgorithm::HmacSha256(Secret::Inline(SecretString::from(SHARED)))),
    ]
}

fn strict() -> SignatureConfig {
    SignatureConfig { required: true, max_age: HOUR, accept_v1: false, keys: keys() }
}

fn signatures(signature: SignatureConfig) -> Signatures {
    Signatures::read(&CommandsConfig { signature: Some(signature), ..config() }).unwrap()
}

fn header(value: impl Into<Bytes>) -> Headers {
    vec![("Oktabus-Signature".to_owned(), value.into())]
}

fn claims(algorithm: &str, key: &str) -> Value {
    json!({ "alg": algorithm, "kid": key, "b64": false, "crit": ["b64"], "iat": TIME, "aud": AUDIENCE })
}

/// The signature of `payload` that has these claims, by the key that `claims` names.
fn jws(claims: &Value, payload: &[u8]) -> String {
    let protected = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = [protected.as_bytes(), b".", payload].concat();
    let signature = if claims["kid"] == "portal" {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SHARED.as_bytes()), &signed).as_ref().to_vec()
    } else {
        pair().sign(&signed).as_ref().to_vec()
    };
    format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The key that is believed to have signed, or the code of the refusal.
fn told(verified: &Result<Verified, RejectedSignature>) -> String {
    match verified {
        Ok(verified) => verified.key().map_or_else(|| "nobody".to_owned(), ToString::to_string),
        Err(untrusted) => untrusted.error.code.clone(),
    }
}

#[test]
fn what_the_libraries_of_others_sign_is_verified() {
    let signatures = signatures(strict());
    for line in VECTORS.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let headers = header(text("signature"));
        let verified = signatures.verify(text("payload").as_bytes(), &headers);
        assert_eq!(told(&verified), text("key"), "{line}");
        assert_eq!(verified.unwrap().require_fresh(at(0)), Ok(()), "{line}");
        let changed = text("payload") + " ";
        assert_eq!(told(&signatures.verify(changed.as_bytes(), &headers)), "bad_signature", "{line}");
    }
    assert_eq!(VECTORS.lines().count(), 12);
}

#[test]
fn a_signature_is_good_for_one_org_and_one_section_alone() {
    let commands = |org: &str, name: &str| {
        let (org, name) = (org.to_owned(), name.to_owned());
        Signatures::read(&CommandsConfig { org, name, signature: Some(strict()), ..config() }).unwrap()
    };
    let headers = header(jws(&claims("EdDSA", "hr"), PAYLOAD));
    assert_eq!(told(&commands("acme", "provisioning").verify(PAYLOAD, &headers)), "hr");
    for (org, name) in [("test", "provisioning"), ("acme", "helpdesk"), ("ACME", "provisioning")] {
        let refused = commands(org, name).verify(PAYLOAD, &headers).unwrap_err();
        assert_eq!(refused.error.code, "wrong_audience", "{org}/{name}");
        assert_eq!(refused.claimed_key.unwrap().as_str(), "hr");
        assert!(refused.error.remedy.unwrap().contains(&format!("{org}/{name}")));
    }
}

#[test]
fn what_is_not_a_good_signature_is_refused_whatever_is_wrong_with_it() {
    let strict = signatures(strict());
    let with = |name: &str, value: Value| {
        let mut claims = claims("EdDSA", "hr");
        claims[name] = value;
        header(jws(&claims, PAYLOAD))
    };
    let without = |name: &str| {
        let mut claims = claims("EdDSA", "hr");
        claims.as_object_mut().unwrap().remove(name);
        header(jws(&claims, PAYLOAD))
    };
    let good = jws(&claims("EdDSA", "hr"), PAYLOAD);
    let portal = jws(&claims("HS256", "portal"), PAYLOAD);
    // The public key of the one as the secret of the other.
    let confused = {
        let protected = URL_SAFE_NO_PAD.encode(claims("HS256", "hr").to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, pair().public_key().as_ref());
        let signature = hmac::sign(&key, &[protected.as_bytes(), b".", PAYLOAD].concat());
        format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let listed = json!(["EdDSA", "hr", TIME, AUDIENCE, false, ["b64"]]);
    let cases = [
        ("a header that is a list", header(jws(&listed, PAYLOAD))),
        ("a header that is a text", header(jws(&json!("hr"), PAYLOAD))),
        ("another key", with("kid", json!("portal"))),
        ("an unknown key", with("kid", json!("eve"))),
        ("no algorithm", with("alg", json!("none"))),
        ("another algorithm", header(jws(&claims("HS256", "hr"), PAYLOAD))),
        ("a confused algorithm", header(confused)),
        ("an encoded payload", with("b64", json!(true))),
        ("nothing about the payload", without("b64")),
        ("nothing critical", without("crit")),
        ("something critical that is not known", with("crit", json!(["b64", "exp"]))),
        ("no key", without("kid")),
        ("no time", without("iat")),
        ("a time that is no number", with("iat", json!("1800000000"))),
        ("a time beyond all", with("iat", json!(i64::MAX))),
        ("no audience", without("aud")),
        ("half of it", header(good[..good.len() - 40].to_owned())),
        ("the header alone", header(good.split_once("..").unwrap().0.to_owned() + "..")),
        ("a payload inside", header(good.replace("..", ".e30."))),
        (
            "another's end",
            header(format!("{}..{}", good.split_once("..").unwrap().0, portal.split_once("..").unwrap().1)),
        ),
        ("two", [header(good.clone()), header(portal)].concat()),
        ("padding", header(format!("{good}=="))),
        ("nonsense", header(Bytes::from_static(b"\xff"))),
        ("nothing", header(Bytes::new())),
        ("too much", header(format!("{good}{}", "A".repeat(5_000)))),
        ("the form without an audience", header(v1("hr", TIME))),
    ];
    for (what, headers) in cases {
        assert_eq!(told(&strict.verify(PAYLOAD, &headers)), "bad_signature", "{what}");
    }
    assert_eq!(told(&strict.verify(PAYLOAD, &header(good))), "hr");
    assert_eq!(told(&strict.verify(PAYLOAD, &Headers::new())), "not_signed");
    let lax = signatures(SignatureConfig { required: false, ..self::strict() });
    assert_eq!(told(&lax.verify(PAYLOAD, &Headers::new())), "nobody");
    assert_eq!(told(&lax.verify(b"{}", &with("kid", json!("hr")))), "bad_signature", "never waved through");
}

#[test]
fn a_signature_gets_old_and_may_be_a_minute_ahead() {
    let verified =
        signatures(strict()).verify(PAYLOAD, &header(jws(&claims("EdDSA", "hr"), PAYLOAD))).unwrap();
    let fresh =
        |second| verified.require_fresh(at(second)).map_or_else(|error| error.code, |()| "ok".to_owned());
    for (second, expected) in
        [(0, "ok"), (3_600, "ok"), (3_601, "signature_too_old"), (-60, "ok"), (-61, "signature_in_future")]
    {
        assert_eq!(fresh(second), expected, "{second}");
    }
}

#[test]
fn a_required_signature_covers_the_id() {
    let payload = Bytes::from_static(b"{\"action\":\"user.get\",\"parameters\":{\"user\":\"ada\"}}");
    let of_transport = decode(&payload, &Headers::new(), Some("m-1")).unwrap();
    let in_event = json!({ "specversion": "1.0", "id": "e-1", "data": { "action": "user.get", "parameters": { "user": "ada" } } });
    let of_event = decode(&Bytes::from(in_event.to_string()), &Headers::new(), Some("m-1")).unwrap();
    let signed = header(jws(&claims("HS256", "portal"), &payload));
    let covers = |required, headers: &Headers, command: &Command| {
        let verified =
            signatures(SignatureConfig { required, ..strict() }).verify(&payload, headers).unwrap();
        verified.require_covers(command).map_or_else(|error| error.code, |()| "ok".to_owned())
    };
    assert_eq!(covers(true, &signed, &of_transport), "unsigned_id");
    assert_eq!(covers(true, &signed, &of_event), "ok");
    assert_eq!(covers(false, &signed, &of_transport), "ok");
    assert_eq!(covers(false, &Headers::new(), &of_transport), "ok");
}

#[test]
fn a_key_is_good_for_what_it_may_ask_for() {
    let mut limited = strict();
    limited.keys[0].allow = patterns(&["user.*"]);
    let signatures = signatures(limited);
    let [hr, portal] = ["hr", "portal"].map(|key| {
        let algorithm = if key == "hr" { "EdDSA" } else { "HS256" };
        signatures.verify(PAYLOAD, &header(jws(&claims(algorithm, key), PAYLOAD))).unwrap()
    });
    let suspend = command("user.suspend", json!({ "user": "ada" }), json!({}));
    let delete = command("group.delete", json!({ "group": "Staff" }), json!({}));
    assert_eq!((hr.require_allowed(&suspend), portal.require_allowed(&delete)), (Ok(()), Ok(())));
    let refused = hr.require_allowed(&delete).unwrap_err();
    assert_eq!(refused.code, "not_allowed");
    assert!(refused.message.contains("the key `hr`"), "{refused:?}");
}

fn v1(key: &str, time: i64) -> String {
    let signature = pair().sign(&[time.to_string().as_bytes(), b".", PAYLOAD].concat());
    format!("v1;key={key};t={time};sig={}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn the_form_without_an_audience_is_taken_only_where_that_is_said() {
    let both = signatures(SignatureConfig { accept_v1: true, ..strict() });
    assert_eq!(told(&both.verify(PAYLOAD, &header(v1("hr", TIME)))), "hr");
    assert_eq!(told(&both.verify(PAYLOAD, &header(jws(&claims("EdDSA", "hr"), PAYLOAD)))), "hr");
    for bad in [v1("portal", TIME), v1("eve", TIME), v1("hr", TIME).replace("t=18", "t=19"), "v1;".to_owned()]
    {
        assert_eq!(told(&both.verify(PAYLOAD, &header(bad.clone()))), "bad_signature", "{bad}");
    }
}

/// Writes `text` as a key is kept.
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn an_exchanged_key_is_obeyed_and_one_that_cannot_be_read_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (secret, public) = (directory.path().join("secret"), directory.path().join("hr.pub"));
    write(&secret, SHARED);
    write(&public, &base64::engine::general_purpose::STANDARD.encode(pair().public_key()));
    let mut config = strict();
    config.keys[0].algorithm = SignatureAlgorithm::Ed25519(PublicKey::File(public.clone()));
    config.keys[1].algorithm = SignatureAlgorithm::HmacSha256(Secret::File(secret.clone()));
    let signatures = signatures(config);
    let [hr, portal] = [("EdDSA", "hr"), ("HS256", "portal")]
        .map(|(algorithm, key)| header(jws(&claims(algorithm, key), PAYLOAD)));
    let both = || (told(&signatures.verify(PAYLOAD, &hr)), told(&signatures.verify(PAYLOAD, &portal)));
    let good = ("hr".to_owned(), "portal".to_owned());
    assert_eq!(both(), good);
    for (secret_text, public_text) in [("short", "no key"), ("", "")] {
        write(&secret, secret_text);
        write(&public, public_text);
        signatures.reload();
        assert_eq!(both(), good, "what cannot be used changes nothing");
    }
    fs::remove_file(&public).unwrap();
    write(&secret, &"x".repeat(32));
    signatures.reload();
    assert_eq!(both(), ("hr".to_owned(), "bad_signature".to_owned()), "each key by itself");
    write(&secret, SHARED);
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    write(&public, &base64::engine::general_purpose::STANDARD.encode(other.public_key()));
    signatures.reload();
    assert_eq!(both(), ("bad_signature".to_owned(), "portal".to_owned()));
}

#[test]
fn a_shared_secret_with_zeros_behind_it_is_the_same_key() {
    let mut keys = keys();
    let secret = |text: String| SignatureAlgorithm::HmacSha256(Secret::Inline(SecretString::from(text)));
    keys.push(SignatureKeyConfig {
        id: "padded".to_owned(),
        algorithm: secret(format!("{SHARED}\0")),
        ..keys[1].clone()
    });
    let signatures = signatures(SignatureConfig { keys, ..strict() });
    let twins: Vec<_> = signatures.twins().into_iter().map(|(one, other)| format!("{one} {other}")).collect();
    assert_eq!(twins, ["padded portal"]);
}

#[test]
fn no_form_of_printing_shows_a_key() {
    let shown = format!("{:?}", signatures(strict()));
    assert!(!shown.contains(SHARED) && shown.contains("HS256"), "{shown}");
}

#[test]
fn only_another_key_that_may_approve_does() {
    let mut keys = keys();
    keys[1].approve = patterns(&["user.delete"]);
    keys.push(SignatureKeyConfig { id: "desk".to_owned(), ..keys[1].clone() });
    let signatures = signatures(SignatureConfig { keys, ..strict() });
    let told = |approver: &str, sender: &str, action| {
        let approver = KeyName(approver.to_owned());
        signatures
            .require_approver(&approver, sender, action)
            .map_or_else(|error| error.code, |()| "ok".to_owned())
    };
    for (approver, sender, action, expected) in [
        ("portal", "hr", Action::UserDelete, "ok"),
        ("portal", "hr", Action::GroupDelete, "not_allowed"),
        ("hr", "portal", Action::UserDelete, "not_allowed"),
        ("portal", "portal", Action::UserDelete, "same_key"),
        ("desk", "portal", Action::UserDelete, "same_key"),
        ("portal", "removed", Action::UserDelete, "bad_signature"),
        ("removed", "hr", Action::UserDelete, "bad_signature"),
    ] {
        assert_eq!(told(approver, sender, action), expected, "{approver} of {sender}");
    }
    let mark = signatures.mark("portal").unwrap();
    let may = |name, mark| signatures.may_approve(name, mark, Action::UserDelete);
    assert!(may("portal", None) && may("portal", Some(&*mark)));
    assert!(!may("hr", None) && !may("x", None) && !may("portal", signatures.mark("hr").as_deref()));
}

#[test]
fn an_approval_is_read_as_strictly_as_a_command_and_is_none() {
    let read = |message: Value| {
        crate::command::message::decode_any(&Bytes::from(message.to_string()), &Headers::new(), None)
    };
    let parameters = json!({ "command": "c-1", "fingerprint": "v1:ab" });
    let good = json!({ "id": "a-1", "action": "command.approve", "parameters": parameters });
    let Ok(DecodedMessage::Approval(approval)) = read(good.clone()) else { panic!("it is one") };
    assert_eq!((&*approval.command, &*approval.command_fingerprint), ("c-1", "v1:ab"));
    let refused = decode(&Bytes::from(good.to_string()), &Headers::new(), None).unwrap_err();
    assert_eq!(refused.error.code, "unknown_action");
    for (pointer, value) in [
        ("/parameters", json!({ "command": "c-1" })),
        ("/parameters", json!({ "command": "c-1", "fingerprint": "v1:ab", "user": "ada" })),
        ("/parameters", json!({ "command": "c".repeat(257), "fingerprint": "v1:ab" })),
        ("/parameters", json!({ "command": "c-1", "fingerprint": "a".repeat(257) })),
        ("/dry_run", json!(true)),
        ("/not_before", json!("2026-11-26T09:00:00Z")),
    ] {
        let mut bad = good.clone();
        bad[pointer.trim_start_matches('/')] = value;
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
}
