//! Every action, from the queue to its outcome: what is sent to Okta, and what Okta's own SDKs see afterwards.

use std::collections::BTreeSet;

use oktabus::command::Action;
use serde_json::{Value, json};

use super::scene::{Scene, essence};
use crate::support::judges::eyes::Eyes;

/// What changes something: the action, whom it finds, its parameters, and what is seen of it. Words in capitals stand for
/// who was planted for it.
struct Change {
    action: &'static str,
    status: &'static str,
    parameters: Value,
    /// What must be so before.
    after: Option<&'static str>,
    seen: Value,
}

/// What only looks: the action, its parameters, how the SDKs are asked for the same, and what of the result they must see.
struct Look {
    action: &'static str,
    parameters: Value,
    asked: fn(&Value) -> Value,
    found: fn(&Value) -> Value,
}

fn change(action: &'static str, status: &'static str, parameters: Value, seen: Value) -> Change {
    Change { action, status, parameters, after: None, seen }
}

fn life_of_a_user() -> Vec<Change> {
    let user = || json!({ "user": "USER" });
    let lifecycle = |action, from, to, event| {
        change(
            action,
            from,
            json!({ "user": "LOGIN" }),
            json!({ "user": { "status": to }, "caused": [event] }),
        )
    };
    let new = json!({
        "profile": {
            "login": "new.LOGIN", "email": "new.LOGIN", "firstName": "N", "lastName": "N", "costCenter": "7", "badge": "B",
        },
        "groups": ["NAME"],
    });
    let created = json!({
        "user": { "status": "PROVISIONED", "login": "new.LOGIN", "costCenter": "7", "title": null },
        "groups": ["NAME", "Everyone"],
        "caused": ["group.user_membership.add", "user.lifecycle.activate", "user.lifecycle.create"],
    });
    let deleted = || {
        let caused = ["user.lifecycle.delete.completed", "user.lifecycle.delete.initiated"];
        json!({ "user": "404 E0000007", "caused": caused })
    };
    let titled =
        json!({ "user": { "title": "Dr", "costCenter": "1" }, "caused": ["user.account.update_profile"] });
    vec![
        change("user.create", "ACTIVE", new, created),
        lifecycle("user.activate", "STAGED", "ACTIVE", "user.lifecycle.activate"),
        lifecycle("user.reactivate", "PROVISIONED", "PROVISIONED", "user.lifecycle.reactivate"),
        change("user.update", "ACTIVE", json!({ "user": "USER", "profile": { "title": "Dr" } }), titled),
        lifecycle("user.suspend", "ACTIVE", "SUSPENDED", "user.lifecycle.suspend"),
        lifecycle("user.unsuspend", "SUSPENDED", "ACTIVE", "user.lifecycle.unsuspend"),
        lifecycle("user.unlock", "LOCKED_OUT", "ACTIVE", "user.account.unlock_by_admin"),
        lifecycle("user.deactivate", "ACTIVE", "DEPROVISIONED", "user.lifecycle.deactivate"),
        change("user.delete", "DEPROVISIONED", user(), deleted()),
        change("user.delete", "ACTIVE", json!({ "user": "USER", "deactivate_first": true }), deleted()),
    ]
}

fn credentials() -> Vec<Change> {
    let user = || json!({ "user": "USER" });
    let seen = |status: &str, event: &str| json!({ "user": { "status": status }, "caused": [event] });
    let password = json!({ "user": "USER", "password": "Abcd-1234-efgh" });
    let one_left = json!({ "factors": ["token:software:totp"], "caused": ["user.mfa.factor.deactivate"] });
    let none_left = json!({ "factors": [], "caused": ["user.mfa.factor.reset_all"] });
    vec![
        change(
            "user.expire_password",
            "ACTIVE",
            user(),
            seen("PASSWORD_EXPIRED", "user.account.expire_password"),
        ),
        change("user.reset_password", "ACTIVE", user(), seen("RECOVERY", "user.account.reset_password")),
        change("user.forgot_password", "ACTIVE", user(), seen("ACTIVE", "user.account.reset_password")),
        change("user.set_password", "ACTIVE", password, seen("ACTIVE", "user.account.update_password")),
        change("user.clear_sessions", "ACTIVE", user(), seen("ACTIVE", "user.session.clear")),
        change("user.reset_factor", "ACTIVE", json!({ "user": "USER", "factor": "FACTOR" }), one_left),
        change("user.reset_factors", "ACTIVE", user(), none_left),
    ]
}

