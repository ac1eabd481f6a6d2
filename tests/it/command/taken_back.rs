//! What was done, and what somebody at Okta has taken back before the command could know that it was done, is not done
//! again: for every action whose doing can be taken back. What tells is in the table of `docs/commands.md`.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use oktabus::command::{
    Action, ActionFailure, ActionSuccess, Effect, Expect, Request, SuccessKind,
    execute::{Admission, Attempt, Baseline, PendingChange, Progress},
};
use serde_json::{Value, json};

use super::actions::Scene;

/// Actions of which there is nothing to take back, or that may be repeated whatever happened: each sets anew what nobody
/// can see, or frees somebody who is locked out.
const REPEATABLE: &[&str] = &[
    "user.reactivate",
    "user.unlock",
    "user.reset_password",
    "user.forgot_password",
    "user.set_password",
    "user.clear_sessions",
    "user.reset_factor",
    "user.reset_factors",
    "user.delete",
    "user.revoke_app_tokens",
    "user.revoke_grants",
    "group.delete",
];

/// An action, whom it finds, its parameters, what must be done before it, and what takes it back. Words in capitals stand
/// for who was planted.
struct Case {
    action: &'static str,
    status: &'static str,
    parameters: Value,
    before: Option<&'static str>,
    back: (&'static str, Value),
}

fn case(
    action: &'static str,
    status: &'static str,
    parameters: Value,
    before: Option<&'static str>,
    back: (&'static str, Value),
) -> Case {
    Case { action, status, parameters, before, back }
}

fn cases() -> Vec<Case> {
    let user = || json!({ "user": "USER" });
    let both = || json!({ "user": "USER", "group": "GROUP" });
    let app_user = || json!({ "app": "APP", "user": "USER" });
    let app_group = || json!({ "app": "APP", "group": "GROUP" });
    let titled = |title: &str| json!({ "user": "USER", "profile": { "title": title } });
    let several = json!({ "user": "USER", "profile": { "title": "Dr", "city": "Oslo", "costCenter": "7" } });
    let new = json!({ "profile": { "login": "new-LOGIN", "email": "new-LOGIN", "firstName": "N", "lastName": "N" } });
    let new_gone = json!({ "user": "new-LOGIN", "deactivate_first": true });
    let role = || json!({ "user": "USER", "role": "HELP_DESK_ADMIN" });
    let ip = || json!({ "ip": "198.51.100.NUMBER" });
    let upsert = |title: &str| json!({ "profile": { "login": "LOGIN", "title": title } });
    let named = |name: &str| json!({ "group": "GROUP", "name": name });
    let password = json!({ "user": "USER", "password": "Abcd-1234-efgh" });
    vec![
        case("user.create", "ACTIVE", new, None, ("user.delete", new_gone)),
        case("user.activate", "STAGED", user(), None, ("user.deactivate", user())),
        case("user.update", "ACTIVE", titled("Dr"), None, ("user.update", titled("Countess"))),
        case("user.update", "ACTIVE", several, None, ("user.update", titled("Countess"))),
        case("user.suspend", "ACTIVE", user(), None, ("user.unsuspend", user())),
        case("user.unsuspend", "SUSPENDED", user(), None, ("user.suspend", user())),
        case("user.deactivate", "ACTIVE", user(), None, ("user.activate", user())),
        case("user.expire_password", "ACTIVE", user(), None, ("user.set_password", password)),
        case("user.upsert", "ACTIVE", upsert("Dr"), None, ("user.upsert", upsert("Countess"))),
        case("role.assign_user", "ACTIVE", role(), None, ("role.unassign_user", role())),
        case("role.unassign_user", "ACTIVE", role(), Some("role.assign_user"), ("role.assign_user", role())),
        case("zone.block_ip", "ACTIVE", ip(), None, ("zone.unblock_ip", ip())),
        case("zone.unblock_ip", "ACTIVE", ip(), Some("zone.block_ip"), ("zone.block_ip", ip())),
        case("group.add_user", "ACTIVE", both(), None, ("group.remove_user", both())),
        case("group.remove_user", "ACTIVE", both(), Some("group.add_user"), ("group.add_user", both())),
        case(
            "group.create",
            "ACTIVE",
            json!({ "name": "new-GROUP" }),
            None,
            ("group.delete", json!({ "group": "NEW" })),
        ),
        case("group.update", "ACTIVE", named("renamed-GROUP"), None, ("group.update", named("back-GROUP"))),
        case("app.assign_user", "ACTIVE", app_user(), None, ("app.unassign_user", app_user())),
        case(
            "app.unassign_user",
            "ACTIVE",
            app_user(),
            Some("app.assign_user"),
            ("app.assign_user", app_user()),
        ),
        case("app.assign_group", "ACTIVE", app_group(), None, ("app.unassign_group", app_group())),
        case(
            "app.unassign_group",
            "ACTIVE",
            app_group(),
            Some("app.assign_group"),
            ("app.assign_group", app_group()),
        ),
    ]
}

/// Keeps what was so before something was sent, as a journal does.
#[derive(Default)]
struct Kept(Mutex<Option<Baseline>>);

impl Admission for Kept {
    fn admit<'a>(
        &'a self,
        change: PendingChange<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), ActionFailure>> + Send + 'a>> {
        *self.0.lock().unwrap() = Some(change.baseline.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Puts who was planted for a row in the place of the words.
fn play(parameters: &Value, cast: &[(&str, String)]) -> Value {
    let text = cast.iter().fold(parameters.to_string(), |text, (word, name)| text.replace(word, name));
    serde_json::from_str(&text).unwrap()
}

async fn plant(scene: &Scene, case: &Case, number: usize) -> Vec<(&'static str, String)> {
    let login = format!("back{number}@acme.example");
    let profile =
        json!({ "login": login, "email": login, "firstName": "U", "lastName": "N", "title": "Countess" });
    let user = scene.okta.plant("users", &json!({ "status": case.status, "profile": profile })).await;
    let group = json!({ "profile": { "name": format!("back group {number}") } });
    let group = scene.okta.plant("groups", &group).await;
    vec![
        ("LOGIN", login),
        ("USER", user),
        ("GROUP", group),
        ("APP", scene.app.clone()),
        ("NUMBER", number.to_string()),
    ]
}

/// The attempt of this number, begun at first when that was.
async fn attempt(
    scene: &Scene,
    request: &Request,
    kept: &Kept,
    (number, begun_at): (u32, Timestamp),
) -> Result<ActionSuccess, ActionFailure> {
    let resolved = scene.executor.resolve(request).await?;
    let baseline = kept.0.lock().unwrap().clone();
    let attempt = Attempt {
        number,
        begun_at,
        dry_run: false,
        baseline: baseline.as_ref(),
        sent_until: None,
        progress: &Progress::default(),
        admission: kept,
    };
    scene.executor.perform(request, &resolved, &Expect::default(), attempt).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_not_done_again_and_what_was_taken_back_stays_so() {
    let scene = Arc::new(Scene::new().await);
    let mut tried = BTreeSet::from_iter(REPEATABLE.iter().copied());
    let mut number = 0;
    for case in cases() {
        for is_taken_back in [false, true] {
            number += 1;
            let told = format!("{}, taken back: {is_taken_back}", case.action);
            let mut cast = plant(&scene, &case, number).await;
            let parameters = play(&case.parameters, &cast);
            if let Some(before) = case.before {
                scene.run(before, parameters.clone(), false).await.unwrap();
            }
            let request = Request::read(Action::named(case.action).unwrap(), parameters).unwrap();
            let (kept, begun_at) = (Kept::default(), Timestamp::now());
            let first = attempt(&scene, &request, &kept, (1, begun_at)).await.unwrap();
            assert_eq!(first.kind, SuccessKind::Done, "{told}");
            if is_taken_back {
                let created = serde_json::to_value(&first.result).unwrap();
                let created = created.pointer("/group/id").and_then(Value::as_str).unwrap_or_default();
                cast.push(("NEW", created.to_owned()));
                let (back, parameters) = &case.back;
                let back = scene.run(back, play(parameters, &cast), false).await;
                back.unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
            }
            let writes = scene.writes().await.len();
            let second = attempt(&scene, &request, &kept, (2, begun_at)).await;
            let came_of = second.map(|performed| performed.kind).map_err(|failed| failed.error.code);
            let expected =
                if is_taken_back { Err("changed_meanwhile".to_owned()) } else { Ok(SuccessKind::Done) };
            assert_eq!(came_of, expected, "{told}");
            assert_eq!(scene.writes().await.len(), writes, "{told}: nothing more is sent");
            tried.insert(case.action);
        }
    }
    let changing = Action::ALL.iter().filter(|action| action.effect() != Effect::Read);
    assert_eq!(tried, changing.map(|action| action.name()).collect());
}
