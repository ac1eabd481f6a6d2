//! Secrets are planted everywhere, and nothing that is printed, logged, served or kept has one.

use std::{fs, sync::Arc};

use axum::{Router, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_util::task::AbortOnDropHandle;

use super::{ORG, TO_FILES};
use crate::support::{
    daemon::Workplace,
    okta::{Okta, TOKEN},
    tools::eventually,
};

const CANARY: &str = "canary-4d1f";

/// What a check says of a configuration that is wrong; without the canary.
async fn told(text: &str) -> String {
    let workplace = Workplace::with_orgs(text);
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(64), "{text}\n{}", said.stdout);
    for shown in [&said.stdout, &said.stderr] {
        assert!(!shown.contains(CANARY), "{shown}");
    }
    said.stderr
}

#[tokio::test]
async fn no_mistake_in_a_configuration_shows_the_secret_beside_it() {
    let bus = |more: &str| format!("{ORG}{TO_FILES}[buses.b]\n{more}\n");
    let kafka = |more: &str| bus(&format!("kind = \"kafka\"\nbrokers = [\"a:9092\"]\n{more}"));
    let nats = |more: &str| bus(&format!("kind = \"nats\"\n{more}"));
    let proxy = |more: &str| format!("{ORG}[orgs.acme.http]\n{more}\n{TO_FILES}");
    let auth = |auth: &str| ORG.replace("{ token_file = \"{dir}/token\" }", auth) + TO_FILES;
    for (text, expected) in [
        (auth(&format!("{{ token = \"{CANARY} }}")), "oktabus.toml:"),
        (auth(&format!("{{ token = {CANARY} }}")), "oktabus.toml:"),
        (auth(&format!("\"{CANARY}\"")), "orgs.acme.auth"),
        (auth(&format!("{{ token = [\"{CANARY}\"] }}")), "orgs.acme.auth"),
        (auth(&format!("{{ token = \"{CANARY}\" }}")), "allow_inline_secrets"),
        (
            ORG.replace(
                "domain = \"acme.okta.com\"",
                &format!("url = \"https://ada:{CANARY}@acme.okta.com\""),
            ) + TO_FILES,
            "orgs.acme.url",
        ),
        (
            ORG.replace("domain = \"acme.okta.com\"", &format!("domain = \"ada:{CANARY}@acme.okta.com\""))
                + TO_FILES,
            "orgs.acme.domain",
        ),
        (proxy(&format!("proxy = \"http://ada:{CANARY}@proxy:3128\"")), "proxy_password_file"),
        (proxy(&format!("proxy = \"http://ada:{CANARY} @proxy\"")), "orgs.acme.http.proxy"),
        (
            proxy(&format!(
                "proxy = \"http://proxy:3128\"\nproxy_user = \"ada\"\nproxy_password = \"{CANARY}\""
            )),
            "proxy_password",
        ),
        (nats(&format!("servers = [\"nats://ada:{CANARY}@a:4222\"]")), "password_file"),
        (nats(&format!("servers = [\"nats://{CANARY}@a:4222\"]")), "token_file"),
        (nats(&format!("servers = [\"nats://a:4222\"]\nauth = {{ token = \"{CANARY}\" }}")), "buses.b.auth"),
        (kafka(&format!("options = {{ \"ssl.truststore.password\" = \"{CANARY}\" }}")), "secret_options"),
        (
            kafka(&format!(
                "options = {{ \"sasl.oauthbearer.assertion.private.key.passphrase\" = \"{CANARY}\" }}"
            )),
            "secret_options",
        ),
        (kafka(&format!("secret_options = {{ \"sasl.password\" = \"{CANARY}\" }}")), "secret_options"),
        (
            kafka(&format!("secret_options = {{ \"sasl.password\" = {{ value = \"{CANARY}\" }} }}")),
            "allow_inline_secrets",
        ),
        (bus(&format!("kind = \"kafka\"\nbrokers = [\"ada:{CANARY}@a:9092\"]")), "sasl.username"),
    ] {
        let told = told(&text).await;
        assert!(told.contains(expected), "wanted: {expected}\ntold: {told}");
    }
}

#[tokio::test]
async fn a_secret_that_a_library_does_not_take_is_not_shown() {
    let text = format!(
        "allow_inline_secrets = true\n{ORG}{}[buses.b]\nkind = \"kafka\"\nbrokers = [\"127.0.0.1:1\"]\n\
         options = {{ \"ssl.key.pem\" = \"{CANARY}\", \"security.protocol\" = \"ssl\" }}\n",
        TO_FILES.replace("kind = \"file\"\ndirectory = \"{dir}/archive\"", "kind = \"kafka\"\ntopic = \"t\"")
    );
    let workplace = Workplace::with_orgs("");
    workplace.configure("");
    // What stands before the first table must come first.
    let common = fs::read_to_string(workplace.path("oktabus.toml")).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let text = format!("{first}\n{common}{rest}").replace("{dir}", workplace.path("").to_str().unwrap());
    fs::write(workplace.path("oktabus.toml"), text).unwrap();
    let said = workplace.oktabus(&["check"]).await;
    assert_ne!(said.code, Some(0), "{}", said.stdout);
    assert!(!said.stdout.contains(CANARY) && !said.stderr.contains(CANARY), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("ssl.key.pem") || said.stdout.contains("SSL"),
        "{}{}",
        said.stdout,
        said.stderr
    );
}

