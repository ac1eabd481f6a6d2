//! Who signed what, by way of Kafka and NATS. The signer is OpenSSL's command line, which knows nothing of oktabus.

use std::{fs, path::Path, process::Command};

use async_nats::{HeaderMap, jetstream};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, ToSpan as _};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};

use super::scene::{Scene, create_streams, directory, essence, until};
use crate::support::{clock::Clock, daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

pub(super) const HEADER: &str = "oktabus-signature";
const TOPIC: &str = "signed-commands";
const OUTCOMES: &str = "signed-outcomes";

const CONFIGURATION: &str = r#"
[commands.by-kafka]
org = "by-kafka"
intake = { kind = "kafka", topic = "signed-commands" }
outcomes = { sink = "kafka" }
allow = ["user.*"]
[commands.by-kafka.signature]
max_age = "1h"
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub", allow = ["user.suspend", "user.deactivate"] }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/portal.secret", allow = ["user.suspend", "user.deactivate"] }

[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.>" }
outcomes = { sink = "nats" }
allow = ["user.*"]
[commands.hr.signature]
max_age = "1h"
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub", allow = ["user.suspend", "user.deactivate"] }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/portal.secret", allow = ["user.suspend", "user.deactivate"] }

[buses.kafka]
kind = "kafka"
brokers = ["{brokers}"]
[buses.nats]
kind = "nats"
servers = ["{nats}"]
[sinks.kafka]
kind = "kafka"
topic = "signed-outcomes"
[sinks.nats]
kind = "nats"
stream = "OUTCOMES"
subject = "outcomes.all"
"#;

/// A key and how OpenSSL signs with it.
#[derive(Clone, Copy)]
pub(super) enum Signer {
    Ed25519,
    Hmac,
}

const SIGNERS: [Signer; 2] = [Signer::Ed25519, Signer::Hmac];

impl Signer {
    fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "hr",
            Self::Hmac => "portal",
        }
    }

    /// Makes the keys in `directory`.
    pub(super) fn make_keys(directory: &Path) {
        let make = "umask 077
            openssl genpkey -algorithm ed25519 -out hr.key
            openssl pkey -in hr.key -pubout -out hr.pub
            openssl rand -hex 32 > portal.secret";
        let made = Command::new("sh").args(["-ec", make]).current_dir(directory).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// The header for `payload` to this audience, as if it were signed so many seconds ago.
    pub(super) fn sign(self, directory: &Path, audience: &str, payload: &str, seconds_ago: i64) -> String {
        let algorithm = match self {
            Self::Ed25519 => "EdDSA",
            Self::Hmac => "HS256",
        };
        let claims = json!({
            "alg": algorithm, "kid": self.name(), "b64": false, "crit": ["b64"],
            "iat": Timestamp::now().as_second() - seconds_ago, "aud": audience,
        });
        let header = URL_SAFE_NO_PAD.encode(claims.to_string());
        fs::write(directory.join("signed"), format!("{header}.{payload}")).unwrap();
        let sign = match self {
            Self::Ed25519 => "openssl pkeyutl -sign -inkey hr.key -rawin -in signed",
            Self::Hmac => "openssl dgst -sha256 -hmac \"$(cat portal.secret)\" -binary signed",
        };
        let signed = Command::new("sh").args(["-ec", sign]).current_dir(directory).output().unwrap();
        assert!(signed.status.success(), "{signed:?}");
        format!("{header}..{}", URL_SAFE_NO_PAD.encode(signed.stdout))
    }
}

/// A bus with commands and outcomes on it.
enum Bus {
    Kafka(&'static Broker, FutureProducer),
    Nats(Box<NatsServer>, Box<jetstream::Context>),
}

impl Bus {
    async fn kafka() -> Self {
        let broker = Broker::shared().await;
        for topic in [TOPIC, OUTCOMES] {
            broker.create_topic(topic, 1, &[]).await;
        }
        let producer = ClientConfig::new().set("bootstrap.servers", &broker.bus().brokers[0]).create();
        Self::Kafka(broker, producer.unwrap())
    }

    async fn nats() -> Self {
        let nats = NatsServer::start().await;
        create_streams(&nats).await;
        let jetstream = nats.jetstream().await;
        Self::Nats(Box::new(nats), Box::new(jetstream))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Kafka(..) => "kafka",
            Self::Nats(..) => "nats",
        }
    }

