//! A change that somebody reverted while its answer was unknown stays reverted.

use jiff::{SignedDuration, Timestamp};
use okta_client::users::User;
use serde_json::{Value, json};

use super::{
    absent, ada, ada_with, internal,
    org::{Command, Exchange, Open, ask},
    staff,
};
use crate::command::{
    Action, Expect, Request, SuccessKind,
    execute::{Attempt, Baseline, Progress},
};

const ADA: &str = "GET /users/00u1";
const BY_LOGIN: &str = "GET /users/ada@acme.com";
/// A look in the log until later than now.
const LOG_OF_NOW: &str = "GET /logs?since=… until now";
/// Some time before Ada was made.
const EARLIER: &str = "2025-12-31T23:59:00Z";
/// Some time after.
const LATER: &str = "2026-02-01T00:00:00Z";

async fn way(command: Command, script: Vec<Exchange>) -> SuccessKind {
    command.run(script).await.unwrap().kind
}

async fn code(command: Command, script: Vec<Exchange>) -> String {
    command.run(script).await.unwrap_err().error.code
}

#[tokio::test]
async fn what_somebody_took_back_while_the_answer_was_awaited_is_not_done_again() {
    let active = || (ADA, 200, ada("ACTIVE"));
    let anew = || (ADA, 200, ada_with("ACTIVE", "statusChanged", "2999-01-01T00:00:00Z"));
    let expire = "POST /users/00u1/lifecycle/expire_password";
    for (action, sent, to) in [
        ("user.suspend", "POST /users/00u1/lifecycle/suspend", "SUSPENDED"),
        ("user.deactivate", "POST /users/00u1/lifecycle/deactivate?sendEmail=false", "DEPROVISIONED"),
        ("user.expire_password", expire, "PASSWORD_EXPIRED"),
    ] {
        let command = || Command::new(action, json!({ "user": "00u1" }));
        let lost = vec![active(), active(), (sent, 500, internal()), anew()];
        assert_eq!(code(command(), lost).await, "changed_meanwhile", "{action}");
        let before = || Baseline::of_user(&User::read(ada("ACTIVE")).unwrap());
        let killed = vec![anew(), anew()];
        assert_eq!(code(command().again_from(before()), killed).await, "changed_meanwhile", "{action}");
        // Nothing has happened: then it is done.
        let script = vec![active(), active(), (sent, 200, json!({})), (ADA, 200, ada(to))];
        assert_eq!(way(command().again_from(before()), script).await, SuccessKind::Done, "{action}");
        // It was done, and reverted right before the read.
        let script = vec![active(), active(), (sent, 200, json!({})), anew()];
        assert_eq!(code(command(), script).await, "changed_meanwhile", "{action}");
    }
}

