//! Every action at the simulated org: what is sent and done, that it is not done again, and that an answer which is lost
//! after the act is no reason to act twice.

use std::{pin::Pin, sync::Arc};

use jiff::Timestamp;
use okta_client::{Auth, Client, Dpop, FixedSecret, Org, PrivateKeyJwt, Scope};
use oktabus::command::{
    Action, ActionFailure, ActionSuccess, Effect, Expect, Request, SuccessKind,
    execute::{Admission, Attempt, Executor, PendingChange, Progress},
};
use serde_json::{Value, json};

use crate::support::{
    judges::okta::{CLIENT_ID, KEY_ID, Key},
    okta::{Okta, TOKEN},
};

/// Lets everything be sent.
struct Open;

impl Admission for Open {
    fn admit<'a>(
        &'a self,
        _: PendingChange<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), ActionFailure>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What the second time comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It is so already.
    Already,
    /// Okta is asked, and says that it is so already.
    Refused,
    /// Nobody can see that it was done, and it may be done each time.
    Done,
    /// There is one, or none any more.
    Fails(&'static str),
}

/// An action, whom to plant for it, and what the second time comes to. The parameters name `USER`, `GROUP`, `APP` and
/// `FACTOR`.
struct Case {
    action: &'static str,
    status: &'static str,
    parameters: Value,
    /// Whether the user is in the group.
    is_member: bool,
    again: Again,
}

fn case(action: &'static str, status: &'static str, parameters: Value, again: Again) -> Case {
    Case { action, status, parameters, is_member: false, again }
}

fn writes() -> Vec<Case> {
    use Again::{Already, Done, Fails, Refused};
    let user = || json!({ "user": "USER" });
    let both = || json!({ "user": "USER", "group": "GROUP" });
    let app_user = || json!({ "app": "APP", "user": "USER" });
    let app_group = || json!({ "app": "APP", "group": "GROUP" });
    let role = || json!({ "user": "USER", "role": "HELP_DESK_ADMIN" });
    let member = |case| Case { is_member: true, ..case };
    let new = json!({ "profile": { "login": "new-LOGIN", "email": "new-LOGIN", "firstName": "N", "lastName": "N", "costCenter": "7" } });
    vec![
        case("user.create", "ACTIVE", new, Fails("already_exists")),
        case("user.activate", "STAGED", user(), Already),
        case("user.reactivate", "PROVISIONED", user(), Done),
        case("user.update", "ACTIVE", json!({ "user": "USER", "profile": { "title": "Dr" } }), Already),
        case("user.suspend", "ACTIVE", user(), Already),
        case("user.unsuspend", "SUSPENDED", user(), Already),
        case("user.unlock", "LOCKED_OUT", user(), Refused),
        case("user.deactivate", "ACTIVE", user(), Already),
        case("user.delete", "DEPROVISIONED", user(), Fails("user_not_found")),
        case(
            "user.delete",
            "ACTIVE",
            json!({ "user": "USER", "deactivate_first": true }),
            Fails("user_not_found"),
        ),
        case("user.expire_password", "ACTIVE", user(), Already),
        case("user.reset_password", "ACTIVE", user(), Already),
        case("user.forgot_password", "ACTIVE", user(), Done),
        case("user.set_password", "ACTIVE", json!({ "user": "USER", "password": "Abcd-1234-efgh" }), Done),
        case("user.clear_sessions", "ACTIVE", user(), Done),
        case("user.reset_factor", "ACTIVE", json!({ "user": "USER", "factor": "FACTOR" }), Refused),
        case("user.reset_factors", "ACTIVE", user(), Done),
        case("group.add_user", "ACTIVE", both(), Already),
        member(case("group.remove_user", "ACTIVE", both(), Already)),
        case("group.create", "ACTIVE", json!({ "name": "new-GROUP" }), Fails("already_exists")),
        case("group.update", "ACTIVE", json!({ "group": "GROUP", "name": "renamed-GROUP" }), Already),
        case("group.delete", "ACTIVE", json!({ "group": "GROUP" }), Fails("group_not_found")),
        case("app.assign_user", "ACTIVE", app_user(), Already),
        case("app.unassign_user", "ACTIVE", app_user(), Already),
        case("app.assign_group", "ACTIVE", app_group(), Already),
        case("app.unassign_group", "ACTIVE", app_group(), Already),
        case("user.upsert", "ACTIVE", json!({ "profile": { "login": "LOGIN", "title": "Dr" } }), Already),
        case("user.revoke_app_tokens", "ACTIVE", json!({ "user": "USER", "client": "0oaclient" }), Already),
        case("user.revoke_grants", "ACTIVE", user(), Already),
        case("role.assign_user", "ACTIVE", role(), Already),
        case("role.unassign_user", "ACTIVE", role(), Already),
        case("zone.block_ip", "ACTIVE", json!({ "ip": "198.51.100.NUMBER" }), Already),
        case("zone.unblock_ip", "ACTIVE", json!({ "ip": "198.51.100.NUMBER" }), Already),
    ]
}

