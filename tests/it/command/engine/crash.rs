//! The daemon is killed again and again while commands come by Kafka and NATS, with copies among them and answers of Okta's
//! that are lost, and an administrator takes back some of what it does: each command has one outcome, and Okta's own record
//! shows no act twice, none missing, and nothing done again that the administrator has taken back.
//!
//! `OKTABUS_CRASH_COMMANDS` and `OKTABUS_CRASH_KILLS` set another size, `OKTABUS_CRASH_SEED` other moments and copies.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::scene::{create_streams, directory, until};
use crate::support::{
    daemon::{Daemon, Workplace},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

const PARTITIONS: i32 = 3;
/// One in so many answers to writes is lost.
const LOST_EVERY: u64 = 25;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(setting("OKTABUS_CRASH_SEED", 50).try_into().unwrap())
}

/// A command, and what it must come to at Okta.
struct Planned {
    id: String,
    user: usize,
    command: Value,
    /// The types of the events that it leaves, each once, with those that follow by themselves.
    acts: &'static [&'static str],
}

/// Lives of users: created, changed, and for most of them taken away again. A life is five commands in order.
fn plan(commands: usize) -> Vec<Planned> {
    let mut planned = Vec::new();
    for user in 0..commands / 5 {
        let login = format!("crash{user}@acme.com");
        let profile =
            json!({ "firstName": "C", "lastName": user.to_string(), "email": login, "login": login });
        let created =
            json!({ "profile": profile, "password": "Correct-horse-7-battery", "groups": ["Crashed"] });
        let about = |more: Value| {
            let mut parameters = json!({ "user": login });
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            parameters
        };
        let steps: [(&str, Value, &[&str]); 5] = [
            (
                "user.create",
                created,
                &["user.lifecycle.create", "user.lifecycle.activate", "group.user_membership.add"],
            ),
            (
                "user.update",
                about(json!({ "profile": { "department": "Ops" } })),
                &["user.account.update_profile"],
            ),
            ("user.suspend", about(json!({})), &["user.lifecycle.suspend"]),
            ("user.deactivate", about(json!({})), &["user.lifecycle.deactivate"]),
            (
                "user.delete",
                about(json!({})),
                &["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"],
            ),
        ];
        for (step, (action, parameters, acts)) in steps.into_iter().enumerate() {
            let id = format!("{user}-{step}-{action}");
            let command = json!({ "id": id, "action": action, "parameters": parameters });
            planned.push(Planned { id, user, command, acts });
        }
    }
    planned
}

struct Buses {
    producer: FutureProducer,
    topic: String,
    jetstream: async_nats::jetstream::Context,
}

impl Buses {
    /// Users with even numbers come by Kafka, the others by NATS.
    async fn put(&self, planned: &Planned) {
        let payload = planned.command.to_string().into_bytes();
        if planned.user.is_multiple_of(2) {
            let key = planned.user.to_string();
            let record = FutureRecord::to(&self.topic).key(&key).payload(&payload);
            let sent = self.producer.send_result(record).map_err(|(err, _)| err).unwrap();
            sent.await.unwrap().map_err(|(err, _)| err).unwrap();
        } else {
            let sent = self.jetstream.publish("commands.crash", payload.into()).await.unwrap();
            sent.await.unwrap();
        }
    }
}

fn configuration(broker: &Broker, nats: &NatsServer, topic: &str) -> String {
    let brokers = &broker.bus().brokers[0];
    format!(
        r#"
[commands.by-kafka]
org = "by-kafka"
intake = {{ kind = "kafka", topic = "{topic}" }}
signature = {{ required = false }}
outcomes = {{ sink = "kafka" }}
allow = ["*"]
attempts_max = 100
parallel = 8
[commands.hr]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
signature = {{ required = false }}
outcomes = {{ sink = "nats" }}
allow = ["*"]
attempts_max = 100
parallel = 8
[buses.kafka]
kind = "kafka"
brokers = ["{brokers}"]
# So that a daemon that is started again has its partitions back at once.
options = {{ "group.instance.id" = "crash" }}
[buses.nats]
kind = "nats"
servers = ["{nats}"]
[sinks.kafka]
kind = "kafka"
topic = "{topic}-outcomes"
[sinks.nats]
kind = "nats"
stream = "OUTCOMES"
subject = "outcomes.crash"
"#,
        nats = nats.url()
    )
}