    /// The commands that read it.
    fn commands(&self) -> &'static str {
        match self {
            Self::Kafka(..) => "by-kafka",
            Self::Nats(..) => "hr",
        }
    }

    /// Whom signatures must be meant for: the org and the commands.
    fn audience(&self) -> &'static str {
        match self {
            Self::Kafka(..) => "by-kafka/by-kafka",
            Self::Nats(..) => "acme/hr",
        }
    }

    /// Puts a message on the queue, with an id that the transport alone says if there is a `transport_id`.
    async fn put(&self, message: &Message) {
        let Message { payload, signature, transport_id } = message;
        match self {
            Self::Kafka(_, producer) => {
                let pairs = [(HEADER, signature), ("ce_id", transport_id)];
                let mut headers = OwnedHeaders::new();
                for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
                    headers = headers.insert(Header { key, value: Some(value) });
                }
                let record = FutureRecord::<(), _>::to(TOPIC).payload(payload).headers(headers);
                let sent = producer.send_result(record).map_err(|(err, _)| err).unwrap();
                sent.await.unwrap().map_err(|(err, _)| err).unwrap();
            }
            Self::Nats(_, jetstream) => {
                let pairs = [(HEADER, signature), ("Nats-Msg-Id", transport_id)];
                let mut headers = HeaderMap::new();
                for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
                    headers.insert(key, value.as_str());
                }
                let payload = payload.clone().into();
                jetstream.publish_with_headers("commands.x", headers, payload).await.unwrap().await.unwrap();
            }
        }
    }

    /// The outcomes of the command `id`, once there are so many.
    async fn outcomes_of(&self, id: &str, count: usize) -> Vec<Value> {
        let found = async || {
            let payloads: Vec<_> = match self {
                Self::Kafka(broker, _) => {
                    broker.records(OUTCOMES).await.into_iter().map(|record| record.value).collect()
                }
                Self::Nats(nats, _) => {
                    nats.stored("OUTCOMES").await.into_iter().map(|message| message.payload).collect()
                }
            };
            let outcomes = payloads.iter().map(|payload| serde_json::from_slice::<Value>(payload).unwrap());
            outcomes.filter(|outcome| outcome["command_id"] == id).collect::<Vec<_>>()
        };
        until(async || found().await.len() >= count).await;
        found().await
    }
}

/// A message as it is put on a bus. Headers that are empty are left out.
#[derive(Clone, Default)]
struct Message {
    payload: String,
    signature: String,
    transport_id: String,
}

/// An org, both buses, and the daemon between them.
struct Place {
    okta: Okta,
    workplace: Workplace,
    buses: [Bus; 2],
}

impl Place {
    async fn prepare() -> Self {
        let okta = directory().await;
        let buses = [Bus::kafka().await, Bus::nats().await];
        let mut text = okta.as_another_org("by-kafka") + CONFIGURATION;
        for bus in &buses {
            text = match bus {
                Bus::Kafka(broker, _) => text.replace("{brokers}", &broker.bus().brokers[0]),
                Bus::Nats(nats, _) => text.replace("{nats}", &nats.url()),
            };
        }
        let workplace = Workplace::new(&okta, &text);
        Signer::make_keys(&workplace.path(""));
        Self { okta, workplace, buses }
    }

    /// The id of a new user, and the command to suspend them.
    async fn suspend(&self, id: &str) -> (String, String) {
        let login = format!("{id}@acme.com");
        let user = self.okta.plant("users", &json!({ "profile": { "login": login } })).await;
        let command = json!({ "id": id, "action": "user.suspend", "parameters": { "user": login } });
        (user, command.to_string())
    }

    fn signed(&self, bus: &Bus, signer: Signer, payload: &str, seconds_ago: i64) -> Message {
        let signature = signer.sign(&self.workplace.path(""), bus.audience(), payload, seconds_ago);
        Message { payload: payload.to_owned(), signature, transport_id: String::new() }
    }

