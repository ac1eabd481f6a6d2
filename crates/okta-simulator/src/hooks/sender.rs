//! Sends events to the hooks that want them, soon after they have become available: in batches, with one retry, at best
//! effort. What could not be sent is in the System Log as `event_hook.delivery`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::hook::Hook;
use super::outbound::Outgoing;
use super::{Manner, Sent};
use crate::clock;
use crate::fault::Fault;
use crate::generator::{ApiEvent, Party};
use crate::log_store::LogStore;
use crate::org::Org;

/// How often the log is looked at.
const TICK: Duration = Duration::from_millis(10);
/// Events that are read under one lock.
const READ_MAX: u64 = 500;
/// Events that wait to be sent, at most; Okta promises none of them.
const WAITING_MAX: usize = 20_000;
/// Deliveries on their way at a time.
const UNDER_WAY_MAX: usize = 32;
const DISORDER_MS: i64 = 2_000;

/// An event that waits.
#[derive(Debug)]
struct Waiting {
    due_ms: i64,
    event: Value,
}

/// A delivery to one hook.
#[derive(Debug)]
struct Batch {
    hook: Hook,
    events: Vec<Value>,
    faults: Vec<Fault>,
}

/// Sends until the org is stopping.
pub(crate) async fn run(org: Arc<Org>) {
    let mut next = org.log().end();
    let mut waiting: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    let mut under_way = JoinSet::new();
    let mut random = Rng::new();
    while org.stopping.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
        let (hooks, manner) = org.hooks.listening();
        let (end, events) = read(&org.log(), next, !hooks.is_empty());
        next = end;
        let now_ms = clock::now_ms();
        waiting.retain(|id, _| hooks.iter().any(|hook| &hook.id == id));
        for event in events {
            let event_type = event["eventType"].as_str().unwrap_or_default();
            for hook in hooks.iter().filter(|hook| hook.wants(event_type)) {
                let queue = waiting.entry(hook.id.clone()).or_default();
                if queue.len() < WAITING_MAX {
                    let disorder_ms = if manner.disorder { random.i64(0..DISORDER_MS) } else { 0 };
                    let due_ms = now_ms + manner.delay_milliseconds + manner.batch_milliseconds + disorder_ms;
                    queue.push(Waiting { due_ms, event: as_sent(event.clone()) });
                }
            }
        }
        for hook in hooks {
            let Some(queue) = waiting.get_mut(&hook.id) else { continue };
            while let Some(events) = due(queue, now_ms, manner) {
                let batch = Batch { hook: hook.clone(), events, faults: org.faults.strike_hook() };
                if under_way.len() >= UNDER_WAY_MAX {
                    under_way.join_next().await;
                }
                under_way.spawn(deliver(Arc::clone(&org), batch));
            }
        }
        while under_way.try_join_next().is_some() {}
    }
}

/// The events from `next` on, if anybody wants them, and where to go on.
fn read(log: &LogStore, next: u64, is_wanted: bool) -> (u64, Vec<Value>) {
    if !is_wanted {
        return (log.end(), Vec::new());
    }
    let end = log.end().min(next.max(log.first()) + READ_MAX);
    let events =
        (next.max(log.first())..end).filter_map(|index| serde_json::from_slice(log.json(index)).ok());
    (end, events.collect())
}

/// What is due, and what goes with it.
fn due(queue: &mut Vec<Waiting>, now_ms: i64, manner: Manner) -> Option<Vec<Value>> {
    queue.iter().find(|waiting| waiting.due_ms <= now_ms)?;
    queue.sort_by_key(|waiting| waiting.due_ms);
    let until_ms = now_ms + manner.batch_milliseconds;
    let count = queue.iter().take_while(|waiting| waiting.due_ms <= until_ms).count();
    let count = count.clamp(1, manner.batch_events.max(1));
    Some(queue.drain(..count).map(|waiting| waiting.event).collect())
}

/// The event as hooks carry it, which is not quite as the log shows it.
fn as_sent(mut event: Value) -> Value {
    let Some(members) = event.as_object_mut() else { return event };
    let request = members.remove("request").unwrap_or_default();
    if let Some(client) = members.get_mut("client").and_then(Value::as_object_mut) {
        client.insert("ipChain".to_owned(), request["ipChain"].clone());
        client.insert("zone".to_owned(), "null".into());
    }
    members.insert("insertionTimestamp".to_owned(), Value::Null);
    event
}

async fn deliver(org: Arc<Org>, batch: Batch) {
    let Batch { hook, events, faults } = batch;
    let uuids: Vec<String> =
        events.iter().filter_map(|event| event["uuid"].as_str().map(str::to_owned)).collect();
    for fault in &faults {
        if let Fault::HookDelay { milliseconds } = fault {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        }
    }
    if faults.contains(&Fault::HookLost) {
        let lost = Err("lost on purpose");
        return org.hooks.note(Sent::new(&hook, "events", 1, Duration::ZERO, lost, uuids));
    }
    let base = org.public_url.as_ref().map_or("http://localhost", |url| url.as_str().trim_end_matches('/'));
    let body = json!({
        "eventType": "com.okta.event_hook",
        "eventTypeVersion": "1.0",
        "cloudEventsVersion": "0.1",
        "source": format!("{base}/api/v1/eventHooks/{}", hook.id),
        "eventId": uuid(fastrand::u128(..)),
        "data": { "events": events },
        "eventTime": clock::date_time(clock::now_ms()),
        "contentType": "application/json",
    });
    let body = body.to_string().into_bytes();
    let copies = if faults.contains(&Fault::HookTwice) { 2 } else { 1 };
    let mut is_delivered = false;
    for _ in 0..copies {
        is_delivered |= send(&org, &hook, &body, &uuids).await;
    }
    if !is_delivered {
        report(&org, &hook);
    }
}

/// Once, and once more if that may help.
async fn send(org: &Arc<Org>, hook: &Hook, body: &[u8], uuids: &[String]) -> bool {
    for attempt in 1..=2 {
        let started = Instant::now();
        let headers = [("content-type", "application/json".to_owned())];
        let (method, channel) = (Method::POST, &hook.channel);
        let outgoing = Outgoing { method, channel, headers: &headers, body: body.to_vec() };
        let answered = org.outbound.send(outgoing).await.map(|(status, _)| status);
        let status = answered.as_ref().copied().map_err(String::as_str);
        org.hooks.note(Sent::new(hook, "events", attempt, started.elapsed(), status, uuids.to_vec()));
        match status {
            Ok(200..300) => return true,
            Ok(400..500) => return false,
            _ => {}
        }
    }
    false
}

/// A delivery that failed is an event of its own.
fn report(org: &Org, hook: &Hook) {
    let now_ms = clock::now_ms();
    let actor = Party::new("system", "SystemPrincipal", "system@okta.com", "Okta System");
    let target = Party::new(&hook.id, "EventHook", "unknown", hook.name());
    let event = ApiEvent {
        event_type: "event_hook.delivery",
        actor: &actor,
        api_token_id: None,
        targets: &[target],
        request_id: "unknown",
        path: "/api/v1/eventHooks",
    };
    let json = event.render(now_ms, fastrand::u64(..));
    org.log_mut().append(now_ms, now_ms, &json);
}

fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
