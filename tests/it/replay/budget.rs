//! A replay under a tight limit: it uses what the streams leave of the share, all of it and no more, and the live stream
//! goes first.

use jiff::{SignedDuration, Timestamp};

use super::Running;
use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
};

const LIMIT: u64 = 240;
const ALLOWED: u64 = 120;
/// Whole windows that are looked at.
const WINDOWS: usize = 2;
/// The live stream polls that often.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(2);
/// What a poll may have to wait: its turn in the line, or the time around the change of windows in which the share is used
/// up.
const WAIT_MAX: SignedDuration = SignedDuration::from_secs(2);

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

    let over = started + SignedDuration::from_secs(60 * WINDOWS as i64);
    while Timestamp::now() < over {
        tokio::time::sleep(over.duration_since(Timestamp::now()).unsigned_abs()).await;
    }
    assert!(!running.has_ended(), "there was not enough to replay");
    let recent = okta.recent().await;
    running.kill().await;
    daemon.kill().await;

    let (mut windows, mut polled, mut longest) = ([0; WINDOWS], started, SignedDuration::ZERO);
    for request in recent.iter().filter(|request| request["path"] == "/api/v1/logs") {
        assert_eq!(request["status"], 200, "{request}");
        let at: Timestamp = request["at"].as_str().unwrap().parse().unwrap();
        let window = usize::try_from(at.duration_since(started).as_secs() / 60).unwrap();
        if let Some(count) = windows.get_mut(window) {
            *count += 1;
        }
        let is_live = !request["query"].as_str().unwrap().contains("until=");
        if is_live {
            longest = longest.max(at.duration_since(std::mem::replace(&mut polled, at)));
        }
    }
    println!(
        "requests of {ALLOWED} in each window: {windows:?}; the longest time between two live polls: {longest:#}"
    );
    assert!(windows.iter().all(|count| *count <= ALLOWED), "{windows:?}");
    assert!(windows.iter().all(|count| *count * 100 >= ALLOWED * 98), "{windows:?}");
    assert!(longest <= POLL_INTERVAL + WAIT_MAX, "{longest:#}");
}
