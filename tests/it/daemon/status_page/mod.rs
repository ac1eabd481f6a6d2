//! The status page and what stands behind it: who may see it, what it does to delivery, and how it looks in a browser.

mod access;
mod browser;
mod dead_letters;
mod streams;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    daemon::{Daemon, Workplace},
    tools::eventually,
};

/// What `admin.token_file` has in these tests.
const TOKEN: &str = "a-token-for-the-status-page";

/// Starts the daemon with a token for its admin address.
fn start_with_token(workplace: &Workplace) -> Daemon {
    workplace.write_secret("admin-token", TOKEN);
    let file = workplace.path("admin-token").display().to_string();
    workplace.start_with(&[], &[("OKTABUS__ADMIN__TOKEN_FILE", &file)])
}

/// Asks for `path` with these headers; the answer, once the daemon is up.
async fn ask(workplace: &Workplace, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    eventually("the admin address", async || {
        let client = reqwest::Client::new();
        let request = client.get(workplace.page_url(path)).timeout(Duration::from_secs(20));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.ok()
    })
    .await
}

/// Asks for an action with the token and these headers besides.
async fn act(workplace: &Workplace, action: &Value, headers: &[(&str, &str)]) -> (u16, String) {
    let request = reqwest::Client::new().post(workplace.page_url("/api/actions"));
    let request = request.header("content-type", "application/json").body(action.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// What has the token.
fn bearer() -> [(&'static str, &'static str); 1] {
    [("authorization", "Bearer a-token-for-the-status-page")]
}

/// How everything stands, as who has the token sees it.
async fn overview(workplace: &Workplace) -> Value {
    let text = ask(workplace, "/api/overview", &bearer()).await.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// Waits until the overview is as wanted.
async fn overview_with(workplace: &Workplace, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || Some(overview(workplace).await).filter(&is_so)).await
}

fn pause(route: &str) -> Value {
    json!({ "action": "pause_route", "about": route, "confirm": route, "reason": "the sink moves" })
}
