//! OAUTHBEARER: tokens of a certified token endpoint, which a real broker verifies.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use oktabus::{
    config::{KafkaBus, OidcConfig, Secret, TokenConfig},
    sink::SinkClass,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{access::assert_told, binary_sink, open, refusal, topic_name};
use crate::support::{
    events::batch,
    judges::kafka::{AUDIENCE, CLIENT_ID, CLIENT_SECRET, TokenEndpoint},
    kafka::Broker,
    tls::choose_provider,
    tools::free_port,
};

/// Short enough for a token to be replaced while a test runs.
const TOKEN_LIVES_SECONDS: u32 = 5;

/// A broker that lets nobody in but with a token of the endpoint.
struct Cluster {
    endpoint: TokenEndpoint,
    broker: Broker,
}

impl Cluster {
    async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        choose_provider();
        let endpoint = TokenEndpoint::start(TOKEN_LIVES_SECONDS).await;
        let jwks = format!("file://{}", endpoint.jwks().display());
        let properties = format!(
            "sasl.enabled.mechanisms=SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms=60000
sasl.oauthbearer.jwks.endpoint.url={jwks}
sasl.oauthbearer.expected.audience={AUDIENCE}
sasl.oauthbearer.expected.issuer={}
super.users=User:ANONYMOUS;User:{CLIENT_ID}",
            endpoint.issuer()
        );
        let allowed = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={jwks}");
        let broker = Broker::start_secured_with(&properties, &[allowed]).await;
        Self { endpoint, broker }
    }

    fn bus(&self, client_secret: Secret) -> KafkaBus {
        let mut bus = self.broker.secured_bus("nobody", "nothing");
        bus.secret_options.clear();
        bus.options.remove("sasl.username");
        bus.options.insert("sasl.mechanism".to_owned(), "OAUTHBEARER".to_owned());
        bus.token = Some(TokenConfig::Oidc(OidcConfig {
            endpoint: self.endpoint.token_url().parse().unwrap(),
            client_id: CLIENT_ID.to_owned(),
            client_secret,
            scope: Some("publish".to_owned()),
            ca_file: None,
        }));
        bus
    }
}

fn secret(text: &str) -> Secret {
    Secret::Inline(SecretString::from(text))
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn whoever_has_a_token_delivers_and_gets_another_before_it_expires() {
    let cluster = Cluster::shared().await;
    let topic = topic_name();
    cluster.broker.create_topic(&topic, 1, &[]).await;
    let before = cluster.endpoint.tokens();
    let mut sink = open(&binary_sink(cluster.bus(secret(CLIENT_SECRET)), &topic)).await.unwrap();
    let mut published = 0;
    // The broker closes the connection of whoever has let the token of it expire.
    while cluster.endpoint.tokens() < before + 3 {
        let receipt = sink.publish(&batch(0..10), 0).await.unwrap();
        assert_eq!(receipt.await.unwrap().rejected(), []);
        published += 1;
    }
    sink.close().await;
    assert_eq!(cluster.broker.records(&topic).await.len() as u64, published * 10);
}

#[tokio::test]
async fn a_client_secret_is_read_again_for_each_token() {
    let cluster = Cluster::shared().await;
    let (topic, directory) = (topic_name(), TempDir::new().unwrap());
    cluster.broker.create_topic(&topic, 1, &[]).await;
    let file = directory.path().join("secret");
    write_secret(&file, "an old one");
    let config = binary_sink(cluster.bus(Secret::File(file.clone())), &topic);
    let told = refusal(&config).await;
    assert_told(&told, SinkClass::Authentication, &["no token", "/token refuses", "invalid_client"]);
    assert_eq!(told.to_string(), refusal(&config).await.to_string(), "in the same words each time");

    write_secret(&file, CLIENT_SECRET);
    open(&config).await.unwrap().close().await;
}

#[tokio::test]
async fn a_token_that_the_brokers_refuse_is_told_as_such() {
    let cluster = Cluster::shared().await;
    // Another endpoint's key, which the broker does not know.
    let stranger = TokenEndpoint::start(60).await;
    let mut bus = cluster.bus(secret(CLIENT_SECRET));
    let Some(TokenConfig::Oidc(oidc)) = &mut bus.token else { panic!("{bus:?}") };
    oidc.endpoint = stranger.token_url().parse().unwrap();
    let told = refusal(&binary_sink(bus, &topic_name())).await;
    assert_told(&told, SinkClass::Authentication, &["authentication failed", "issuer"]);
}

#[tokio::test]
async fn a_token_endpoint_that_is_not_there_is_told_with_its_address() {
    let cluster = Cluster::shared().await;
    let mut bus = cluster.bus(secret(CLIENT_SECRET));
    let Some(TokenConfig::Oidc(oidc)) = &mut bus.token else { panic!("{bus:?}") };
    let address = format!("127.0.0.1:{}", free_port());
    oidc.endpoint = format!("http://{address}/token").parse().unwrap();
    let config = binary_sink(bus, &topic_name());
    let told = refusal(&config).await;
    assert_told(&told, SinkClass::Authentication, &["no token", &address, "refused"]);
    let bus = Arc::new(cluster.bus(secret(CLIENT_SECRET)));
    assert!(bus.warnings().is_empty());
}
