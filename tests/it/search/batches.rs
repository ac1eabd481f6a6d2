//! Batches and summaries as they are published.

use serde_json::{Value, json};

use super::{SETTLE, begin_hours_ago, found, last_slot, published_before, schedule, to_files, uuids_in};
use crate::support::{daemon::Workplace, okta::Okta};

const BATCHES: &str = "emit = \"batches\", batch_size = 200, empty = \"report\"";

/// Looks whether the numbers of the batches of one run are true.
fn assert_true_numbers(run: &[&Value]) {
    let events = |batch: &Value| batch["events"].as_array().unwrap().len() as u64;
    let total: u64 = run.iter().map(|batch| events(batch)).sum();
    let mut offset = 0;
    for (batch, number) in run.iter().zip(1_u64..) {
        assert_eq!(batch["batch"], number);
        assert_eq!(batch["batches"], run.len());
        assert_eq!(batch["total"], total);
        assert_eq!(batch["starting_offset"], offset);
        offset += events(batch);
        assert_eq!(batch["ending_offset"], offset);
        assert_eq!((&batch["first"], &batch["last"]), (&json!(number == 1), &json!(offset == total)));
        let mut ids = batch["events"].as_array().unwrap().iter().map(|event| &event["uuid"]);
        assert_eq!(batch["first_event_id"], *ids.clone().next().unwrap_or(&Value::Null));
        assert_eq!(batch["last_event_id"], *ids.next_back().unwrap_or(&Value::Null));
    }
}

#[tokio::test]
async fn batches_say_what_they_are_a_part_of() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_files("", BATCHES));
    begin_hours_ago(&workplace).await;
    let slot = last_slot();
    workplace.catch_up().await;
    let found = found(&workplace);
    let slots: std::collections::BTreeSet<_> =
        found.iter().map(|batch| batch["slot"].as_str().unwrap()).collect();
    assert_eq!(slots.len(), 5);
    for slot in slots {
        let run: Vec<_> = found.iter().filter(|batch| batch["slot"] == slot).collect();
        assert_true_numbers(&run);
        assert_eq!(run[0]["run"], format!("s:{slot}"));
        assert_eq!(run[0]["uuid"], format!("s:{slot}:1"));
    }
    assert!(found[0]["batches"].as_u64().unwrap() > 10);
    assert_eq!(uuids_in(&found), published_before(&okta, slot - SETTLE).await);
}

#[tokio::test]
async fn a_summary_counts_what_was_found() {
    let okta = Okta::with_backlog(2_000).await;
    let workplace = Workplace::new(&okta, &to_files("", "emit = \"summary\", format = \"ocsf\""));
    begin_hours_ago(&workplace).await;
    let slot = last_slot();
    workplace.catch_up().await;
    let total: u64 = found(&workplace).iter().map(|summary| summary["total"].as_u64().unwrap()).sum();
    assert_eq!(total as usize, published_before(&okta, slot - SETTLE).await.len());
    let first = &found(&workplace)[0];
    assert_eq!(first["eventType"], "oktabus.search.summary");
    assert!(first["top_actors"][0]["count"].as_u64() >= first["top_actors"][1]["count"].as_u64());
}

#[cfg(all(feature = "kafka", feature = "nats"))]
#[tokio::test]
async fn batches_are_messages_as_any_on_both_buses() {
    use crate::support::{kafka::Broker, nats::NatsServer};

    let okta = Okta::with_backlog(1_000).await;
    let broker = Broker::shared().await;
    let topic = "okta.search.batches";
    broker.create_topic(topic, 1, &[("max.message.bytes", "100000")]).await;
    let nats = NatsServer::start().await;
    let configuration = format!(
        r#"
[searches.s]
org = "acme"
schedule = "{schedule}"
missed = "once"
start = "-6d"
routes = [
  {{ sink = "kafka", {BATCHES} }},
  {{ sink = "nats", {BATCHES} }},
]
{}
{}
[sinks.kafka]
kind = "kafka"
topic = "{topic}"
[sinks.nats]
kind = "nats"
stream = "FOUND"
create = {{}}
"#,
        broker.section(),
        nats.section(),
        schedule = schedule(),
    );
    let workplace = Workplace::new(&okta, &configuration);
    begin_hours_ago(&workplace).await;
    let slot = last_slot();
    let before = okta.answered(200).await;
    workplace.catch_up().await;
    let expected = published_before(&okta, slot - SETTLE).await;
    // Both routes run the same window, which is read once.
    assert!(okta.answered(200).await - before <= 3);

    let records = broker.records(topic).await;
    let batches: Vec<Value> =
        records.iter().map(|record| serde_json::from_slice(&record.value).unwrap()).collect();
    assert_true_numbers(&batches.iter().collect::<Vec<_>>());
    assert_eq!(uuids_in(&batches), expected);
    assert!(batches.len() > 5, "the topic takes less than 200 events");
    let header = |name: &str| records[0].headers[name].clone();
    assert_eq!(header("ce_type"), "oktabus.search.batch");
    assert_eq!(header("ce_id"), batches[0]["uuid"].as_str().unwrap());
    println!("a batch as published: {}", shortened(&batches[0]));

    let messages = nats.stored("FOUND").await;
    let batches: Vec<Value> =
        messages.iter().map(|message| serde_json::from_slice(&message.payload).unwrap()).collect();
    assert_true_numbers(&batches.iter().collect::<Vec<_>>());
    assert_eq!(uuids_in(&batches), expected);
    assert_eq!(messages[0].subject.as_str(), "okta.acme.okta.oktabus.search.batch");
}

/// A batch with one event of a few members.
#[cfg(all(feature = "kafka", feature = "nats"))]
fn shortened(batch: &Value) -> Value {
    let mut batch = batch.clone();
    let event = batch["events"][0].clone();
    batch["events"] =
        json!([{ "uuid": event["uuid"], "published": event["published"], "eventType": event["eventType"] }]);
    batch
}
