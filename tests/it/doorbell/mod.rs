//! The doorbell with the real daemon and the simulated org: rings, bad input, floods, messages, the hooks at Okta, and what
//! Okta's SDKs say of them.

mod bad_input;
mod command;
mod judges;
#[cfg(feature = "nats")]
mod messages;
mod rings;

use serde_json::{Value, json};

use crate::support::{
    daemon::{Daemon, TO_FILES, Workplace},
    okta::Okta,
    tools::{eventually, free_port},
};

/// The secret in the file `bell`.
const SECRET: &str = "correct-horse-battery-staple";
/// A type of which hooks tell.
const RINGS: &str = "user.lifecycle.create";

/// An org, a folder for the daemon, and where hooks are to ring.
struct Scene {
    okta: Okta,
    workplace: Workplace,
    port: u16,
}

impl Scene {
    /// A stream that asks once an hour by itself; `doorbell` are more keys of the doorbell, `listener` those of its section.
    async fn new(okta_options: &[&str], doorbell: &str, listener: &str) -> Self {
        let usual = ["--backlog", "3", "--rate", "0", "--rate-limit", "1000000"];
        let okta = Okta::start(&[&usual, okta_options].concat()).await;
        let port = free_port();
        let stream = TO_FILES.replace("\"200ms\"", "\"1h\"");
        let rest = format!(
            "doorbell = {{ secret_file = \"{{dir}}/bell\"{doorbell} }}\n{stream}\n[doorbell]\nlisten = \"127.0.0.1:{port}\"\n{listener}\n"
        );
        let workplace = Workplace::new(&okta, &rest);
        workplace.write_secret("bell", SECRET);
        Self { okta, workplace, port }
    }

    /// Starts the daemon, and waits until it has read all that there is.
    async fn start(&self) -> Daemon {
        let daemon = self.workplace.start(&[]);
        self.workplace.route("log/files", |route| route.delivered == 3 && route.phase == "at_tail").await;
        daemon
    }

    /// Where Okta is to be told that hooks ring.
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the hook at Okta, which must work.
    async fn register(&self, url: &str) {
        let said = self.workplace.oktabus(&["doorbell", "register", "--url", url]).await;
        assert_eq!(said.code, Some(0), "{said:?}\n{}", self.workplace.log());
    }

    /// Something happens at Okta.
    async fn happen(&self, uuid: &str) {
        let event =
            json!({ "uuid": uuid, "eventType": RINGS, "published": jiff::Timestamp::now().to_string() });
        self.okta.add(&event.to_string()).await;
    }

    /// Waits until the event has arrived.
    async fn arrived(&self, uuid: &str) {
        let what = format!("{uuid} to arrive; the log:\n{}", self.workplace.log());
        eventually(&what, async || {
            self.workplace.uuids("archive").iter().any(|seen| seen == uuid).then_some(())
        })
        .await;
    }

    /// A request of a ring, with this secret or none.
    async fn ring(&self, secret: Option<&str>) -> u16 {
        self.send(reqwest::Method::POST, "/acme", secret, r#"{"eventType":"com.okta.event_hook"}"#).await
    }

    /// Any request to the listener; 0 if there is no answer.
    async fn send(&self, method: reqwest::Method, path: &str, secret: Option<&str>, body: &str) -> u16 {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url()));
        let request =
            secret.into_iter().fold(request, |request, secret| request.header("authorization", secret));
        let answer = request.body(body.to_owned()).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    /// How the doorbell stands, and the stream.
    async fn status(&self) -> (Value, Value) {
        let (_, text) = self.workplace.get("/status").await.unwrap();
        let status: Value = serde_json::from_str(&text).unwrap();
        (status["doorbells"][0].clone(), status["streams"][0].clone())
    }

    /// Requests for events so far.
    async fn polls(&self) -> u64 {
        self.okta.answered(200).await
    }
}
