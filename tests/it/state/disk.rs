//! The disk of the state fills up, or refuses to be written to, while events flow: the cursor stays, everybody is told,
//! and when the disk works again the route goes on as if nothing had been.

use serde_json::json;

use crate::support::{
    daemon::{Daemon, Workplace},
    image::{Image, can_mount, set_unwritable},
    okta::Okta,
    tools::eventually,
};

const STREAM: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
poll_interval = "100ms"
routes = [{ sink = "files" }]

[sinks.files]
kind = "file"
directory = "{dir}/archive"
"#;

struct Scene {
    okta: Okta,
    workplace: Workplace,
    disk: Image,
    daemon: Daemon,
}

/// A daemon whose state is on a small disk of its own, in the middle of a backlog that flows slowly.
async fn scene() -> Scene {
    let okta = Okta::with_backlog(20_000).await;
    okta.arm(json!({"kind": "delay", "milliseconds": 30})).await;
    let workplace = Workplace::new(&okta, STREAM);
    let disk = Image::create(&workplace.path("disk"), 24, &workplace.path("state"));
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered > 0).await;
    Scene { okta, workplace, disk, daemon }
}

impl Scene {
    /// The route stands still, and says so wherever somebody could look.
    async fn stands_still(&self, words: &str) {
        let standing = self.workplace.route("log/files", |route| route.state_trouble.is_some()).await;
        let trouble = standing.state_trouble.unwrap();
        assert!(trouble.contains(words), "{trouble}");
        let (status, text) = self.workplace.get("/readyz").await.unwrap();
        assert!(status == 503 && text.contains(words), "{status} {text}");
        assert_eq!(self.workplace.get("/livez").await.unwrap().0, 200, "a restart would not help");
        assert!(self.workplace.log().contains("so the route does not move"));
        // It is tried again and again, and the cursor does not move for it.
        let failures = async || {
            let metrics = self.workplace.get("/metrics").await.unwrap().1;
            let line =
                metrics.lines().find(|line| line.starts_with("oktabus_state_failures_total"))?.to_owned();
            line.rsplit(' ').next()?.parse::<f64>().ok()
        };
        let before = failures().await.unwrap();
        eventually("another attempt", async || (failures().await? > before).then_some(())).await;
        let after = self.workplace.routes().await.remove(0);
        assert_eq!(after.delivered, standing.delivered);
    }

    /// The route goes on to the end, and nothing is missing or there twice.
    async fn goes_on(self) {
        self.okta.disarm().await;
        let all = self.okta.uuids().await;
        let delivered = all.len() as u64;
        let route = self.workplace.route("log/files", |route| route.delivered == delivered).await;
        assert_eq!(route.state_trouble, None);
        assert_eq!(self.workplace.get("/readyz").await.unwrap().0, 200);
        assert!(self.workplace.log().contains("the state can be written again"));
        self.daemon.terminate().await;
        assert!(self.daemon.ended().await.success());
        assert_eq!(self.workplace.uuids("archive"), all);
        let verified = self.workplace.oktabus(&["state", "verify"]).await;
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    }
}

#[tokio::test]
async fn a_full_disk_holds_the_route_up_and_loses_nothing() {
    if !can_mount("a full disk under the state") {
        return;
    }
    let scene = scene().await;
    let filler = scene.disk.fill();
    scene.stands_still("make room").await;
    std::fs::remove_file(filler).unwrap();
    scene.goes_on().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_holds_the_route_up_and_loses_nothing() {
    if !can_mount("a store that cannot be written") {
        return;
    }
    let scene = scene().await;
    let file = scene.workplace.path("state/store/db");
    set_unwritable(&file, true);
    scene.stands_still("not permitted").await;
    set_unwritable(&file, false);
    scene.goes_on().await;
}

#[tokio::test]
async fn a_stop_while_the_disk_is_full_is_in_time_and_the_next_start_goes_on() {
    if !can_mount("a stop while the disk is full") {
        return;
    }
    let scene = scene().await;
    let filler = scene.disk.fill();
    scene.workplace.route("log/files", |route| route.state_trouble.is_some()).await;
    scene.daemon.terminate().await;
    let Scene { okta, workplace, daemon, disk: _disk } = scene;
    assert!(daemon.ended().await.success());
    std::fs::remove_file(filler).unwrap();
    okta.disarm().await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}

#[tokio::test]
async fn a_start_on_a_full_disk_waits_and_says_so_as_a_running_daemon_does() {
    if !can_mount("a start on a full disk") {
        return;
    }
    let scene = scene().await;
    scene.daemon.terminate().await;
    let Scene { okta, workplace, daemon, disk } = scene;
    assert!(daemon.ended().await.success());
    let filler = disk.fill();
    okta.disarm().await;
    let daemon = workplace.start(&[]);
    let unready = async || workplace.get("/readyz").await.ok().filter(|(status, _)| *status == 503);
    let (_, reason) = eventually("a daemon that is not ready", unready).await;
    assert!(reason.contains("make room"), "{reason}");
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200, "a restart would not help");
    let told = workplace.oktabus(&["status"]).await;
    assert!(told.code == Some(1) && told.stdout.contains("starts, and waits with the state in"), "{told:?}");
    assert!(told.stdout.contains("make room"), "{told:?}");
    let told = workplace.oktabus(&["status", "--json"]).await.stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["verdict"]["grade"], "trouble", "{told}");
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "it can be stopped while it waits");

    let _daemon = workplace.start(&[]);
    eventually("a daemon that is not ready", unready).await;
    std::fs::remove_file(filler).unwrap();
    let ready = async || workplace.get("/readyz").await.ok().filter(|(status, _)| *status == 200);
    eventually("a daemon that is ready", ready).await;
    let delivered = okta.uuids().await.len() as u64;
    workplace.route("log/files", |route| route.delivered == delivered).await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}
