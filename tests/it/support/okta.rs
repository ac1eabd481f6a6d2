//! A simulated org as a process of its own, and what its `/-/` endpoints tell.

use std::{path::Path, process::Command};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    tls::choose_provider,
    tools::{Process, free_port},
};

/// The token that the simulated org accepts.
pub(crate) const TOKEN: &str = "00oktabus-tests-token";

/// A simulated org.
#[derive(Debug)]
pub(crate) struct Okta {
    url: String,
    http: reqwest::Client,
    _process: Process,
    _directory: tempfile::TempDir,
}

/// How often something was asked and answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Count {
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) count: u64,
}

#[derive(Debug, Deserialize)]
struct Available {
    uuid: Option<String>,
    published: Option<Timestamp>,
}

impl Okta {
    /// An org with so many events and no new ones, that never runs out of requests.
    pub(crate) async fn with_backlog(backlog: usize) -> Self {
        let backlog = backlog.to_string();
        Self::start(&["--backlog", &backlog, "--rate", "0", "--rate-limit", "1000000"]).await
    }

    /// An org with these options.
    pub(crate) async fn start(options: &[&str]) -> Self {
        choose_provider();
        let directory = tempfile::tempdir().unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
        command.args(["simulate", "--listen", &listen, "--token", TOKEN]).args(options);
        let mut process = Process::start(&command, &directory.path().join("simulator.log"));
        let url = format!("http://{listen}");
        let http = reqwest::Client::new();
        let is_healthy = async || http.get(format!("{url}/-/health")).send().await.is_ok();
        process.ready(is_healthy).await;
        Self { url: url.clone(), http, _process: process, _directory: directory }
    }

    /// The section of another org, which is this one under another name of the machine: commands for one org come from one
    /// queue alone, and a test may need two.
    pub(crate) fn as_another_org(&self, name: &str) -> String {
        let url = self.url().replace("127.0.0.1", "localhost");
        format!(
            "[orgs.{name}]\nurl = \"{url}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n"
        )
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The uuids of all events, in the order in which they became available.
    pub(crate) async fn uuids(&self) -> Vec<String> {
        let lines = self.get("/-/events").await;
        let uuid = |line: &str| serde_json::from_str::<Available>(line).unwrap().uuid.unwrap();
        lines.lines().map(uuid).collect()
    }

    /// The uuids of all events that were published from `since` up to but without `until`, sorted.
    pub(crate) async fn published(&self, since: Timestamp, until: Timestamp) -> Vec<String> {
        let lines = self.get("/-/events").await;
        let events = lines.lines().map(|line| serde_json::from_str::<Available>(line).unwrap());
        let within = events.filter(|event| event.published.is_some_and(|at| at >= since && at < until));
        let mut uuids: Vec<_> = within.map(|event| event.uuid.unwrap()).collect();
        uuids.sort();
        uuids
    }

    /// When it started: its whole backlog was published before.
    pub(crate) async fn started(&self) -> Timestamp {
        self.page("/-/health").await["started"].as_str().unwrap().parse().unwrap()
    }

    /// The bytes of all events, asked for by hand, page by page.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = Vec::new();
        let mut url = format!("{}/api/v1/logs?limit=1000", self.url);
        loop {
            let request = self.http.get(&url).header("authorization", format!("SSWS {TOKEN}"));
            let response = request.send().await.unwrap().error_for_status().unwrap();
            let links =
                response.headers().get_all("link").iter().map(|link| link.to_str().unwrap().to_owned());
            let next = links.into_iter().rfind(|link| link.contains("rel=\"next\"")).unwrap();
            url = next[1..next.find('>').unwrap()].to_owned();
            let body = response.text().await.unwrap();
            let page: Vec<&serde_json::value::RawValue> = serde_json::from_str(&body).unwrap();
            events.extend(page.iter().map(|event| event.get().to_owned()));
            if page.len() < 1_000 {
                return events;
            }
        }
    }

    /// Makes events available now.
    pub(crate) async fn add(&self, events: &str) {
        self.http.post(format!("{}/-/events", self.url)).body(events.to_owned()).send().await.unwrap();
    }

    /// Arms a fault.
    pub(crate) async fn arm(&self, fault: Value) {
        let request =
            self.http.post(format!("{}/-/faults", self.url)).header("content-type", "application/json");
        let response = request.body(fault.to_string()).send().await.unwrap();
        assert!(response.status().is_success(), "{fault} was not armed: {}", response.text().await.unwrap());
    }

    /// Disarms all faults.
    pub(crate) async fn disarm(&self) {
        self.http.delete(format!("{}/-/faults", self.url)).send().await.unwrap();
    }

    /// How often `/api/v1/logs` was answered with `status`.
    pub(crate) async fn answered(&self, status: u16) -> u64 {
        self.counted("/api/v1/logs", status).await
    }

    /// How often access tokens were given.
    pub(crate) async fn tokens_given(&self) -> u64 {
        self.counted("/oauth2/v1/token", 200).await
    }

    /// How often `path` was answered with `status`.
    pub(crate) async fn counted(&self, path: &str, status: u16) -> u64 {
        let counts: Vec<Count> = serde_json::from_str(&self.get("/-/requests").await).unwrap();
        let found = counts.iter().filter(|count| count.path == path && count.status == status);
        found.map(|count| count.count).sum()
    }

    /// The last requests one by one, oldest first.
    pub(crate) async fn recent(&self) -> Vec<Value> {
        serde_json::from_str(&self.get("/-/requests/recent").await).unwrap()
    }

    /// Takes a service app in, or replaces it; its tokens are of no use then.
    pub(crate) async fn register(&self, app: &Value) {
        let response =
            self.http.post(format!("{}/-/apps", self.url)).body(app.to_string()).send().await.unwrap();
        assert!(response.status().is_success(), "{app} was not taken: {}", response.text().await.unwrap());
    }

    /// Forgets all nonces, as if days had passed.
    pub(crate) async fn forget_nonces(&self) {
        self.http.delete(format!("{}/-/dpop-nonces", self.url)).send().await.unwrap();
    }

    /// Switches the second consumer.
    pub(crate) async fn consume(&self, consumer: &Value) {
        let request = self.http.post(format!("{}/-/consumer", self.url)).body(consumer.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// Puts something into the directory as it is: `users` or `groups`. Answers the id.
    pub(crate) async fn plant(&self, what: &str, planted: &Value) -> String {
        let request = self.http.post(format!("{}/-/{what}", self.url)).body(planted.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// What Okta's own interface answers.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}/api/v1{path}", self.url));
        let answer = request.header("authorization", format!("SSWS {TOKEN}")).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// What an administrator does with Okta's own interface.
    pub(crate) async fn act(&self, method: reqwest::Method, path: &str) {
        self.act_with(method, path, &Value::Object(Map::new())).await;
    }

    /// The same with this body.
    pub(crate) async fn act_with(&self, method: reqwest::Method, path: &str, body: &Value) {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        let request = request.header("authorization", format!("SSWS {TOKEN}")).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status}: {}", answer.text().await.unwrap());
    }

    /// The same, be it refused or without an answer.
    pub(crate) async fn try_act(&self, method: reqwest::Method, path: &str) {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        let request = request.header("authorization", format!("SSWS {TOKEN}")).body("{}");
        drop(request.header("content-type", "application/json").send().await);
    }

    /// What one of the simulator's own pages says.
    pub(crate) async fn page(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().text().await.unwrap()
    }
}

/// Whether `path` holds the token anywhere: no log or status may.
pub(crate) fn leaks_token(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(TOKEN))
}
