//! Which way requests take: never by a proxy to this machine, and by any kind of proxy to others.

use tokio::net::TcpListener;

use super::TO_FILES;
use crate::support::{
    certificates::{Certificates, ORG},
    daemon::Workplace,
    okta::Okta,
    socks::{PASSWORD, SocksProxy, USER},
    tls::TlsFront,
    tools::free_port,
};

#[tokio::test]
async fn an_org_on_this_machine_is_asked_without_a_proxy() {
    let okta = Okta::with_backlog(500).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let workplace = Workplace::new(&okta, TO_FILES);
    let environment = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, &*address));
    let daemon = workplace.start_with(&["--until-caught-up"], &environment);
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);

    let configured = Workplace::new(&okta, &format!("http = {{ proxy = \"{address}\" }}\n{TO_FILES}"));
    configured.catch_up().await;
    let came = tokio::time::timeout(std::time::Duration::ZERO, proxy.accept()).await;
    assert!(came.is_err(), "somebody asked the proxy");
}

#[tokio::test]
async fn an_org_is_reached_through_a_socks_proxy_that_demands_a_password() {
    let (front_port, proxy_port) = (free_port(), free_port());
    let public_url = format!("https://{ORG}");
    let okta = Okta::start(&["--backlog", "1500", "--rate", "0", "--public-url", &public_url]).await;
    let certificates = Certificates::new();
    let behind = okta.url().strip_prefix("http://").unwrap();
    let _front = TlsFront::start(front_port, behind, &certificates).await;
    let proxy = SocksProxy::start(proxy_port, ORG, front_port).await;
    let http = format!(
        "http = {{ ca_file = \"{}\", proxy = \"socks5h://127.0.0.1:{proxy_port}\", proxy_user = \"{USER}\", \
         proxy_password_file = \"{{dir}}/proxy-password\" }}",
        certificates.authority().display()
    );
    let org =
        format!("[orgs.acme]\ndomain = \"{ORG}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{http}\n");
    let workplace = Workplace::with_orgs(&format!("{org}{TO_FILES}"));
    workplace.write_secret("proxy-password", PASSWORD);
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    assert!(proxy.connections() > 0);
    assert!(!workplace.log().contains(PASSWORD), "{}", workplace.log());
}

#[tokio::test]
async fn a_proxy_of_an_unknown_kind_is_refused_before_anything_runs() {
    let okta = Okta::with_backlog(0).await;
    let workplace = Workplace::new(&okta, &format!("http = {{ proxy = \"ftp://127.0.0.1:1\" }}\n{TO_FILES}"));
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(64));
    assert!(said.stderr.contains("`ftp` is no kind of proxy"), "{}", said.stderr);
}
