//! Who we are to the server, and what the operator is told when the server will not have us.

use std::time::Duration;

use async_nats::ConnectOptions;
use oktabus::{
    bus::BusError,
    config::{ClientCertificate, NatsAuth, NatsBus, NatsTls, Secret},
    sink::SinkError,
};
use secrecy::SecretString;

use super::{deliver, open, sink, stream};
use crate::support::{certificates::Certificates, events::batch, nats::NatsServer};

/// An nkey made for these tests, and the public half of it.
const SEED: &str = "SUALTVDQEOY2JB6PY67FHEYRRL2D7BXUOPTTR7UEYK4STTYFIYUXNBTICQ";
const PUBLIC_KEY: &str = "UB3IF5FWCE3FSYTBBVQG47ADTRHWPQOWJAXI4SP27AHBTCUEOTLFOSZG";
const OTHER_SEED: &str = "SUAPD65YRX5ELJLRHJVI5APDIFZVZ4KCTG2V7IJVB2JRITBXG3QSQ2WRYQ";

fn secret(text: &str) -> Secret {
    Secret::Inline(SecretString::from(text))
}

fn password(password: &str) -> NatsAuth {
    NatsAuth::Password { user: "oktabus".to_owned(), password: secret(password) }
}

/// A server with these users beside an administrator, and a stream.
async fn server_for(users: &str) -> NatsServer {
    let admin = "{ user: admin, password: admin }";
    let server = NatsServer::start_with(&format!("authorization {{ users: [{admin}, {users}] }}")).await;
    let admin = ConnectOptions::with_user_and_password("admin".to_owned(), "admin".to_owned());
    server.jetstream_as(admin).await.create_stream(stream()).await.unwrap();
    server
}

async fn assert_welcome(bus: NatsBus) {
    deliver(&mut open(&sink(bus), None).await.unwrap(), &batch(0..10)).await;
}

async fn refusal(bus: NatsBus) -> String {
    match open(&sink(bus), None).await {
        Err(SinkError::Bus(BusError::Refused { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_told() {
    let server = server_for("{ user: oktabus, password: right }").await;
    assert_welcome(server.bus(password("right"))).await;
    for wrong in [password("wrong"), NatsAuth::None] {
        let reason = refusal(server.bus(wrong)).await;
        assert!(
            reason.contains("authorization violation") && reason.contains("`auth` of bus `nats`"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_nkey_opens_and_a_wrong_one_is_told() {
    let server = server_for(&format!("{{ nkey: {PUBLIC_KEY} }}")).await;
    assert_welcome(server.bus(NatsAuth::Nkey(secret(SEED)))).await;
    let reason = refusal(server.bus(NatsAuth::Nkey(secret(OTHER_SEED)))).await;
    assert!(reason.contains("authorization violation"), "{reason}");
    let reason = refusal(server.bus(NatsAuth::Nkey(secret("no seed")))).await;
    assert!(reason.contains("no valid nkey seed"), "{reason}");
}

#[tokio::test]
async fn a_token_opens() {
    let server = NatsServer::start_with("authorization { token: right }").await;
    let admin = ConnectOptions::with_token("right".to_owned());
    server.jetstream_as(admin).await.create_stream(stream()).await.unwrap();
    assert_welcome(server.bus(NatsAuth::Token(secret("right")))).await;
    refusal(server.bus(NatsAuth::Token(secret("wrong")))).await;
}

#[tokio::test]
async fn a_secret_that_is_of_no_use_is_told_and_not_shown() {
    let server = NatsServer::start().await;
    let missing = Secret::File("nowhere/seed.nk".into());
    let told = open(&sink(server.bus(NatsAuth::Nkey(missing))), None).await.unwrap_err().to_string();
    assert!(told.contains("bus `nats`") && told.contains("nowhere/seed.nk"), "{told}");
    let other = NatsAuth::Credentials(secret("not from a .creds file"));
    let told = open(&sink(server.bus(other)), None).await.unwrap_err().to_string();
    assert!(told.contains("no NATS credentials") && !told.contains(".creds"), "{told}");
}

#[tokio::test]
async fn a_missing_permission_is_told_by_name() {
    let allowed = r#"{ publish: ["$JS.API.>"], subscribe: ["_INBOX.>"] }"#;
    let server = server_for(&format!("{{ user: oktabus, password: right, permissions: {allowed} }}")).await;
    let mut sink = open(&sink(server.bus(password("right"))), None).await.unwrap();
    let receipt = sink.publish(&batch(0..10), 0).await.unwrap();
    let failure = tokio::time::timeout(Duration::from_secs(5), receipt).await.unwrap().unwrap_err();
    let SinkError::Bus(BusError::Refused { reason, .. }) = failure.error else { panic!("{failure:?}") };
    assert!(reason.contains("Permissions Violation for Publish to \"okta.acme.okta"), "{reason}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let mut server = NatsServer::start().await;
    server.kill();
    let error = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap_err();
    assert!(
        matches!(&error, SinkError::Bus(BusError::Unreachable { reason, .. }) if reason.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn tls_with_a_certificate_of_ours_opens_and_without_it_is_told() {
    // One certificate serves both sides: nothing in it says on which it may stand.
    let certificates = Certificates::new();
    let (ca, certificate, key) = (certificates.authority(), certificates.certificate(), certificates.key());
    let server = NatsServer::start_with(&format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}"
    ))
    .await;
    let admin = ConnectOptions::new()
        .add_root_certificates(ca.clone())
        .add_client_certificate(certificate.clone(), key.clone());
    server.jetstream_as(admin).await.create_stream(stream()).await.unwrap();

    let stranger = refusal(server.bus(NatsAuth::None)).await;
    assert!(stranger.contains("UnknownIssuer") && stranger.contains("`tls` of bus `nats`"), "{stranger}");
    let anonymous = NatsBus { ca_file: Some(ca), ..server.bus(NatsAuth::None) };
    let client_certificate = Some(ClientCertificate { certificate_file: certificate, key_file: key });
    let complete = NatsBus {
        client_certificate,
        tls: NatsTls::Required,
        ca_file: anonymous.ca_file.clone(),
        ..server.bus(NatsAuth::None)
    };
    let told = refusal(anonymous).await;
    assert!(told.contains("`tls` of bus `nats`"), "{told}");
    assert_welcome(complete).await;
}

#[tokio::test]
async fn tls_that_is_demanded_and_not_there_is_told() {
    let server = NatsServer::start().await;
    let told = refusal(NatsBus { tls: NatsTls::Required, ..server.bus(NatsAuth::None) }).await;
    assert!(told.contains("`tls` of bus `nats`"), "{told}");
}
