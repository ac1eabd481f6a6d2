//! What is asked by who may not read the secrets of the service, and what is refused to who may.

use std::fs;

use super::{TO_FILES, ec_key};
use crate::support::{
    daemon::Workplace,
    okta::{Okta, TOKEN},
    tools::eventually,
};

#[tokio::test]
async fn what_needs_no_secret_is_done_without_the_services_credentials() {
    let okta = Okta::with_backlog(10).await;
    let rest = format!(
        r#"
[orgs.acme]
url = "{}"
auth = {{ token_credential = "okta" }}
budget = {{ share = 1.0 }}
{TO_FILES}
[commands.hr]
org = "acme"
outcomes = {{ sink = "files" }}
allow = ["user.*"]
signature = {{ keys.portal = {{ algorithm = "hmac-sha256", secret_credential = "portal" }} }}
[orgs.second]
domain = "second.okta.com"
auth = {{ method = "private_key_jwt", client_id = "0oa1", private_key_credential = "key" }}
[streams.second]
org = "second"
routes = [{{ sink = "files" }}]
"#,
        okta.url()
    );
    let workplace = Workplace::with_orgs(&rest);
    fs::create_dir(workplace.path("credentials")).unwrap();
    workplace.write_secret("credentials/okta", TOKEN);
    workplace.write_secret("credentials/portal", "0123456789abcdef0123456789abcdef");
    workplace.write_secret("credentials/key", &ec_key());
    let credentials = workplace.path("credentials");
    let daemon = workplace.start_with(&[], &[("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())]);
    workplace.route("log/files", |route| route.delivered == 10).await;
    let works = async |arguments: &[&str]| {
        let said = workplace.oktabus(arguments).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.stdout, said.stderr);
    };
    let always: [&[&str]; 8] = [
        &["state", "show"],
        &["state", "verify"],
        &["state", "export"],
        &["schema"],
        &["schema", "--as", "json-schema"],
        &["command", "list"],
        &["command", "limits"],
        &["check", "--offline", "--no-secrets"],
    ];
    for arguments in always {
        works(arguments).await;
    }
    works(&["replay", "--route", "log/files", "--from", "-1h"]).await;
    daemon.terminate().await;
    daemon.ended().await;
    for arguments in always {
        works(arguments).await;
    }
    works(&["state", "reset", "log/files", "--to", "now", "--yes"]).await;
    works(&["state", "compact"]).await;
    let needs = workplace.oktabus(&["run"]).await;
    assert!(needs.code == Some(64) && needs.stderr.contains("CREDENTIALS_DIRECTORY"), "{}", needs.stderr);
}

#[tokio::test]
async fn a_sound_state_is_not_recovered() {
    let okta = Okta::with_backlog(100).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.catch_up().await;
    for way in ["witness", "store", "since=-1h", "now"] {
        let refused = workplace.oktabus(&["run", "--until-caught-up", &format!("--recover={way}")]).await;
        assert_eq!(refused.code, Some(65), "{way}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("is sound") && refused.stderr.contains("state reset"),
            "{}",
            refused.stderr
        );
    }
    let store = eventually("the state", async || fs::read_dir(workplace.path("state")).ok()).await;
    let aside = store
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("before-recovery"));
    assert_eq!(aside.count(), 0, "nothing was moved");
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await, "nothing came twice");
}
