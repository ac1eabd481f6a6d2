//! What rendering one event costs in each format, beside what any program must pay to find the values in an event at all:
//! serde_json reading its members as raw values.
//!
//! `cargo bench --bench render`. One thread, the events of a simulated org, the best of several rounds. Nothing is judged
//! here: the figures are printed, for a person to compare.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    collections::BTreeMap,
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use okta_system_log::{
    event::Events,
    format::{Format, Renderer, ocsf},
};
use serde_json::value::RawValue;

use support::okta::Okta;

const EVENTS: usize = 20_000;
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    let raw = Okta::with_backlog(EVENTS).await.events().await;
    let events = Events::parse(Bytes::from(format!("[{}]", raw.join(",")))).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{:<28}  {:>8}  {:>12}", "", "µs/event", "bytes/event").unwrap();

    let floor = best(|| {
        for event in &raw {
            black_box(serde_json::from_str::<BTreeMap<&str, &RawValue>>(event).unwrap());
        }
    });
    let bytes = raw.iter().map(String::len).sum::<usize>();
    report(&mut out, "floor: members as RawValue", floor, bytes);
    let value = best(|| {
        for event in &raw {
            black_box(serde_json::from_str::<serde_json::Value>(event).unwrap());
        }
    });
    report(&mut out, "to compare: serde_json::Value", value, bytes);

    let with_raw_data = ocsf::Options { raw_data: true, ..ocsf::Options::default() };
    for (name, format, ocsf) in [
        ("okta", Format::Okta, ocsf::Options::default()),
        ("ocsf", Format::Ocsf, ocsf::Options::default()),
        ("ocsf with raw_data", Format::Ocsf, with_raw_data),
        ("ecs", Format::Ecs, ocsf::Options::default()),
        ("udm", Format::Udm, ocsf::Options::default()),
    ] {
        let renderer = Renderer { format, ocsf, tenant: Some("acme.okta.com".to_owned()) };
        let bytes = events.iter().map(|event| renderer.render(&event, None).bytes.len()).sum();
        let took = best(|| {
            for event in events.iter() {
                black_box(renderer.render(&event, Some(1 << 20)));
            }
        });
        report(&mut out, name, took, bytes);
    }
}

fn best(mut round: impl FnMut()) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        round();
        started.elapsed()
    });
    rounds.min().unwrap()
}

fn report(out: &mut impl std::io::Write, name: &str, took: Duration, bytes: usize) {
    let per_event = took.as_secs_f64() * 1e6 / EVENTS as f64;
    writeln!(out, "{name:<28}  {per_event:>8.2}  {:>12}", bytes / EVENTS).unwrap();
}
