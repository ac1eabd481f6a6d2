//! The table of all actions: what is sent, what comes of it, and that it is not sent if it is so already.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    absent, ada, ada_with,
    org::{Command, Exchange},
    staff,
};
use crate::command::{Action, Effect, Way};

const ADA: &str = "GET /users/00u1";
const ADAS_GROUPS: &str = "GET /users/00u1/groups";
const STAFF: &str = "GET /groups/00g1";

/// An action, the conversation, and what it comes to: the way, before and after.
struct Row {
    command: Command,
    script: Vec<Exchange>,
    way: Way,
    states: (Value, Value),
}

fn row(
    action: &'static str,
    parameters: Value,
    script: Vec<Exchange>,
    way: Way,
    states: (Value, Value),
) -> Row {
    Row { command: Command::new(action, parameters), script, way, states }
}

/// A change of Ada's status: looked up, looked at, changed, looked at.
fn life(action: &'static str, request: &'static str, from: &str, to: &str) -> [Row; 2] {
    let states = |from, to| (json!({ "status": from }), json!({ "status": to }));
    let parameters = || json!({ "user": "00u1" });
    let changed =
        vec![(ADA, 200, ada(from)), (ADA, 200, ada(from)), (request, 200, json!({})), (ADA, 200, ada(to))];
    let already = vec![(ADA, 200, ada(to)), (ADA, 200, ada(to))];
    [
        row(action, parameters(), changed, Way::Done, states(from, to)),
        row(action, parameters(), already, Way::Already, states(to, to)),
    ]
}

/// What is done each time, as nobody can see whether it is done.
fn each_time(
    action: &'static str,
    parameters: Value,
    status: &str,
    request: &'static str,
    answer: Value,
) -> Row {
    let states = (json!({ "status": status }), json!({ "status": status }));
    let ada = || ada(status);
    let script = vec![(ADA, 200, ada()), (ADA, 200, ada()), (request, 200, answer), (ADA, 200, ada())];
    row(action, parameters, script, Way::Done, states)
}

fn look(action: &'static str, parameters: Value, script: Vec<Exchange>) -> Row {
    row(action, parameters, script, Way::Done, (Value::Null, Value::Null))
}

fn lives() -> Vec<Row> {
    let suspend = life("user.suspend", "POST /users/00u1/lifecycle/suspend", "ACTIVE", "SUSPENDED");
    let unsuspend = life("user.unsuspend", "POST /users/00u1/lifecycle/unsuspend", "SUSPENDED", "ACTIVE");
    let unlock = life("user.unlock", "POST /users/00u1/lifecycle/unlock", "LOCKED_OUT", "ACTIVE");
    let activate =
        life("user.activate", "POST /users/00u1/lifecycle/activate?sendEmail=true", "STAGED", "PROVISIONED");
    let deactivate = life(
        "user.deactivate",
        "POST /users/00u1/lifecycle/deactivate?sendEmail=false",
        "ACTIVE",
        "DEPROVISIONED",
    );
    let expire = life(
        "user.expire_password",
        "POST /users/00u1/lifecycle/expire_password",
        "ACTIVE",
        "PASSWORD_EXPIRED",
    );
    let reset = life(
        "user.reset_password",
        "POST /users/00u1/lifecycle/reset_password?sendEmail=true&revokeSessions=false",
        "ACTIVE",
        "RECOVERY",
    );
    // Okta alone knows of one who is active whether they are blocked.
    let [unlock, _] = unlock;
    let lives = [activate, suspend, unsuspend, deactivate, expire, reset];
    lives.into_iter().flatten().chain([unlock]).collect()
}

