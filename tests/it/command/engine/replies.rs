//! Replies that cannot go where a command asks: they hold up nobody, and tell no secrets elsewhere.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::scene::{Scene, create_streams, directory, essence, until};
use crate::support::{
    daemon::Workplace,
    kafka::Broker,
    nats::{NatsServer, listen},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_go_where_it_is_private_goes_without_its_secrets() {
    let mut scene = Scene::prepare("allow = [\"*\"]").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let broker = Broker::shared().await;
    broker.create_topic("told-to-all", 1, &[]).await;
    broker.create_topic("told.hr", 1, &[]).await;
    let brokers = &broker.bus().brokers[0];
    let (url, nats) = (scene.okta.url(), scene.nats.url());
    scene.workplace.configure(&format!(
        r#"
[orgs.acme]
url = "{url}"
auth = {{ token_file = "{{dir}}/token" }}
[commands.hr]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
signature = {{ required = false }}
outcomes = {{ sink = "kafka" }}
allow = ["user.*"]
reply_to = ["told.*"]
reveal = {{ allowed = true, private = ["told.*"] }}
[buses.nats]
kind = "nats"
servers = ["{nats}"]
[buses.kafka]
kind = "kafka"
brokers = ["{brokers}"]
[sinks.kafka]
kind = "kafka"
topic = "told-to-all"
"#
    ));
    scene.resume();
    for (id, reply_to) in [("k1", "told.hr"), ("k2", "told.nobody")] {
        let parameters = json!({ "user": "ada@acme.com", "temporary_password": true });
        let command = json!({
            "id": id, "action": "user.expire_password", "parameters": parameters, "reveal": true, "reply_to": reply_to,
        });
        scene.send(command).await;
    }
    let read = async |topic: &str| {
        let records = broker.records(topic).await;
        records.iter().map(|record| serde_json::from_slice(&record.value).unwrap()).collect::<Vec<Value>>()
    };
    until(async || !read("told-to-all").await.is_empty() && !read("told.hr").await.is_empty()).await;
    let told = read("told.hr").await;
    assert!(told[0]["result"]["temporary_password"].is_string(), "{told:?}");
    let to_all = read("told-to-all").await;
    assert_eq!(to_all[0]["command_id"], "k2", "{to_all:?}");
    assert_eq!(to_all[0]["result"]["withheld"], json!(["temporary_password"]));
    assert_eq!(to_all[0]["result"].get("temporary_password"), None, "everybody may read it");
    assert_eq!((told.len(), to_all.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_reach_one_who_listens_and_no_stream_that_is_not_named() {
    let policy = "allow = [\"*\"]\nreply_to = [\"replies.>\", \"heard.>\"]\n\
                  reveal = { allowed = true, private = [\"replies.private\", \"heard.private\"] }";
    let scene = Scene::start(policy).await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let client = scene.nats.jetstream().await.client();
    let mut heard = listen(&client, "heard.private").await;
    for (id, reply_to) in [("h1", "heard.private"), ("h2", "replies.private")] {
        let parameters = json!({ "user": "ada@acme.com", "temporary_password": true });
        let command = json!({
            "id": id, "action": "user.expire_password", "parameters": parameters, "reveal": true, "reply_to": reply_to,
        });
        scene.send(command).await;
    }
    let stored = scene.outcome("h2").await;
    assert_eq!(essence(&stored), ("refused", "reveal_not_allowed"), "the stream OUTCOMES would store it");
    let private =
        tokio::time::timeout(std::time::Duration::from_secs(10), heard.next()).await.unwrap().unwrap();
    let private: Value = serde_json::from_slice(&private.payload).unwrap();
    assert!(private["result"]["temporary_password"].is_string(), "{private}");
    assert_eq!(scene.nats.stored("OUTCOMES").await.len(), 1);
}

/// All may do everything but publish there.
const FORBIDDEN: &str = r#"
authorization { users = [{ user = any, password = any, permissions = { publish = { deny = ["replies.forbidden"] } } }] }
no_auth_user = any
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_forbidden_holds_up_nobody() {
    let (okta, nats) = (directory().await, NatsServer::start_with(FORBIDDEN).await);
    okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    create_streams(&nats).await;
    let text = format!(
        r#"
[commands.hr]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
outcomes = {{ sink = "outcomes", subject = "outcomes.{{action}}" }}
allow = ["user.get"]
reply_to = ["replies.>"]
[commands.hr.signature]
required = false
keys.hr = {{ algorithm = "ed25519", public_key = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=" }}
[buses.nats]
kind = "nats"
servers = ["{}"]
[sinks.outcomes]
kind = "nats"
stream = "OUTCOMES"
subject = "outcomes.others"
"#,
        nats.url()
    );
    let workplace = Workplace::new(&okta, &text);
    let _daemon = workplace.start(&[]);
    let jetstream = nats.jetstream().await;
    // The first is refused before it is anything that could wait for its turn.
    let mut commands = vec![
        ("unknown".to_owned(), "user.explode", "replies.forbidden", "outcomes.other"),
        ("not_allowed".to_owned(), "user.suspend", "replies.forbidden", "outcomes.other"),
    ];
    // The server ends a connection over which it denied a message, with whatever else is on its way there.
    for pair in 0..10 {
        commands.push((format!("f{pair}"), "user.get", "replies.forbidden", "outcomes.user.get"));
        commands.push((format!("r{pair}"), "user.get", "replies.hr", "replies.hr"));
    }
    for (id, action, reply_to, _) in &commands {
        let parameters = json!({ "user": "ada@acme.com" });
        let command = json!({ "id": id, "action": action, "parameters": parameters, "reply_to": reply_to });
        jetstream.publish("commands.x", command.to_string().into()).await.unwrap().await.unwrap();
    }
    let outcomes = async || {
        let stored = nats.stored("OUTCOMES").await.into_iter();
        stored
            .map(|message| {
                let outcome: Value = serde_json::from_slice(&message.payload).unwrap();
                (outcome["command_id"].as_str().unwrap().to_owned(), message.subject)
            })
            .collect::<BTreeMap<_, _>>()
    };
    until(async || outcomes().await.len() == commands.len()).await;
    let expected = commands.into_iter().map(|(id, _, _, subject)| (id, subject.to_owned()));
    assert_eq!(outcomes().await, expected.collect());
}