fn groups_and_apps() -> Vec<Change> {
    let both = || json!({ "user": "USER", "group": "NAME" });
    let group = json!({ "name": "new NAME", "description": "D" });
    let renamed = json!({ "group": "GROUP", "name": "renamed NAME" });
    let app = |whom: &str, id: &str| json!({ "app": "APP", whom: id });
    let seen = |what: &str, seen: &str, event: &str| json!({ what: seen, "caused": [event] });
    let in_it = json!({
        "groups": ["NAME", "Everyone"], "members": ["LOGIN"], "caused": ["group.user_membership.add"],
    });
    let out_of_it =
        json!({ "groups": ["Everyone"], "members": [], "caused": ["group.user_membership.remove"] });
    let created =
        json!({ "group": { "name": "new NAME", "description": "D" }, "caused": ["group.lifecycle.create"] });
    let updated = json!({ "group": { "name": "renamed NAME" }, "caused": ["group.profile.update"] });
    let gone = "404 E0000007";
    let user_added = seen("app_user", "USER", "application.user_membership.add");
    let user_removed = seen("app_user", gone, "application.user_membership.remove");
    let group_added = seen("app_group", "GROUP", "group.application_assignment.add");
    let group_removed = seen("app_group", gone, "group.application_assignment.remove");
    let after = |action, change| Change { after: Some(action), ..change };
    vec![
        change("group.add_user", "ACTIVE", both(), in_it),
        after("group.add_user", change("group.remove_user", "ACTIVE", both(), out_of_it)),
        change("group.create", "ACTIVE", group, created),
        change("group.update", "ACTIVE", renamed, updated),
        change(
            "group.delete",
            "ACTIVE",
            json!({ "group": "NAME" }),
            seen("group", gone, "group.lifecycle.delete"),
        ),
        change("app.assign_user", "ACTIVE", app("user", "USER"), user_added),
        after("app.assign_user", change("app.unassign_user", "ACTIVE", app("user", "USER"), user_removed)),
        change("app.assign_group", "ACTIVE", app("group", "GROUP"), group_added),
        after(
            "app.assign_group",
            change("app.unassign_group", "ACTIVE", app("group", "GROUP"), group_removed),
        ),
    ]
}

fn rights_and_zones() -> Vec<Change> {
    let role = || json!({ "user": "USER", "role": "HELP_DESK_ADMIN" });
    let of_client = || json!({ "user": "USER", "client": "0oaclient" });
    let seen = |what: &str, seen: Value, event: &str| json!({ what: seen, "caused": [event] });
    let granted = seen("roles", json!(["HELP_DESK_ADMIN"]), "user.account.privilege.grant");
    let revoked = seen("roles", json!([]), "user.account.privilege.revoke");
    let custom = || json!({ "user": "USER", "role": "Help Line", "resource_set": "People" });
    let custom_granted = seen(
        "roles",
        json!(["cr0HelpLine000000001 on iamPeople00000000001"]),
        "user.account.privilege.grant",
    );
    let block = || json!({ "zone": "BlockedIpZone", "ips": ["198.51.100.1", "192.0.2.0/24"] });
    let zone =
        |gateways: Value| json!({ "name": "BlockedIpZone", "usage": "BLOCKLIST", "gateways": gateways });
    let blocked = seen("zone", zone(json!(["192.0.2.0/24", "198.51.100.1/32"])), "zone.update");
    let after = |action, change| Change { after: Some(action), ..change };
    let new = json!({ "login": "up.LOGIN", "email": "up.LOGIN", "firstName": "N", "lastName": "N" });
    let upserted = json!({
        "user": { "status": "STAGED", "login": "up.LOGIN" }, "caused": ["user.lifecycle.create"],
    });
    let updated = json!({ "user": { "title": "Dr" }, "caused": ["user.account.update_profile"] });
    vec![
        change("user.upsert", "ACTIVE", json!({ "profile": new, "activate": false }), upserted),
        change("user.upsert", "ACTIVE", json!({ "profile": { "login": "LOGIN", "title": "Dr" } }), updated),
        change("role.assign_user", "ACTIVE", role(), granted),
        after("role.assign_user", change("role.unassign_user", "ACTIVE", role(), revoked.clone())),
        change("role.assign_user", "ACTIVE", custom(), custom_granted),
        after("role.assign_user", change("role.unassign_user", "ACTIVE", custom(), revoked)),
        change(
            "user.revoke_app_tokens",
            "ACTIVE",
            of_client(),
            json!({ "tokens": [], "grants": ["0oaclient"], "caused": ["app.oauth2.token.revoke"] }),
        ),
        change(
            "user.revoke_grants",
            "ACTIVE",
            of_client(),
            json!({ "tokens": ["0oaclient"], "grants": [], "caused": ["app.oauth2.as.consent.revoke.user"] }),
        ),
        change("zone.block_ip", "ACTIVE", block(), blocked),
        change("zone.unblock_ip", "ACTIVE", block(), seen("zone", zone(json!([])), "zone.update")),
    ]
}

