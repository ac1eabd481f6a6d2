//! The Okta side: every way to authenticate, rotation, the rate budget, and what independent judges say of both our client
//! and our simulated org.

mod budget;
mod judges;
mod refusals;
mod rotation;
mod service_app;

use crate::support::{
    daemon::{TO_FILES, Workplace},
    judges::okta::{CLIENT_ID, Key},
    okta::Okta,
};

/// The configuration of an org at `url` with our service app; `more` are other keys of its `auth`.
fn service_app(url: &str, more: &str) -> String {
    format!(
        "[orgs.acme]\nurl = \"{url}\"\nbudget = {{ share = 1.0 }}\n[orgs.acme.auth]\nmethod = \"private_key_jwt\"\n\
         client_id = \"{CLIENT_ID}\"\nprivate_key_file = \"{{dir}}/key\"\n{more}\n{TO_FILES}"
    )
}

/// A workplace for that, with this private key.
fn workplace(okta: &Okta, key: &str, more: &str) -> Workplace {
    let workplace = Workplace::with_orgs(&service_app(okta.url(), more));
    workplace.write_secret("key", key);
    workplace
}

/// An org that never runs out of requests, with the app of `key`.
async fn org(backlog: usize, key: &Key, app: &serde_json::Value, options: &[&str]) -> Okta {
    let backlog = backlog.to_string();
    let usual = ["--backlog", &backlog, "--rate", "0", "--rate-limit", "1000000"];
    let okta = Okta::start(&[&usual, options].concat()).await;
    okta.register(&key.app(app)).await;
    okta
}
