//! A first run: a configuration made by `init`, completions, man pages, the version.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::process::Command;

async fn oktabus(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    command.args(arguments).current_dir(directory).stdin(std::process::Stdio::null());
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn every_first_configuration_is_accepted() {
    let sinks: [&[&str]; 4] = [
        &["--sink", "kafka", "--brokers", "a:9092,b:9092", "--topic", "okta.acme"],
        &["--sink", "nats", "--servers", "nats://127.0.0.1:4222", "--stream", "OKTA"],
        &["--sink", "file", "--directory", "ar${chive}"],
        &["--sink", "stdout", "--format", "ocsf", "--start", "-90d"],
    ];
    for auth in ["service-app", "api-token"] {
        for sink in sinks {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            let arguments = [&["init", "--org", "acme.okta.com", "--auth", auth], sink].concat();
            let made = oktabus(path, &arguments).await;
            assert!(made.status.success(), "{}", said(&made));
            assert_eq!(mode(&path.join("oktabus.toml")), 0o644);
            if auth == "api-token" {
                fs::write(path.join("okta-token"), "00token").unwrap();
                fs::set_permissions(path.join("okta-token"), fs::Permissions::from_mode(0o600)).unwrap();
            }
            let checked = oktabus(path, &["check", "--offline", "--config", "oktabus.toml"]).await;
            assert!(checked.status.success(), "{arguments:?}: {}", said(&checked));
            assert!(said(&checked).contains("1 org(s), 1 stream(s), 1 route(s), 1 sink(s)"));
        }
    }
}

#[tokio::test]
async fn a_service_app_gets_a_key_of_which_the_public_half_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let arguments = ["init", "--org", "acme.okta.com", "--auth", "service-app", "--sink", "file"];
    let made = oktabus(path, &arguments).await;
    let told = said(&made);
    for step in [
        "acme-admin.okta.com",
        "okta.logs.read",
        "Read-only administrator",
        "Public key / Private key",
        "client id",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
    assert_eq!(mode(&path.join("okta-key.pem")), 0o600);
    let (start, end) = (told.find('{').unwrap(), told.rfind('}').unwrap());
    let jwk: serde_json::Value = serde_json::from_str(&told[start..=end]).unwrap();
    assert!(jwk.get("d").is_none() && !told.contains("PRIVATE KEY-----"), "{told}");
    // OpenSSL knows the point of the key: the end of what it prints.
    let public = Command::new("openssl")
        .args(["pkey", "-in", "okta-key.pem", "-pubout", "-outform", "DER"])
        .current_dir(path)
        .output()
        .await
        .unwrap();
    assert!(public.status.success(), "{}", said(&public));
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    assert!(public.stdout.ends_with(&[coordinate("x"), coordinate("y")].concat()));
    let configuration = fs::read_to_string(path.join("oktabus.toml")).unwrap();
    assert!(configuration.contains(&format!("key_id = {}", jwk["kid"])), "{configuration}");

    // Neither is replaced unless that is asked for, and a key never is.
    let key = fs::read(path.join("okta-key.pem")).unwrap();
    let again = oktabus(path, &arguments).await;
    assert_eq!(again.status.code(), Some(64));
    assert!(said(&again).contains("--force"), "{}", said(&again));
    let forced = oktabus(path, &[&arguments[..], &["--force", "--client-id", "0oa1"]].concat()).await;
    assert!(forced.status.success(), "{}", said(&forced));
    assert_eq!(fs::read(path.join("okta-key.pem")).unwrap(), key);
    assert!(fs::read_to_string(path.join("oktabus.toml")).unwrap().contains("0oa1"));
}

#[tokio::test]
async fn a_file_that_is_no_private_key_is_not_taken_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let arguments = ["init", "--org", "acme.okta.com", "--auth", "service-app", "--sink", "file"];
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    for content in ["", "hunter2", certificate, public, "{\"kty\":\"EC\"}"] {
        fs::write(path.join("okta-key.pem"), content).unwrap();
        let refused = oktabus(path, &arguments).await;
        assert_eq!(refused.status.code(), Some(64), "{content}: {}", said(&refused));
        assert!(
            said(&refused).contains("no private key that can be used: "),
            "{content}: {}",
            said(&refused)
        );
        assert!(!path.join("oktabus.toml").exists(), "{content}");
        assert!(!said(&refused).contains("hunter2"));
    }
    fs::remove_file(path.join("okta-key.pem")).unwrap();
    fs::create_dir(path.join("okta-key.pem")).unwrap();
    let refused = oktabus(path, &arguments).await;
    assert!(said(&refused).contains("cannot read okta-key.pem"), "{}", said(&refused));
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_missing_flag_is_named_and_print_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, missing) in [
        (&["init"][..], "--org"),
        (&["init", "--org", "acme.okta.com"], "--auth"),
        (&["init", "--org", "acme.okta.com", "--auth", "api-token"], "--sink"),
    ] {
        let refused = oktabus(directory.path(), arguments).await;
        assert_eq!(refused.status.code(), Some(64));
        assert!(said(&refused).contains(missing), "{}", said(&refused));
    }
    let printed = oktabus(
        directory.path(),
        &["init", "--org", "acme.okta.com", "--auth", "service-app", "--sink", "stdout", "--print"],
    )
    .await;
    assert!(String::from_utf8_lossy(&printed.stdout).contains("[orgs.acme]"), "{}", said(&printed));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn shells_take_the_completions_and_every_command_has_a_page() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = oktabus(directory.path(), &["completions", shell]).await;
        assert!(script.status.success() && said(&script).contains("dead-letters"), "{shell}");
        if shell == "bash" {
            fs::write(directory.path().join("completions"), &script.stdout).unwrap();
            let read =
                Command::new("bash").arg("-n").arg(directory.path().join("completions")).output().await;
            assert!(read.unwrap().status.success());
        }
    }
    let made = oktabus(directory.path(), &["man", "pages"]).await;
    assert!(made.status.success(), "{}", said(&made));
    for page in ["oktabus.1", "oktabus-run.1", "oktabus-dead-letters-retry.1", "oktabus-config-schema.1"] {
        let text = fs::read_to_string(directory.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let version = said(&oktabus(directory.path(), &["--version"]).await);
    assert!(version.starts_with(concat!("oktabus ", env!("CARGO_PKG_VERSION"))), "{version}");
    assert!(
        version.contains("commit: ") && version.contains("features: ") && version.contains("simulator"),
        "{version}"
    );
}