/// An org, a client of it, and an app of it.
pub(super) struct Scene {
    pub(super) okta: Okta,
    pub(super) executor: Executor,
    pub(super) app: String,
}

/// Somebody planted for one case.
struct Planted {
    parameters: Value,
    /// Writes before it.
    writes: usize,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let options = ["--backlog", "2000", "--rate", "0", "--rate-limit", "1000000"];
        let more = ["--directory-rate-limit", "1000000", "--listing-delay", "100"];
        let okta = Okta::start(&[&options[..], &more[..]].concat()).await;
        let executor = Executor::new(Arc::new(client(okta.url())));
        let app = okta.api("/apps").await[0]["id"].as_str().unwrap().to_owned();
        Self { okta, executor, app }
    }

    async fn plant(&self, case: &Case, number: usize) -> Planted {
        let login = format!("user{number}@acme.example");
        let profile = json!({ "login": login, "email": login, "firstName": "U", "lastName": "N" });
        let mut user = json!({ "status": case.status, "profile": profile, "factors": ["push", "totp"] });
        (user["tokens"], user["grants"]) = (json!(["0oaclient"]), json!(["0oaclient"]));
        let user = self.okta.plant("users", &user).await;
        let members = if case.is_member { json!([user]) } else { json!([]) };
        let group = json!({ "profile": { "name": format!("group{number}") }, "members": members });
        let group = self.okta.plant("groups", &group).await;
        if let Some(assigned) = case.action.strip_prefix("app.unassign_") {
            let parameters = json!({ "app": self.app, "user": user, "group": group });
            let mut parameters = parameters.as_object().unwrap().clone();
            parameters.retain(|name, _| name == "app" || name == assigned);
            self.run(&format!("app.assign_{assigned}"), parameters.into(), false).await.unwrap();
        }
        let address = format!("198.51.100.{}", number % 250);
        match case.action {
            "role.unassign_user" => {
                let role = json!({ "user": user, "role": "HELP_DESK_ADMIN" });
                self.run("role.assign_user", role, false).await.unwrap();
            }
            "zone.unblock_ip" => {
                self.run("zone.block_ip", json!({ "ip": address }), false).await.unwrap();
            }
            _ => {}
        }
        let factors = self.okta.api(&format!("/users/{user}/factors")).await;
        let parameters = case.parameters.to_string().replace("198.51.100.NUMBER", &address);
        let parameters = parameters.replace("new-GROUP", &format!("new{number}"));
        let parameters = parameters.replace("renamed-GROUP", &format!("renamed{number}"));
        let parameters = parameters.replace("LOGIN", &login).replace("USER", &user).replace("GROUP", &group);
        let factor = factors[0]["id"].as_str().unwrap();
        let parameters = parameters.replace("APP", &self.app).replace("FACTOR", factor);
        let parameters = serde_json::from_str(&parameters).unwrap();
        Planted { parameters, writes: self.writes().await.len() }
    }

    pub(super) async fn writes(&self) -> Vec<Value> {
        self.okta.page("/-/writes").await.as_array().unwrap().clone()
    }

    /// What was done since, as `method path`, apart from what follows from it by itself.
    async fn done_since(&self, planted: &Planted) -> Vec<String> {
        let writes = self.writes().await;
        let mut requests: Vec<_> = writes[planted.writes..]
            .iter()
            .map(|write| {
                let text = |name: &str| write[name].as_str().unwrap_or_default();
                (text("request_id"), format!("{} {}", text("method"), text("path")))
            })
            .collect();
        requests.dedup();
        requests.into_iter().map(|(_, request)| request).collect()
    }

    pub(super) async fn run(
        &self,
        action: &str,
        parameters: Value,
        dry_run: bool,
    ) -> Result<ActionSuccess, ActionFailure> {
        let request = Request::read(Action::named(action).unwrap(), parameters).unwrap();
        let resolved = self.executor.resolve(&request).await?;
        let attempt = Attempt {
            number: 1,
            begun_at: Timestamp::now(),
            dry_run,
            baseline: None,
            sent_until: None,
            progress: &Progress::default(),
            admission: &Open,
        };
        self.executor.perform(&request, &resolved, &Expect::default(), attempt).await
    }
}

