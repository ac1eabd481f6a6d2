//! The directory over real sockets, as a client sees it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::{AUTHORIZATION, Reply, get, org, post, quiet_org, request, send};
use crate::{Options, Simulator};

/// An org whose lists are at once as they should be.
async fn prompt_org() -> Simulator {
    org(Options { backlog: 10, rate: 0.0, listing_delay: Duration::ZERO, ..Options::default() }).await
}

async fn call(simulator: &Simulator, method: &str, target: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(simulator, &request(method, target, AUTHORIZATION, &body)).await.unwrap()
}

async fn create(simulator: &Simulator, login: &str) -> Value {
    let created = call(simulator, "POST", "/api/v1/users?activate=true", &new_user(login)).await;
    assert_eq!(created.status(), 200, "{}", String::from_utf8_lossy(&created.body));
    created.json()
}

fn new_user(login: &str) -> Value {
    json!({
        "profile": { "firstName": "Grace", "lastName": "Hopper", "email": login, "login": login },
        "credentials": { "password": { "value": "Compiler1952" } },
    })
}

fn id_of(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

async fn found(simulator: &Simulator, question: &str) -> usize {
    get(simulator, &format!("/api/v1/users?{question}")).await.json().as_array().unwrap().len()
}

#[tokio::test]
async fn a_life_from_create_to_destroy_is_logged_and_listed() {
    let simulator = prompt_org().await;
    let user = create(&simulator, "grace.h@acme.example").await;
    assert_eq!((&user["status"], &user["credentials"]["password"]), (&json!("ACTIVE"), &json!({})));
    let id = id_of(&user);
    for name in [&id, "GRACE.H%40acme.example", "grace.h"] {
        let got = get(&simulator, &format!("/api/v1/users/{name}")).await;
        assert_eq!((got.status(), &got.json()["id"]), (200, &json!(id)), "{name}");
    }
    let group =
        call(&simulator, "POST", "/api/v1/groups", &json!({"profile": {"name": "Navy"}})).await.json();
    let member = format!("/api/v1/groups/{}/users/{id}", id_of(&group));
    let own = format!("/api/v1/users/{id}");
    for (method, target, status) in [
        ("PUT", member.clone(), 204),
        ("PUT", member.clone(), 204),
        ("DELETE", member.clone(), 204),
        ("POST", format!("{own}/lifecycle/suspend"), 200),
        ("POST", format!("{own}/lifecycle/unsuspend"), 200),
        ("DELETE", format!("{own}/sessions"), 204),
        ("DELETE", own.clone(), 204),
        ("DELETE", own.clone(), 204),
        ("DELETE", own.clone(), 404),
    ] {
        assert_eq!(
            call(&simulator, method, &target, &Value::Null).await.status(),
            status,
            "{method} {target}"
        );
    }

    let writes = get(&simulator, "/-/writes").await.json();
    let writes = writes.as_array().unwrap();
    let told: Vec<String> = writes
        .iter()
        .map(|write| format!("{} {} {}", write["what"].as_str().unwrap(), write["before"], write["after"]))
        .collect();
    let expected = [
        r#"user.lifecycle.create null "STAGED""#,
        r#"user.lifecycle.activate "STAGED" "ACTIVE""#,
        "group.lifecycle.create null null",
        r#"group.user_membership.add "ACTIVE" "ACTIVE""#,
        r#"group.user_membership.remove "ACTIVE" "ACTIVE""#,
        r#"user.lifecycle.suspend "ACTIVE" "SUSPENDED""#,
        r#"user.lifecycle.unsuspend "SUSPENDED" "ACTIVE""#,
        r#"user.session.clear "ACTIVE" "ACTIVE""#,
        r#"user.lifecycle.deactivate "ACTIVE" "DEPROVISIONED""#,
        r#"user.lifecycle.delete.initiated "DEPROVISIONED" null"#,
        r#"user.lifecycle.delete.completed "DEPROVISIONED" null"#,
    ];
    assert_eq!(told, expected);

    let logged = get(&simulator, "/api/v1/logs?limit=1000").await.json();
    let logged = &logged.as_array().unwrap()[10..];
    assert_eq!(logged.len(), writes.len());
    for (event, write) in logged.iter().zip(writes) {
        assert_eq!(event["eventType"], write["what"]);
        assert_eq!(event["transaction"]["id"], write["request_id"]);
        assert_eq!(event["debugContext"]["debugData"]["requestId"], write["request_id"]);
    }
    let targets: Vec<&Value> =
        logged[3]["target"].as_array().unwrap().iter().map(|target| &target["id"]).collect();
    assert_eq!(targets, [&json!(id), &group["id"]]);
    let users = get(&simulator, "/-/users").await.json();
    let gone = users.as_array().unwrap().iter().find(|user| user["id"] == id.as_str()).unwrap();
    assert_eq!(gone["deleted"], true);
    simulator.stop().await;
}

#[tokio::test]
async fn an_event_carries_the_id_of_the_answer() {
    let simulator = prompt_org().await;
    let created = call(&simulator, "POST", "/api/v1/users", &new_user("g@acme.example")).await;
    let request_id = created.header("x-okta-request-id").unwrap();
    let filter = format!("/api/v1/logs?filter=transaction.id+eq+%22{request_id}%22");
    assert_eq!(get(&simulator, &filter).await.json().as_array().unwrap().len(), 2);
    simulator.stop().await;
}

#[tokio::test]
async fn what_okta_refuses_is_refused_in_its_words() {
    let simulator = prompt_org().await;
    let login = "grace@acme.example";
    let own = format!("/api/v1/users/{}", id_of(&create(&simulator, login).await));
    let mut odd = new_user("odd@acme.example");
    odd["profile"]["shoeSize"] = json!("44");
    let mut crowded = new_user("crowded@acme.example");
    crowded["groupIds"] = (0..21).map(|n| format!("00g{n}")).collect();
    let bare = json!({ "profile": new_user("bare@acme.example")["profile"] });
    let everyone = get(&simulator, "/api/v1/groups?q=everyone").await.json();
    let everyone = format!("/api/v1/groups/{}", id_of(&everyone[0]));
    let nothing = Value::Null;
    for (method, target, body, status, code, text) in [
        (
            "POST",
            "/api/v1/users",
            &new_user("GRACE@acme.example"),
            400,
            "E0000001",
            "login: An object with this field",
        ),
        (
            "POST",
            "/api/v1/users",
            &odd,
            400,
            "E0000001",
            "Property name 'shoeSize' is not defined in profile",
        ),
        ("POST", "/api/v1/users", &crowded, 400, "E0000093", "Target count limit exceeded"),
        (
            "POST",
            "/api/v1/users?nextLogin=changePassword",
            &bare,
            400,
            "E0000124",
            "a password must be specified",
        ),
        ("POST", "/api/v1/users", &nothing, 400, "E0000001", "profile: The field cannot be left blank"),
        ("GET", "/api/v1/users/00unobody", &nothing, 404, "E0000007", "Resource not found: 00unobody (User)"),
        ("POST", &format!("{own}/lifecycle/unsuspend"), &nothing, 400, "E0000001", "not suspended"),
        ("POST", &format!("{own}/lifecycle/activate"), &nothing, 403, "E0000016", "already active"),
        (
            "POST",
            &format!("{own}/lifecycle/unlock"),
            &nothing,
            403,
            "E0000032",
            "The user is not locked out.",
        ),
        ("POST", &format!("{own}/lifecycle/reset_password"), &nothing, 400, "E0000001", "sendEmail"),
        (
            "POST",
            "/api/v1/groups",
            &json!({"profile": {"name": "Sales"}}),
            409,
            "E0000055",
            "Duplicate group",
        ),
        (
            "POST",
            "/api/v1/groups",
            &json!({"profile": {"name": "🦀"}}),
            400,
            "E0000001",
            "Invalid characters",
        ),
        ("DELETE", &everyone, &nothing, 403, "E0000006", "permission"),
        ("GET", "/api/v1/groups/00gnone", &nothing, 404, "E0000007", "00gnone (UserGroup)"),
        ("GET", "/api/v1/users?search=status+ne+%22ACTIVE%22", &nothing, 400, "E0000031", "search criteria"),
        ("PATCH", "/api/v1/users", &nothing, 405, "E0000022", "HTTP method"),
    ] {
        let refused = call(&simulator, method, target, body).await;
        let said = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!((refused.status(), &*refused.error_code()), (status, code), "{method} {target}: {said}");
        assert!(said.contains(text), "{method} {target}: {said}");
    }
    let stale = format!("{AUTHORIZATION}If-Match: W/\"0\"\r\n");
    let refused =
        send(&simulator, &request("POST", &own, &stale, r#"{"profile":{"title":"Dr"}}"#)).await.unwrap();
    assert_eq!((refused.status(), &*refused.error_code()), (412, "E0000231"));
    let etag = get(&simulator, &own).await.header("etag").unwrap().to_owned();
    let fresh = format!("{AUTHORIZATION}If-Match: {etag}\r\n");
    assert_eq!(
        send(&simulator, &request("POST", &own, &fresh, r#"{"profile":{"title":"Dr"}}"#))
            .await
            .unwrap()
            .status(),
        200
    );
    let endless = format!(
        "POST {own}/lifecycle/suspend HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{AUTHORIZATION}\r\n"
    );
    assert_eq!(send(&simulator, &endless).await.unwrap().status(), 411);
    simulator.stop().await;
}

#[tokio::test]
async fn partial_updates_merge_and_whole_ones_replace() {
    let simulator = prompt_org().await;
    let own = format!("/api/v1/users/{}", id_of(&create(&simulator, "grace@acme.example").await));
    let more = json!({"profile": {"title": "Admiral", "badge": "7"}});
    let updated = call(&simulator, "POST", &own, &more).await.json();
    assert_eq!(
        (&updated["profile"]["title"], &updated["profile"]["firstName"]),
        (&json!("Admiral"), &json!("Grace"))
    );
    let whole = json!({"profile": new_user("grace@acme.example")["profile"]});
    let replaced = call(&simulator, "PUT", &own, &whole).await.json();
    assert!(replaced["profile"].get("title").is_none(), "{replaced}");
    simulator.stop().await;
}

#[tokio::test]
async fn lists_lag_behind_and_ids_do_not() {
    let lag = Duration::from_millis(400);
    let simulator = org(Options { backlog: 10, rate: 0.0, listing_delay: lag, ..Options::default() }).await;
    let id = id_of(&create(&simulator, "late@acme.example").await);
    let question = "filter=profile.login+eq+%22late@acme.example%22";
    assert_eq!(found(&simulator, question).await, 0);
    assert_eq!(get(&simulator, &format!("/api/v1/users/{id}")).await.status(), 200);
    while found(&simulator, question).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(found(&simulator, "q=late").await, 1);
    simulator.stop().await;
}

#[tokio::test]
async fn activation_that_takes_a_while_says_so_and_lets_nobody_in_between() {
    let simulator = prompt_org().await;
    post(&simulator, "/-/delays", r#"{"transition_milliseconds": 400}"#).await;
    let user = create(&simulator, "slow@acme.example").await;
    assert_eq!((&user["status"], &user["transitioningToStatus"]), (&json!("STAGED"), &json!("ACTIVE")));
    let own = format!("/api/v1/users/{}", id_of(&user));
    let refused = call(&simulator, "POST", &own, &json!({"profile": {"title": "Dr"}})).await;
    assert_eq!((refused.status(), &*refused.error_code()), (409, "E0000112"));
    let mut user = user;
    while user["transitioningToStatus"] == "ACTIVE" {
        tokio::time::sleep(Duration::from_millis(20)).await;
        user = get(&simulator, &own).await.json();
    }
    assert_eq!(user["status"], "ACTIVE");
    simulator.stop().await;
}

#[tokio::test]
async fn pages_hold_everybody_once_and_plain_lists_leave_the_deactivated_out() {
    let simulator = prompt_org().await;
    let group = get(&simulator, "/api/v1/groups?q=everyone").await.json();
    for (first, count) in [
        ("/api/v1/users?limit=70".to_owned(), 299),
        (
            "/api/v1/users?limit=70&search=created+gt+%222000-01-01T00:00:00Z%22&sortBy=profile.lastName"
                .to_owned(),
            300,
        ),
        (format!("/api/v1/groups/{}/users?limit=70", id_of(&group[0])), 300),
    ] {
        let (mut ids, mut next) = (Vec::new(), Some(first.clone()));
        while let Some(target) = next {
            let page = get(&simulator, &target).await;
            ids.extend(page.json().as_array().unwrap().iter().map(id_of));
            next = page.link("next");
        }
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), unique.len()), (count, count), "{first}");
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_act() {
    let simulator = prompt_org().await;
    let id = id_of(&create(&simulator, "lost@acme.example").await);
    let suspend = format!("/api/v1/users/{id}/lifecycle/suspend");
    post(
        &simulator,
        "/-/faults",
        r#"{"kind":"answer_lost","count":1,"method":"POST","path":"/api/v1/users/*"}"#,
    )
    .await;
    let lost = send(&simulator, &request("POST", &suspend, AUTHORIZATION, "")).await;
    assert!(lost.is_none());
    assert_eq!(get(&simulator, &format!("/api/v1/users/{id}")).await.json()["status"], "SUSPENDED");
    post(&simulator, "/-/faults", r#"{"kind":"answer_lost","instead":"internal_error","count":1}"#).await;
    let lost = call(&simulator, "DELETE", &format!("/api/v1/users/{id}"), &Value::Null).await;
    assert_eq!((lost.status(), &*lost.error_code()), (500, "E0000009"));
    assert_eq!(get(&simulator, &format!("/api/v1/users/{id}")).await.json()["status"], "DEPROVISIONED");
    simulator.stop().await;
}

#[tokio::test]
async fn a_dropped_connection_does_nothing() {
    let simulator = prompt_org().await;
    post(&simulator, "/-/faults", r#"{"kind":"drop_connection","count":1}"#).await;
    let body = new_user("never@acme.example").to_string();
    assert!(send(&simulator, &request("POST", "/api/v1/users", AUTHORIZATION, &body)).await.is_none());
    assert_eq!(get(&simulator, "/api/v1/users/never").await.status(), 404);
    simulator.stop().await;
}

#[tokio::test]
async fn anybody_can_be_planted() {
    let simulator = quiet_org(10).await;
    for status in ["LOCKED_OUT", "PASSWORD_EXPIRED", "RECOVERY", "DEPROVISIONED"] {
        let user = json!({"status": status, "profile": {"login": format!("{status}@acme.example")}, "factors": ["push", "totp"]});
        let planted = post(&simulator, "/-/users", &user.to_string()).await;
        assert_eq!(planted.status(), 200, "{}", String::from_utf8_lossy(&planted.body));
        let own = format!("/api/v1/users/{}", id_of(&planted.json()));
        assert_eq!(get(&simulator, &own).await.json()["status"], status);
        let search = format!("search=profile.login+eq+%22{status}@acme.example%22");
        assert_eq!(found(&simulator, &search).await, 1, "no delay for {status}");
        let factors = get(&simulator, &format!("{own}/factors")).await.json();
        assert_eq!(factors.as_array().unwrap().len(), 2);
    }
    let unlock = call(&simulator, "POST", "/api/v1/users/locked_out/lifecycle/unlock", &Value::Null).await;
    assert_eq!(unlock.status(), 200);
    let group = r#"{"type":"APP_GROUP","profile":{"name":"Payroll"},"members":["locked_out"]}"#;
    let group = id_of(&post(&simulator, "/-/groups", group).await.json());
    let members = get(&simulator, &format!("/api/v1/groups/{group}/users")).await.json();
    assert_eq!(members[0]["profile"]["login"], "LOCKED_OUT@acme.example");
    assert_eq!(get(&simulator, "/-/writes").await.json().as_array().unwrap().len(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn apps_come_by_assignment_and_by_group() {
    let simulator = prompt_org().await;
    let id = id_of(&create(&simulator, "grace@acme.example").await);
    let has = async |count| {
        let links = get(&simulator, &format!("/api/v1/users/{id}/appLinks")).await.json();
        let filter = format!("/api/v1/apps?limit=200&filter=user.id+eq+%22{id}%22");
        let filtered = get(&simulator, &filter).await.json();
        let counts = [links, filtered].map(|list| list.as_array().unwrap().len());
        assert_eq!(counts, [count; 2]);
    };
    let apps = get(&simulator, "/api/v1/apps").await.json();
    assert_eq!(apps.as_array().unwrap().len(), 20);
    // One app is for Everyone.
    let everyone_has =
        get(&simulator, &format!("/api/v1/users/{id}/appLinks")).await.json().as_array().unwrap().len();
    let mut free = Vec::new();
    for app in apps.as_array().unwrap() {
        let own = format!("/api/v1/apps/{}", id_of(app));
        if get(&simulator, &format!("{own}/users/{id}")).await.status() == 404 {
            free.push(own);
        }
    }
    let (first, second) = (&free[0], &free[1]);
    let body = json!({"id": id, "scope": "USER", "profile": {"role": "admin"}});
    let assigned = call(&simulator, "POST", &format!("{first}/users"), &body).await;
    assert_eq!((assigned.status(), &assigned.json()["profile"]["role"]), (200, &json!("admin")));
    has(everyone_has + 1).await;
    let group = id_of(
        &call(&simulator, "POST", "/api/v1/groups", &json!({"profile": {"name": "Navy"}})).await.json(),
    );
    call(&simulator, "PUT", &format!("/api/v1/groups/{group}/users/{id}"), &Value::Null).await;
    assert_eq!(call(&simulator, "PUT", &format!("{second}/groups/{group}"), &json!({})).await.status(), 200);
    has(everyone_has + 2).await;
    assert_eq!(call(&simulator, "DELETE", &format!("{second}/users/{id}"), &Value::Null).await.status(), 403);
    assert_eq!(
        call(&simulator, "DELETE", &format!("{second}/groups/{group}"), &Value::Null).await.status(),
        204
    );
    assert_eq!(call(&simulator, "DELETE", &format!("{first}/users/{id}"), &Value::Null).await.status(), 204);
    assert_eq!(call(&simulator, "DELETE", &format!("{first}/users/{id}"), &Value::Null).await.status(), 404);
    has(everyone_has).await;
    simulator.stop().await;
}

#[tokio::test]
async fn buckets_are_counted_apart() {
    let options = Options { backlog: 10, rate: 0.0, directory_rate_limit: Some(2), ..Options::default() };
    let simulator = org(options).await;
    for remaining in ["1", "0"] {
        let listed = get(&simulator, "/api/v1/users?limit=1").await;
        assert_eq!(listed.header("x-rate-limit-remaining"), Some(remaining));
    }
    let refused = get(&simulator, "/api/v1/users?limit=1").await;
    assert_eq!((refused.status(), &*refused.error_code()), (429, "E0000047"));
    assert_eq!(get(&simulator, "/api/v1/users/nobody").await.status(), 404);
    assert_eq!(get(&simulator, "/api/v1/groups?limit=1").await.status(), 200);
    assert_eq!(get(&simulator, "/api/v1/logs").await.header("x-rate-limit-limit"), Some("120"));
    simulator.stop().await;
}

#[tokio::test]
async fn the_people_of_the_events_are_in_the_directory() {
    let simulator = quiet_org(500).await;
    let events =
        get(&simulator, "/api/v1/logs?limit=500&filter=eventType+eq+%22user.session.start%22").await.json();
    let actors: Vec<String> = events.as_array().unwrap().iter().map(|event| id_of(&event["actor"])).collect();
    assert!(!actors.is_empty());
    for actor in actors.iter().take(5) {
        assert_eq!(get(&simulator, &format!("/api/v1/users/{actor}")).await.status(), 200, "{actor}");
    }
    simulator.stop().await;
}