#[tokio::test]
async fn a_user_whom_somebody_has_restored_in_any_way_is_not_deleted() {
    let command = || Command::new("user.delete", json!({ "user": "00u1", "deactivate_first": true }));
    let of = |status: &str| Baseline::of_user(&User::read(ada(status)).unwrap());
    for status in ["ACTIVE", "SUSPENDED", "PASSWORD_EXPIRED", "RECOVERY", "LOCKED_OUT"] {
        let restored = (ADA, 200, ada_with(status, "statusChanged", LATER));
        let script = vec![(ADA, 200, ada(status)), restored];
        assert_eq!(code(command().again_from(of("STAGED")), script).await, "expectation_failed", "{status}");
    }
    // Activated while the deletion was in flight, which has only deactivated them: another one would destroy.
    let anew = || (ADA, 200, ada_with("DEPROVISIONED", "statusChanged", LATER));
    let script = vec![anew(), anew()];
    assert_eq!(code(command().again_from(of("DEPROVISIONED")), script).await, "expectation_failed");
    // The first step was our own: the second follows.
    let delete = ("DELETE /users/00u1?sendEmail=false", 204, Value::Null);
    let script = vec![anew(), anew(), delete, (ADA, 404, absent())];
    assert_eq!(way(command().again_from(of("ACTIVE")), script).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_profile_that_somebody_changed_back_is_not_changed_again() {
    let command = || Command::new("user.update", json!({ "user": "00u1", "profile": { "title": "Dr" } }));
    let update = r#"POST /users/00u1 {"profile":{"title":"Dr"}}"#;
    let old = || (ADA, 200, ada_with("ACTIVE", "lastUpdated", EARLIER));
    let anew = || (ADA, 200, ada_with("ACTIVE", "lastUpdated", LATER));
    let lost = vec![old(), old(), (update, 500, internal()), anew()];
    assert_eq!(code(command(), lost).await, "changed_meanwhile");
    let not_done = vec![
        old(),
        old(),
        (update, 500, internal()),
        old(),
        (update, 200, ada_with("ACTIVE", "title", "Dr")),
    ];
    assert_eq!(way(command(), not_done).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_membership_that_the_log_shows_as_done_and_that_is_not_is_left_to_whoever_took_it_back() {
    let command = || Command::new("group.remove_user", json!({ "user": "00u1", "group": "00g1" }));
    let remove = "DELETE /groups/00g1/users/00u1";
    let named = || vec![(ADA, 200, ada("ACTIVE")), ("GET /groups/00g1", 200, staff())];
    let member = || ("GET /users/00u1/groups", 200, json!([staff()]));
    let log = |events: Value| ("GET /logs?since=…", 200, events);
    let script =
        [named(), vec![member(), (remove, 500, internal()), member(), log(json!([{ "uuid": "1" }]))]];
    assert_eq!(code(command(), script.concat()).await, "changed_meanwhile");
    let killed = [named(), vec![member(), log(json!([])), (remove, 204, Value::Null)]];
    assert_eq!(way(command().again(EARLIER), killed.concat()).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_change_of_this_very_moment_is_in_the_log_that_is_read_whatever_the_clocks_say() {
    let command = || Command::new("group.add_user", json!({ "user": "00u1", "group": "00g1" }));
    let add = "PUT /groups/00g1/users/00u1";
    let named = || vec![(ADA, 200, ada("ACTIVE")), ("GET /groups/00g1", 200, staff())];
    let none = || ("GET /users/00u1/groups", 200, json!([]));
    // Okta's clock, as its answers tell it, is behind by less than what they round, or by much.
    for behind in [0, -1, -50] {
        let lost = [
            named(),
            vec![none(), (add, 500, internal()), none(), (LOG_OF_NOW, 200, json!([{ "uuid": "1" }]))],
        ];
        assert_eq!(code(command().at_okta(behind), lost.concat()).await, "changed_meanwhile", "{behind}");
    }
    // The attempt before was cut short a moment ago, so that the log may be late.
    let log = |events: Value| (LOG_OF_NOW, 200, events);
    let killed = [named(), vec![none(), log(json!([])), log(json!([])), log(json!([{ "uuid": "1" }]))]];
    let begun = (Timestamp::now() - SignedDuration::from_secs(2)).to_string();
    assert_eq!(code(command().again(&begun).restarted(), killed.concat()).await, "changed_meanwhile");
    // A later attempt has lost an answer, too.
    let again = [
        named(),
        vec![none(), log(json!([])), (add, 500, internal()), none()],
        vec![log(json!([])), log(json!([{ "uuid": "1" }]))],
    ];
    assert_eq!(code(command().again(&begun), again.concat()).await, "changed_meanwhile");
}

#[tokio::test]
async fn what_the_command_before_has_done_is_not_taken_for_what_this_one_may_have_done() {
    let add = Request::read(Action::GroupAddUser, json!({ "user": "00u1", "group": "00g1" })).unwrap();
    let put = "PUT /groups/00g1/users/00u1";
    let named = || vec![(ADA, 200, ada("ACTIVE")), ("GET /groups/00g1", 200, staff())];
    let none = || ("GET /users/00u1/groups", 200, json!([]));
    let log = |transactions: &[&str]| {
        let event = |id: &&str| json!({ "uuid": id, "transaction": { "id": id } });
        ("GET /logs?since=…", 200, transactions.iter().map(event).collect::<Value>())
    };
    // The org answers each request with this id.
    let before = "req-1";
    for (last, expected) in
        [(log(&[before]), Ok(SuccessKind::Done)), (log(&["req-2", before]), Err("changed_meanwhile"))]
    {
        let first = [named(), vec![none(), (put, 204, Value::Null)]].concat();
        // Somebody has removed them again.
        let mut second = [named(), vec![none(), (put, 500, internal()), none()]].concat();
        match expected {
            // The log may be late.
            Ok(_) => second.extend([vec![last; 5], vec![(put, 204, Value::Null)]].concat()),
            Err(_) => second.push(last),
        }
        let ways = ask([first, second].concat(), async |executor| {
            let mut ways = Vec::new();
            for _ in 0..2 {
                let resolved = executor.resolve(&add).await.unwrap();
                let (begun_at, admission) = (Timestamp::now(), &Open);
                let attempt = Attempt {
                    number: 1,
                    begun_at,
                    dry_run: false,
                    baseline: None,
                    sent_until: None,
                    progress: &Progress::default(),
                    admission,
                };
                let performed = executor.perform(&add, &resolved, &Expect::default(), attempt).await;
                ways.push(performed.map(|performed| performed.kind).map_err(|failed| failed.error.code));
            }
            ways
        });
        assert_eq!(ways.await, [Ok(SuccessKind::Done), expected.map_err(str::to_owned)]);
    }
}

#[tokio::test]
async fn an_assignment_that_an_administrator_has_taken_back_is_not_made_again() {
    let assignment = "GET /apps/0oa1/users/00u1";
    let log = |events: Value| ("GET /logs?since=…", 200, events);
    let named = || vec![(ADA, 200, ada("ACTIVE")), ("GET /apps/0oa1", 200, json!({ "id": "0oa1" }))];
    let assign = || Command::new("app.assign_user", json!({ "app": "0oa1", "user": "00u1" }));
    let post = r#"POST /apps/0oa1/users {"id":"00u1","profile":{},"scope":"USER"}"#;
    let none = || (assignment, 404, absent());
    let lost = [named(), vec![none(), (post, 500, internal()), none(), log(json!([{ "uuid": "1" }]))]];
    assert_eq!(code(assign(), lost.concat()).await, "changed_meanwhile");
    let not_done = [named(), vec![none(), log(json!([])), (post, 200, json!({ "id": "00u1" }))]].concat();
    assert_eq!(way(assign().again(EARLIER), not_done).await, SuccessKind::Done);
    // A new assignment is in effect, whatever the log says.
    let unassign = || Command::new("app.unassign_user", json!({ "app": "0oa1", "user": "00u1" }));
    let anew = json!({ "id": "00u1", "scope": "USER", "created": LATER });
    let killed = [named(), vec![(assignment, 200, anew)]].concat();
    assert_eq!(code(unassign().again(EARLIER), killed).await, "changed_meanwhile");
}

#[tokio::test]
async fn a_user_who_was_created_and_deleted_is_not_created_again() {
    let none = || (BY_LOGIN, 404, absent());
    let event = json!({ "target": [{ "type": "User", "id": "00u1" }] });
    let log = || ("GET /logs?since=…", 200, json!([event]));
    let gone = vec![none(), none(), log(), (ADA, 404, absent())];
    assert_eq!(
        code(
            Command::new("user.create", json!({ "profile": { "login": "ada@acme.com" } })).again(EARLIER),
            gone
        )
        .await,
        "changed_meanwhile"
    );
    let there = vec![none(), none(), log(), (ADA, 200, ada("PROVISIONED"))];
    assert_eq!(
        way(
            Command::new("user.create", json!({ "profile": { "login": "ada@acme.com" } })).again(EARLIER),
            there
        )
        .await,
        SuccessKind::Done
    );
}

#[tokio::test]
async fn a_zone_is_written_again_over_another_writer_and_not_over_one_who_took_it_back() {
    let zone = |gateways: &[&str], at: &str| {
        let gateways: Vec<_> =
            gateways.iter().map(|value| json!({ "type": "CIDR", "value": value })).collect();
        json!({ "id": "nzo1", "name": "Blocked", "type": "IP", "usage": "BLOCKLIST", "gateways": gateways, "lastUpdated": at })
    };
    let get = |gateways: &[&str], at: &str| ("GET /zones/nzo1", 200, zone(gateways, at));
    let block = || Command::new("zone.block_ip", json!({ "zone": "nzo1", "ip": "198.51.100.1" }));
    let put = "PUT /zones/nzo1 …";
    let ours = "198.51.100.1/32";
    // Okta has answered, and somebody who had read before has overwritten it.
    let overwritten = vec![
        get(&[], EARLIER),
        get(&[], EARLIER),
        (put, 200, json!({})),
        get(&["192.0.2.1/32"], LATER),
        (put, 200, json!({})),
        get(&["192.0.2.1/32", ours], LATER),
    ];
    assert_eq!(way(block(), overwritten).await, SuccessKind::Done);
    // The answer is lost: it is unknown whether the change was made and reverted.
    let lost = vec![get(&[], EARLIER), get(&[], EARLIER), (put, 500, internal()), get(&[], LATER)];
    assert_eq!(code(block(), lost).await, "changed_meanwhile");
    let done = vec![get(&[], EARLIER), get(&[], EARLIER), (put, 500, internal()), get(&[ours], LATER)];
    assert_eq!(way(block(), done).await, SuccessKind::Done);
}
