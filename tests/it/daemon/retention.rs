//! Files that are not kept for ever: the oldest go, and nothing that the route has not made.

use std::{fs, path::PathBuf};

use super::TO_FILES;
use crate::support::{
    daemon::{Workplace, uuid},
    okta::Okta,
    tools::eventually,
};

/// Files of about a page of events each, of which only a few are kept.
const LIMITED: &str = "rotate = { size = \"64 KiB\" }\nretention = { size = \"256 KiB\" }\n";
/// Twice what is kept: the open file grows until the next look.
const ENOUGH_BYTES: usize = 512 << 10;

/// What the route's files have. None: one was removed meanwhile.
fn archive(workplace: &Workplace) -> Option<String> {
    let entries = fs::read_dir(workplace.path("archive")).unwrap().map(|entry| entry.unwrap().path());
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("log.files-") && name.ends_with(".jsonl")
    };
    let mut own: Vec<_> = entries.filter(is_own).collect();
    own.sort();
    let text = own.iter().map(|path| fs::read_to_string(path).ok()).collect::<Option<String>>()?;
    // Somebody may be writing the last line.
    let end = text.rfind('\n').map_or(0, |end| end + 1);
    Some(text[..end].to_owned())
}

/// The end of the log that is still in the archive, once so little is.
async fn kept(okta: &Okta, workplace: &Workplace) -> Vec<String> {
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    let little = eventually("little in the archive", async || {
        archive(workplace).filter(|archive| archive.len() < ENOUGH_BYTES)
    })
    .await;
    let (all, kept) = (okta.uuids().await, little.lines().map(uuid).collect::<Vec<_>>());
    assert!(all.ends_with(&kept), "{} of {} events: {}", kept.len(), all.len(), workplace.log());
    kept
}

#[tokio::test]
async fn the_oldest_files_go_and_what_is_left_is_the_end_of_the_log_without_a_gap() {
    let okta = Okta::with_backlog(3_000).await;
    let text = TO_FILES.replace("poll_interval", "page_size = 50\npoll_interval") + LIMITED;
    let workplace = Workplace::new(&okta, &text);
    // The directory is shared with others.
    let others = ["log.files-2026.jsonl.keep", "notes.txt", "log-00000001-20200101T000000Z.txt"];
    fs::create_dir(workplace.path("archive")).unwrap();
    for other in others {
        fs::write(workplace.path("archive").join(other), "others'").unwrap();
    }
    let daemon = workplace.start(&[]);
    let first = kept(&okta, &workplace).await;
    assert!((1..2_000).contains(&first.len()), "{} events", first.len());
    let page = workplace.get("/metrics").await.unwrap().1;
    let removed =
        page.lines().find_map(|line| line.strip_prefix("oktabus_files_removed_total{sink=\"files\"} "));
    assert!(removed.unwrap().parse::<u64>().unwrap() > 10, "{page}");
    assert!(workplace.log().contains("closed files were removed, as `retention` says"));

    // A kill leaves nothing behind that the next one cannot go on with.
    daemon.kill().await;
    okta.add("[{\"uuid\":\"late\",\"published\":\"2026-01-01T00:00:00.000Z\"}]").await;
    let _daemon = workplace.start(&[]);
    eventually("the late one", async || {
        archive(&workplace).filter(|archive| archive.lines().last().map(uuid).as_deref() == Some("late"))
    })
    .await;
    kept(&okta, &workplace).await;
    for other in others {
        assert_eq!(fs::read_to_string(workplace.path("archive").join(other)).unwrap(), "others'", "{other}");
    }
    assert!(!workplace.log().contains("somebody moved or removed"), "{}", workplace.log());
}

#[tokio::test]
async fn without_a_retention_nothing_goes() {
    let okta = Okta::with_backlog(500).await;
    let text = TO_FILES.replace("poll_interval", "page_size = 50\npoll_interval");
    let workplace = Workplace::new(&okta, &(text + "rotate = { size = \"16 KiB\", compress = \"zstd\" }\n"));
    workplace.catch_up().await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}
