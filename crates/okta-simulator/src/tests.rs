//! The room over real sockets, as a client sees it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::clock;
use super::events_file::Identity;
use super::{Options, Simulator};

pub(super) const AUTHORIZATION: &str = "Authorization: SSWS token\r\n";

/// An answer as it came over the wire.
pub(super) struct Reply {
    head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub(super) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| *other == name).map(|(_, value)| value).collect()
    }

    /// Path and query of a link.
    pub(super) fn link(&self, relation: &str) -> Option<String> {
        let end = format!("; rel=\"{relation}\"");
        let link = self.headers("link").into_iter().find(|link| link.ends_with(&end))?;
        let url = link.strip_prefix('<')?.split_once('>')?.0;
        Some(url[url.find("/api")?..].to_owned())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn uuids(&self) -> Vec<String> {
        let page = self.json();
        let events = page.as_array().unwrap().iter();
        events.map(|event| event["uuid"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn error_code(&self) -> String {
        self.json()["errorCode"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn send(simulator: &Simulator, request: &str) -> Option<Reply> {
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A connection that is dropped ends in an error or with nothing.
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Some(Reply { head, body: bytes[end + 4..].to_vec() })
}

pub(super) fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: org.test\r\nConnection: close\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(super) async fn get(simulator: &Simulator, target: &str) -> Reply {
    send(simulator, &request("GET", target, AUTHORIZATION, "")).await.unwrap()
}

pub(super) async fn post(simulator: &Simulator, target: &str, body: &str) -> Reply {
    send(simulator, &request("POST", target, "", body)).await.unwrap()
}

/// An org with this backlog in which nothing new happens.
pub(super) async fn quiet_org(backlog: usize) -> Simulator {
    org(Options { backlog, rate: 0.0, rate_limit: 10_000, ..Options::default() }).await
}

pub(super) async fn org(options: Options) -> Simulator {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Simulator::start(Options { listen, ..options }).await.unwrap()
}

fn minutes_ago(minutes: i64) -> String {
    clock::date_time(clock::now_ms() - minutes * 60_000)
}

/// All pages from a link on, until one is empty or has no `next`.
async fn drain(simulator: &Simulator, first: &str) -> Vec<String> {
    let (mut uuids, mut target) = (Vec::new(), first.to_owned());
    loop {
        let page = get(simulator, &target).await;
        assert_eq!(page.status(), 200, "{target}");
        let found = page.uuids();
        let is_empty = found.is_empty();
        uuids.extend(found);
        match page.link("next") {
            Some(next) if !is_empty => target = next,
            _ => return uuids,
        }
    }
}

#[tokio::test]
async fn polling_gives_every_event_once_and_stays_at_the_tail() {
    let simulator = quiet_org(2_500).await;
    let listed = get(&simulator, "/-/events").await;
    let uuids = drain(&simulator, "/api/v1/logs?limit=1000").await;
    assert_eq!(uuids.iter().collect::<HashSet<_>>().len(), 2_500);
    // The list comes in chunks, whose lengths stand between the lines.
    let listed = String::from_utf8(listed.body).unwrap();
    let lines = listed.lines().filter(|line| line.starts_with('{'));
    let available: Vec<String> =
        lines.map(|line| Identity::of(line.as_bytes()).uuid().unwrap().into_owned()).collect();
    assert_eq!(uuids, available);

    let mut page = get(&simulator, "/api/v1/logs?limit=1000").await;
    while !page.uuids().is_empty() {
        page = get(&simulator, &page.link("next").unwrap()).await;
    }
    assert_eq!(page.link("next"), page.link("self"));
    simulator.stop().await;
}

#[tokio::test]
async fn bounded_requests_are_sorted_finite_and_mirror_each_other() {
    let simulator = quiet_org(2_000).await;
    let range = format!("since={}&until={}&limit=300", minutes_ago(9_000), minutes_ago(10));
    let up = drain(&simulator, &format!("/api/v1/logs?{range}")).await;
    let mut down = drain(&simulator, &format!("/api/v1/logs?{range}&sortOrder=DESCENDING")).await;
    down.reverse();
    assert!(up.len() > 500, "{}", up.len());
    assert_eq!(up, down);

    let page = get(&simulator, &format!("/api/v1/logs?{range}")).await.json();
    let events = page.as_array().unwrap().iter();
    let published: Vec<&str> = events.map(|event| event["published"].as_str().unwrap()).collect();
    assert!(published.is_sorted());
}

#[tokio::test]
async fn filters_find_what_is_there() {
    let simulator = quiet_org(1_500).await;
    let everything = drain(&simulator, "/api/v1/logs?limit=1000").await;
    let page = "limit=7&filter=eventType%20sw%20%22user.%22%20and%20not%20(severity%20eq";
    let found = drain(&simulator, &format!("/api/v1/logs?{page}%20%22INFO%22)")).await;
    let others = "limit=900&filter=not%20(eventType%20sw%20%22user.%22%20and%20not%20(severity";
    let rest = drain(&simulator, &format!("/api/v1/logs?{others}%20eq%20%22INFO%22))")).await;
    assert!(!found.is_empty());
    assert_eq!(found.len() + rest.len(), everything.len());
}

#[tokio::test]
async fn headers_are_oktas() {
    let simulator = quiet_org(10).await;
    let page = get(&simulator, "/api/v1/logs?limit=2").await;
    assert_eq!(page.headers("link").len(), 2);
    assert!(page.headers("link")[0].starts_with("<http://org.test/api/v1/logs?limit=2>"));
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert_eq!(page.header("x-okta-request-id").map(str::len), Some(32));
    assert_eq!(page.header("x-rate-limit-limit"), Some("10000"));
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
}

#[tokio::test]
async fn refusals_are_oktas() {
    let options = Options { token: Some("secret".to_owned()), rate: 0.0, ..Options::default() };
    let simulator = org(Options { backlog: 1, rate_limit: 2, ..options }).await;
    let wrong = get(&simulator, "/api/v1/logs").await;
    assert_eq!((wrong.status(), wrong.error_code().as_str()), (401, "E0000011"));

    let right = "Authorization: SSWS secret\r\n";
    let mut answers = Vec::new();
    for (method, target) in [
        ("GET", "/api/v1/nothing"),
        ("POST", "/api/v1/logs"),
        ("GET", "/api/v1/logs"),
        ("GET", "/api/v1/logs?limit=1001"),
        ("GET", "/api/v1/logs"),
    ] {
        let reply = send(&simulator, &request(method, target, right, "")).await.unwrap();
        answers.push((reply.status(), reply.header("x-rate-limit-remaining").unwrap().to_owned()));
    }
    let expected = [(404, "1200"), (405, "1200"), (200, "1"), (400, "0"), (429, "0")];
    assert_eq!(answers, expected.map(|(status, remaining)| (status, remaining.to_owned())));
}

#[tokio::test]
async fn new_events_arrive_and_late_ones_come_last() {
    let simulator = quiet_org(5).await;
    let first = get(&simulator, "/api/v1/logs?limit=10").await;
    let event = r#"{"uuid":"late", "published":"2020-01-01T00:00:00.000Z","lat":34.4740}"#;
    assert_eq!(post(&simulator, "/-/events", event).await.json()["added"], 1);
    let next = get(&simulator, &first.link("next").unwrap()).await;
    assert_eq!(String::from_utf8(next.body).unwrap(), format!("[{event}]"));
}

#[tokio::test]
async fn generated_events_become_available_in_time() {
    let live = Options { backlog: 10, rate: 200.0, rate_limit: 10_000, ..Options::default() };
    let simulator = org(live).await;
    post(&simulator, "/-/faults", r#"{"kind":"late","seconds":3600,"count":5}"#).await;
    let mut page = get(&simulator, "/api/v1/logs").await;
    let (mut late, began) = (0, Instant::now());
    while late < 5 {
        assert!(began.elapsed() < Duration::from_secs(60));
        page = get(&simulator, &page.link("next").unwrap()).await;
        let hour_ago = minutes_ago(59);
        let events = page.json();
        let published = events.as_array().unwrap().iter().map(|event| event["published"].as_str());
        late += published.filter(|time| time.unwrap() < hour_ago.as_str()).count();
    }
    assert_eq!(late, 5);
    simulator.stop().await;
}

#[tokio::test]
async fn faults_strike_the_answer() {
    let simulator = quiet_org(50).await;
    let arm = |fault: &'static str| post(&simulator, "/-/faults", fault);
    let ask = || get(&simulator, "/api/v1/logs?limit=10");

    arm(r#"{"kind":"status","status":503,"error_code":"E0000009","count":1}"#).await;
    assert_eq!(ask().await.error_code(), "E0000009");

    arm(r#"{"kind":"rate_limited","headers":"concurrency","seconds":-5,"count":1}"#).await;
    let throttled = ask().await;
    assert_eq!((throttled.status(), throttled.header("x-rate-limit-limit")), (429, Some("0")));

    arm(r#"{"kind":"not_json","count":1}"#).await;
    assert!(ask().await.body.starts_with(b"<!DOCTYPE html>"));

    arm(r#"{"kind":"cut_body","count":1}"#).await;
    let cut = ask().await;
    let announced: usize = cut.header("content-length").unwrap().parse().unwrap();
    assert!((1..announced).contains(&cut.body.len()), "{announced}");

    arm(r#"{"kind":"drop_connection","count":1}"#).await;
    let request = request("GET", "/api/v1/logs", AUTHORIZATION, "");
    assert!(send(&simulator, &request).await.is_none());

    arm(r#"{"kind":"clock_skew","seconds":-3600,"count":1}"#).await;
    let skewed = ask().await.header("date").unwrap().to_owned();
    assert!(!skewed.starts_with(&ask().await.header("date").unwrap()[..19]));
    assert_eq!(get(&simulator, "/-/faults").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn faults_strike_the_page() {
    let simulator = quiet_org(50).await;
    let arm = |fault: &'static str| post(&simulator, "/-/faults", fault);
    let first = get(&simulator, "/api/v1/logs?limit=10").await;
    let next = first.link("next").unwrap();

    arm(r#"{"kind":"duplicates","events":3,"count":1}"#).await;
    let repeated = get(&simulator, &next).await.uuids();
    assert_eq!((repeated.len(), &repeated[..3]), (10, &first.uuids()[7..]));

    arm(r#"{"kind":"empty_pages","count":2}"#).await;
    let empty = get(&simulator, &next).await;
    assert_eq!(empty.uuids().len(), 0);
    assert_ne!(empty.link("next"), empty.link("self"));
    let again = get(&simulator, &empty.link("next").unwrap()).await;
    assert_ne!(again.link("next"), again.link("self"));
    let found = get(&simulator, &again.link("next").unwrap()).await;
    assert_eq!(found.uuids()[..7], repeated[3..]);

    arm(r#"{"kind":"stuck_next","count":1}"#).await;
    let stuck = get(&simulator, &next).await;
    assert_eq!((stuck.uuids(), stuck.link("next")), (found.uuids(), stuck.link("self")));

    arm(r#"{"kind":"many_items","items":3,"count":1}"#).await;
    assert_eq!(get(&simulator, &next).await.json(), serde_json::json!([0, 0, 0]));

    arm(r#"{"kind":"not_json","status":403,"count":1}"#).await;
    assert_eq!(get(&simulator, &next).await.status(), 403);
    arm(r#"{"kind":"not_json","status":204,"count":1}"#).await;
    assert_eq!(get(&simulator, &next).await.body.len(), 0);

    arm(r#"{"kind":"foreign_next","next_path":"/api/v1/users","count":1}"#).await;
    assert!(get(&simulator, &next).await.head.contains("/api/v1/users?"));

    arm(r#"{"kind":"foreign_next","host":"evil.example.com","count":1}"#).await;
    assert!(get(&simulator, &next).await.head.contains("<https://evil.example.com/api/v1/logs?"));

    arm(r#"{"kind":"odd_event","oddity":"number_uuid","count":1}"#).await;
    assert_eq!(get(&simulator, &next).await.json()[0]["uuid"], 42);

    arm(r#"{"kind":"huge_body","mebibytes":2,"count":1}"#).await;
    let huge = get(&simulator, &next).await;
    assert!(huge.body.len() > 2 * 1024 * 1024);
    assert_eq!(huge.uuids(), found.uuids());

    arm(r#"{"kind":"refuse_cursor","count":1}"#).await;
    assert_eq!(get(&simulator, "/api/v1/logs?limit=10").await.status(), 200);
    assert_eq!(get(&simulator, &next).await.error_code(), "E0000029");
}

#[tokio::test]
async fn a_stalled_body_ends_when_the_simulator_stops() {
    let simulator = quiet_org(50).await;
    post(&simulator, "/-/faults", r#"{"kind":"stall"}"#).await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let request = request("GET", "/api/v1/logs", AUTHORIZATION, "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 1_000];
    stream.read_exact(&mut start).await.unwrap();
    simulator.stop().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"]"));
}

#[tokio::test]
async fn a_default_backlog_holds_every_event_type() {
    let simulator = quiet_org(10_000).await;
    let mut seen = HashSet::new();
    let mut target = "/api/v1/logs?limit=1000".to_owned();
    loop {
        let page = get(&simulator, &target).await;
        let events = page.json();
        let events = events.as_array().unwrap();
        if events.is_empty() {
            break;
        }
        seen.extend(events.iter().map(|event| event["eventType"].as_str().unwrap().to_owned()));
        target = page.link("next").unwrap();
    }
    let types = include_str!("catalogue.csv").lines().count() - 1;
    assert_eq!(seen.len(), types);
}

#[tokio::test]
async fn a_file_of_ones_own_is_served_as_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let event = r#"{"uuid":"mine","published":"2019-01-01T00:00:00Z","version":0}"#;
    std::fs::write(file.path(), format!("{event}\n{event}\n")).unwrap();
    let options = Options { events: Some(file.path().to_owned()), ..Options::default() };
    let simulator = org(options).await;
    let page = get(&simulator, "/api/v1/logs").await;
    assert_eq!(String::from_utf8(page.body).unwrap(), format!("[{event},{event}]"));
}

#[tokio::test]
async fn what_was_asked_is_counted() {
    let simulator = quiet_org(3).await;
    get(&simulator, "/api/v1/logs").await;
    get(&simulator, "/api/v1/logs?limit=x").await;
    let counts = get(&simulator, "/-/requests").await.json();
    assert_eq!(
        counts,
        serde_json::json!([
            {"method": "GET", "path": "/api/v1/logs", "status": 200, "count": 1},
            {"method": "GET", "path": "/api/v1/logs", "status": 400, "count": 1},
        ])
    );
    let recent = get(&simulator, "/-/requests/recent").await.json();
    assert_eq!((&recent[0]["events"], &recent[1]["query"]), (&3.into(), &"limit=x".into()));
}

#[tokio::test]
async fn a_bounded_request_that_asks_too_early_misses_what_is_late() {
    let simulator = org(Options { backlog: 1, rate: 200.0, ..Options::default() }).await;
    let range = format!("/api/v1/logs?limit=1000&since={}&until={}", minutes_ago(1), minutes_ago(-1));
    while get(&simulator, &range).await.uuids().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let range = format!("/api/v1/logs?limit=1000&since={}&until={}", minutes_ago(1), minutes_ago(0));
    let early = get(&simulator, &range).await.uuids().len();
    while get(&simulator, &range).await.uuids().len() == early {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_bounded_request_for_too_many_events_ends_in_an_error_after_a_while() {
    let simulator = quiet_org(100).await;
    let fault = r#"{"kind":"heavy_query","events":50,"milliseconds":200}"#;
    post(&simulator, "/-/faults", fault).await;
    let range = format!("/api/v1/logs?since={}&until={}", minutes_ago(9_000), minutes_ago(0));
    let asked = Instant::now();
    let heavy = get(&simulator, &format!("{range}&limit=51")).await;
    assert_eq!((heavy.status(), &*heavy.error_code()), (500, "E0000009"));
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert_eq!(get(&simulator, &format!("{range}&limit=50")).await.uuids().len(), 50);
    assert_eq!(get(&simulator, "/api/v1/logs?limit=51").await.uuids().len(), 51, "polling is never heavy");
    simulator.stop().await;
}
