//! How many commands the rate budget lets through, and that they use it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::scene::{Scene, until};
use crate::support::okta::Okta;

/// Requests a minute in each bucket, all of them ours.
const LIMIT: u32 = 600;
const COMMANDS: usize = 500;
/// Commands at work at the same time, at most, with those that have just been read.
const AT_WORK: u64 = 64;
const MEASURED: Duration = Duration::from_secs(20);

async fn requests(okta: &Okta) -> u64 {
    let counts = okta.page("/-/requests").await;
    let of_users = counts
        .as_array()
        .unwrap()
        .iter()
        .filter(|count| count["path"].as_str().is_some_and(|path| path.starts_with("/api/v1/users")));
    of_users.map(|count| count["count"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_as_fast_as_the_budget_and_no_faster() {
    let limit = LIMIT.to_string();
    let options = ["--backlog", "0", "--rate", "0", "--token-share", "100", "--directory-rate-limit", &limit];
    let mut scene = Scene::prepare_at(Okta::start(&options).await, "allow = [\"user.get\"]").await;
    for n in 0..20 {
        scene.okta.plant("users", &json!({ "profile": { "login": format!("b{n}@acme.com") } })).await;
    }
    for n in 0..COMMANDS {
        let user = format!("b{}@acme.com", n % 20);
        scene
            .send(json!({ "id": n.to_string(), "action": "user.get", "parameters": { "user": user } }))
            .await;
    }
    scene.resume();
    until(async || requests(&scene.okta).await > 0).await;
    let (begun, outcomes_before, before) =
        (Instant::now(), scene.outcomes().await.len(), requests(&scene.okta).await);
    until(async || begun.elapsed() > MEASURED).await;
    let took = begun.elapsed().as_secs_f64();
    let outcomes = scene.outcomes().await.len() - outcomes_before;
    let asked = requests(&scene.okta).await - before;
    let allowed = f64::from(LIMIT) / 60.0 * took;
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    let (used, rate) = (asked as f64 / allowed, outcomes as f64 / took);
    println!(
        "{outcomes} commands and {asked} requests in {took:.1} s: {rate:.1} commands a second, {:.0} % of the limit",
        used * 100.0
    );
    // To find a user is to get one. Those at work may be in the middle.
    assert!(asked <= outcomes as u64 + AT_WORK, "{asked} requests for {outcomes} commands");
    // A window begins with what was left over, so a part of it may have more than its share.
    assert!(used > 0.7 && asked <= u64::from(LIMIT), "{used}");
    let counts = scene.okta.page("/-/requests").await;
    assert!(counts.as_array().unwrap().iter().all(|count| count["status"] != 429), "{counts}");
}