    /// Waits until the audit of the commands on `bus` has the refusal of `id` for this reason. Nobody else is told.
    async fn refused(&self, bus: &Bus, id: &str, code: &str) {
        let path = self.workplace.path(&format!("state/audit/{}.jsonl", bus.commands()));
        until(async || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            // What a key may not ask for is named by its place, and the reason has the id.
            let names = |line: &Value| {
                let reason = line["reason"].as_str().unwrap_or_default();
                line["command_id"] == id || reason.contains(&format!("`{id}`"))
            };
            lines.any(|line| names(&line) && line["error"] == code)
        })
        .await;
    }

    /// The ids of those about whom Okta has changed something.
    async fn changed(&self) -> Vec<String> {
        let writes = self.okta.page("/-/writes").await;
        let of = |write: &Value| write["user"].as_str().unwrap().to_owned();
        writes.as_array().unwrap().iter().map(of).collect()
    }

    /// Messages that must be refused, with the code, each under an id of its own.
    async fn forged(&self, bus: &Bus, signer: Signer) -> Vec<(String, Message, &'static str)> {
        let other = SIGNERS[1 - signer as usize];
        let elsewhere = self.buses.iter().find(|other| other.name() != bus.name()).unwrap();
        let id = |what: &str| format!("{}-{}-{what}", bus.name(), signer.name());
        let mut forged = Vec::new();
        for (what, seconds_ago, code) in [
            ("changed", 0, "bad_signature"),
            ("unknown", 0, "bad_signature"),
            ("others", 0, "bad_signature"),
            ("retimed", 0, "bad_signature"),
            ("elsewhere", 0, "wrong_audience"),
            ("limited", 0, "not_allowed"),
            ("v1", 0, "bad_signature"),
            ("old", 3_660, "signature_too_old"),
            ("future", -600, "signature_in_future"),
            ("unsigned", 0, "not_signed"),
            ("transport", 0, "unsigned_id"),
        ] {
            let (_, payload) = self.suspend(&id(what)).await;
            let mut message = self.signed(bus, signer, &payload, seconds_ago);
            match what {
                "changed" => message.payload.push(' '),
                "unknown" => message.signature = with_claim(&message.signature, "kid", &json!("eve")),
                "others" => message.signature = with_claim(&message.signature, "kid", &json!(other.name())),
                "retimed" => message.signature = with_claim(&message.signature, "iat", &json!(1)),
                "elsewhere" => message = self.signed(elsewhere, signer, &payload, 0),
                "limited" => {
                    message = self.signed(bus, signer, &payload.replace("user.suspend", "user.unlock"), 0);
                }
                "v1" => message.signature = format!("v1;key={};t=1800000000;sig=AA", signer.name()),
                "unsigned" => message.signature.clear(),
                "transport" => {
                    let mut command: Value = serde_json::from_str(&payload).unwrap();
                    command.as_object_mut().unwrap().remove("id");
                    message = self.signed(bus, signer, &command.to_string(), 0);
                    message.transport_id = id(what);
                }
                _ => {}
            }
            forged.push((id(what), message, code));
        }
        forged
    }
}

