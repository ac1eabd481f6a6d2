//! How many events a second reach each sink: simulator, daemon and broker as processes of their own on this machine.
//!
//! `cargo bench --bench throughput -- [kafka] [nats] [file]`; all of them without arguments. Run `tests/setup` first.
//! Nothing is judged here: the figures are printed, for a person to compare. A run is everything from the daemon's start
//! to its end; Kafka gets one run first that is not counted.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use support::{daemon::Workplace, kafka::Broker, nats::NatsServer, okta::Okta};

const EVENTS: usize = 200_000;
const SINKS: [&str; 3] = ["kafka", "nats", "file"];

/// One run: how long the daemon took from its start to its end, and the most memory that it had.
struct Run {
    took: Duration,
    peak_kib: u64,
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut out = std::io::stdout();
    writeln!(out, "sink   events   seconds  events/s  peak MiB").unwrap();
    for sink in SINKS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == sink) {
            continue;
        }
        let run = run(sink).await;
        let seconds = run.took.as_secs_f64();
        let (rate, peak) = (EVENTS as f64 / seconds, run.peak_kib / 1_024);
        writeln!(out, "{sink:5}  {EVENTS}  {seconds:>7.2}  {rate:>8.0}  {peak:>8}").unwrap();
    }
}

async fn run(sink: &str) -> Run {
    let okta = Okta::with_backlog(EVENTS).await;
    match sink {
        "kafka" => {
            let broker = Broker::start().await;
            broker.create_topic("okta.bench", 3, &[]).await;
            let bus =
                format!("[buses.kafka]\nkind = \"kafka\"\nbrokers = [\"{}\"]\n", broker.bus().brokers[0]);
            let sink = bus + "[sinks.bench]\nkind = \"kafka\"\ntopic = \"okta.bench\"\n";
            // A broker that has just started is busy compiling its own code.
            measure(&okta, &sink).await;
            measure(&okta, &sink).await
        }
        "nats" => {
            let nats = NatsServer::start().await;
            let bus = format!("[buses.nats]\nkind = \"nats\"\nservers = [\"{}\"]\n", nats.url());
            measure(&okta, &(bus + "[sinks.bench]\nkind = \"nats\"\nstream = \"OKTA\"\ncreate = {}\n")).await
        }
        _ => measure(&okta, "[sinks.bench]\nkind = \"file\"\ndirectory = \"{dir}/archive\"\n").await,
    }
}

async fn measure(okta: &Okta, sink: &str) -> Run {
    let stream = "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\nroutes = [{ sink = \"bench\" }]\n";
    let workplace = Workplace::new(okta, &format!("{stream}{sink}"));
    let started = Instant::now();
    let daemon = workplace.start(&["--until-caught-up"]);
    let status = format!("/proc/{}/status", daemon.id());
    let mut ended = std::pin::pin!(daemon.ended());
    let mut peak_kib = 0;
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                peak_kib = high_water_mark_kib(&status).unwrap_or(peak_kib);
            }
        }
    };
    let took = started.elapsed();
    assert!(ended.success(), "{ended}\n{}", workplace.log());
    Run { took, peak_kib }
}

/// The most memory that a process has had so far.
fn high_water_mark_kib(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