fn users() -> Vec<Row> {
    let new = json!({ "profile": { "login": "ada@acme.com", "badge": "7" }, "groups": ["00g1"] });
    let create = "POST /users?activate=true \
        {\"groupIds\":[\"00g1\"],\"profile\":{\"badge\":\"7\",\"login\":\"ada@acme.com\"}}";
    let by_login = "GET /users/ada@acme.com";
    let titled = |title: &str| json!({ "status": "ACTIVE", "profile": { "title": title } });
    let mut renamed = ada("ACTIVE");
    renamed["profile"]["title"] = json!("Dr");
    let gone = || json!({ "status": "DELETED" });
    vec![
        row(
            "user.create",
            new,
            vec![
                (by_login, 404, absent()),
                (STAFF, 200, staff()),
                (by_login, 404, absent()),
                (create, 200, ada("PROVISIONED")),
                (ADA, 200, ada("PROVISIONED")),
            ],
            Way::Done,
            (Value::Null, json!({ "status": "PROVISIONED" })),
        ),
        row(
            "user.update",
            json!({ "user": "00u1", "profile": { "title": "Dr", "login": "ada@acme.com" } }),
            vec![
                (ADA, 200, ada("ACTIVE")),
                (ADA, 200, ada("ACTIVE")),
                (r#"POST /users/00u1 {"profile":{"title":"Dr"}}"#, 200, renamed.clone()),
            ],
            Way::Done,
            (
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Countess" } }),
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Dr" } }),
            ),
        ),
        row(
            "user.update",
            json!({ "user": "00u1", "profile": { "title": "Dr" } }),
            vec![(ADA, 200, renamed.clone()), (ADA, 200, renamed.clone())],
            Way::Already,
            (titled("Dr"), titled("Dr")),
        ),
        row(
            "user.upsert",
            json!({ "profile": { "login": "ada@acme.com" }, "type": "oty1" }),
            vec![
                (by_login, 404, absent()),
                (by_login, 404, absent()),
                (
                    r#"POST /users?activate=true {"profile":{"login":"ada@acme.com"},"type":{"id":"oty1"}}"#,
                    200,
                    ada("PROVISIONED"),
                ),
                (ADA, 200, ada("PROVISIONED")),
            ],
            Way::Done,
            (Value::Null, json!({ "status": "PROVISIONED" })),
        ),
        row(
            "user.upsert",
            json!({ "profile": { "login": "ada@acme.com", "title": "Dr" } }),
            vec![
                (by_login, 200, ada("ACTIVE")),
                (ADA, 200, ada("ACTIVE")),
                (r#"POST /users/00u1 {"profile":{"title":"Dr"}}"#, 200, renamed.clone()),
            ],
            Way::Done,
            (
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Countess" } }),
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Dr" } }),
            ),
        ),
        row(
            "user.delete",
            json!({ "user": "00u1" }),
            vec![
                (ADA, 200, ada("DEPROVISIONED")),
                (ADA, 200, ada("DEPROVISIONED")),
                ("DELETE /users/00u1?sendEmail=false", 204, Value::Null),
                (ADA, 404, absent()),
            ],
            Way::Done,
            (json!({ "status": "DEPROVISIONED" }), gone()),
        ),
        row(
            "user.delete",
            json!({ "user": "00u1", "deactivate_first": true }),
            vec![
                (ADA, 200, ada("ACTIVE")),
                (ADA, 200, ada("ACTIVE")),
                ("POST /users/00u1/lifecycle/deactivate?sendEmail=false", 200, json!({})),
                (ADA, 200, ada_with("ACTIVE", "transitioningToStatus", "DEPROVISIONED")),
                (ADA, 200, ada("DEPROVISIONED")),
                ("DELETE /users/00u1?sendEmail=false", 204, Value::Null),
                (ADA, 404, absent()),
            ],
            Way::Done,
            (json!({ "status": "ACTIVE" }), gone()),
        ),
        each_time(
            "user.reactivate",
            json!({ "user": "00u1" }),
            "PROVISIONED",
            "POST /users/00u1/lifecycle/reactivate?sendEmail=false",
            json!({ "activationUrl": "https://s3cret", "activationToken": "s3cret" }),
        ),
    ]
}

fn credentials() -> Vec<Row> {
    let user = || json!({ "user": "00u1" });
    let factor = |id: &str| json!({ "id": id, "factorType": "push" });
    let left = |ids: &[&str]| json!({ "factors": ids });
    let pending = json!({ "id": "f1", "_embedded": { "activation": { "sharedSecret": "s3cret" } } });
    let factors = "GET /users/00u1/factors";
    let active = || (ADA, 200, ada("ACTIVE"));
    vec![
        each_time(
            "user.forgot_password",
            user(),
            "ACTIVE",
            "POST /users/00u1/credentials/forgot_password?sendEmail=true",
            json!({}),
        ),
        each_time(
            "user.set_password",
            json!({ "user": "00u1", "password": "s3cret" }),
            "ACTIVE",
            r#"POST /users/00u1 {"credentials":{"password":{"value":"s3cret"}}}"#,
            ada("ACTIVE"),
        ),
        row(
            "user.clear_sessions",
            user(),
            vec![
                active(),
                active(),
                ("DELETE /users/00u1/sessions?oauthTokens=false&forgetDevices=true", 204, Value::Null),
            ],
            Way::Done,
            (Value::Null, Value::Null),
        ),
        look("user.factors", user(), vec![active(), (factors, 200, json!([pending]))]),
        row(
            "user.reset_factor",
            json!({ "user": "00u1", "factor": "f1" }),
            vec![
                active(),
                active(),
                (factors, 200, json!([factor("f1"), factor("f2")])),
                ("DELETE /users/00u1/factors/f1", 204, Value::Null),
                (factors, 200, json!([factor("f2")])),
            ],
            Way::Done,
            (left(&["f1", "f2"]), left(&["f2"])),
        ),
        row(
            "user.reset_factor",
            json!({ "user": "00u1", "factor": "f1" }),
            vec![
                active(),
                active(),
                (factors, 200, json!([factor("f2")])),
                ("DELETE /users/00u1/factors/f1", 204, Value::Null),
                (factors, 200, json!([factor("f2")])),
            ],
            Way::Done,
            (left(&["f2"]), left(&["f2"])),
        ),
        row(
            "user.reset_factors",
            user(),
            vec![
                active(),
                active(),
                (factors, 200, json!([factor("f1")])),
                ("POST /users/00u1/lifecycle/reset_factors", 200, json!({})),
                (factors, 200, json!([])),
            ],
            Way::Done,
            (left(&["f1"]), left(&[])),
        ),
    ]
}

fn look_ups() -> Vec<Row> {
    let user = || json!({ "user": "00u1" });
    let group = || json!({ "group": "00g1" });
    let active = || (ADA, 200, ada("ACTIVE"));
    let found = || (STAFF, 200, staff());
    vec![
        look("user.get", user(), vec![active(), active()]),
        look(
            "user.search",
            json!({ "search": "profile.title sw \"C\"", "limit": 1 }),
            vec![("GET /users?limit=200&search=profile.title+sw+%22C%22", 200, json!([ada("ACTIVE")]))],
        ),
        look("user.groups", user(), vec![active(), (ADAS_GROUPS, 200, json!([staff()]))]),
        look("user.apps", user(), vec![active(), ("GET /users/00u1/appLinks", 200, json!([]))]),
        look("group.get", group(), vec![found(), found()]),
        look(
            "group.find",
            json!({ "name": "St" }),
            vec![("GET /groups?search=profile.name+sw+%22St%22&limit=200", 200, json!([staff()]))],
        ),
        look(
            "group.members",
            group(),
            vec![found(), ("GET /groups/00g1/users?limit=200", 200, json!([ada("ACTIVE")]))],
        ),
        look("log.by_user", user(), vec![active(), ("GET /logs?since=…", 200, json!([{ "uuid": "1" }]))]),
        look("log.by_ip", json!({ "ip": "::1" }), vec![("GET /logs?since=…", 200, json!([]))]),
        look(
            "log.search",
            json!({ "q": "x", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z", "limit": 5 }),
            vec![(
                "GET /logs?since=2026-11-01T00%3A00%3A00.000Z&until=2026-11-02T00%3A00%3A00.000Z\
                 &limit=5&sortOrder=DESCENDING&q=x",
                200,
                json!([]),
            )],
        ),
    ]
}

fn groups() -> Vec<Row> {
    let both = || json!({ "user": "00u1", "group": "00g1" });
    let named = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
    let resolved =
        |groups: Value| vec![(ADA, 200, ada("ACTIVE")), (STAFF, 200, staff()), (ADAS_GROUPS, 200, groups)];
    let and = |mut script: Vec<Exchange>, exchange| {
        script.push(exchange);
        script
    };
    let profile = || json!({ "profile": { "name": "Staff", "description": "All" } });
    let mut crew = staff();
    crew["profile"]["name"] = json!("Crew");
    let none = || (Value::Null, Value::Null);
    vec![
        row(
            "group.add_user",
            both(),
            and(resolved(json!([])), ("PUT /groups/00g1/users/00u1", 204, Value::Null)),
            Way::Done,
            none(),
        ),
        row("group.add_user", both(), resolved(json!([staff()])), Way::Already, none()),
        row(
            "group.remove_user",
            both(),
            and(resolved(json!([staff()])), ("DELETE /groups/00g1/users/00u1", 204, Value::Null)),
            Way::Done,
            none(),
        ),
        row("group.remove_user", both(), resolved(json!([])), Way::Already, none()),
        row(
            "group.create",
            json!({ "name": "Staff", "description": "All" }),
            vec![
                (named, 200, json!([])),
                (named, 200, json!([])),
                (r#"POST /groups {"profile":{"description":"All","name":"Staff"}}"#, 200, staff()),
            ],
            Way::Done,
            (Value::Null, profile()),
        ),
        row(
            "group.update",
            json!({ "group": "00g1", "name": "Crew" }),
            vec![
                (STAFF, 200, staff()),
                (STAFF, 200, staff()),
                (r#"PUT /groups/00g1 {"profile":{"description":"All","name":"Crew"}}"#, 200, crew.clone()),
            ],
            Way::Done,
            (profile(), json!({ "profile": crew["profile"] })),
        ),
        row(
            "group.delete",
            json!({ "group": "00g1" }),
            vec![(STAFF, 200, staff()), (STAFF, 200, staff()), ("DELETE /groups/00g1", 204, Value::Null)],
            Way::Done,
            (profile(), Value::Null),
        ),
    ]
}

fn apps() -> Vec<Row> {
    let app = || ("GET /apps/0oa1", 200, json!({ "id": "0oa1" }));
    let none = || (Value::Null, Value::Null);
    let user = || json!({ "app": "0oa1", "user": "00u1" });
    let group = || json!({ "app": "0oa1", "group": "00g1" });
    let of_user = |status, answer, change: Option<Exchange>| {
        let script = vec![(ADA, 200, ada("ACTIVE")), app(), ("GET /apps/0oa1/users/00u1", status, answer)];
        script.into_iter().chain(change).collect()
    };
    let of_group = |status, answer, change: Option<Exchange>| {
        let script = vec![(STAFF, 200, staff()), app(), ("GET /apps/0oa1/groups/00g1", status, answer)];
        script.into_iter().chain(change).collect()
    };
    let assigned = || json!({ "id": "00u1", "scope": "USER" });
    let assign = (r#"POST /apps/0oa1/users {"id":"00u1","profile":{},"scope":"USER"}"#, 200, assigned());
    let unassign = ("DELETE /apps/0oa1/users/00u1", 204, Value::Null);
    let mut unassigned: Vec<Exchange> = of_user(200, assigned(), Some(unassign));
    unassigned.push(("GET /apps/0oa1/users/00u1", 404, absent()));
    let assign_group = ("PUT /apps/0oa1/groups/00g1 {}", 200, json!({}));
    let unassign_group = ("DELETE /apps/0oa1/groups/00g1", 204, Value::Null);
    vec![
        row("app.assign_user", user(), of_user(404, absent(), Some(assign)), Way::Done, none()),
        row("app.assign_user", user(), of_user(200, assigned(), None), Way::Already, none()),
        row("app.unassign_user", user(), unassigned, Way::Done, none()),
        row("app.unassign_user", user(), of_user(404, absent(), None), Way::Already, none()),
        row("app.assign_group", group(), of_group(404, absent(), Some(assign_group)), Way::Done, none()),
        row("app.assign_group", group(), of_group(200, json!({}), None), Way::Already, none()),
        row("app.unassign_group", group(), of_group(200, json!({}), Some(unassign_group)), Way::Done, none()),
        row("app.unassign_group", group(), of_group(404, absent(), None), Way::Already, none()),
    ]
}

fn roles() -> Vec<Row> {
    let parameters = || json!({ "user": "00u1", "role": "HELP_DESK_ADMIN" });
    let held = || json!([{ "id": "ra1", "type": "HELP_DESK_ADMIN", "assignmentType": "USER" }]);
    let roles = "GET /users/00u1/roles";
    let active = || (ADA, 200, ada("ACTIVE"));
    let shown = |types: &[&str]| json!({ "roles": types });
    let assign = (r#"POST /users/00u1/roles {"type":"HELP_DESK_ADMIN"}"#, 201, held());
    let unassign = ("DELETE /users/00u1/roles/ra1", 204, Value::Null);
    let (none, one) = (|| (roles, 200, json!([])), || (roles, 200, held()));
    let helper = ["HELP_DESK_ADMIN"];
    vec![
        row(
            "role.assign_user",
            parameters(),
            vec![active(), active(), none(), assign, one()],
            Way::Done,
            (shown(&[]), shown(&helper)),
        ),
        row(
            "role.assign_user",
            parameters(),
            vec![active(), active(), one()],
            Way::Already,
            (shown(&helper), shown(&helper)),
        ),
        row(
            "role.unassign_user",
            parameters(),
            vec![active(), active(), one(), unassign, none()],
            Way::Done,
            (shown(&helper), shown(&[])),
        ),
        row(
            "role.unassign_user",
            parameters(),
            vec![active(), active(), none()],
            Way::Already,
            (shown(&[]), shown(&[])),
        ),
    ]
}

fn consents() -> Vec<Row> {
    let active = || (ADA, 200, ada("ACTIVE"));
    let none = || (Value::Null, Value::Null);
    let of_app = || json!({ "user": "00u1", "client": "0oa1" });
    let (tokens, grants) = ("GET /users/00u1/clients/0oa1/tokens?limit=1", "GET /users/00u1/grants?limit=1");
    let some = |list| (list, 200, json!([{ "id": "oar1" }]));
    let revoke_tokens = ("DELETE /users/00u1/clients/0oa1/tokens", 204, Value::Null);
    let revoke_grants = ("DELETE /users/00u1/grants", 204, Value::Null);
    vec![
        row(
            "user.revoke_app_tokens",
            of_app(),
            vec![active(), active(), some(tokens), revoke_tokens],
            Way::Done,
            none(),
        ),
        row(
            "user.revoke_app_tokens",
            of_app(),
            vec![active(), active(), (tokens, 200, json!([]))],
            Way::Already,
            none(),
        ),
        row(
            "user.revoke_grants",
            json!({ "user": "00u1" }),
            vec![active(), active(), some(grants), revoke_grants],
            Way::Done,
            none(),
        ),
        row(
            "user.revoke_grants",
            json!({ "user": "00u1" }),
            vec![active(), active(), (grants, 200, json!([]))],
            Way::Already,
            none(),
        ),
    ]
}

fn zones() -> Vec<Row> {
    let (get, list) = ("GET /zones/nzo1", "GET /zones");
    let zone = |gateways: &[&str]| {
        let gateways: Vec<_> =
            gateways.iter().map(|value| json!({ "type": "CIDR", "value": value })).collect();
        json!({
            "id": "nzo1", "name": "Blocked", "type": "IP", "usage": "BLOCKLIST", "status": "ACTIVE", "system": false,
            "gateways": gateways, "proxies": null, "lastUpdated": "2026-01-01T00:00:00.000Z",
        })
    };
    let put = |gateways: &str| {
        let put = format!(
            r#"PUT /zones/nzo1 {{"gateways":[{gateways}],"name":"Blocked","proxies":null,"status":"ACTIVE","type":"IP","usage":"BLOCKLIST"}}"#
        );
        (&*put.leak(), 200, json!({}))
    };
    let looked = |gateways: &[&str]| (get, 200, zone(gateways));
    let shown = |blocked: &[&str], gateways: usize| json!({ "blocked": blocked, "gateways": gateways });
    let (other, ip) = ("192.0.2.0/24", "198.51.100.1/32");
    let both = r#"{"type":"CIDR","value":"192.0.2.0/24"},{"type":"CIDR","value":"198.51.100.1/32"}"#;
    let by_name = json!({ "zone": "Blocked", "ip": "198.51.100.1" });
    let by_id = || json!({ "zone": "nzo1", "ips": ["198.51.100.1"] });
    let named = vec![(list, 200, json!([zone(&[other])])), looked(&[other])];
    let block = vec![looked(&[other]), put(both), looked(&[other, ip])];
    vec![
        row("zone.block_ip", by_name, [named, block].concat(), Way::Done, (shown(&[], 1), shown(&[ip], 2))),
        row(
            "zone.block_ip",
            by_id(),
            vec![looked(&[ip]), looked(&["198.51.100.0/24"])],
            Way::Already,
            (shown(&[ip], 1), shown(&[ip], 1)),
        ),
        row(
            "zone.unblock_ip",
            by_id(),
            vec![
                looked(&[other, ip]),
                looked(&[other, ip]),
                put(r#"{"type":"CIDR","value":"192.0.2.0/24"}"#),
                looked(&[other]),
            ],
            Way::Done,
            (shown(&[ip], 2), shown(&[], 1)),
        ),
        row(
            "zone.unblock_ip",
            by_id(),
            vec![looked(&[other]), looked(&[other])],
            Way::Already,
            (shown(&[], 1), shown(&[], 1)),
        ),
    ]
}

fn all() -> Vec<Row> {
    let rows = [lives(), users(), credentials(), look_ups(), groups(), apps(), roles(), consents(), zones()];
    rows.into_iter().flatten().collect()
}

#[tokio::test]
async fn each_action_sends_what_okta_documents_and_only_if_it_is_needed() {
    let mut seen = BTreeSet::new();
    for Row { command, script, way, states } in all() {
        let action = Action::named(command.action).unwrap();
        seen.insert(action);
        let sent: Vec<_> =
            script.iter().map(|(request, ..)| *request).filter(|r| !r.starts_with("GET")).collect();
        println!("{:22} {way:?} {} -> {} | {}", action.name(), states.0, states.1, sent.join(", "));
        assert_eq!(
            sent.is_empty(),
            way == Way::Already || action.effect() == Effect::Read,
            "{}",
            action.name()
        );
        let request_id = (!sent.is_empty()).then_some("req-1");
        let performed = command.run(script).await.unwrap();
        assert_eq!(performed.way, way, "{}", action.name());
        let found = (performed.before.unwrap_or_default(), performed.after.unwrap_or_default());
        assert_eq!(found, states, "{}", action.name());
        assert_eq!(performed.okta_request_id.as_deref(), request_id, "{}", action.name());
        assert!(!performed.result.to_string().contains("s3cret"), "{}", performed.result);
    }
    assert!(seen.into_iter().eq(Action::ALL.iter().copied().collect::<BTreeSet<_>>()));
}

#[tokio::test]
async fn in_a_dry_run_no_action_sends_anything_that_changes() {
    for Row { mut command, script, way, .. } in all() {
        let action = Action::named(command.action).unwrap();
        let writes: Vec<_> =
            script.iter().map(|(request, ..)| *request).filter(|r| !r.starts_with("GET")).collect();
        // What would be looked at after the first change is not looked at, but for a deletion in two steps.
        let until =
            script.iter().position(|(request, ..)| !request.starts_with("GET")).unwrap_or(script.len());
        let mut looks = script[..until].to_vec();
        if writes.len() > 1 {
            looks.push((ADA, 200, ada("ACTIVE")));
        }
        command = command.dry();
        let performed = command.run(looks).await.unwrap();
        if way == Way::Already || action.effect() == Effect::Read {
            assert_eq!(performed.way, way, "{}", action.name());
            continue;
        }
        assert_eq!(performed.way, Way::DryRun, "{}", action.name());
        let requests = performed.result["requests"].as_array().unwrap();
        let shown = requests.iter().map(|request| {
            let path = request["path"].as_str().unwrap().trim_start_matches("/api/v1");
            format!("{} {path}", request["method"].as_str().unwrap())
        });
        let expected = writes.iter().map(|write| write.split(" {").next().unwrap().to_owned());
        assert!(shown.eq(expected), "{}: {requests:?}", action.name());
        assert!(!performed.result.to_string().contains("s3cret"));
    }
}

#[tokio::test]
async fn secrets_are_beside_the_result() {
    for (action, parameters, request, answer, name) in [
        (
            "user.activate",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/lifecycle/activate?sendEmail=false",
            json!({ "activationUrl": "s3cret", "activationToken": "s3cret" }),
            "activation_url",
        ),
        (
            "user.expire_password",
            json!({ "user": "00u1", "temporary_password": true }),
            "POST /users/00u1/lifecycle/expire_password_with_temp_password?revokeSessions=false",
            json!({ "tempPassword": "s3cret" }),
            "temporary_password",
        ),
        (
            "user.reset_password",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/lifecycle/reset_password?sendEmail=false&revokeSessions=false",
            json!({ "resetPasswordUrl": "s3cret" }),
            "reset_password_url",
        ),
        (
            "user.forgot_password",
            json!({ "user": "00u1", "send_email": false }),
            "POST /users/00u1/credentials/forgot_password?sendEmail=false",
            json!({ "resetPasswordUrl": "s3cret" }),
            "reset_password_url",
        ),
    ] {
        let status = if action == "user.activate" { "STAGED" } else { "ACTIVE" };
        let script = vec![
            (ADA, 200, ada(status)),
            (ADA, 200, ada(status)),
            (request, 200, answer),
            (ADA, 200, ada("ACTIVE")),
        ];
        let performed = Command::new(action, parameters).run(script).await.unwrap();
        let revealed: Vec<_> =
            performed.revealed.iter().map(|one| (one.name, one.secret.expose_secret())).collect();
        assert_eq!(revealed, [(name, "s3cret")], "{action}");
        assert!(!format!("{performed:?}").contains("s3cret"), "{action}");
    }
}