/// The signature with another claim in its header.
fn with_claim(signature: &str, name: &str, value: &Value) -> String {
    let (header, rest) = signature.split_once("..").unwrap();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    claims[name] = value.clone();
    format!("{}..{rest}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_as_it_must_be_is_refused_and_the_rest_is_done_once() {
    let scene = Place::prepare().await;
    let _daemon = scene.workplace.start(&[]);
    let mut forged = Vec::new();
    for bus in &scene.buses {
        for signer in SIGNERS {
            for (id, message, code) in scene.forged(bus, signer).await {
                bus.put(&message).await;
                forged.push((bus, id, code));
            }
        }
    }
    for (bus, id, code) in forged {
        scene.refused(bus, &id, code).await;
        let answers = bus.outcomes_of(&id, 0).await;
        assert!(answers.is_empty(), "{code}: {answers:?}");
    }
    let requests = scene.okta.page("/-/requests").await.to_string();
    assert!(!requests.contains("/api/v1/users"), "Okta is not even asked: {requests}");

    let mut good = Vec::new();
    for bus in &scene.buses {
        for signer in SIGNERS {
            let id = format!("{}-{}-good", bus.name(), signer.name());
            let (user, payload) = scene.suspend(&id).await;
            let message = scene.signed(bus, signer, &payload, 3_500);
            bus.put(&message).await;
            assert_eq!(essence(&bus.outcomes_of(&id, 1).await[0]), ("done", ""));
            // Its copy is answered, and not done; what is not quite its copy learns nothing.
            let another = scene.signed(bus, signer, &payload.replace("suspend", "deactivate"), 0);
            bus.put(&message).await;
            bus.put(&Message { signature: String::new(), ..message.clone() }).await;
            bus.put(&another).await;
            bus.put(&Message { signature: String::new(), ..another }).await;
            scene.refused(bus, &id, "not_signed").await;
            let answers = bus.outcomes_of(&id, 2).await;
            let answers: Vec<_> =
                answers.iter().map(|answer| (essence(answer), answer["repeated"] == true)).collect();
            let expected = [(("done", ""), false), (("done", ""), true)];
            // Copies and refusals may pass each other.
            for one in expected {
                let times = |all: &[((&str, &str), bool)]| all.iter().filter(|other| **other == one).count();
                assert_eq!(times(&answers), times(&expected), "{one:?} in {answers:?}");
            }
            good.push(user);
        }
    }
    assert_eq!(scene.changed().await, good);
}

/// Whether the audit has the refusal of `id` for this reason.
fn is_refused(scene: &Scene, id: &str, code: &str) -> bool {
    scene.audit().iter().any(|line| line["command_id"] == id && line["error"] == code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_spoil_a_signed_command_that_waits() {
    let policy = "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\" }";
    let mut scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    scene.resume();
    // The daemon reads once this is answered.
    scene
        .send(json!({ "id": "first", "action": "user.get", "parameters": { "user": "ada@acme.com" } }))
        .await;
    until(async || is_refused(&scene, "first", "not_signed")).await;
    let not_before = Timestamp::now() + 5.seconds();
    let mut command = json!({
        "id": "waits", "action": "user.suspend", "parameters": { "user": "ada@acme.com" }, "not_before": not_before,
    });
    let payload = command.to_string();
    let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    until(async || scene.by_hand(&["show", "waits", "--json"]).await.stdout.contains("\"received\"")).await;
    let published = scene.by_hand(&["publish", "user.get", "-p", "user=ada@acme.com"]).await;
    assert_eq!(published.code, Some(64), "it would be refused: {published:?}");
    // They ask for the same, under the same id, but the id is the transport's word.
    command.as_object_mut().unwrap().remove("id");
    let payload = command.to_string();
    let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[("ce-id", "waits")]).await;
    scene.send_raw(payload.as_bytes(), &[("ce-id", "waits"), (HEADER, &signature)]).await;
    for code in ["not_signed", "unsigned_id"] {
        until(async || is_refused(&scene, "waits", code)).await;
    }
    let outcomes = scene.outcomes_of("waits", 1).await;
    assert_eq!(outcomes.iter().map(essence).collect::<Vec<_>>(), [("done", "")]);
    let writes = scene.okta.page("/-/writes").await;
    assert_eq!(writes.as_array().unwrap().len(), 1, "{writes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsigned_messages_hold_up_no_signed_command() {
    let policy = "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\" }";
    let mut scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.plant_user("ada@acme.com").await;
    let jetstream = scene.nats.jetstream().await;
    for n in 0..300 {
        // To digest a password takes long.
        let parameters = json!({ "user": "ada@acme.com", "password": "Correct-horse-7-battery" });
        let message =
            json!({ "id": format!("u{n}"), "action": "user.set_password", "parameters": parameters });
        jetstream.publish("commands.x", message.to_string().into()).await.unwrap().await.unwrap();
    }
    let payload = json!({ "id": "signed", "action": "user.get", "parameters": { "user": "ada@acme.com" } });
    let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload.to_string(), 0);
    scene.send_raw(payload.to_string().as_bytes(), &[(HEADER, &signature)]).await;
    let begun = std::time::Instant::now();
    scene.resume();
    assert_eq!(essence(&scene.outcome("signed").await), ("done", ""));
    let took = begun.elapsed();
    assert!(took.as_secs() < 15, "it took {took:?}");
    until(async || scene.status().await["dead_letters"] == 300).await;
    assert_eq!(scene.outcomes().await.len(), 1, "they are not answered");
    assert!(!scene.dead_letters().contains("Correct-horse"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_exchanged_is_obeyed_after_a_reload_and_the_audit_names_keys() {
    let policy = "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", allow = [\"user.get\"] }";
    let scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let daemon = scene.workplace.start(&[]);
    let send = async |id: &str, action: &str| {
        let parameters = json!({ "user": "ada@acme.com" });
        let payload = json!({ "id": id, "action": action, "parameters": parameters }).to_string();
        let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
        // What the key may not ask for takes no id.
        let place = if id == "limited" { "COMMANDS@2" } else { id };
        let outcome = scene.outcome(place).await;
        let (status, code) = essence(&outcome);
        format!("{status} {code}")
    };
    assert_eq!(send("before", "user.get").await, "done ");
    assert_eq!(send("limited", "user.suspend").await, "refused not_allowed");
    assert_eq!(scene.outcomes_of("limited", 0).await, Vec::<Value>::new());
    let old = fs::read_to_string(directory.join("portal.secret")).unwrap();
    // One that is no key changes nothing, and is told.
    scene.workplace.write_secret("portal.secret", "short");
    daemon.reload().await;
    until(async || scene.workplace.log().contains("a signature key cannot be read again")).await;
    scene.workplace.write_secret("portal.secret", &old);
    assert_eq!(send("meanwhile", "user.get").await, "done ");
    scene.workplace.write_secret("portal.secret", &"n".repeat(40));
    daemon.reload().await;
    until(async || scene.workplace.log().contains("a key of signatures has been exchanged")).await;
    assert_eq!(send("after", "user.get").await, "done ");
    scene.workplace.write_secret("portal.secret", &old);
    let payload = json!({ "id": "old", "action": "user.get", "parameters": { "user": "ada@acme.com" } });
    let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload.to_string(), 0);
    scene.send_raw(payload.to_string().as_bytes(), &[(HEADER, &signature)]).await;
    until(async || is_refused(&scene, "old", "bad_signature")).await;
    let audit = scene.audit();
    let keys = |id: &str| {
        let line = audit.iter().find(|line| line["command_id"] == id).unwrap();
        (line["signed_by"].as_str(), line["claimed_key"].as_str())
    };
    assert_eq!(keys("before"), (Some("portal"), None));
    assert_eq!(keys("COMMANDS@2"), (Some("portal"), None));
    assert_eq!(keys("old"), (None, Some("portal")));
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_cannot_be_tried_under_the_ids_of_others() {
    let policy = "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.hr = { algorithm = \"ed25519\", public_key_file = \"{dir}/hr.pub\" }\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\" }";
    let mut scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    let send = async |signer: Signer, password: &str| {
        let parameters = json!({ "user": "ada@acme.com", "password": password });
        let payload =
            json!({ "id": "p", "action": "user.set_password", "parameters": parameters }).to_string();
        let signature = signer.sign(&directory, "acme/hr", &payload, 0);
        scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    };
    send(Signer::Ed25519, "Correct-horse-7-battery").await;
    assert_eq!(essence(&scene.outcome("p").await), ("done", ""));
    for (number, guess) in [(2, "Correct-horse-8-battery"), (3, "Correct-horse-7-battery")] {
        send(Signer::Hmac, guess).await;
        let refused = scene.outcome(&format!("COMMANDS@{number}")).await;
        assert_eq!(essence(&refused), ("refused", "id_reused"), "{guess}");
    }
    send(Signer::Ed25519, "Correct-horse-7-battery").await;
    assert_eq!(scene.outcomes_of("p", 2).await[1]["repeated"], true);
    assert_eq!(scene.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_limit_has_refused_is_asked_for_again_by_a_new_signature_alone() {
    let policy = "allow = [\"user.*\"]\nlimits = { \"user.suspend\" = \"1/1h\" }\n[commands.hr.signature]\nmax_age = \"1h\"\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\" }";
    let mut scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    let clock = Clock::new(&scene.workplace);
    scene.resume_with(&clock.environment());
    let command = async |id: &str, seconds_ago: i64| {
        let parameters = json!({ "user": format!("{id}@acme.com") });
        let payload = json!({ "id": id, "action": "user.suspend", "parameters": parameters }).to_string();
        (Signer::Hmac.sign(&directory, "acme/hr", &payload, seconds_ago), payload)
    };
    for id in ["one", "two"] {
        scene.plant_user(&format!("{id}@acme.com")).await;
    }
    let (signature, payload) = command("one", 0).await;
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    assert_eq!(essence(&scene.outcome("one").await), ("done", ""));
    let (old, payload) = command("two", 0).await;
    scene.send_raw(payload.as_bytes(), &[(HEADER, &old)]).await;
    assert_eq!(essence(&scene.outcome("two").await), ("refused", "limit_tripped"));

    clock.put(2 * 3_600);
    assert_eq!(scene.by_hand(&["release", "user.suspend"]).await.code, Some(0));
    scene.send_raw(payload.as_bytes(), &[(HEADER, &old)]).await;
    assert_eq!(essence(&scene.outcomes_of("two", 2).await[1]), ("refused", "limit_tripped"));
    let (new, _) = command("two", -2 * 3_600).await;
    scene.send_raw(payload.as_bytes(), &[(HEADER, &new)]).await;
    assert_eq!(essence(&scene.outcomes_of("two", 3).await[2]), ("done", ""));
}
