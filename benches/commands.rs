//! How many commands a second the engine carries out, and how long one takes: simulator, daemon and NATS server as processes
//! of their own on this machine.
//!
//! `cargo bench --bench commands -- [far] [queued] [single] [changes]`; all of them without arguments. Run `tests/setup`
//! first. Nothing is judged here: the figures are printed, for a person to compare. `far`: look-ups at an org that takes
//! 200 ms for each answer, 16 side by side. `queued`: as many look-ups as there is room for, at no latency. `single`: one
//! look-up after the other. `changes`: users suspended and let in again.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::Config;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use support::{daemon::Workplace, nats::NatsServer, okta::Okta};

const LATENCY_MS: u64 = 200;
const PARALLEL: usize = 16;
const COMMANDS: &str = r#"
[commands.bench]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.>" }
outcomes = { sink = "outcomes", subject = "outcomes.x" }
signature = { required = false }
allow = ["*"]
parallel = {parallel}

[sinks.outcomes]
kind = "nats"
stream = "OUTCOMES"
subject = "outcomes.x"
"#;

/// The daemon between a queue and an org.
struct Scene {
    okta: Okta,
    nats: NatsServer,
    workplace: Workplace,
    /// The ids of users who are active.
    users: Vec<String>,
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if is_wanted("far") {
        far().await;
    }
    if is_wanted("queued") {
        queued().await;
    }
    if is_wanted("single") {
        single().await;
    }
    if is_wanted("changes") {
        changes().await;
    }
}

async fn far() {
    let scene = Scene::prepare().await;
    let delay = json!({ "kind": "delay", "milliseconds": LATENCY_MS, "path": "/api/v1/users/*" });
    scene.okta.arm(delay).await;
    let took = scene.carry_out((0..1_200).map(|number| scene.look_up(number)).collect()).await;
    scene.report(&format!("far: look-ups at {LATENCY_MS} ms"), 1_200, took);
}

async fn queued() {
    let scene = Scene::prepare().await;
    let took = scene.carry_out((0..12_000).map(|number| scene.look_up(number)).collect()).await;
    scene.report("queued: look-ups", 12_000, took);
}

async fn changes() {
    let scene = Scene::prepare().await;
    let users = scene.users.len();
    let change = |number: usize| {
        let action = if (number / users).is_multiple_of(2) { "user.suspend" } else { "user.unsuspend" };
        scene.command(number, action)
    };
    let took = scene.carry_out((0..2_000).map(change).collect()).await;
    scene.report("changes: suspend and unsuspend", 2_000, took);
}

/// One after the other, each from when it is sent until its outcome is here.
async fn single() {
    let scene = Scene::prepare().await;
    let client = async_nats::connect(scene.nats.url()).await.unwrap();
    let mut outcomes = client.subscribe("outcomes.>").await.unwrap();
    client.flush().await.unwrap();
    let daemon = scene.workplace.start(&[]);
    let mut took = Vec::new();
    for number in 0..1_500 {
        let command = scene.look_up(number).to_string();
        let sent = Instant::now();
        client.publish("commands.x", command.into()).await.unwrap();
        client.flush().await.unwrap();
        outcomes.next().await.unwrap();
        took.push(sent.elapsed());
    }
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    // The first wait until the daemon is up.
    let mut took = took.split_off(100);
    took.sort();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    say(&format!("single: look-ups: median {:?}, 99 % {:?}, worst {:?}", at(0.5), at(0.99), at(1.0)));
}

impl Scene {
    async fn prepare() -> Self {
        let plenty = "10000000";
        let limits = ["--rate-limit", plenty, "--directory-rate-limit", plenty, "--token-share", "100"];
        let options = [&["--backlog", "0", "--rate", "0", "--listing-delay", "0"], &limits[..]].concat();
        let okta = Okta::start(&options).await;
        let nats = NatsServer::start().await;
        for (name, subject) in [("COMMANDS", "commands.>"), ("OUTCOMES", "outcomes.>")] {
            let (name, subjects) = (name.to_owned(), vec![subject.to_owned()]);
            nats.create_stream(Config { name, subjects, ..Default::default() }).await;
        }
        let text = COMMANDS.replace("{parallel}", &PARALLEL.to_string());
        let workplace = Workplace::new(&okta, &format!("{}{text}", nats.section()));
        let users = okta.api("/users?limit=200").await;
        let active = users.as_array().unwrap().iter().filter(|user| user["status"] == "ACTIVE");
        let users = active.map(|user| user["id"].as_str().unwrap().to_owned()).collect();
        Self { okta, nats, workplace, users }
    }

    fn look_up(&self, number: usize) -> Value {
        self.command(number, "user.get")
    }

    fn command(&self, number: usize, action: &str) -> Value {
        let user = &self.users[number % self.users.len()];
        json!({ "id": format!("command-{number:08}"), "action": action, "parameters": { "user": user } })
    }

    /// How long the daemon needs for these, from its first outcome to its last.
    async fn carry_out(&self, commands: Vec<Value>) -> Duration {
        let jetstream = self.nats.jetstream().await;
        let mut sent = Vec::new();
        for command in &commands {
            sent.push(jetstream.publish("commands.x", command.to_string().into()).await.unwrap());
            if sent.len() == 500 {
                for sent in sent.drain(..) {
                    sent.await.unwrap();
                }
            }
        }
        for sent in sent {
            sent.await.unwrap();
        }
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        let mut outcomes = client.subscribe("outcomes.>").await.unwrap();
        client.flush().await.unwrap();
        let daemon = self.workplace.start(&[]);
        let first = outcomes.next().await.unwrap();
        let started = Instant::now();
        let mut failed = Vec::from_iter(bad(&first.payload));
        for _ in 1..commands.len() {
            failed.extend(bad(&outcomes.next().await.unwrap().payload));
        }
        let took = started.elapsed();
        assert!(failed.is_empty(), "{} were not done, such as {}", failed.len(), failed[0]);
        daemon.terminate().await;
        assert!(daemon.ended().await.success());
        took
    }

    fn report(&self, what: &str, count: usize, took: Duration) {
        let state = size_bytes(&self.workplace.path("state/store"));
        let audit = size_bytes(&self.workplace.path("state/audit"));
        let per_command = |bytes: u64| bytes as f64 / count as f64 / 1_024.0;
        say(&format!(
            "{what}: {count} in {:.1} s: {:.0} a second; {:.1} KiB of state and {:.1} KiB of audit for each",
            took.as_secs_f64(),
            (count - 1) as f64 / took.as_secs_f64(),
            per_command(state),
            per_command(audit)
        ));
    }
}

/// An outcome that does not say `done`.
fn bad(payload: &[u8]) -> Option<Value> {
    let outcome: Value = serde_json::from_slice(payload).unwrap();
    (outcome["status"] != "done").then_some(outcome)
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

fn size_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => size_bytes(&entry.path()),
        metadata => metadata.len(),
    };
    entries.map(size).sum()
}