fn looks() -> Vec<Look> {
    let user = || json!({ "user": "LOGIN" });
    let look = |action, parameters, asked, found| Look { action, parameters, asked, found };
    let of = |_: &Value| json!({});
    vec![
        look("user.get", user(), of, |result| {
            let user = &result["user"];
            json!({ "user": { "status": user["status"], "login": user["profile"]["login"] } })
        }),
        look(
            "user.search",
            json!({ "search": "status eq \"SUSPENDED\"" }),
            |_| json!({ "search": "status eq \"SUSPENDED\"" }),
            |result| json!({ "found_users": each(&result["users"], "/id") }),
        ),
        look(
            "user.groups",
            user(),
            of,
            |result| json!({ "groups": each(&result["groups"], "/profile/name") }),
        ),
        look("user.apps", user(), of, |result| json!({ "apps": each(&result["apps"], "/label") })),
        look(
            "user.factors",
            user(),
            of,
            |result| json!({ "factors": each(&result["factors"], "/factorType") }),
        ),
        look(
            "group.get",
            json!({ "group": "NAME" }),
            of,
            |result| json!({ "group": { "name": result["group"]["profile"]["name"] } }),
        ),
        look(
            "group.find",
            json!({ "name": "A" }),
            |_| json!({ "name": "A" }),
            |result| json!({ "found_groups": each(&result["groups"], "/id") }),
        ),
        look(
            "group.members",
            json!({ "group": "NAME" }),
            of,
            |result| json!({ "members": each(&result["members"], "/profile/login") }),
        ),
        look(
            "log.by_user",
            user(),
            |result| log(result, "target.id eq \"USER\" or actor.id eq \"USER\""),
            events,
        ),
        look("log.by_ip", json!({ "ip": "IP" }), |result| log(result, "client.ipAddress eq \"IP\""), events),
        look(
            "log.search",
            json!({ "filter": "eventType eq \"user.lifecycle.suspend\"" }),
            |result| log(result, "eventType eq \"user.lifecycle.suspend\""),
            events,
        ),
    ]
}

/// A question for the log of the same window.
fn log(result: &Value, filter: &str) -> Value {
    let window = &result["window"];
    json!({ "log": { "since": window["since"], "until": window["until"], "filter": filter } })
}

fn events(result: &Value) -> Value {
    json!({ "events": each(&result["events"], "/uuid") })
}

/// What is at `pointer` of each item, sorted. There must be some.
fn each(items: &Value, pointer: &str) -> Vec<String> {
    let text = |item: &Value| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut texts: Vec<_> = items.as_array().unwrap().iter().map(text).collect();
    assert!(!texts.is_empty(), "nothing was found");
    texts.sort();
    texts
}

/// Who was planted for one row, by the words that stand for them.
struct Cast(Vec<(&'static str, String)>);

impl Cast {
    /// `value` about them.
    fn play(&self, value: &Value) -> Value {
        let text = value.to_string();
        let text = self.0.iter().fold(text, |text, (word, name)| text.replace(word, name));
        serde_json::from_str(&text).unwrap()
    }

    /// `text` with the words in place of them.
    fn anonymous(&self, text: &str) -> String {
        self.0.iter().rev().fold(text.to_owned(), |text, (word, name)| text.replace(name, word))
    }

    fn id(&self, word: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == word).unwrap().1
    }
}

/// The org and what looks at it.
struct Stage {
    scene: Scene,
    eyes: Eyes,
    app: String,
}

impl Stage {
    async fn plant(&self, row: usize, status: &str, is_member: bool) -> Cast {
        let okta = &self.scene.okta;
        let (login, name) = (format!("row{row}@acme.com"), format!("A team of row {row}"));
        let profile =
            json!({ "login": login, "email": login, "firstName": "R", "lastName": "W", "costCenter": "1" });
        let mut user = json!({ "status": status, "profile": profile, "factors": ["sms", "totp"] });
        (user["tokens"], user["grants"]) = (json!(["0oaclient"]), json!(["0oaclient"]));
        let user = okta.plant("users", &user).await;
        let members = if is_member { json!([user]) } else { json!([]) };
        let group = json!({ "profile": { "name": name }, "members": members });
        let group = okta.plant("groups", &group).await;
        let factors = okta.api(&format!("/users/{user}/factors")).await;
        let factor = factors.pointer("/0/id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Cast(vec![
            ("USER", user),
            ("LOGIN", login),
            ("GROUP", group),
            ("NAME", name),
            ("APP", self.app.clone()),
            ("FACTOR", factor),
        ])
    }

    /// Has a command carried out: its outcome, and what was sent to Okta.
    async fn perform(&self, id: &str, action: &str, parameters: &Value) -> (Value, Vec<String>) {
        let before = self.scene.okta.recent().await.len();
        self.scene.send(json!({ "id": id, "action": action, "parameters": parameters })).await;
        let outcome = self.scene.outcome(id).await;
        assert_eq!(essence(&outcome), ("done", ""), "{outcome:#}");
        let requests = self.scene.okta.recent().await.split_off(before);
        let requests = requests.iter().map(|request| {
            let text = |name: &str| request[name].as_str().unwrap_or_default().replace("%40", "@");
            let query =
                Some(text("query")).filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
            format!("{} {}{}", text("method"), text("path"), query.unwrap_or_default())
        });
        (outcome, requests.collect())
    }
}

