//! Files that are trusted, and files that are made.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{ORG, TO_FILES, ec_key};
use crate::support::{
    certificates::Certificates,
    daemon::{Said, Workplace},
    okta::Okta,
};

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What a check says, which must come at once.
async fn check(workplace: &Workplace) -> Said {
    let checking = workplace.oktabus(&["check", "--offline"]);
    tokio::time::timeout(Duration::from_secs(20), checking).await.expect("the check to end")
}

async fn refused(workplace: &Workplace, reason: &str) {
    let said = check(workplace).await;
    assert!(said.code == Some(64) && said.stderr.contains(reason), "wanted: {reason}\ntold: {}", said.stderr);
}

#[tokio::test]
async fn a_secret_that_others_have_a_hand_in_is_refused_at_once() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{TO_FILES}"));
    let token = workplace.path("token");
    fs::remove_file(&token).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&token).status().unwrap().success());
    refused(&workplace, "it is a pipe, and not a file").await;
    fs::remove_file(&token).unwrap();

    workplace.write_token("00abc");
    File::options().write(true).open(&token).unwrap().set_len(900 << 20).unwrap();
    refused(&workplace, "is it the right file?").await;

    workplace.write_token("00abc");
    chmod(&token, 0o602);
    refused(&workplace, "may be written to by others").await;

    fs::create_dir(workplace.path("open")).unwrap();
    fs::rename(&token, workplace.path("open/token")).unwrap();
    chmod(workplace.path("open/token"), 0o600);
    chmod(workplace.path("open"), 0o777);
    symlink("open/token", &token).unwrap();
    refused(&workplace, "open on the way to it may be written to by others (mode 777)").await;
    chmod(workplace.path("open"), 0o755);
    assert_eq!(check(&workplace).await.code, Some(0), "a symlink is as good as its target");

    if rustix::process::geteuid().is_root() {
        chown(workplace.path("open/token"), Some(4_242), None).unwrap();
        refused(&workplace, "it belongs to user 4242").await;
    }
}

#[tokio::test]
async fn what_others_could_have_written_proves_nothing() {
    let certificates = Certificates::new();
    let public_key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let rest = format!(
        r#"
[orgs.acme.http]
ca_file = "{ca}"
[commands.hr]
org = "acme"
outcomes = {{ sink = "files" }}
allow = ["user.*"]
[commands.hr.signature]
keys.hr = {{ algorithm = "ed25519", public_key_file = "{{dir}}/hr.pub" }}
[buses.nats]
kind = "nats"
servers = ["tls://127.0.0.1:4222"]
tls = {{ ca_file = "{ca}", certificate_file = "{certificate}", key_file = "{key}" }}
[buses.kafka]
kind = "kafka"
brokers = ["127.0.0.1:9092"]
options = {{ "ssl.ca.location" = "{ca}", "ssl.key.location" = "{key}" }}
"#,
        ca = certificates.authority().display(),
        certificate = certificates.certificate().display(),
        key = certificates.key().display()
    );
    let workplace = Workplace::with_orgs(&format!("{ORG}{TO_FILES}{rest}"));
    fs::write(workplace.path("hr.pub"), public_key).unwrap();
    let good = check(&workplace).await;
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    for (path, mode, key) in [
        (workplace.path("hr.pub"), 0o666, "commands.hr.signature.keys.hr.public_key_file"),
        (certificates.authority(), 0o666, "orgs.acme.http.ca_file"),
        (certificates.authority(), 0o666, "buses.nats: `tls.ca_file`"),
        (certificates.authority(), 0o666, "buses.kafka: `options.ssl.ca.location`"),
        (certificates.key(), 0o644, "buses.nats: `tls.key_file`"),
        (certificates.key(), 0o644, "buses.kafka: `options.ssl.key.location`"),
        (workplace.path("oktabus.toml"), 0o666, "cannot read the configuration"),
    ] {
        let before = fs::metadata(&path).unwrap().mode() & 0o777;
        chmod(&path, mode);
        refused(&workplace, key).await;
        chmod(&path, before);
    }
    assert_eq!(check(&workplace).await.code, Some(0));
}

fn made(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.clone(), fs::metadata(&path).unwrap().mode() & 0o777));
        if path.is_dir() {
            found.extend(made(&path));
        }
    }
    found
}

#[tokio::test]
async fn what_is_made_is_nobody_elses_whatever_the_mask() {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let run = |arguments: &str| {
        let script = format!("umask 0; exec \"$0\" {arguments} --config \"$1\"");
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_oktabus")]).arg(workplace.path("oktabus.toml"));
        command.kill_on_drop(true).output()
    };
    let export = workplace.path("state/export.jsonl");
    assert!(run("run --until-caught-up").await.unwrap().status.success());
    let exported = run(&format!("state export --to {}", export.display())).await.unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let mut made = made(&workplace.path("state"));
    made.extend(self::made(&workplace.path("archive")));
    assert!(made.iter().any(|(path, _)| path.ends_with("store/db")) && made.len() > 5, "{made:?}");
    for (path, mode) in made {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    chmod(&export, 0o644);
    assert!(run(&format!("state export --to {}", export.display())).await.unwrap().status.success());
    assert_eq!(fs::metadata(&export).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_state_directory_in_which_others_can_put_things_is_not_used() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    fs::create_dir(workplace.path("state")).unwrap();
    chmod(workplace.path("state"), 0o777);
    let said = workplace.oktabus(&["run", "--until-caught-up"]).await;
    assert!(said.code == Some(65) && said.stderr.contains("written to by others"), "{}", said.stderr);

    // A socket that somebody has put there gets nothing, be it under a daemon's name.
    let _impostor = UnixListener::bind(workplace.path("state/control.sock")).unwrap();
    let commands = "[commands.hr]\norg = \"acme\"\noutcomes = { sink = \"files\" }\nallow = [\"user.*\"]\n";
    workplace.configure(&format!("{ORG}{TO_FILES}{commands}"));
    workplace.write_secret("password", "canary");
    let password = format!("password=@{}", workplace.path("password").display());
    let arguments = ["command", "run", "user.set_password", "-p", "user=ada", "-p", &password];
    let said = workplace.oktabus(&arguments).await;
    assert!(said.code == Some(69) && said.stderr.contains("cannot trust the socket"), "{}", said.stderr);
    if rustix::process::geteuid().is_root() {
        chmod(workplace.path("state"), 0o700);
        chown(workplace.path("state"), Some(4_242), None).unwrap();
        let said = workplace.oktabus(&arguments).await;
        assert!(said.code == Some(69) && said.stderr.contains("user 0 serves it"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn a_key_is_understood_as_forms_and_editors_leave_it() {
    let org = "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = { method = \"private_key_jwt\", client_id = \"0oa1\", private_key_file = \"{dir}/key.pem\" }\n";
    let workplace = Workplace::with_orgs(&format!("{org}{TO_FILES}"));
    let pem = ec_key();
    for form in [
        pem.clone(),
        pem.replace('\n', "\\n"),
        pem.replace('\n', " "),
        pem.replace('\n', "\r\n"),
        format!("\u{feff}{pem}"),
        pem.lines().map(|line| format!("    {line}\n")).collect(),
    ] {
        workplace.write_secret("key.pem", &form);
        let said = check(&workplace).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(pem.bytes().flat_map(|byte| [byte, 0])).collect();
    fs::write(workplace.path("key.pem"), utf16).unwrap();
    refused(&workplace, "UTF-16").await;
}