fn client(url: &str) -> Client {
    client_with(url, Auth::api_token(FixedSecret::new(TOKEN)), &[])
}

fn client_with(url: &str, auth: Auth, scopes: &[Scope]) -> Client {
    let scopes = scopes.iter().copied().collect();
    Client::new(Org { scopes, budget_share: 1.0, ..Org::new("acme", url.parse().unwrap(), auth) }).unwrap()
}

#[tokio::test]
async fn what_changes_something_is_done_once_even_if_the_answer_is_lost() {
    let scene = Scene::new().await;
    let faults = [
        None,
        Some(json!({ "kind": "answer_lost", "count": 1 })),
        Some(json!({ "kind": "answer_lost", "count": 1, "instead": "internal_error" })),
    ];
    let mut number = 0;
    for case in writes() {
        for fault in &faults {
            number += 1;
            let planted = scene.plant(&case, number).await;
            let told = format!("{} with {fault:?}", case.action);
            let dry = scene.run(case.action, planted.parameters.clone(), true).await.unwrap();
            assert_eq!(dry.kind, SuccessKind::DryRun, "{told}");
            assert!(scene.done_since(&planted).await.is_empty(), "{told}: a dry run changes nothing");
            if let Some(fault) = fault {
                scene.okta.arm(fault.clone()).await;
            }
            let first = scene.run(case.action, planted.parameters.clone(), false).await;
            scene.okta.disarm().await;
            let first = first.unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
            assert_eq!(first.kind, SuccessKind::Done, "{told}");
            let done = scene.done_since(&planted).await;
            let announced = dry.result["requests"].as_array().unwrap().len();
            // What nobody can see, or nobody can see by whom it was done, is done again when it is in doubt.
            let is_seen = case.action == "user.reset_factors";
            let is_unseen = case.again == Again::Done && !is_seen;
            let expected = if fault.is_some() && is_unseen { announced + 1 } else { announced };
            assert_eq!(done.len(), expected, "{told}: {done:?}");
            if fault.is_none() {
                let (before, after) = (first.before.unwrap_or_default(), first.after.unwrap_or_default());
                println!("{:22} {:?} {before} -> {after} | {}", case.action, first.kind, done.join(", "));
            }
            again(&scene, &case, &planted, done.len(), &told).await;
        }
    }
}