/// Whether all that `expected` says is so in `seen`.
fn is_seen(expected: &Value, seen: &Value) -> bool {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            expected.iter().all(|(name, value)| seen.get(name).is_some_and(|seen| is_seen(value, seen)))
        }
        _ => expected == seen,
    }
}

fn print(cast: &Cast, outcome: &Value, requests: &[String], seen: &Value) {
    let status = |when: &str| outcome[when]["status"].as_str().unwrap_or("-").to_owned();
    let requests: Vec<_> = requests.iter().map(|request| cast.anonymous(request)).collect();
    println!(
        "| {} | {} | {}: {} -> {} | {} |",
        outcome["action"].as_str().unwrap(),
        requests.join("<br>").replace("/api/v1", ""),
        outcome["status"].as_str().unwrap(),
        status("before"),
        status("after"),
        cast.anonymous(&seen.to_string()),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oktas_sdks_see_what_every_action_has_done() {
    let scene = Scene::start("allow = [\"*\", \"role.*\"]").await;
    let app = scene.okta.api("/apps").await[0]["id"].as_str().unwrap().to_owned();
    let mut stage = Stage { eyes: Eyes::on(&scene.okta), scene, app };
    let mut tried = BTreeSet::new();
    println!("| action | sent | outcome: before -> after | the SDKs see |\n|---|---|---|---|");

    let changes =
        [life_of_a_user(), credentials(), groups_and_apps(), rights_and_zones()].into_iter().flatten();
    for (row, change) in changes.enumerate() {
        let cast = stage.plant(row, change.status, false).await;
        let parameters = cast.play(&change.parameters);
        if let Some(before) = change.after {
            stage.perform(&format!("before {row}"), before, &parameters).await;
        }
        let (outcome, requests) = stage.perform(&row.to_string(), change.action, &parameters).await;
        let id = |what: &str, planted| {
            outcome["result"][what]["id"].as_str().map_or_else(|| cast.id(planted).to_owned(), str::to_owned)
        };
        let question = json!({
            "user": id("user", "USER"), "group": id("group", "GROUP"), "app": cast.id("APP"),
            "transaction": outcome["okta_request_id"], "roles": true, "client": "0oaclient",
            "zone": outcome["result"]["zone"]["id"],
        });
        let view = stage.eyes.look(&question).await;
        let seen = cast.play(&change.seen);
        assert!(is_seen(&seen, &view), "{}: not {seen}, but {view}", change.action);
        print(&cast, &outcome, &requests, &seen);
        tried.insert(change.action);
    }

    let mut cast = stage.plant(1_000, "ACTIVE", true).await;
    let app_of_user = json!({ "app": stage.app, "user": cast.id("USER") });
    stage.perform("an app", "app.assign_user", &app_of_user).await;
    let events = stage.scene.okta.events().await;
    let event: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    cast.0.push(("IP", event["client"]["ipAddress"].as_str().unwrap().to_owned()));
    for look in looks() {
        let parameters = cast.play(&look.parameters);
        let (outcome, requests) = stage.perform(look.action, look.action, &parameters).await;
        let result = &outcome["result"];
        let mut question = json!({ "user": cast.id("USER"), "group": cast.id("GROUP") });
        let asked = cast.play(&(look.asked)(result));
        question.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        let view = stage.eyes.look(&question).await;
        let found = (look.found)(result);
        assert!(is_seen(&found, &view), "{}: not {found}, but {view}", look.action);
        print(&cast, &outcome, &requests, &json!("the same"));
        tried.insert(look.action);
    }
    let all: BTreeSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!(tried, all);
}
