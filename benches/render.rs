//! What one event costs in each format, beside what any program must pay to find the values in an event at all: serde_json
//! reading its members as raw values. An event is read when its page is, once for all routes, so that a format's cost is
//! that of reading and that of rendering.
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
/// As many as Okta gives.
const PAGE_EVENTS: usize = 1_000;
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    let raw = Okta::with_backlog(EVENTS).await.events().await;
    let events = Events::parse(Bytes::from(format!("[{}]", raw.join(",")))).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{:<28}  {:>8}  {:>10}  {:>12}", "", "µs/event", "× floor", "bytes/event").unwrap();

    let floor = best(|| {
        for event in &raw {
            black_box(serde_json::from_str::<BTreeMap<&str, &RawValue>>(event).unwrap());
        }
    });
    let bytes = raw.iter().map(String::len).sum::<usize>();
    let mut report = |name: &str, took: Duration, bytes: usize| {
        let per_event = took.as_secs_f64() * 1e6 / EVENTS as f64;
        let times = took.as_secs_f64() / floor.as_secs_f64();
        writeln!(out, "{name:<28}  {per_event:>8.2}  {times:>10.2}  {:>12}", bytes / EVENTS).unwrap();
    };
    report("floor: members as RawValue", floor, bytes);
    let value = best(|| {
        for event in &raw {
            black_box(serde_json::from_str::<serde_json::Value>(event).unwrap());
        }
    });
    report("to compare: serde_json::Value", value, bytes);
    let pages: Vec<Bytes> =
        raw.chunks(PAGE_EVENTS).map(|page| Bytes::from(format!("[{}]", page.join(",")))).collect();
    let reading = best(|| {
        for page in &pages {
            // Reading makes a page's body its own.
            black_box(Events::parse(Bytes::copy_from_slice(page)).unwrap());
        }
    });
    report("reading pages", reading, bytes);

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
        report(name, took, bytes);
        report(&format!("{name}, with reading"), took + reading, bytes);
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
