//! A simulated org, a NATS server with commands and outcomes, and the daemon between them.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream};
use serde_json::{Value, json};

use crate::support::{
    daemon::{Daemon, Said, Workplace},
    nats::NatsServer,
    okta::Okta,
    tools::eventually,
};

const TO_NATS: &str = r#"
[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.>" }
outcomes = { sink = "outcomes", subject = "outcomes.{action}" }
{unsigned}{policy}
{outcomes}
"#;

/// The bus and the sink of the outcomes.
pub(super) fn outcomes_sink(nats: &NatsServer) -> String {
    let sink = "[sinks.outcomes]\nkind = \"nats\"\nstream = \"OUTCOMES\"\nsubject = \"outcomes.others\"\n";
    format!("{}{sink}", nats.section())
}

/// The commands under this policy, which nobody signs unless it says who.
fn configuration(policy: &str, nats: &NatsServer) -> String {
    let is_signed = policy.contains(".signature]");
    let unsigned = if is_signed { "" } else { "signature = { required = false }\n" };
    let text = TO_NATS.replace("{unsigned}", unsigned).replace("{policy}", policy);
    text.replace("{outcomes}", &outcomes_sink(nats))
}

/// How soon a command that was not acknowledged comes again.
const ACK_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Scene {
    pub(super) okta: Okta,
    pub(super) nats: NatsServer,
    pub(super) workplace: Workplace,
    daemon: Option<Daemon>,
}

impl Scene {
    /// The daemon at work under this policy: lines of `[commands.hr]`.
    pub(super) async fn start(policy: &str) -> Self {
        let mut scene = Self::prepare(policy).await;
        scene.resume();
        scene
    }

    /// All but the daemon.
    pub(super) async fn prepare(policy: &str) -> Self {
        Self::prepare_at(directory().await, policy).await
    }

    /// The same for this org.
    pub(super) async fn prepare_at(okta: Okta, policy: &str) -> Self {
        let nats = NatsServer::start().await;
        create_streams(&nats).await;
        let text = configuration(policy, &nats);
        let workplace = Workplace::new(&okta, &text);
        Self { okta, nats, workplace, daemon: None }
    }

    /// The same under another policy.
    pub(super) fn under(self, policy: &str) -> Self {
        let org = format!(
            "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
            self.okta.url()
        );
        let text = configuration(policy, &self.nats);
        self.workplace.configure(&format!("{org}\n{text}"));
        self
    }

    /// Starts the daemon, again.
    pub(super) fn resume(&mut self) {
        self.daemon = Some(self.workplace.start(&[]));
    }

    /// The same with these environment variables.
    pub(super) fn resume_with(&mut self, environment: &[(&str, &str)]) {
        self.daemon = Some(self.workplace.start_with(&[], environment));
    }

    /// Stops the daemon in good order.
    pub(super) async fn stop(&mut self) {
        let daemon = self.daemon.take().unwrap();
        daemon.terminate().await;
        assert!(daemon.ended().await.success());
    }

    /// Kills the daemon.
    pub(super) async fn kill(&mut self) {
        self.daemon.take().unwrap().kill().await;
    }

    /// Has the daemon read its secrets again.
    pub(super) async fn reload(&self) {
        self.daemon.as_ref().unwrap().reload().await;
    }

    /// Puts a command on the queue.
    pub(super) async fn send(&self, command: Value) {
        self.send_raw(command.to_string().as_bytes(), &[]).await;
    }

    /// Puts a message on the queue.
    pub(super) async fn send_raw(&self, payload: &[u8], headers: &[(&str, &str)]) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let jetstream = self.nats.jetstream().await;
        let sent = jetstream.publish_with_headers("commands.x", map, payload.to_vec().into()).await.unwrap();
        sent.await.unwrap();
    }

    /// All outcomes, in the order in which they were published.
    pub(super) async fn outcomes(&self) -> Vec<Value> {
        let stored = self.nats.stored("OUTCOMES").await;
        stored.iter().map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
    }

    /// The outcomes of the command `id`, once there are so many.
    pub(super) async fn outcomes_of(&self, id: &str, count: usize) -> Vec<Value> {
        let of = async || {
            let all = self.outcomes().await;
            all.into_iter().filter(|outcome| outcome["command_id"] == id).collect::<Vec<_>>()
        };
        until(async || of().await.len() >= count).await;
        of().await
    }

    /// The outcome of the command `id`.
    pub(super) async fn outcome(&self, id: &str) -> Value {
        self.outcomes_of(id, 1).await.remove(0)
    }

    /// Sends a command about one user, and waits for its outcome.
    pub(super) async fn ask(&self, id: &str, action: &str, user: &str) -> Value {
        self.send(json!({ "id": id, "action": action, "parameters": { "user": user } })).await;
        self.outcome(id).await
    }

    /// Runs `oktabus command WHAT`.
    pub(super) async fn by_hand(&self, arguments: &[&str]) -> Said {
        self.workplace.oktabus(&[&["command"], arguments].concat()).await
    }

    /// What `/status` says of the commands, once the daemon is up.
    pub(super) async fn status(&self) -> Value {
        let page = eventually("the status page", async || self.workplace.get("/status").await.ok()).await.1;
        serde_json::from_str::<Value>(&page).unwrap()["commands"][0].take()
    }

    /// What the file of dead letters has.
    pub(super) fn dead_letters(&self) -> String {
        let path = self.workplace.path("state/dead-letters/commands.hr.jsonl");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// What was done at Okta, by kind.
    pub(super) async fn writes(&self) -> Vec<String> {
        let writes = self.okta.page("/-/writes").await;
        let what = |write: &Value| write["what"].as_str().unwrap().to_owned();
        writes.as_array().unwrap().iter().map(what).collect()
    }

    /// Plants an active user with this login.
    pub(super) async fn plant_user(&self, login: &str) -> String {
        self.okta.plant("users", &json!({ "profile": { "login": login } })).await
    }

    /// The audit's lines.
    pub(super) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.workplace.path("state/audit/hr.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An org with a directory that never runs out of requests.
pub(super) async fn directory() -> Okta {
    let plenty = "1000000";
    let limits = ["--rate-limit", plenty, "--directory-rate-limit", plenty, "--token-share", "100"];
    Okta::start(&[&["--backlog", "0", "--rate", "0", "--listing-delay", "0"], &limits[..]].concat()).await
}

/// The streams of commands and outcomes, and a consumer that does not wait long for those who were killed.
pub(super) async fn create_streams(nats: &NatsServer) {
    let stream = |name: &str, subjects: &[&str]| jetstream::stream::Config {
        name: name.to_owned(),
        subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        ..Default::default()
    };
    nats.create_stream(stream("COMMANDS", &["commands.>"])).await;
    nats.create_stream(stream("OUTCOMES", &["outcomes.>", "replies.>"])).await;
    let consumer = jetstream::consumer::pull::Config {
        durable_name: Some("oktabus-hr".to_owned()),
        filter_subject: "commands.>".to_owned(),
        ack_wait: ACK_WAIT,
        max_ack_pending: 4_096,
        ..Default::default()
    };
    let stream = nats.jetstream().await.get_stream("COMMANDS").await.unwrap();
    stream.create_consumer(consumer).await.unwrap();
}

/// Waits until `is_so`.
pub(super) async fn until(is_so: impl AsyncFn() -> bool) {
    eventually("what must come true", async || is_so().await.then_some(())).await;
}

/// What a test asserts of an outcome.
pub(super) fn essence(outcome: &Value) -> (&str, &str) {
    (outcome["status"].as_str().unwrap(), outcome["error"]["code"].as_str().unwrap_or_default())
}
