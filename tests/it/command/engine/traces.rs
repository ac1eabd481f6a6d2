//! The trace of a command, which goes on in that of its sender, as a receiver that is not ours decodes it.

use serde_json::{Value, json};

use super::scene::Scene;
use crate::support::judges::traces::Collector;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SENDER: &str = "00f067aa0ba902b7";

fn user() -> Value {
    json!({ "profile": { "login": "ada@acme.com", "firstName": "Ada", "lastName": "Lovelace" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_goes_on_in_the_trace_of_its_sender_from_its_message_to_its_outcome() {
    let collector = Collector::start().await;
    let mut scene = Scene::prepare("allow = [\"user.*\"]").await;
    let configuration = scene.workplace.path("oktabus.toml");
    let text = std::fs::read_to_string(&configuration).unwrap() + &collector.section();
    std::fs::write(configuration, text).unwrap();
    scene.okta.plant("users", &user()).await;
    scene.resume();

    let suspend = json!({ "id": "c-1", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    let parent = format!("00-{TRACE}-{SENDER}-01");
    scene.send_raw(suspend.to_string().as_bytes(), &[("traceparent", &parent)]).await;
    assert_eq!(scene.outcome("c-1").await["status"], "done");
    let command = collector.span("the command", |span| span["parent"] == SENDER).await;
    assert_eq!((&command["trace"], &command["name"]), (&json!(TRACE), &json!("command user.suspend")));
    assert_eq!((&command["kind"], &command["error"]), (&json!("SPAN_KIND_CONSUMER"), &Value::Null));
    let expected =
        json!({ "oktabus.commands": "hr", "oktabus.action": "user.suspend", "oktabus.status": "done" });
    assert_eq!(command["attributes"], expected);
    assert!(command["events"].as_array().unwrap().contains(&json!("admitted")), "{command}");

    let parts = collector.children(&command, &["outcome"]).await;
    let requests: Vec<_> = parts.iter().filter(|part| part["kind"] == "SPAN_KIND_CLIENT").collect();
    assert!(requests.len() >= 2, "a look-up, and the change: {parts:?}");
    assert!(
        requests.iter().all(|request| request["attributes"]["http.response.status_code"] == 200),
        "{requests:?}"
    );
    let outcome = parts.iter().find(|part| part["name"] == "outcome").unwrap();
    let stored = scene.nats.stored("OUTCOMES").await;
    let context = format!("00-{TRACE}-{}-01", outcome["span"].as_str().unwrap());
    assert_eq!(stored[0].header("traceparent"), Some(context.as_str()));
    for span in collector.received() {
        let text = span.to_string();
        assert!(["ada@", "Lovelace", "c-1", "00u"].iter().all(|word| !text.contains(word)), "{text}");
    }

    // A sender who does not keep its trace: it is passed on, and nothing is told. What is no context counts as none.
    let get =
        |id: &str| json!({ "id": id, "action": "user.get", "parameters": { "user": "nobody@acme.com" } });
    let unsampled = parent.replace("-01", "-00");
    scene.send_raw(get("c-2").to_string().as_bytes(), &[("traceparent", &unsampled)]).await;
    scene.outcome("c-2").await;
    scene.send_raw(get("c-3").to_string().as_bytes(), &[("traceparent", "00-not-one-01")]).await;
    assert_eq!(scene.outcome("c-3").await["status"], "failed");
    let failed = collector.span("the command that failed", |span| span["name"] == "command user.get").await;
    assert_eq!((&failed["parent"], &failed["attributes"]["oktabus.status"]), (&json!(""), &json!("failed")));
    assert!(failed["error"].is_string(), "{failed}");
    let stored = scene.nats.stored("OUTCOMES").await;
    assert_eq!(stored[1].header("traceparent"), Some(unsampled.as_str()));
    let of_sender = collector.received().iter().filter(|span| span["parent"] == SENDER).count();
    assert_eq!(of_sender, 1);
}