/// Kills the daemon so often, at moments that are as good as any other, but never later than its share of the acts is
/// done, so that all kills strike while there is something to do. Then lets it live.
async fn kill_again_and_again(workplace: &Workplace, okta: &Okta, kills: usize, acts: usize) -> Daemon {
    let mut random = random();
    for kill in 1..=kills {
        let daemon = workplace.start(&[]);
        let share = acts * kill / (kills + 1);
        let share_is_done = async {
            while writes(okta).await.len() < share {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Not a wait for something to happen, if the time is up.
        let _ = tokio::time::timeout(Duration::from_millis(random.u64(500..9_000)), share_is_done).await;
        daemon.kill().await;
    }
    workplace.start(&[])
}

/// Whether the administrator lets this user, who was suspended, be active again.
fn is_let_go(user: &str) -> bool {
    user.bytes().map(u32::from).sum::<u32>().is_multiple_of(3)
}

/// An administrator who unsuspends some users as soon as they are suspended, without end.
async fn administrate(okta: &Okta) {
    let mut seen = BTreeSet::new();
    loop {
        for write in writes(okta).await {
            let user = write["user"].as_str().unwrap_or_default();
            if write["what"] == "user.lifecycle.suspend" && is_let_go(user) && seen.insert(user.to_owned()) {
                // Who was deactivated meanwhile is not suspended any more, and answers are lost to everybody.
                okta.try_act(Method::POST, &format!("/users/{user}/lifecycle/unsuspend")).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Okta's own record of what was done.
async fn writes(okta: &Okta) -> Vec<Value> {
    okta.page("/-/writes").await.as_array().unwrap().clone()
}

async fn all_outcomes(broker: &Broker, nats: &NatsServer, topic: &str) -> Vec<Value> {
    let records = broker.records(&format!("{topic}-outcomes")).await;
    let by_kafka = records.iter().map(|record| serde_json::from_slice(&record.value).unwrap());
    let stored = nats.stored("OUTCOMES").await;
    let by_nats = stored.iter().map(|message| serde_json::from_slice(&message.payload).unwrap());
    by_kafka.chain(by_nats).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_has_one_outcome_whatever_is_killed() {
    let (commands, kills) = (setting("OKTABUS_CRASH_COMMANDS", 800), setting("OKTABUS_CRASH_KILLS", 6));
    let okta = directory().await;
    okta.plant("groups", &json!({ "profile": { "name": "Crashed" } })).await;
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    create_streams(&nats).await;
    let topic = "commands-crash".to_owned();
    broker.create_topic(&topic, PARTITIONS, &[]).await;
    broker.create_topic(&format!("{topic}-outcomes"), PARTITIONS, &[]).await;
    let configuration = okta.as_another_org("by-kafka") + &configuration(broker, &nats, &topic);
    let workplace = Workplace::new(&okta, &configuration);

    let planned = plan(commands);
    let producer = ClientConfig::new().set("bootstrap.servers", &broker.bus().brokers[0]).create().unwrap();
    let buses = Buses { producer, topic: topic.clone(), jetstream: nats.jetstream().await };
    let mut random = random();
    let mut copies = 0;
    for (index, one) in planned.iter().enumerate() {
        buses.put(one).await;
        // Copies of this one or an earlier one.
        if random.u8(..5) == 0 {
            copies += 1;
            buses.put(&planned[random.usize(..=index)]).await;
        }
    }
    let faults = u64::try_from(commands).unwrap() / LOST_EVERY;
    for fault in 0..faults {
        let instead = if fault % 2 == 0 { "nothing" } else { "internal_error" };
        let fault =
            json!({ "kind": "answer_lost", "instead": instead, "after": fault * LOST_EVERY, "count": 1 });
        okta.arm(fault).await;
    }
    // Gives the kills requests to strike in the middle of.
    okta.arm(json!({ "kind": "delay", "milliseconds": 40, "path": "/api/v1/*" })).await;

    let begun = Instant::now();
    let acts = planned.iter().map(|one| one.acts.len()).sum();
    let _daemon = tokio::select! {
        () = administrate(&okta) => unreachable!("there is no end of it"),
        daemon = kill_again_and_again(&workplace, &okta, kills, acts) => daemon,
    };
    let killed_after = begun.elapsed();
    let ended_by_then = ids(&all_outcomes(broker, &nats, &topic).await).len();
    // A large run has its patience renewed by every thousand outcomes.
    for goal in (0..planned.len()).step_by(1_000).chain([planned.len()]) {
        until(async || ids(&all_outcomes(broker, &nats, &topic).await).len() >= goal).await;
    }
    // Copies are answered too.
    until(async || {
        let commands = workplace.get("/status").await.map(|(_, page)| page).unwrap_or_default();
        let status: Value = serde_json::from_str(&commands).unwrap_or_default();
        status["commands"].as_array().is_some_and(|all| all.iter().all(|one| one["held"] == 0))
    })
    .await;
    let took = begun.elapsed();

    let outcomes = all_outcomes(broker, &nats, &topic).await;
    let repeated = outcomes.iter().filter(|outcome| outcome["repeated"] == true).count();
    println!("kills  commands  copies  outcomes  repeated  ended before the last start  took");
    println!(
        "{kills:>5}  {:>8}  {copies:>6}  {:>8}  {repeated:>8}  {ended_by_then:>27}  {:.1} s ({:.1} s with kills)",
        planned.len(),
        outcomes.len(),
        took.as_secs_f64(),
        killed_after.as_secs_f64()
    );
    assert!(ended_by_then < planned.len(), "the kills did not strike in the middle");
    judge_outcomes(&planned, &outcomes);
    judge_writes(&okta, &planned).await;
    let log = workplace.log();
    assert!(!log.contains("\"invariant\""), "an invariant does not hold");
}

fn ids(outcomes: &[Value]) -> BTreeSet<String> {
    outcomes.iter().map(|outcome| outcome["command_id"].as_str().unwrap().to_owned()).collect()
}

/// All answers to one command are equal but for the mark that they are repeated, and one is not marked.
fn judge_outcomes(planned: &[Planned], outcomes: &[Value]) {
    let mut by_id: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for outcome in outcomes {
        by_id.entry(outcome["command_id"].as_str().unwrap()).or_default().push(outcome);
    }
    assert_eq!(by_id.len(), planned.len());
    for one in planned {
        let answers = &by_id[one.id.as_str()];
        assert!(answers.iter().any(|answer| answer["repeated"] == false), "{answers:#?}");
        let unmarked = |answer: &Value| {
            let mut answer = answer.clone();
            answer["repeated"] = Value::Null;
            answer
        };
        let first = unmarked(answers[0]);
        assert!(answers.iter().all(|answer| unmarked(answer) == first), "{answers:#?}");
        let status = first["status"].as_str().unwrap();
        // The administrator was there before the answer.
        let is_taken_back =
            one.command["action"] == "user.suspend" && first["error"]["code"] == "changed_meanwhile";
        assert!(
            status == "done"
                || is_taken_back
                || (status == "already" && first["attempts"].as_u64() > Some(1)),
            "{first:#}"
        );
    }
}

/// Okta's own record has each act once: none twice, none missing, and no other.
async fn judge_writes(okta: &Okta, planned: &[Planned]) {
    let mut acts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for write in writes(okta).await {
        let user = write["user"].as_str().unwrap_or_default().to_owned();
        *acts.entry((user, write["what"].as_str().unwrap().to_owned())).or_default() += 1;
    }
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for ((user, what), times) in &acts {
        assert_eq!(*times, 1, "{what} of {user} was done {times} times");
        *done.entry(what).or_default() += 1;
    }
    let taken_back = done.remove("user.lifecycle.unsuspend").unwrap_or_default();
    assert!(taken_back > 0, "the administrator has done nothing");
    println!("taken back by the administrator: {taken_back}");
    println!("what Okta has done: {done:?}");
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for act in planned.iter().flat_map(|one| one.acts) {
        *expected.entry(act).or_default() += 1;
    }
    assert_eq!(done, expected);
}
