//! The configuration is reloaded while the daemon runs: all of it or nothing, and no event is missed or delivered twice by it.

mod followed;
mod many;
#[cfg(feature = "nats")]
mod nats;
mod refused;
mod routes;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

/// The org `acme`, which is `okta`, and `rest`.
fn with_org(okta: &Okta, rest: &str) -> String {
    let url = okta.url();
    format!(
        "[orgs.acme]\nurl = \"{url}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n{rest}"
    )
}

/// A stream of everything over these routes.
fn stream(routes: &str) -> String {
    format!(
        "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npoll_interval = \"200ms\"\nroutes = [{routes}]\n"
    )
}

/// A sink of this name, into the folder of this name.
fn files(name: &str) -> String {
    format!("[sinks.{name}]\nkind = \"file\"\ndirectory = \"{{dir}}/{name}\"\n")
}

/// Has the daemon reload, which must be answered with this exit code, and gives the answer.
async fn reload(workplace: &Workplace, code: i32) -> Value {
    let said = workplace.oktabus(&["reload", "--json"]).await;
    assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Puts another configuration in place and in force.
async fn exchange(workplace: &Workplace, configuration: &str) -> Value {
    workplace.configure(configuration);
    let answer = reload(workplace, 0).await;
    assert_eq!(answer["result"], "applied", "{answer}");
    answer
}

/// The names under `list` of an answer.
fn names(answer: &Value, list: &str) -> Vec<String> {
    serde_json::from_value(answer[list].clone()).unwrap()
}

/// Adds `count` events, whose uuids begin so.
async fn add(okta: &Okta, beginning: &str, count: usize) {
    let events = (0..count)
        .map(|number| format!(r#"{{"uuid":"{beginning}-{number}","eventType":"user.session.start"}}"#));
    okta.add(&format!("[{}]", events.collect::<Vec<_>>().join(","))).await;
}

/// Does `work` while events flow.
async fn while_events_flow<T>(okta: &Okta, work: impl Future<Output = T>) -> T {
    // An event whose uuid was there before is none.
    static FLOWS: AtomicUsize = AtomicUsize::new(0);
    let number_of_flow = FLOWS.fetch_add(1, Ordering::Relaxed);
    let flow = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for number in 0.. {
            pace.tick().await;
            add(okta, &format!("flow-{number_of_flow}-{number}"), 5).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = flow => unreachable!("it does not end"),
    }
}

/// Waits until `folders` together have as many lines as the org has events, and asserts that each event is there once.
async fn assert_each_once(okta: &Okta, workplace: &Workplace, folders: &[&str]) {
    let uuids = || {
        let existing = folders.iter().filter(|folder| workplace.path(folder).exists());
        existing.flat_map(|folder| workplace.uuids(folder)).collect::<Vec<_>>()
    };
    let served = okta.uuids().await;
    eventually(&format!("{} events in {folders:?}", served.len()), async || {
        (uuids().len() >= served.len()).then_some(())
    })
    .await;
    let arrived = uuids();
    let mut counts: BTreeMap<&str, usize> = served.iter().map(|uuid| (uuid.as_str(), 0)).collect();
    for uuid in &arrived {
        *counts.entry(uuid).or_default() += 1;
    }
    let wrong: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(
        wrong.is_empty(),
        "of {} events in {folders:?} these are there so often: {wrong:?}",
        served.len()
    );
}
