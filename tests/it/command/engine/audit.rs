//! The chain of the audit, through kills, as `oktabus command audit --verify` sees it, and as anybody can with SHA-256.

use std::{fs, process::Command};

use async_nats::jetstream::consumer::PullConsumer;
use serde_json::{Value, json};

use super::{
    scene::{Scene, essence, until},
    signatures::{HEADER, Signer},
};

/// Whether the audit is whole, and what is told of it.
async fn verified(scene: &Scene, files: &[&str]) -> (Option<i32>, Value) {
    let said = scene.by_hand(&[&["audit", "--verify", "--json"], files].concat()).await;
    let told = serde_json::from_str(&said.stdout).unwrap_or_else(|err| panic!("{err}: {said:?}"));
    (said.code, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_the_audit_is_seen() {
    let mut scene = Scene::start("allow = [\"user.*\"]\nlimits = { \"user.suspend\" = \"50/1h\" }").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    for round in 0..3 {
        let id = format!("c-{round}");
        assert_eq!(essence(&scene.ask(&id, "user.get", "ada@acme.com").await), ("done", ""));
        scene.kill().await;
        scene.resume();
    }
    scene.ask("c-3", "user.get", "ada@acme.com").await;
    let by_hand = scene.by_hand(&["run", "user.get", "-p", "user=ada@acme.com", "--id", "h-1"]).await;
    assert_eq!(by_hand.code, Some(0), "{by_hand:?}");
    let released = scene.by_hand(&["release", "user.suspend", "--requested-by", "eve"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");

    // Who asks by hand is the kernel's word; and what is recorded as done is done.
    let audit = scene.audit();
    let uid = rustix::process::getuid().as_raw();
    let of = |id: &str| audit.iter().find(|line| line["command_id"] == id).unwrap().clone();
    assert_eq!((of("h-1")["peer_uid"].clone(), of("c-3")["peer_uid"].clone()), (json!(uid), Value::Null));
    let releases: Vec<_> = audit.iter().filter(|line| line["action"] == "user.suspend").collect();
    let decisions: Vec<_> = releases.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["releasing", "released"]);
    assert!(releases.iter().all(|line| line["peer_uid"] == uid && line["requested_by"] == "eve"));

    let records = audit.len() as u64;
    let (code, told) = verified(&scene, &[]).await;
    assert_eq!(
        (code, &told["flaws"], &told["chains"][0]["last_sequence"]),
        (Some(0), &json!([]), &json!(records))
    );
    scene.stop().await;
    let (code, told) = verified(&scene, &[]).await;
    assert_eq!(
        (code, &told["flaws"], &told["in_doubt"]),
        (Some(0), &json!([]), &json!(0)),
        "without the daemon too"
    );

    let path = scene.workplace.path("state/audit/hr.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    // The documented rule, by another hand.
    let line = lines.last().unwrap();
    let (covered, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
    fs::write(scene.workplace.path("covered"), covered).unwrap();
    let covered = scene.workplace.path("covered");
    let digest = Command::new("openssl").args(["dgst", "-sha256", "-r"]).arg(covered).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!(digest.split(' ').next(), hash.strip_suffix("\"}"));

    let without = |index: usize| [&lines[..index], &lines[index + 1..]].concat().join("\n") + "\n";
    let last = lines.len() - 1;
    for (text, expected) in [
        (whole.replacen("c-1", "c-9", 1), "was changed"),
        (without(2), "is missing"),
        (without(last), "is missing from the end"),
        (lines[..2].join("\n") + "\n", "are missing from the end"),
        (String::new(), "are missing from the end"),
    ] {
        fs::write(&path, text).unwrap();
        let (code, told) = verified(&scene, &[]).await;
        assert_eq!(code, Some(1), "{expected}");
        assert!(told["flaws"][0].as_str().unwrap().contains(expected), "{expected}: {told}");
    }

    // Whoever rotates it moves it away; the chain goes on.
    let (moved, path) = (scene.workplace.path("audit.1"), path.to_str().unwrap().to_owned());
    fs::write(&moved, &whole).unwrap();
    fs::remove_file(&path).unwrap();
    scene.resume();
    scene.ask("c-4", "user.get", "ada@acme.com").await;
    let (code, told) = verified(&scene, &[moved.to_str().unwrap(), &path]).await;
    assert_eq!(
        (code, &told["flaws"], &told["chains"][0]["first_sequence"], &told["held_against_state"]),
        (Some(0), &json!([]), &json!(1), &json!(true))
    );
    let (code, told) = verified(&scene, &[]).await;
    assert_eq!(code, Some(1), "whether the rest is there is not known");
    assert!(told["flaws"][0].as_str().unwrap().contains("missing from the beginning"), "{told}");
    let end: Value = serde_json::from_str(line).unwrap();
    let after = format!("hr:{}:{}", end["sequence"], end["hash"].as_str().unwrap());
    let (code, told) = verified(&scene, &["--after", &after]).await;
    assert_eq!(
        (code, &told["flaws"]),
        (Some(0), &json!([])),
        "it goes on where those ended that were looked at"
    );

    // Who knows the rule can make records, but the state knows none of them.
    scene.stop().await;
    let (member, text) = (json!({"at": "2026-01-01T00:00:00.000Z"}), fs::read_to_string(&path).unwrap());
    let forged = forged(&text, member.as_object().unwrap());
    fs::write(&path, format!("{text}{forged}\n")).unwrap();
    let (code, told) = verified(&scene, &["--after", &after]).await;
    assert_eq!(code, Some(1));
    assert!(told["flaws"][0].as_str().unwrap().contains("stand behind the last one"), "{told}");
    // Where the state is not, that is not seen, and said.
    fs::rename(scene.workplace.path("oktabus.toml"), scene.workplace.path("away.toml")).unwrap();
    let (code, told) = verified(&scene, &[moved.to_str().unwrap(), &path]).await;
    assert_eq!((code, &told["flaws"], &told["held_against_state"]), (Some(69), &json!([]), &json!(false)));
}

/// The text for `--after` in what is told.
fn text_for_after(told: &str) -> &str {
    let text = told.split_once("--after ").unwrap_or_else(|| panic!("{told}")).1;
    text.split(|c: char| c.is_whitespace() || c == '`').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_state_is_taken_up_in_the_documented_order_and_both_files_stay_whole() {
    let mut scene = Scene::start("allow = [\"user.*\"]").await;
    scene.plant_user("ada@acme.com").await;
    scene.ask("c-1", "user.get", "ada@acme.com").await;
    let (export, moved) = (scene.workplace.path("export.jsonl"), scene.workplace.path("audit.before-import"));
    let export = export.to_str().unwrap();
    // From a daemon that runs: whether the last records were written is in doubt for whoever takes it up.
    assert_eq!(scene.workplace.oktabus(&["state", "export", "--to", export]).await.code, Some(0));
    scene.ask("c-2", "user.get", "ada@acme.com").await;
    scene.stop().await;

    let imported = scene.workplace.oktabus(&["state", "import", export, "--yes"]).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let (code, told) = verified(&scene, &[]).await;
    assert_eq!((code, &told["flaw_count"]), (Some(1), &json!(1)), "{told}");
    assert!(told["flaws"][0].as_str().unwrap().contains("stand behind the last one"), "{told}");
    let after = told["chains"][0]["after"].as_str().unwrap();
    assert_eq!(text_for_after(&imported.stderr), after);
    let in_words = scene.by_hand(&["audit", "--verify"]).await;
    assert_eq!(text_for_after(&in_words.stdout), after);
    fs::rename(scene.workplace.path("state/audit/hr.jsonl"), &moved).unwrap();
    scene.resume();
    // By hand, the state would be opened where the daemon does not have it yet.
    until(async || scene.status().await["paused"]["by"] == "recovery").await;
    assert_eq!(scene.by_hand(&["resume"]).await.code, Some(0));
    scene.ask("c-3", "user.get", "ada@acme.com").await;
    let (code, told) = verified(&scene, &["--after", after]).await;
    assert_eq!((code, &told["flaws"]), (Some(0), &json!([])), "{told}");

    let misspelt = scene.by_hand(&["audit", "--verify", "/misspelt"]).await;
    assert_eq!(misspelt.code, Some(64), "{misspelt:?}");
    assert!(
        misspelt.stderr.contains("/misspelt") && misspelt.stderr.contains("No such file"),
        "{misspelt:?}"
    );
}

/// A record that follows the last one of `audit`, made by the documented rule.
fn forged(audit: &str, members: &serde_json::Map<String, Value>) -> String {
    let last: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    let (sequence, prev) = (last["sequence"].as_u64().unwrap() + 1, last["hash"].as_str().unwrap());
    let mut members = members.clone();
    members.insert("commands".to_owned(), json!("hr"));
    let text = Value::Object(members).to_string();
    let covered = format!("{},\"sequence\":{sequence},\"prev\":\"{prev}\"", text.strip_suffix('}').unwrap());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("covered");
    fs::write(&file, &covered).unwrap();
    let digest = Command::new("openssl").args(["dgst", "-sha256", "-r"]).arg(file).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    format!("{covered},\"hash\":\"{}\"}}", digest.split(' ').next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unsigned_messages_is_summed_up_and_what_a_key_has_signed_is_not() {
    let policy = "allow = [\"user.*\"]\n[commands.hr.signature]\nkeys.portal = { algorithm = \"hmac-sha256\", secret_file = \"{dir}/portal.secret\", allow = [\"user.get\"] }";
    let mut scene = Scene::prepare(policy).await;
    let directory = scene.workplace.path("");
    Signer::make_keys(&directory);
    let jetstream = scene.nats.jetstream().await;
    let mut sent = Vec::new();
    for number in 0..400 {
        let unsigned =
            json!({ "id": format!("u-{number}"), "action": "user.get", "parameters": { "user": "ada" } });
        sent.push(jetstream.publish("commands.x", unsigned.to_string().into()).await.unwrap());
    }
    for acknowledged in sent {
        acknowledged.await.unwrap();
    }
    let payload =
        json!({ "id": "signed", "action": "user.suspend", "parameters": { "user": "ada" } }).to_string();
    let signature = Signer::Hmac.sign(&directory, "acme/hr", &payload, 0);
    scene.send_raw(payload.as_bytes(), &[(HEADER, &signature)]).await;
    scene.resume();
    assert_eq!(essence(&scene.outcome("COMMANDS@401").await), ("refused", "not_allowed"));
    until(async || scene.dead_letters().lines().count() == 400).await;
    // The letter comes before the record, and the record before the acknowledgement.
    let stream = jetstream.get_stream("COMMANDS").await.unwrap();
    until(async || {
        let mut consumer: PullConsumer = stream.get_consumer("oktabus-hr").await.unwrap();
        let info = consumer.info().await.unwrap();
        (info.num_pending, info.num_ack_pending) == (0, 0)
    })
    .await;
    scene.stop().await;

    let audit = scene.audit();
    let unsigned = audit.iter().filter(|line| line["error"] == "not_signed").count() as u64;
    let left_out: u64 =
        audit.iter().filter_map(|line| line["left_out"]["reasons"]["not_signed"].as_u64()).sum();
    assert_eq!(unsigned + left_out, 400);
    assert!((100..150).contains(&unsigned), "{unsigned} are recorded one by one");
    assert!(audit.iter().any(|line| line["command_id"] == "COMMANDS@401" && line["error"] == "not_allowed"));
    assert_eq!(verified(&scene, &[]).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_files_of_the_audit_go_and_the_rest_is_verified_from_where_it_begins() {
    let policy =
        "allow = [\"user.get\"]\naudit = { rotate = { size = \"2 KiB\" }, retention = { size = \"4 KiB\" } }";
    let mut scene = Scene::start(policy).await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let folder = scene.workplace.path("state/audit");
    let closed = || {
        let entries = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with("hr-")).count()
    };
    // It is looked once at the start, and then each minute.
    for round in 0..16 {
        scene.ask(&format!("c-{round}"), "user.get", "ada@acme.com").await;
    }
    let all = closed();
    assert!(all > 3, "{all} closed files");
    let (code, told) = verified(&scene, &[]).await;
    assert_eq!((code, &told["flaws"]), (Some(0), &json!([])), "closed files are checked too");
    assert_eq!(
        (&told["chains"][0]["first_sequence"], &told["chains"][0]["removed_by"]),
        (&json!(1), &Value::Null)
    );
    fs::write(folder.join("hr-000000000000.jsonl"), "somebody's\n").unwrap();
    scene.stop().await;
    scene.resume();
    until(async || closed() < all - 1).await;
    until(async || scene.workplace.log().contains("files of the audit were removed")).await;
    scene.ask("c-later", "user.get", "ada@acme.com").await;

    let (code, told) = verified(&scene, &[]).await;
    assert_eq!((code, &told["flaws"]), (Some(0), &json!([])), "{told}");
    let chain = &told["chains"][0];
    let (first, by) = (chain["first_sequence"].as_u64().unwrap(), chain["removed_by"].as_u64().unwrap());
    assert!(1 < first && first < by, "{chain}");
    let said = scene.by_hand(&["audit", "--verify"]).await;
    assert!(said.stdout.contains(&format!("hr: begins with record {first}: those before")), "{said:?}");
    assert_eq!(fs::read_to_string(folder.join("hr-000000000000.jsonl")).unwrap(), "somebody's\n");
    // Without the file with that record, nothing says why older ones are missing.
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| path.to_str().unwrap().to_owned()).collect();
    files.retain(|path| path.contains("/hr-") && !path.contains("/hr-000000000000."));
    files.sort();
    let (code, told) = verified(&scene, &[&files[0]]).await;
    assert_eq!(code, Some(1));
    assert!(told["flaws"].to_string().contains("are missing from the beginning"), "{told}");
}
