//! How a bus is reached, beyond an address: WebSocket, TLS that is demanded or comes first, domains and prefixes.

use std::{net::Ipv4Addr, time::Duration};

use async_nats::{ConnectOptions, jetstream::stream::Config};
use oktabus::config::{NatsAuth, NatsBus, NatsTls, Secret};
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{STREAM, assert_stored, deliver, open, sink, stream, streams};
use crate::support::{
    certificates::Certificates,
    events::batch,
    nats::{NatsServer, bus_of},
    tools::free_port,
};

/// What a server says to whoever connects, and that it does not ask for TLS.
const GREETING: &[u8] =
    b"INFO {\"server_id\":\"x\",\"version\":\"2.15.1\",\"max_payload\":1048576,\"headers\":true,\"proto\":1}\r\n";

fn password() -> NatsAuth {
    let password = Secret::Inline(SecretString::from("hush-hush"));
    NatsAuth::Password { user: "oktabus".to_owned(), password }
}

/// What a server that does not ask for TLS is told by who wants to reach it as `bus` says.
async fn overheard(bus: impl FnOnce(u16) -> NatsBus) -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let config = sink(bus(listener.local_addr().unwrap().port()));
    let listening = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        // Who begins with TLS, or with HTTP, does not mind.
        let _ = connection.write_all(GREETING).await;
        let mut heard = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(10), connection.read(&mut heard)).await;
        heard.truncate(read.map_or(0, |read| read.unwrap_or(0)));
        heard
    };
    let (opened, heard) = tokio::join!(open(&config, None), listening);
    opened.unwrap_err();
    heard
}

fn is_tls(heard: &[u8]) -> bool {
    // A handshake, of whatever version.
    heard.starts_with(&[22, 3])
}

#[tokio::test]
async fn a_server_that_does_not_ask_for_tls_gets_no_password_where_tls_is_demanded() {
    for tls in [NatsTls::Required, NatsTls::First] {
        let address = |port| vec![format!("nats://127.0.0.1:{port}")];
        let heard = overheard(|port| NatsBus { tls, ..bus_of(address(port), password()) }).await;
        assert!(is_tls(&heard), "{}", String::from_utf8_lossy(&heard));
    }
}

#[tokio::test]
async fn web_sockets_are_not_spoken_to_in_plain_nats() {
    let heard = overheard(|port| bus_of(vec![format!("wss://127.0.0.1:{port}")], password())).await;
    assert!(is_tls(&heard), "{}", String::from_utf8_lossy(&heard));
    let heard = overheard(|port| bus_of(vec![format!("ws://127.0.0.1:{port}")], password())).await;
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("GET / HTTP/1.1") && !heard.contains("hush-hush"), "{heard}");
}

#[tokio::test]
async fn events_travel_by_web_socket_with_and_without_tls() {
    let certificates = Certificates::new();
    let (certificate, key) = (certificates.certificate(), certificates.key());
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    for (scheme, protection) in [("ws", "no_tls: true"), ("wss", tls.as_str())] {
        let port = free_port();
        let listen = format!("websocket {{ listen: \"127.0.0.1:{port}\", {protection} }}");
        let server = NatsServer::start_with(&listen).await;
        server.create_stream(stream()).await;
        let bus = bus_of(vec![format!("{scheme}://127.0.0.1:{port}")], NatsAuth::None);
        let bus = NatsBus { ca_file: (scheme == "wss").then(|| certificates.authority()), ..bus };
        deliver(&mut open(&sink(bus), None).await.unwrap(), &batch(0..100)).await;
        assert_stored(&server, &[batch(0..100)]).await;
    }
}

#[tokio::test]
async fn tls_comes_first_where_the_server_wants_it_so() {
    let certificates = Certificates::new();
    let (certificate, key) = (certificates.certificate(), certificates.key());
    let server = NatsServer::start_silent_with(&format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, handshake_first: true }}"
    ))
    .await;
    let admin = ConnectOptions::new().add_root_certificates(certificates.authority()).tls_first();
    server.jetstream_as(admin).await.create_stream(stream()).await.unwrap();
    let ca_file = Some(certificates.authority());
    let bus = NatsBus { ca_file, tls: NatsTls::First, ..server.bus(NatsAuth::None) };
    deliver(&mut open(&sink(bus), None).await.unwrap(), &batch(0..10)).await;
}

#[tokio::test]
async fn a_domain_is_reached_by_its_prefix_and_no_other() {
    let server = NatsServer::start_in_domain("hub").await;
    server.create_stream(stream()).await;
    let domain =
        |prefix: &str| sink(NatsBus { api_prefix: Some(prefix.to_owned()), ..server.bus(NatsAuth::None) });
    deliver(&mut open(&domain("$JS.hub.API"), None).await.unwrap(), &batch(0..10)).await;
    open(&domain("$JS.spoke.API"), None).await.unwrap_err();
    assert_stored(&server, &[batch(0..10)]).await;
}

/// An account that may use the JetStream of another through subjects of its own, and may be answered below one prefix.
const ACCOUNTS: &str = r#"
accounts {
  hub {
    jetstream: enabled
    users: [{ user: admin, password: admin }]
    exports: [
      { service: "$JS.API.>", response: stream }
      { service: "okta.>" }
    ]
  }
  spoke {
    users: [{ user: oktabus, password: right, permissions: {
      publish: ["js.hub.>", "okta.>"], subscribe: ["_INBOX_oktabus.>"]
    } }]
    imports: [
      { service: { account: hub, subject: "$JS.API.>" }, to: "js.hub.>" }
      { service: { account: hub, subject: "okta.>" } }
    ]
  }
}
"#;

#[tokio::test]
async fn the_jetstream_of_another_account_is_used_below_prefixes_of_our_own() {
    for stream in streams() {
        assert_used_below_prefixes(stream).await;
    }
}

async fn assert_used_below_prefixes(stream: Config) {
    let server = NatsServer::start_with(ACCOUNTS).await;
    let admin = ConnectOptions::with_user_and_password("admin".to_owned(), "admin".to_owned());
    let jetstream = server.jetstream_as(admin).await;
    jetstream.create_stream(stream).await.unwrap();
    let right = Secret::Inline(SecretString::from("right"));
    let auth = || NatsAuth::Password { user: "oktabus".to_owned(), password: right.clone() };
    let prefixed = NatsBus {
        api_prefix: Some("js.hub".to_owned()),
        inbox_prefix: Some("_INBOX_oktabus".to_owned()),
        ..server.bus(auth())
    };
    let mut publisher = open(&sink(prefixed), None).await.unwrap();
    deliver(&mut publisher, &batch(0..10)).await;
    let mut stored = jetstream.get_stream(STREAM).await.unwrap();
    assert_eq!(stored.info().await.unwrap().state.messages, 10);
}
