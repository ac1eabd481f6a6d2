//! The admin pages and the control socket: who may see what, and how much a client may take.

use std::{fs, time::Duration};

use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, UnixStream},
};

use super::{ORG, TO_FILES};
use crate::support::{
    certificates::Certificates,
    daemon::Workplace,
    okta::Okta,
    tools::{eventually, free_port},
};

/// Status and text of a page that is asked for with these headers.
async fn ask(http: &reqwest::Client, url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let request = headers.iter().fold(http.get(url), |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_admin_port_shows_no_state_and_answers_to_no_foreign_name() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 10).await;
    for page in ["/state/export", "/state/verification"] {
        assert_eq!(workplace.get(page).await.unwrap().0, 404, "{page}");
    }
    let http = reqwest::Client::new();
    for page in ["/status", "/metrics", "/livez", "/readyz"] {
        let url = workplace.page_url(page);
        for foreign in ["evil.example", "evil.example:8088", "127.0.0.1.evil.example"] {
            let (status, text) = ask(&http, &url, &[("host", foreign)]).await;
            assert_eq!(status, 421, "{page} for {foreign}: {text}");
            assert!(!text.contains("log/files"), "{text}");
        }
        for own in ["localhost:8088", "127.0.0.1", "[::1]:8088"] {
            assert_eq!(ask(&http, &url, &[("host", own)]).await.0, 200, "{page} for {own}");
        }
    }
}

#[tokio::test]
async fn beyond_this_machine_pages_are_for_those_who_show_the_token_over_tls() {
    let okta = Okta::with_backlog(10).await;
    let certificates = Certificates::new();
    let org = ORG.replace("domain = \"acme.okta.com\"", &format!("url = \"{}\"", okta.url()));
    let port = free_port();
    let workplace = Workplace::with_orgs("");
    let configure = |admin: &str| {
        let state = format!("[state]\npath = \"{}\"\n", workplace.path("state").display());
        let text = format!("{state}[admin]\nlisten = \"0.0.0.0:{port}\"\n{admin}\n{org}{TO_FILES}");
        let text = text.replace("{dir}", workplace.path("").to_str().unwrap());
        fs::write(workplace.path("oktabus.toml"), text).unwrap();
    };
    workplace.write_secret("admin-token", "canary-0123456789abcdef\n");
    let token = "token_file = \"{dir}/admin-token\"\n";
    for (admin, missing) in [("", "token_file"), (token, "tls_at_proxy")] {
        configure(admin);
        let said = workplace.oktabus(&["check", "--offline"]).await;
        assert!(said.code == Some(64) && said.stderr.contains(missing), "{}", said.stderr);
    }
    let tls = format!(
        "{token}tls = {{ certificate_file = \"{}\", key_file = \"{}\" }}",
        certificates.certificate().display(),
        certificates.key().display()
    );
    configure(&tls);
    let _daemon = workplace.start(&[]);
    let authority = reqwest::Certificate::from_pem(&fs::read(certificates.authority()).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let url = |page: &str| format!("https://127.0.0.1:{port}{page}");
    eventually("the pages", async || {
        let response = http.get(url("/readyz")).send().await.ok()?;
        (response.status() == 200).then_some(())
    })
    .await;
    for page in ["/status", "/metrics"] {
        assert_eq!(ask(&http, &url(page), &[]).await.0, 401, "{page}");
        let wrong = ask(&http, &url(page), &[("authorization", "Bearer wrong")]).await;
        assert!(wrong.0 == 401 && !wrong.1.contains("log/files"), "{wrong:?}");
        let shown = [("authorization", "Bearer canary-0123456789abcdef")];
        let (status, text) = ask(&http, &url(page), &shown).await;
        assert!(status == 200 && text.contains("log/files") && !text.contains("canary"), "{text}");
    }
    // A probe needs no token, and is told no reasons.
    okta.arm(json!({ "kind": "status", "status": 503, "path": "/api/v1/logs", "count": 1_000_000 })).await;
    let unready = eventually("trouble", async || {
        let (status, text) = ask(&http, &url("/readyz"), &[]).await;
        (status == 503).then_some(text)
    })
    .await;
    assert!(!unready.contains("log/files") && unready.contains("token"), "{unready}");
    assert!(
        http.get(format!("http://127.0.0.1:{port}/livez")).send().await.is_err(),
        "plain text is not spoken"
    );
    assert!(!workplace.log().contains("canary"), "{}", workplace.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idlers_and_slow_readers_keep_nobody_out() {
    const CLIENTS: usize = 300;
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 10).await;
    let mut idlers = Vec::new();
    for number in 0..CLIENTS {
        let mut idler = TcpStream::connect(workplace.admin()).await.unwrap();
        if number % 2 == 0 {
            // Asks, and does not read.
            idler.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        }
        idlers.push(idler);
    }
    let mut askers = Vec::new();
    for _ in 0..CLIENTS / 2 {
        // The queue of those who wait to be let in is bounded, too.
        let connecting = UnixStream::connect(workplace.path("state/control.sock"));
        let Ok(Ok(mut asker)) = tokio::time::timeout(Duration::from_secs(1), connecting).await else { break };
        let _ = asker.write_all(b"GET /state/export HTTP/1.1\r\nhost: a\r\n\r\n").await;
        askers.push(asker);
    }
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
    assert!(open < CLIENTS, "{open} descriptors are open");
    let health = tokio::time::timeout(Duration::from_secs(5), workplace.get("/livez")).await;
    assert_eq!(health.expect("an answer in time").unwrap().0, 200);
    okta.add(r#"[{"uuid":"new-1","published":"2020-01-01T00:00:00.000Z"}]"#).await;
    workplace.route("log/files", |route| route.delivered == 11).await;
    drop(askers);
    let said = workplace.oktabus(&["state", "export"]).await;
    assert!(said.code == Some(0) && said.stdout.contains("log/files"), "{}", said.stderr);
    drop(idlers);
}
