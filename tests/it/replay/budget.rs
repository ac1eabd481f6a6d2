//! A replay under a tight limit: it uses what the streams leave of the share, all of it and no more, and the live stream
//! goes first.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Running, live};
use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
};

const LIMIT: u64 = 240;
const ALLOWED: u64 = 120;
/// Whole windows that are looked at.
const WINDOWS: usize = 2;
/// What a live event may take: the next event, the next poll, its turn in the line, and the time around the change of
/// windows in which the share is used up.
const LAG_MAX: SignedDuration = SignedDuration::from_secs(6);

#[tokio::test]
async fn the_share_is_used_up_and_the_live_stream_goes_first() {
    let limit = LIMIT.to_string();
    let okta = Okta::start(&["--backlog", "6000", "--rate", "2", "--rate-limit", &limit]).await;
    let started = okta.started().await;
    let org = format!("[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n", okta.url());
    // Small pages, so that there is always more to ask for.
    let files = TO_FILES.replace("poll_interval = \"200ms\"", "page_size = 10\npoll_interval = \"2s\"");
    let workplace = Workplace::with_orgs(&(org + &files.replace("\"-90d\"", "\"now\"")));
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail" && route.delivered > 0).await;
    let mut running = Running::start(&workplace, &["--route", "log/files", "--from", "-7d"]);

    let mut lag_max = SignedDuration::ZERO;
    let over = started + SignedDuration::from_secs(60 * WINDOWS as i64);
    while Timestamp::now() < over {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let lines = live(&workplace);
        let last: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        let published: Timestamp = last["published"].as_str().unwrap().parse().unwrap();
        lag_max = lag_max.max(Timestamp::now().duration_since(published));
    }
    assert!(!running.has_ended(), "there was not enough to replay");
    let recent = okta.recent().await;
    running.kill().await;
    daemon.kill().await;

    let mut windows = [0; WINDOWS];
    for request in recent.iter().filter(|request| request["path"] == "/api/v1/logs") {
        assert_eq!(request["status"], 200, "{request}");
        let at: Timestamp = request["at"].as_str().unwrap().parse().unwrap();
        let window = usize::try_from(at.duration_since(started).as_secs() / 60).unwrap();
        if let Some(count) = windows.get_mut(window) {
            *count += 1;
        }
    }
    println!(
        "requests of {ALLOWED} in each window: {windows:?}; the live stream was {lag_max:#} behind at most"
    );
    assert!(windows.iter().all(|count| *count <= ALLOWED), "{windows:?}");
    assert!(windows.iter().all(|count| *count * 100 >= ALLOWED * 98), "{windows:?}");
    assert!(lag_max <= LAG_MAX, "{lag_max:#}");
}
