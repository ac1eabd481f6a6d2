//! What an operator types when the state is in question, and what is said.

use std::{fs, os::unix::fs::chown};

use crate::support::{
    daemon::{Daemon, TO_FILES, Workplace},
    files::copy,
    okta::Okta,
};

/// A state that has delivered everything of an org, and the org.
async fn delivered(events: usize) -> (Okta, Workplace) {
    let okta = Okta::with_backlog(events).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    (okta, workplace)
}

async fn running(workplace: &Workplace) -> Daemon {
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    daemon
}

#[tokio::test]
async fn the_state_is_shown_verified_and_exported_whether_the_daemon_runs_or_not() {
    let (_okta, workplace) = delivered(2_500).await;
    let mut stopped = Vec::new();
    for arguments in [&["state", "show", "--json"][..], &["state", "verify", "--json"], &["state", "export"]]
    {
        let said = workplace.oktabus(arguments).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        stopped.push(said.stdout);
    }
    assert!(stopped[0].contains("\"route\":\"log/files\"") && stopped[0].contains("\"delivered\":2500"));
    assert!(stopped[1].contains("\"routes\":1") && stopped[1].contains("agrees"));

    let _daemon = running(&workplace).await;
    for (arguments, before) in
        [&["state", "show", "--json"][..], &["state", "export"]].iter().zip([&stopped[0], &stopped[2]])
    {
        let said = workplace.oktabus(arguments).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stderr.contains("the daemon is running"), "{}", said.stderr);
        let count = |text: &str| (text.lines().count(), text.matches("after=").count());
        assert_eq!(count(&said.stdout), count(before));
    }
    let verified = workplace.oktabus(&["state", "verify"]).await;
    assert!(verified.code == Some(0) && verified.stdout.contains("all are sound"), "{}", verified.stderr);
    let refused = workplace.oktabus(&["state", "compact"]).await;
    assert_eq!(refused.code, Some(65));
    assert!(refused.stderr.contains("in use by another process"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_lost_store_is_refused_with_the_ways_to_go_on_and_each_of_them_works() {
    let (okta, workplace) = delivered(2_500).await;
    let lose = || fs::remove_dir_all(workplace.path("state/store")).unwrap();

    lose();
    for arguments in [&["run"][..], &["state", "show"], &["state", "verify"]] {
        let refused = workplace.oktabus(arguments).await;
        assert_eq!(refused.code, Some(65), "{}", refused.stderr);
        for words in [
            "is not trusted",
            "there was a store here",
            "--recover=witness",
            "--recover=since=",
            "--recover=now",
        ] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
        assert!(!refused.stderr.contains("state import"), "{}", refused.stderr);
        assert!(!workplace.path("state/store").exists(), "a refusal changes nothing");
    }

    // As an import leaves it that was cut short.
    fs::write(workplace.path("state/unfinished-import"), "").unwrap();
    let refused = workplace.oktabus(&["run"]).await;
    assert!(refused.stderr.contains("oktabus state import EXPORT --config"), "{}", refused.stderr);

    // The witness of a clean stop stands where the store stood: nothing comes twice.
    let said = workplace.oktabus(&["run", "--until-caught-up", "--recover=witness"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);

    lose();
    okta.add(r#"[{"uuid":"new-1","published":"2020-01-01T00:00:00.000Z"}]"#).await;
    let said = workplace.oktabus(&["run", "--until-caught-up", "--recover=since=-90d"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let arrived = workplace.uuids("archive");
    assert_eq!(arrived.len(), 2_500 + 2_501, "everything comes again");

    lose();
    let said = workplace.oktabus(&["run", "--until-caught-up", "--recover=now"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(workplace.uuids("archive").len(), arrived.len(), "nothing comes again");
    workplace.catch_up().await;

    let nonsense = workplace.oktabus(&["run", "--recover=somehow"]).await;
    assert!(nonsense.code == Some(64) && nonsense.stderr.contains("witness, store, since=TIME and now"));
}

#[tokio::test]
async fn an_older_copy_is_refused_and_trusted_if_somebody_says_so() {
    let (okta, workplace) = delivered(1_000).await;
    copy(&workplace.path("state/store"), &workplace.path("copy"));
    okta.add(r#"[{"uuid":"new-1","published":"2020-01-01T00:00:00.000Z"}]"#).await;
    workplace.catch_up().await;

    fs::remove_dir_all(workplace.path("state/store")).unwrap();
    copy(&workplace.path("copy"), &workplace.path("state/store"));
    let refused = workplace.oktabus(&["run"]).await;
    assert_eq!(refused.code, Some(65));
    assert!(
        refused.stderr.contains("or later") && refused.stderr.contains("--recover=store"),
        "{}",
        refused.stderr
    );
    let said = workplace.oktabus(&["run", "--until-caught-up", "--recover=store"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    // The file is cut back to where the copy stood, so that even this makes no duplicate in it.
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    workplace.catch_up().await;
}

#[tokio::test]
async fn a_witness_on_another_disk_notices_that_the_whole_directory_is_lost() {
    let okta = Okta::with_backlog(500).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    fs::create_dir(workplace.path("conf.d")).unwrap();
    let elsewhere = workplace.path("elsewhere.json");
    let fragment = format!("[state]\nwitness = \"{}\"\n", elsewhere.display());
    fs::write(workplace.path("conf.d/witness.toml"), fragment).unwrap();
    workplace.catch_up().await;
    fs::remove_dir_all(workplace.path("state")).unwrap();
    let refused = workplace.oktabus(&["run"]).await;
    assert_eq!(refused.code, Some(65));
    assert!(refused.stderr.contains("there was a store here"), "{}", refused.stderr);
}

#[tokio::test]
async fn an_export_is_imported_where_the_state_was_lost() {
    let (okta, workplace) = delivered(2_500).await;
    let export = workplace.path("export.jsonl");
    let said = workplace.oktabus(&["state", "export", "--to", export.to_str().unwrap()]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    fs::remove_dir_all(workplace.path("state")).unwrap();

    let unasked = workplace.oktabus(&["state", "import", export.to_str().unwrap()]).await;
    assert!(unasked.code == Some(64) && unasked.stderr.contains("nothing was changed"), "{}", unasked.stderr);
    let said = workplace.oktabus(&["state", "import", export.to_str().unwrap(), "--yes"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    okta.add(r#"[{"uuid":"new-1","published":"2020-01-01T00:00:00.000Z"}]"#).await;
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);

    let text = fs::read_to_string(&export).unwrap();
    let cut: Vec<_> = text.lines().collect();
    fs::write(&export, cut[..cut.len() - 1].join("\n")).unwrap();
    let refused = workplace.oktabus(&["state", "import", export.to_str().unwrap(), "--yes"]).await;
    assert!(refused.code == Some(64) && refused.stderr.contains("cut short"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_route_is_reset_and_the_store_is_compacted() {
    let (okta, workplace) = delivered(1_200).await;
    let unknown = workplace.oktabus(&["state", "reset", "log/file", "--to", "-90d", "--yes"]).await;
    assert!(
        unknown.code == Some(64) && unknown.stderr.contains("the routes are log/files"),
        "{}",
        unknown.stderr
    );
    let said = workplace.oktabus(&["state", "reset", "log/files", "--to", "-90d", "--yes"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    workplace.catch_up().await;
    let all = okta.uuids().await;
    assert_eq!(workplace.uuids("archive"), [all.clone(), all].concat());

    let said = workplace.oktabus(&["state", "compact"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("bytes and has"), "{}", said.stdout);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive").len(), 2_400);
}

#[tokio::test]
async fn a_directory_that_cannot_be_the_state_is_told_with_the_reason() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let missing = workplace.oktabus(&["state", "show"]).await;
    assert!(
        missing.code == Some(65) && missing.stderr.contains("there is no state in"),
        "{}",
        missing.stderr
    );

    fs::write(workplace.path("state"), "a file").unwrap();
    let file = workplace.oktabus(&["run"]).await;
    assert!(file.code == Some(65) && file.stderr.contains("is not a directory"), "{}", file.stderr);
    fs::remove_file(workplace.path("state")).unwrap();

    if rustix::process::geteuid().is_root() {
        fs::create_dir(workplace.path("state")).unwrap();
        chown(workplace.path("state"), Some(4_242), None).unwrap();
        let foreign = workplace.oktabus(&["run"]).await;
        assert!(
            foreign.code == Some(65) && foreign.stderr.contains("belongs to user 4242"),
            "{}",
            foreign.stderr
        );
        chown(workplace.path("state"), Some(0), None).unwrap();
    }

    workplace.catch_up().await;
    fs::write(workplace.path("state/witness.json"), "oktabus-witness 99 00000000\n{}").unwrap();
    let newer = workplace.oktabus(&["run"]).await;
    assert!(newer.code == Some(65) && newer.stderr.contains("has format 99"), "{}", newer.stderr);
}
