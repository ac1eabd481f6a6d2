//! What goes on for as long as somebody looks, and what that does to delivery: nothing.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::ask;
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

/// A stream of which certain fields are redacted.
const REDACTED: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{ sink = "files", format = "ocsf", redact = { mask = ["actor.alternateId"] } }]

[sinks.files]
kind = "file"
directory = "{dir}/archive"
"#;

/// A request that is sent by hand; the connection, of which nothing is read.
async fn begin(workplace: &Workplace, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(workplace.admin()).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", workplace.admin());
    stream.write_all(request.as_bytes()).await.ok()?;
    Some(stream)
}

/// Reads until `wanted` has come; none if the connection ends before.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> Option<String> {
    let (mut read, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    let reading = async {
        loop {
            let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
            read.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&read);
            if text.contains(wanted) {
                return Some(text.into_owned());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.ok().flatten()
}

#[tokio::test]
async fn a_tail_has_what_is_delivered_redacted_as_its_route_is() {
    let okta = Okta::with_backlog(0).await;
    let workplace = Workplace::new(&okta, REDACTED);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    let unknown = ask(&workplace, "/api/tail?route=files", &[]).await;
    assert_eq!(unknown.status(), 422);
    assert!(unknown.text().await.unwrap().contains("there are: log/files"));

    let path = "/api/tail?route=log/files&event_type=user.session.*&text=AGENT-7";
    let mut tail = begin(&workplace, path).await.unwrap();
    read_until(&mut tail, "still here").await.expect("the stream to begin");
    let event = |uuid: &str, kind: &str, agent: &str| {
        format!(
            r#"{{"uuid":"{uuid}","eventType":"{kind}","published":"2026-11-30T12:00:00.000Z","actor":{{"id":"00u1","alternateId":"ada@acme.com"}},"client":{{"userAgent":{{"rawUserAgent":"{agent}"}}}}}}"#
        )
    };
    let events = [
        event("other-type", "group.user_membership.add", "agent-7"),
        event("other-agent", "user.session.start", "agent-8"),
        event("wanted", "user.session.start", "Agent-7"),
    ];
    okta.add(&format!("[{}]", events.join(","))).await;
    let read = read_until(&mut tail, "\n\n").await.expect("an event");
    assert!(read.contains("event: passed") && read.contains("acme:wanted:ocsf:redacted"), "{read}");
    assert!(read.contains("class_uid"), "the payload is there too: {read}");
    assert!(!read.contains("ada@acme.com") && !read.contains("other-"), "{read}");
}

#[tokio::test]
async fn a_thousand_tails_that_read_nothing_disturb_neither_delivery_nor_probes() {
    let okta = Okta::with_backlog(20_000).await;
    let workplace = Workplace::new(&okta, super::super::TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.routes().await;
    let mut tails = Vec::new();
    for number in 0..1_000 {
        let path = if number % 2 == 0 { "/api/tail" } else { "/api/stream" };
        tails.extend(begin(&workplace, path).await);
        if number % 100 == 0 {
            let ready = ask(&workplace, "/livez", &[]).await;
            assert_eq!(ready.status(), 200);
        }
    }
    workplace.route("log/files", |route| route.delivered == 20_000).await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    let full = ask(&workplace, "/api/tail", &[]).await;
    assert_eq!(full.status(), 503, "there is room for so many and no more");
    assert!(full.text().await.unwrap().contains("close one"));

    // Whoever leaves makes room at once.
    drop(tails);
    eventually("room for another", async || {
        let tail = ask(&workplace, "/api/tail", &[]).await;
        (tail.status() == 200).then_some(())
    })
    .await;
    // One that is open does not delay the end.
    let mut last = begin(&workplace, "/api/stream").await.unwrap();
    read_until(&mut last, "event: overview").await.expect("the overview");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}
