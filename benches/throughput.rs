//! How many events a second reach each sink in each mode of delivery, and what they cost: simulator, daemon and broker as
//! processes of their own on this machine.
//!
//! `cargo bench --bench throughput -- [kafka] [nats] [file]`: the rows that begin with one of the arguments; all of them without
//! arguments. Run `tests/setup` first. Nothing is judged here: the figures are printed, for a person to compare. A run is
//! everything from the daemon's start to its end; Kafka gets one run first that is not counted.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::Config;
use support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

const EVENTS: usize = 200_000;
/// The clock ticks of a second in `/proc`; Linux has 100 on every architecture that Rust supports.
const TICKS_A_SECOND: f64 = 100.0;

/// One row of the table.
struct Case {
    name: &'static str,
    /// Keys of the sink beside those that its bus needs.
    keys: &'static str,
}

const CASES: [Case; 6] = [
    Case { name: "file", keys: "" },
    Case { name: "kafka at least once", keys: "" },
    Case { name: "kafka exactly once", keys: "delivery = \"exactly_once\"\n" },
    Case { name: "nats at least once", keys: "" },
    Case { name: "nats in batches", keys: "create = {}\n" },
    Case { name: "nats exactly once", keys: "create = {}\ndelivery = \"exactly_once\"\n" },
];

/// One run: how long the daemon took from its start to its end, its CPU time, and the most memory that it had.
struct Run {
    took: Duration,
    cpu_seconds: f64,
    peak_kib: u64,
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut out = std::io::stdout();
    writeln!(out, "sink                 events   seconds  events/s  CPU s a million  peak MiB").unwrap();
    for case in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|name| case.name.starts_with(name)) {
            continue;
        }
        let run = run(&case).await;
        let seconds = run.took.as_secs_f64();
        let (rate, peak) = (EVENTS as f64 / seconds, run.peak_kib / 1_024);
        let cpu = run.cpu_seconds * 1_000_000.0 / EVENTS as f64;
        writeln!(out, "{:20} {EVENTS}  {seconds:>7.2}  {rate:>8.0}  {cpu:>15.1}  {peak:>8}", case.name)
            .unwrap();
    }
}

async fn run(case: &Case) -> Run {
    let okta = Okta::with_backlog(EVENTS).await;
    let keys = case.keys;
    match case.name.split(' ').next().unwrap() {
        "kafka" => {
            let broker = Broker::start().await;
            broker.create_topic("okta.bench", 3, &[]).await;
            let bus = broker.section();
            let sink = |topic: &str| format!("{bus}[sinks.bench]\nkind = \"kafka\"\ntopic = \"{topic}\"\n");
            // A broker that has just started is busy compiling its own code, and its first transaction takes it seconds.
            broker.create_topic("okta.warm", 3, &[]).await;
            measure(&okta, "warm", &(sink("okta.warm") + keys)).await;
            measure(&okta, "log", &(sink("okta.bench") + keys)).await
        }
        "nats" => {
            let nats = NatsServer::start().await;
            if !keys.contains("create") {
                let subjects = vec!["okta.>".to_owned()];
                nats.create_stream(Config { name: "OKTA".to_owned(), subjects, ..Config::default() }).await;
            }
            let sink = "[sinks.bench]\nkind = \"nats\"\nstream = \"OKTA\"\n";
            measure(&okta, "log", &(nats.section() + sink + keys)).await
        }
        _ => measure(&okta, "log", "[sinks.bench]\nkind = \"file\"\ndirectory = \"{dir}/archive\"\n").await,
    }
}

async fn measure(okta: &Okta, stream: &str, sink: &str) -> Run {
    let setup = "org = \"acme\"\nstart = \"-90d\"\nroutes = [{ sink = \"bench\" }]\n";
    let workplace = Workplace::new(okta, &format!("[streams.{stream}]\n{setup}{sink}"));
    let started = Instant::now();
    let daemon = workplace.start(&["--until-caught-up"]);
    let process = format!("/proc/{}", daemon.id());
    let mut ended = std::pin::pin!(daemon.ended());
    let (mut peak_kib, mut cpu_seconds) = (0, 0.0);
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                peak_kib = high_water_mark_kib(&process).unwrap_or(peak_kib);
                cpu_seconds = cpu_seconds_of(&process).unwrap_or(cpu_seconds);
            }
        }
    };
    let took = started.elapsed();
    assert!(ended.success(), "{ended}\n{}", workplace.log());
    Run { took, cpu_seconds, peak_kib }
}

/// The most memory that a process has had so far.
fn high_water_mark_kib(process: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The CPU time that a process has had so far, in user and kernel; the fields 14 and 15 of `proc_pid_stat(5)`.
fn cpu_seconds_of(process: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("{process}/stat")).ok()?;
    let after_name = text.rsplit_once(')')?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().ok());
    Some(ticks.sum::<Option<f64>>()? / TICKS_A_SECOND)
}
