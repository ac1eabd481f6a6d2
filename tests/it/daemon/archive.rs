//! Files, and people who touch them: what was proved stays, what is not ours is set aside, and the route goes on.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::TO_FILES;
use crate::support::{
    daemon::{Daemon, Workplace},
    files::copy,
    okta::Okta,
    tools::eventually,
};

/// A daemon that has delivered the backlog of an org into files.
async fn at_tail(backlog: usize) -> (Okta, Workplace, Daemon) {
    let okta = Okta::with_backlog(backlog).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    arrives(&okta, &workplace, &[]).await;
    is_proved(&workplace).await;
    (okta, workplace, daemon)
}

/// Waits until the cursor is behind all that has arrived: what is removed before that comes again.
async fn is_proved(workplace: &Workplace) {
    workplace.route("log/files", |route| route.phase == "at_tail").await;
}

/// Waits until every event of the org but those in `gone` is in the archive, once.
async fn arrives(okta: &Okta, workplace: &Workplace, gone: &[String]) {
    let mut expected = okta.uuids().await;
    expected.retain(|uuid| !gone.contains(uuid));
    // Somebody else's lines may be there for a while.
    let is_event = |line: &String| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let arrived = || match workplace.path("archive").exists() {
        true => workplace.lines("archive").iter().filter(|line| is_event(line)).count(),
        false => 0,
    };
    eventually("all events in the archive", async || (arrived() >= expected.len()).then_some(())).await;
    assert_eq!(workplace.uuids("archive"), expected, "{}", workplace.log());
}

async fn add(okta: &Okta, names: &[&str]) {
    for name in names {
        let event = format!("[{{\"uuid\":\"{name}\",\"published\":\"2026-01-01T00:00:00.000Z\"}}]");
        okta.add(&event).await;
    }
}

/// The files of the archive in a form, by the end of their names, in order.
fn files(workplace: &Workplace, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workplace.path("archive")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    files
}