#[tokio::test]
async fn the_password_of_a_proxy_is_used_and_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let _proxy = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4_096];
            let length = stream.read(&mut head).await.unwrap();
            seen.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
            let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        }
    }));
    let http = format!("[orgs.acme.http]\nproxy = \"http://{proxy}\"\nproxy_user = \"ada\"\n");
    let http = http + "proxy_password_file = \"{dir}/proxy-password\"\n";
    let workplace = Workplace::with_orgs(&format!("{ORG}{http}{TO_FILES}"));
    workplace.write_secret("proxy-password", CANARY);
    let said = workplace.oktabus(&["check"]).await;
    assert!(!said.stdout.contains(CANARY) && !said.stderr.contains(CANARY), "{said:?}");
    let basic = format!("Basic {}", STANDARD.encode(format!("ada:{CANARY}")));
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked.iter().any(|head| head.starts_with("CONNECT acme.okta.com") && head.contains(&basic)),
        "{asked:?}"
    );
    // The environment may have one, too.
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_oktabus"));
    workplace.configure(&format!("{ORG}{TO_FILES}"));
    command.args(["check", "--config"]).arg(workplace.path("oktabus.toml"));
    let output =
        command.env("HTTPS_PROXY", format!("http://ada:{CANARY}@127.0.0.1:1")).output().await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("no answer from") && !said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn neither_a_token_nor_a_password_of_a_command_comes_out_of_the_daemon() {
    let okta = Okta::with_backlog(10).await;
    okta.plant("users", &serde_json::json!({ "profile": { "login": "ada@acme.com" } })).await;
    let commands = "[commands.hr]\norg = \"acme\"\noutcomes = { sink = \"files\" }\nallow = [\"user.*\"]\n";
    let workplace = Workplace::new(&okta, &format!("{TO_FILES}{commands}"));
    let daemon = workplace.start_with(&[], &[("OKTABUS__LOG__LEVEL", "trace")]);
    workplace.route("log/files", |route| route.delivered == 10).await;
    workplace.write_secret("password", &format!("W{CANARY}!9aZ"));
    let password = format!("password=@{}", workplace.path("password").display());
    let said = workplace
        .oktabus(&[
            "command",
            "run",
            "user.set_password",
            "-p",
            "user=ada@acme.com",
            "-p",
            &password,
            "--id",
            "c-1",
        ])
        .await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    workplace.write_token("00wrong-canary-4d1f");
    daemon.reload().await;
    let export = workplace.oktabus(&["state", "export"]).await.stdout;
    let fingerprint = export.lines().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry: serde_json::Value = serde_json::from_str(line["entry"]["content"].as_str()?).unwrap();
        Some(entry["digest"].as_str().unwrap().to_owned())
    });
    // Keyed with what is not in the state; `what_is_kept_of_a_secret_…` in the library says what that is worth.
    assert_eq!(fingerprint.unwrap().split('.').count(), 3);
    let shown = workplace.oktabus(&["command", "show", "c-1", "--json"]).await.stdout;
    let (status, metrics) =
        (workplace.get("/status").await.unwrap().1, workplace.get("/metrics").await.unwrap().1);
    daemon.terminate().await;
    daemon.ended().await;
    let mut everywhere = vec![export, shown, status, metrics, workplace.log(), said.stdout, said.stderr];
    everywhere.extend(kept(&workplace.path("state")));
    everywhere.extend(kept(&workplace.path("archive")));
    for text in everywhere {
        assert!(!text.contains(CANARY) && !text.contains(TOKEN), "{text}");
    }
}

/// What the files under `directory` have, as text.
fn kept(directory: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(kept(&path));
        } else {
            found.push(String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
        }
    }
    found
}

#[tokio::test]
async fn what_an_org_says_forges_no_line_in_logs_and_pages() {
    const FORGED: &str = "2030-01-01T00:00:00.000000Z ERROR everything is lost";
    let body = serde_json::json!({
        "errorCode": format!("E1\n{FORGED}\n\u{1b}[2J\u{9b}1m\u{202e}"),
        "errorSummary": format!("no\n{FORGED}\u{1b}]0;title\u{7}"),
    });
    let body: Arc<str> = body.to_string().into();
    let answers = Router::new().fallback(move || {
        let body = Arc::clone(&body);
        async move { (StatusCode::FORBIDDEN, body.to_string()) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _org = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, answers).await }));
    let org = ORG.replace("domain = \"acme.okta.com\"", &format!("url = \"{url}\""));
    for style in ["human", "json"] {
        let workplace = Workplace::with_orgs(&format!("{org}{TO_FILES}"));
        let _daemon = workplace.start_with(&[], &[("OKTABUS__LOG__STYLE", style)]);
        let ready = eventually("the trouble", async || {
            let (_, text) = workplace.get("/readyz").await.ok()?;
            text.contains("E1").then_some(text)
        })
        .await;
        assert_eq!(ready.lines().count(), 1, "{ready}");
        let status = workplace.get("/status").await.unwrap().1;
        let log = eventually("a log line", async || {
            let log = workplace.log();
            log.contains("E1").then_some(log)
        })
        .await;
        let checked = workplace.oktabus(&["check"]).await;
        for text in [ready, status, log, checked.stdout, checked.stderr] {
            assert!(!text.lines().any(|line| line.starts_with(FORGED)), "{text}");
            assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']), "{text:?}");
        }
    }
}
