//! The state is taken away from under the running daemon: it is noticed even if nothing happens, nothing more is taken for
//! durable, and where the state comes back everything goes on.

use std::fs;

use crate::support::{
    daemon::{Daemon, TO_FILES, Workplace},
    image::{Image, can_mount},
    okta::Okta,
    tools::eventually,
};

const ROUTE: &str = "log/files";
const WORDS: &str = "it was removed, moved away or unmounted";

struct Scene {
    okta: Okta,
    workplace: Workplace,
    daemon: Daemon,
}

/// A daemon that has delivered everything.
async fn scene(okta: Okta, workplace: Workplace) -> Scene {
    let daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.phase == "at_tail" && route.delivered == 50).await;
    Scene { okta, workplace, daemon }
}

async fn idle() -> Scene {
    let okta = Okta::with_backlog(50).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    scene(okta, workplace).await
}

impl Scene {
    /// Nobody has to send anything for it to be told; and what comes is not taken for delivered.
    async fn is_noticed(&self) {
        let told = async || self.workplace.get("/readyz").await.ok().filter(|(status, _)| *status == 503);
        let (_, reason) = eventually("a daemon that is not ready", told).await;
        assert!(reason.contains(WORDS) && reason.contains("put it back"), "{reason}");
        self.okta.add(r#"[{"uuid":"late"}]"#).await;
        let standing = self.workplace.route(ROUTE, |route| route.state_trouble.is_some()).await;
        assert_eq!(standing.delivered, 50);
        assert!(standing.state_trouble.unwrap().contains(WORDS));
        assert_eq!(self.workplace.get("/livez").await.unwrap().0, 200, "a restart would not help");
    }

    async fn ends_in_time(self) {
        self.daemon.terminate().await;
        assert!(self.daemon.ended().await.success(), "{}", self.workplace.log());
    }
}

#[tokio::test]
async fn a_store_that_is_removed_is_noticed_and_the_next_start_refuses() {
    let scene = idle().await;
    fs::remove_dir_all(scene.workplace.path("state/store")).unwrap();
    scene.is_noticed().await;
    scene.daemon.terminate().await;
    let Scene { workplace, daemon, .. } = scene;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert_eq!(workplace.start(&[]).ended().await.code(), Some(65), "{}", workplace.log());
    assert!(workplace.log().contains("there was a store here"), "{}", workplace.log());
}

#[tokio::test]
async fn a_directory_that_is_moved_and_replaced_gets_no_witness_and_goes_on_when_it_is_back() {
    let scene = idle().await;
    let (state, aside) = (scene.workplace.path("state"), scene.workplace.path("aside"));
    fs::rename(&state, &aside).unwrap();
    fs::create_dir(&state).unwrap();
    scene.is_noticed().await;
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "nothing is left where it does not belong");

    fs::remove_dir(&state).unwrap();
    fs::rename(&aside, &state).unwrap();
    scene.workplace.route(ROUTE, |route| route.delivered == 51 && route.state_trouble.is_none()).await;
    let ready = async || scene.workplace.get("/readyz").await.ok().filter(|(status, _)| *status == 200);
    eventually("a daemon that is ready", ready).await;
    assert!(scene.workplace.log().contains("the store is in its place again"), "{}", scene.workplace.log());
    let verified = scene.workplace.oktabus(&["state", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    scene.ends_in_time().await;
}

#[tokio::test]
async fn a_disk_that_is_unmounted_is_noticed() {
    if !can_mount("a disk that is unmounted") {
        return;
    }
    let okta = Okta::with_backlog(50).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let disk = Image::create(&workplace.path("disk"), 24, &workplace.path("state"));
    let scene = scene(okta, workplace).await;
    drop(disk);
    scene.is_noticed().await;
    scene.ends_in_time().await;
}