fn append(path: &Path, text: &str) {
    fs::File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn is_told(workplace: &Workplace, words: &str) {
    eventually(words, async || workplace.log().contains(words).then_some(())).await;
}

#[tokio::test]
async fn routes_whose_names_begin_alike_share_a_directory() {
    let okta = Okta::with_backlog(300).await;
    let names = ["audit", "audit-2", "audit-00000007"];
    let routes = names.map(|name| format!("{{ sink = \"files\", name = \"{name}\" }}")).join(", ");
    let workplace = Workplace::new(&okta, &TO_FILES.replace("{ sink = \"files\" }", &routes));
    for round in 0..3 {
        workplace.catch_up().await;
        add(&okta, &[&format!("new-{round}")]).await;
    }
    let mut expected = okta.uuids().await;
    expected.pop();
    for name in names {
        let of_route = |path: &PathBuf| {
            let file = path.file_name().unwrap().to_str().unwrap();
            let rest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
            rest.len() == "00000001-20260101T000000Z.jsonl".len()
        };
        let own: Vec<_> = files(&workplace, ".jsonl").into_iter().filter(of_route).collect();
        let text: String = own.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let uuids: Vec<_> = text.lines().map(crate::support::daemon::uuid).collect();
        assert_eq!(uuids, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_removed_while_it_is_written_is_told_and_gone_on_after() {
    let (okta, workplace, daemon) = at_tail(500).await;
    let mut gone = workplace.uuids("archive");
    fs::remove_dir_all(workplace.path("archive")).unwrap();
    add(&okta, &["a-1", "a-2", "a-3"]).await;
    arrives(&okta, &workplace, &gone).await;
    is_told(&workplace, "moved or removed it").await;

    is_proved(&workplace).await;
    gone.extend(workplace.uuids("archive"));
    fs::remove_file(&files(&workplace, ".jsonl")[0]).unwrap();
    add(&okta, &["b-1", "b-2"]).await;
    arrives(&okta, &workplace, &gone).await;

    // Moved away, as logrotate does.
    is_proved(&workplace).await;
    gone.extend(workplace.uuids("archive"));
    fs::rename(&files(&workplace, ".jsonl")[0], workplace.path("moved")).unwrap();
    add(&okta, &["c-1", "c-2"]).await;
    arrives(&okta, &workplace, &gone).await;
    assert_eq!(fs::read_to_string(workplace.path("moved")).unwrap().lines().count(), 2);
    assert!(workplace.get("/metrics").await.unwrap().1.contains("oktabus_sink_failures_total"));
    daemon.kill().await;
    add(&okta, &["d-1"]).await;
    workplace.catch_up().await;
    arrives(&okta, &workplace, &gone).await;
}

#[tokio::test]
async fn bytes_of_somebody_else_and_a_kill_destroy_nothing() {
    let (okta, workplace, daemon) = at_tail(300).await;
    let foreign = "somebody's, in the middle of a li".repeat(2_000);
    append(&files(&workplace, ".jsonl")[0], &foreign);
    add(&okta, &["a-1", "a-2", "a-3"]).await;
    arrives(&okta, &workplace, &[]).await;
    is_told(&workplace, "somebody else wrote").await;
    daemon.kill().await;

    // While nobody writes, too.
    append(files(&workplace, ".jsonl").last().unwrap(), "{\"more\":");
    add(&okta, &["b-1"]).await;
    workplace.catch_up().await;
    arrives(&okta, &workplace, &[]).await;
    let aside: Vec<_> = fs::read_dir(workplace.path("archive"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".superseded-"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(aside.len() == 2 && aside.contains(&foreign) && aside.contains(&"{\"more\":".to_owned()));
}

#[tokio::test]
async fn a_file_that_is_cut_by_copytruncate_is_gone_on_after() {
    let (okta, workplace, daemon) = at_tail(300).await;
    let mut gone = workplace.uuids("archive");
    fs::write(&files(&workplace, ".jsonl")[0], "").unwrap();
    add(&okta, &["a-1", "a-2"]).await;
    arrives(&okta, &workplace, &gone).await;
    is_told(&workplace, "copytruncate").await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());

    gone.extend(workplace.uuids("archive"));
    fs::write(files(&workplace, ".jsonl").last().unwrap(), "").unwrap();
    add(&okta, &["b-1"]).await;
    workplace.catch_up().await;
    arrives(&okta, &workplace, &gone).await;
    is_told(&workplace, "somebody shortened or replaced it").await;
}

#[tokio::test]
async fn an_older_state_that_is_put_back_costs_no_archive() {
    let okta = Okta::with_backlog(400).await;
    let rotate = "rotate = { size = \"16 KiB\", compress = \"zstd\" }\n";
    let text = TO_FILES.replace("start", "page_size = 50\nstart");
    let workplace = Workplace::new(&okta, &format!("{text}{rotate}"));
    workplace.catch_up().await;
    copy(&workplace.path("state"), &workplace.path("older"));
    let names: Vec<_> = (0..300).map(|number| format!("new-{number}")).collect();
    add(&okta, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    workplace.catch_up().await;
    let put_back = || {
        fs::remove_dir_all(workplace.path("state")).unwrap();
        copy(&workplace.path("older"), &workplace.path("state"));
    };

    // Okta has everything still: it is recognised.
    put_back();
    workplace.catch_up().await;
    arrives(&okta, &workplace, &[]).await;
    assert!(!workplace.log().contains("set aside"), "{}", workplace.log());

    // What comes again is something else, as it is when Okta has forgotten some of it: nothing is removed.
    let before = workplace.uuids("archive");
    put_back();
    let org = format!("[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n", okta.url());
    let filtered = text.replace("{ sink = \"files\" }", "{ sink = \"files\", event_types = [\"none.*\"] }");
    workplace.configure(&format!("{org}{filtered}{rotate}"));
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), before);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_compressing_leaves_one_form_of_each_file() {
    let okta = Okta::with_backlog(400).await;
    let text = TO_FILES.replace("start", "page_size = 50\nstart");
    let workplace =
        Workplace::new(&okta, &format!("{text}rotate = {{ size = \"16 KiB\", compress = \"zstd\" }}\n"));
    let is_compressed = || files(&workplace, ".jsonl").len() == 1;
    let daemon = workplace.start(&[]);
    eventually("closed files to be compressed", async || {
        (workplace.path("archive").exists() && is_compressed() && files(&workplace, ".zst").len() > 4)
            .then_some(())
    })
    .await;
    arrives(&okta, &workplace, &[]).await;
    daemon.kill().await;

    let closed = files(&workplace, ".zst");
    let plain = |path: &Path| {
        let text = zstd::decode_all(fs::File::open(path).unwrap()).unwrap();
        fs::write(path.with_extension(""), text).unwrap();
    };
    plain(&closed[0]);
    plain(&closed[1]);
    fs::remove_file(&closed[1]).unwrap();
    fs::write(closed[1].with_extension("zst.partial"), "half").unwrap();
    let daemon = workplace.start(&[]);
    eventually("one form of each file", async || {
        (is_compressed() && files(&workplace, ".partial").is_empty()).then_some(())
    })
    .await;
    assert!(files(&workplace, ".zst").starts_with(&closed));
    arrives(&okta, &workplace, &[]).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}

#[tokio::test]
async fn a_second_daemon_waits_until_the_first_has_ended() {
    let (okta, workplace, daemon) = at_tail(100).await;
    let second = Workplace::new(
        &okta,
        &TO_FILES.replace("{dir}/archive", &workplace.path("archive").display().to_string()),
    );
    let waiting = second.start(&[]);
    is_told(&second, "another oktabus writes these files").await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    second.route("log/files", |route| route.delivered == 100).await;
    waiting.terminate().await;
    assert!(waiting.ended().await.success());
    assert_eq!(workplace.uuids("archive").len(), 200);
}
