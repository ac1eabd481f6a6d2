//! The way to a real org: https, a certificate that must be trusted, packed answers, and links as seen from outside.

use crate::support::{
    certificates::Certificates, daemon::Workplace, okta::Okta, tls::TlsFront, tools::free_port,
};

fn configuration(port: u16, http: &str) -> String {
    format!(
        "[orgs.acme]\nurl = \"https://localhost:{port}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n{http}{}",
        super::TO_FILES
    )
}

#[tokio::test]
async fn an_org_behind_tls_with_packed_answers_is_read_to_its_end() {
    let port = free_port();
    let public_url = format!("https://localhost:{port}");
    let options = ["--backlog", "2500", "--rate", "0", "--gzip", "--public-url", &public_url];
    let okta = Okta::start(&options).await;
    let certificates = Certificates::new();
    let _front = TlsFront::start(port, okta.url().strip_prefix("http://").unwrap(), &certificates).await;

    let ca_file = format!("http = {{ ca_file = \"{}\" }}\n", certificates.authority().display());
    let workplace = Workplace::with_orgs(&configuration(port, &ca_file));
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);

    let stranger = Workplace::with_orgs(&configuration(port, ""));
    let said = stranger.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69));
    assert!(said.stdout.contains("certificate"), "{}", said.stdout);
}
