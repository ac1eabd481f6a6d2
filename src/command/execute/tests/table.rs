//! The table of all actions: requests and results, in rows; `sent.rs` executes them.

use serde_json::{Value, json};

use super::{
    absent, ada, ada_with, custom_role,
    org::Exchange,
    sent::{Row, each_time, life, look, row},
    staff,
};
use crate::command::SuccessKind;

const ADA: &str = "GET /users/00u1";
const ADAS_GROUPS: &str = "GET /users/00u1/groups";
const STAFF: &str = "GET /groups/00g1";

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
    // Only Okta knows whether an active user is blocked.
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
            SuccessKind::Done,
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
            SuccessKind::Done,
            (
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Countess" } }),
                json!({ "status": "ACTIVE", "profile": { "login": "ada@acme.com", "title": "Dr" } }),
            ),
        ),
        row(
            "user.update",
            json!({ "user": "00u1", "profile": { "title": "Dr" } }),
            vec![(ADA, 200, renamed.clone()), (ADA, 200, renamed.clone())],
            SuccessKind::Already,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
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
            SuccessKind::Done,
            none(),
        ),
        row("group.add_user", both(), resolved(json!([staff()])), SuccessKind::Already, none()),
        row(
            "group.remove_user",
            both(),
            and(resolved(json!([staff()])), ("DELETE /groups/00g1/users/00u1", 204, Value::Null)),
            SuccessKind::Done,
            none(),
        ),
        row("group.remove_user", both(), resolved(json!([])), SuccessKind::Already, none()),
        row(
            "group.create",
            json!({ "name": "Staff", "description": "All" }),
            vec![
                (named, 200, json!([])),
                (named, 200, json!([])),
                (r#"POST /groups {"profile":{"description":"All","name":"Staff"}}"#, 200, staff()),
            ],
            SuccessKind::Done,
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
            SuccessKind::Done,
            (profile(), json!({ "profile": crew["profile"] })),
        ),
        row(
            "group.delete",
            json!({ "group": "00g1" }),
            vec![(STAFF, 200, staff()), (STAFF, 200, staff()), ("DELETE /groups/00g1", 204, Value::Null)],
            SuccessKind::Done,
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
    let assign_group = ("PUT /apps/0oa1/groups/00g1 {}", 200, json!({ "id": "00g1" }));
    let unassign_group = ("DELETE /apps/0oa1/groups/00g1", 204, Value::Null);
    vec![
        row("app.assign_user", user(), of_user(404, absent(), Some(assign)), SuccessKind::Done, none()),
        row("app.assign_user", user(), of_user(200, assigned(), None), SuccessKind::Already, none()),
        row("app.unassign_user", user(), unassigned, SuccessKind::Done, none()),
        row("app.unassign_user", user(), of_user(404, absent(), None), SuccessKind::Already, none()),
        row(
            "app.assign_group",
            group(),
            of_group(404, absent(), Some(assign_group)),
            SuccessKind::Done,
            none(),
        ),
        row("app.assign_group", group(), of_group(200, json!({}), None), SuccessKind::Already, none()),
        row(
            "app.unassign_group",
            group(),
            of_group(200, json!({}), Some(unassign_group)),
            SuccessKind::Done,
            none(),
        ),
        row("app.unassign_group", group(), of_group(404, absent(), None), SuccessKind::Already, none()),
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
            SuccessKind::Done,
            (shown(&[]), shown(&helper)),
        ),
        row(
            "role.assign_user",
            parameters(),
            vec![active(), active(), one()],
            SuccessKind::Already,
            (shown(&helper), shown(&helper)),
        ),
        row(
            "role.unassign_user",
            parameters(),
            vec![active(), active(), one(), unassign, none()],
            SuccessKind::Done,
            (shown(&helper), shown(&[])),
        ),
        row(
            "role.unassign_user",
            parameters(),
            vec![active(), active(), none()],
            SuccessKind::Already,
            (shown(&[]), shown(&[])),
        ),
    ]
}

fn consents() -> Vec<Row> {
    let both = |action, parameters: Value, list, revoke| {
        let looked = |found| vec![(ADA, 200, ada("ACTIVE")), (ADA, 200, ada("ACTIVE")), (list, 200, found)];
        let none = || (Value::Null, Value::Null);
        let revoked = [looked(json!([{ "id": "oar1" }])), vec![(revoke, 204, Value::Null)]].concat();
        [
            row(action, parameters.clone(), revoked, SuccessKind::Done, none()),
            row(action, parameters, looked(json!([])), SuccessKind::Already, none()),
        ]
    };
    let of_app = json!({ "user": "00u1", "client": "0oa1" });
    let tokens = "GET /users/00u1/clients/0oa1/tokens?limit=1";
    let revoke_tokens = "DELETE /users/00u1/clients/0oa1/tokens";
    let grants = "GET /users/00u1/grants?limit=1";
    let rows = [
        both("user.revoke_app_tokens", of_app, tokens, revoke_tokens),
        both("user.revoke_grants", json!({ "user": "00u1" }), grants, "DELETE /users/00u1/grants"),
    ];
    rows.into_iter().flatten().collect()
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
        row(
            "zone.block_ip",
            by_name,
            [named, block].concat(),
            SuccessKind::Done,
            (shown(&[], 1), shown(&[ip], 2)),
        ),
        row(
            "zone.block_ip",
            by_id(),
            vec![looked(&[ip]), looked(&["198.51.100.0/24"])],
            SuccessKind::Already,
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
            SuccessKind::Done,
            (shown(&[ip], 2), shown(&[], 1)),
        ),
        row(
            "zone.unblock_ip",
            by_id(),
            vec![looked(&[other]), looked(&[other])],
            SuccessKind::Already,
            (shown(&[], 1), shown(&[], 1)),
        ),
    ]
}

/// All rows.
pub(super) fn all() -> Vec<Row> {
    let people = [lives(), users(), credentials(), look_ups(), groups(), apps()];
    let rights = [roles(), custom_role::rows(), consents(), zones()];
    people.into_iter().chain(rights).flatten().collect()
}
