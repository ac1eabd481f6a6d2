//! How long a replay takes against what the rate limit allows, and what a live stream beside it suffers: simulator, daemon
//! and command as processes of their own on this machine.
//!
//! `cargo bench --bench replay -- [EVENTS] [REQUESTS A MINUTE]`, of which half are ours; 1,000,000 events and 1,200 requests
//! without arguments. Nothing is judged here: the figures are printed, for a person to compare. A run of few minutes may show
//! more than the share, of which each window has all, however much of the window the run saw.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests' own support, of which this needs a part")]
mod support;

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
};

const EVENTS: u64 = 1_000_000;
const LIMIT: u64 = 1_200;
const PAGE: u64 = 1_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut number = |default: u64| arguments.next().map_or(default, |typed| typed.parse().unwrap());
    let (events, limit) = (number(EVENTS), number(LIMIT));
    let (backlog, rate_limit) = (events.to_string(), limit.to_string());
    let okta = Okta::start(&["--backlog", &backlog, "--rate", "5", "--rate-limit", &rate_limit]).await;
    let org = format!("[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n", okta.url());
    let live = TO_FILES.replace("\"200ms\"", "\"2s\"").replace("\"-90d\"", "\"now\"");
    let workplace = Workplace::with_orgs(&(org + &live));
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail" && route.delivered > 0).await;

    let (before, started) = (okta.answered(200).await, Instant::now());
    let arguments = ["replay", "--route", "log/files", "--from", "-7d"];
    let mut replay = std::pin::pin!(workplace.oktabus(&arguments));
    let mut lag_max = SignedDuration::ZERO;
    let said = loop {
        tokio::select! {
            said = &mut replay => break said,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                lag_max = lag_max.max(lag(&workplace.path("archive")).unwrap_or_default());
            }
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(said.code, Some(0), "{said:?}");
    let requests = okta.answered(200).await - before;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());

    let allowed = limit / 2;
    let full_pages = events.div_ceil(PAGE);
    let bound = full_pages as f64 * 60.0 / allowed as f64;
    let mut out = std::io::stdout();
    writeln!(out, "{}", said.stdout.trim_end()).unwrap();
    writeln!(out, "requests, the live stream's among them  {requests} ({full_pages} full pages)").unwrap();
    writeln!(out, "of the share of as many minutes         {:.1} %", {
        requests as f64 * 6_000.0 / (allowed as f64 * seconds)
    })
    .unwrap();
    writeln!(out, "seconds                                 {seconds:.1} (the budget alone: {bound:.1})")
        .unwrap();
    writeln!(out, "age of the newest live event, at most    {:.1} s", lag_max.as_secs_f64()).unwrap();
}

/// How old the newest event is that the live route wrote. There are five new ones a second, and the simulated org shows them
/// up to 2.5 s after they were published.
fn lag(archive: &Path) -> Option<SignedDuration> {
    let mut paths = std::fs::read_dir(archive).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_live = |path: &std::path::PathBuf| {
        let name = path.to_string_lossy();
        !name.contains(".replay+") && name.ends_with(".jsonl")
    };
    let text = std::fs::read_to_string(paths.find(is_live)?).ok()?;
    // Somebody is writing the last line.
    let whole = &text[..=text.rfind('\n')?];
    let published = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        event["published"].as_str()?.parse::<Timestamp>().ok()
    };
    let newest = whole.lines().rev().take(50).filter_map(published).max()?;
    Some(Timestamp::now().duration_since(newest))
}