/// The same once more, as soon as lists know of the first.
async fn again(scene: &Scene, case: &Case, planted: &Planted, done: usize, told: &str) {
    tokio::time::timeout(std::time::Duration::from_secs(10), async {
        loop {
            let second = scene.run(case.action, planted.parameters.clone(), true).await;
            if [Again::Done, Again::Refused].contains(&case.again)
                || second.is_err()
                || second.is_ok_and(|one| one.kind == SuccessKind::Already)
            {
                break;
            }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{told}: a second one would be done too"));
    let second = scene.run(case.action, planted.parameters.clone(), false).await;
    match case.again {
        Again::Already | Again::Refused => assert_eq!(second.unwrap().kind, SuccessKind::Already, "{told}"),
        Again::Done => return assert_eq!(second.unwrap().kind, SuccessKind::Done, "{told}"),
        Again::Fails(code) => assert_eq!(second.unwrap_err().error.code, code, "{told}"),
    }
    assert_eq!(scene.done_since(planted).await.len(), done, "{told}: the second time nothing is done");
}

#[tokio::test]
async fn what_only_looks_finds_what_there_is() {
    let scene = Scene::new().await;
    let user = scene
        .okta
        .plant(
            "users",
            &json!({ "profile": { "login": "ada@acme.example" }, "factors": ["sms", "pending_totp"] }),
        )
        .await;
    for login in ["r/d+q;%@acme.example", "z+a#b%?@acme.example"] {
        scene.okta.plant("users", &json!({ "profile": { "login": login } })).await;
    }
    let odd = r#"A "quoted" \back/slash #1 + % ä漢"#;
    scene.okta.plant("groups", &json!({ "profile": { "name": odd } })).await;
    let group = json!({ "profile": { "name": "Staff" }, "members": [user] });
    let group = scene.okta.plant("groups", &group).await;
    let events = scene.okta.events().await;
    let event: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    let (actor, ip) = (&event["actor"]["alternateId"], &event["client"]["ipAddress"]);
    let since = "-7d";
    let mut seen = Vec::new();
    for (action, parameters, name, at_least) in [
        ("user.get", json!({ "user": "ada@acme.example" }), "user", 1),
        ("user.get", json!({ "user": "ada" }), "user", 1),
        ("user.get", json!({ "user": "R/D+q;%@acme.example" }), "user", 1),
        ("user.get", json!({ "user": "z+a#b%?@acme.example" }), "user", 1),
        ("user.search", json!({ "search": "profile.login eq \"ada@acme.example\"" }), "users", 1),
        ("user.search", json!({ "filter": "status eq \"ACTIVE\"", "limit": 3 }), "users", 3),
        ("user.search", json!({ "q": "ada" }), "users", 1),
        ("user.groups", json!({ "user": user }), "groups", 1),
        ("user.apps", json!({ "user": user }), "apps", 0),
        ("user.factors", json!({ "user": user }), "factors", 2),
        ("group.get", json!({ "group": "Staff" }), "group", 1),
        ("group.get", json!({ "group": odd }), "group", 1),
        ("group.find", json!({ "name": "Sta" }), "groups", 1),
        ("group.members", json!({ "group": group }), "members", 1),
        ("log.by_user", json!({ "user": actor, "since": since, "event_types": ["*"] }), "events", 1),
        ("log.by_ip", json!({ "ip": ip, "since": since }), "events", 1),
        (
            "log.search",
            json!({ "filter": "outcome.result eq \"SUCCESS\"", "since": since, "limit": 1500 }),
            "events",
            1,
        ),
    ] {
        let told = format!("{action} {parameters}");
        let found =
            scene.run(action, parameters, false).await.unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
        assert_eq!((found.kind, found.okta_request_id), (SuccessKind::Done, None), "{told}");
        let result = serde_json::to_value(&found.result).unwrap();
        assert!(!result.to_string().contains("sharedSecret"), "{told}: {}", found.result);
        match &result[name] {
            Value::Array(items) => assert!(items.len() >= at_least, "{told}: {}", found.result),
            one => assert!(one.is_object(), "{told}: {}", found.result),
        }
        seen.push(action);
    }
    let looks = Action::ALL.iter().filter(|action| action.effect() == Effect::Read);
    assert!(looks.clone().all(|action| seen.contains(&action.name())), "{seen:?}");
    assert!(scene.writes().await.is_empty());
    let members = scene.executor.members_of("Staff").await.unwrap();
    assert_eq!(members.into_iter().collect::<Vec<_>>(), [user]);
}

#[tokio::test]
async fn all_that_change_something_are_tried() {
    let changing = Action::ALL.iter().filter(|action| action.effect() != Effect::Read);
    let cases = writes();
    for action in changing {
        assert!(cases.iter().any(|case| case.action == action.name()), "{}", action.name());
    }
}

#[tokio::test]
async fn the_first_of_two_deletions_never_becomes_the_second() {
    let scene = Scene::new().await;
    let login = "twice@acme.example";
    let user = scene.okta.plant("users", &json!({ "profile": { "login": login } })).await;
    let refused = scene.run("user.delete", json!({ "user": login }), false).await.unwrap_err();
    assert_eq!(refused.error.code, "wrong_status");
    scene.okta.arm(json!({ "kind": "answer_lost", "count": 2, "instead": "internal_error" })).await;
    let parameters = json!({ "user": login, "deactivate_first": true });
    let deleted = scene.run("user.delete", parameters, false).await.unwrap();
    assert_eq!((deleted.kind, deleted.after), (SuccessKind::Done, Some(json!({ "status": "DELETED" }))));
    let writes = scene.writes().await;
    let of_user = writes.iter().filter(|write| write["user"] == json!(user));
    let mut requests: Vec<_> = of_user.map(|write| (&write["request_id"], &write["method"])).collect();
    // One request may have several events.
    requests.dedup();
    let requests: Vec<_> = requests.into_iter().map(|(_, method)| method).collect();
    assert_eq!(requests, ["POST", "DELETE"]);
}

#[tokio::test]
async fn what_okta_is_still_at_work_on_is_waited_for() {
    let options = ["--backlog", "10", "--rate", "0", "--directory-rate-limit", "1000000"];
    let okta = Okta::start(&[&options[..], &["--transition-time", "700"]].concat()).await;
    let executor = Executor::new(Arc::new(client(okta.url())));
    let scene = Scene { okta, executor, app: String::new() };
    let user = json!({ "status": "STAGED", "profile": { "login": "slow@acme.example" } });
    let user = scene.okta.plant("users", &user).await;
    let activated = scene.run("user.activate", json!({ "user": user }), false).await.unwrap();
    let after = activated.after.unwrap();
    assert!(["ACTIVE", "PROVISIONED"].contains(&after["status"].as_str().unwrap()), "{after}");
    let off = scene.run("user.deactivate", json!({ "user": user }), false).await.unwrap();
    assert_eq!((off.kind, off.after), (SuccessKind::Done, Some(json!({ "status": "DEPROVISIONED" }))));
    let writes = scene.writes().await;
    assert_eq!(writes.iter().filter(|write| write["what"] == "user.lifecycle.deactivate").count(), 1);
    let deleted =
        scene.run("user.delete", json!({ "user": user, "deactivate_first": true }), false).await.unwrap();
    assert_eq!(deleted.kind, SuccessKind::Done);
}

#[tokio::test]
async fn what_okta_has_certainly_not_done_is_told_at_once_and_not_waited_for() {
    let scene = Scene::new().await;
    let user = scene.okta.plant("users", &json!({ "profile": { "login": "busy@acme.example" } })).await;
    let fault = json!({ "kind": "rate_limited", "count": 1, "seconds": 1, "method": "POST", "path": "/api/v1/users/*" });
    scene.okta.arm(fault).await;
    let throttled = scene.run("user.suspend", json!({ "user": user }), false).await.unwrap_err();
    assert_eq!((throttled.error.code.as_str(), throttled.has_sent), ("rate_limited", false));
    assert!(throttled.retry_after.is_some_and(|wait| wait.as_secs() < 10), "{throttled:?}");
    let suspended = scene.run("user.suspend", json!({ "user": user }), false).await.unwrap();
    assert_eq!(suspended.kind, SuccessKind::Done);
    let posts = scene.okta.recent().await.into_iter().filter(|asked| asked["method"] == "POST");
    let statuses: Vec<_> = posts.filter_map(|asked| asked["status"].as_u64()).collect();
    assert!(statuses.ends_with(&[429, 200]), "{statuses:?}");
    assert_eq!(scene.writes().await.len(), 1);
}

#[tokio::test]
async fn a_service_app_with_dpop_may_do_what_its_scopes_allow() {
    let mut scene = Scene::new().await;
    let key = Key::generate("P-256");
    let app = json!({
        "scopes": ["okta.users.manage", "okta.groups.read"],
        "roles": ["SUPER_ADMIN"],
        "dpop_bound_access_tokens": true,
        "api_demands_nonce": true,
    });
    scene.okta.register(&key.app(&app)).await;
    let auth = Auth::PrivateKeyJwt(PrivateKeyJwt {
        client_id: CLIENT_ID.to_owned(),
        private_key: Arc::new(FixedSecret::new(key.pkcs8.clone())),
        key_id: Some(KEY_ID.to_owned()),
        algorithm: None,
        dpop: Dpop::Auto,
    });
    let client = client_with(scene.okta.url(), auth, &[Scope::UsersManage, Scope::GroupsRead]);
    scene.executor = Executor::new(Arc::new(client));
    let user = scene.okta.plant("users", &json!({ "profile": { "login": "app@acme.example" } })).await;
    let group = scene.okta.plant("groups", &json!({ "profile": { "name": "Crew" } })).await;
    let suspended = scene.run("user.suspend", json!({ "user": user }), false).await.unwrap();
    assert_eq!(suspended.kind, SuccessKind::Done);
    // A nonce that is not good any more is known not to have let the request through.
    scene.okta.forget_nonces().await;
    let unsuspended = scene.run("user.unsuspend", json!({ "user": user }), false).await.unwrap();
    assert_eq!(unsuspended.kind, SuccessKind::Done);
    let refused =
        scene.run("group.add_user", json!({ "user": user, "group": group }), false).await.unwrap_err();
    assert_eq!(refused.error.code, "not_permitted", "{refused:?}");
    assert!(
        refused.result["memberships"][0]["error"]["message"].as_str().unwrap().contains("okta.groups.manage")
    );
    assert_eq!(scene.writes().await.len(), 2);
}
