//! What strangers send: refused cheaply, told once, and nothing else notices.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{SECRET, Scene};

/// Okta gives up after this.
const OKTA_WAITS: Duration = Duration::from_secs(3);

async fn raw(scene: &Scene, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", scene.port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Whoever is cut off may see a reset.
    let _ =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bad_requests_are_refused_told_once_and_ask_okta_for_nothing() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    let before = scene.polls().await;
    for _ in 0..3 {
        assert_eq!(scene.ring(None).await, 401);
        assert_eq!(scene.ring(Some("a-wrong-secret-of-some-length")).await, 401);
        assert_eq!(scene.send(Method::POST, "/nowhere", Some(SECRET), "{}").await, 404);
        assert_eq!(scene.send(Method::PUT, "/acme", Some(SECRET), "{}").await, 405);
        assert_eq!(scene.send(Method::POST, "/acme", Some(SECRET), "no JSON").await, 400);
        assert_eq!(scene.send(Method::GET, "/acme", Some(SECRET), "").await, 400);
        // A stranger's challenge proves nothing about us.
        assert_eq!(scene.send(Method::GET, "/acme", None, "").await, 401);
        let huge = scene.send(Method::POST, "/acme", Some(SECRET), &"{".repeat(3 << 20)).await;
        // It may be cut off before it has read the answer.
        assert!(huge == 413 || huge == 0, "{huge}");
    }
    let slow =
        format!("POST /acme HTTP/1.1\r\nhost: a\r\nauthorization: {SECRET}\r\ncontent-length: 50\r\n\r\n{{");
    assert!(raw(&scene, &slow).await.starts_with("HTTP/1.1 408"), "a slow body");
    assert!(!raw(&scene, "POST /acme HT").await.starts_with("HTTP/1.1 200"), "a slow head");
    assert!(!raw(&scene, "\u{1}\u{2}nonsense\r\n\r\n").await.starts_with("HTTP/1.1 200"));

    let (doorbell, stream) = scene.status().await;
    assert_eq!(
        (&doorbell["rings"], &stream["polls_by_rings"]),
        (&json!(0), &json!(0)),
        "{doorbell} {stream}"
    );
    let refused = &doorbell["refused"];
    for (reason, count) in [
        ("no_secret", 6),
        ("wrong_secret", 3),
        ("method", 3),
        ("not_json", 3),
        ("challenge", 3),
        ("too_large", 3),
        ("too_slow", 1),
    ] {
        assert_eq!(refused[reason], json!(count), "{reason}: {refused}");
    }
    let log = scene.workplace.log();
    assert_eq!(log.matches("a request to the doorbell was refused").count(), 8, "each reason once:\n{log}");
    assert!(log.contains("/nowhere") && log.contains("orgs.NAME.doorbell.path"), "the wrong path:\n{log}");
    assert!(!log.contains("a-wrong-secret") && !log.contains(SECRET));
    assert_eq!(scene.polls().await, before, "Okta was asked for nothing");
    assert_eq!(scene.workplace.get("/readyz").await.unwrap().0, 200);
    // And what is right is still heard.
    scene.happen("real").await;
    assert_eq!(scene.ring(Some(SECRET)).await, 200);
    scene.arrived("real").await;
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_no_ring_out() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(("127.0.0.1", scene.port)).await.unwrap();
        if number % 2 == 0 {
            let _ = stream.write_all(b"POST /acme HTTP/1.1\r\nhost: a\r\n").await;
        }
        idle.push(stream);
    }
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(scene.ring(Some(SECRET)).await, 200);
        assert!(begin.elapsed() < OKTA_WAITS, "{:?}", begin.elapsed());
    }
    assert_eq!(scene.workplace.get("/livez").await.unwrap().0, 200);
    drop(idle);
}

#[tokio::test]
async fn a_flood_of_rings_with_the_secret_costs_a_request_a_second_at_most() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    let (before, begin) = (scene.polls().await, Instant::now());
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (url, http) = (format!("{}/acme", scene.url()), reqwest::Client::new());
        senders.spawn(async move {
            for _ in 0..500 {
                let request = http.post(&url).header("authorization", SECRET).body("{}");
                assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
    scene.happen("meanwhile").await;
    assert_eq!(scene.ring(Some(SECRET)).await, 200);
    scene.arrived("meanwhile").await;
    let (spent, took) = (scene.polls().await - before, begin.elapsed().as_secs());
    assert!(spent <= took + 3, "{spent} requests in {took} s");
}
