//! A change in doubt is looked for before it is sent again, and an irreversible one is never sent in doubt.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use okta_client::users::User;
use serde_json::{Value, json};

use super::{
    absent, ada, ada_with, internal,
    org::{Command, Exchange, ask},
    staff,
};
use crate::command::{
    Action, ActionFailure, Expect, Request, SuccessKind,
    execute::{Admission, Attempt, Baseline, PendingChange, Progress},
};

const ADA: &str = "GET /users/00u1";
const BY_LOGIN: &str = "GET /users/ada@acme.com";
const DELETE: &str = "DELETE /users/00u1?sendEmail=false";
const DEACTIVATE: &str = "POST /users/00u1/lifecycle/deactivate?sendEmail=false";
const SUSPEND: &str = "POST /users/00u1/lifecycle/suspend";
const CREATE: &str = r#"POST /users?activate=true {"profile":{"login":"ada@acme.com"}}"#;
/// Some time before Ada was made.
const EARLIER: &str = "2025-12-31T23:59:00Z";
/// Some time after.
const LATER: &str = "2026-02-01T00:00:00Z";

fn suspend() -> Command {
    Command::new("user.suspend", json!({ "user": "00u1" }))
}

fn delete() -> Command {
    Command::new("user.delete", json!({ "user": "00u1" }))
}

fn delete_both() -> Command {
    Command::new("user.delete", json!({ "user": "00u1", "deactivate_first": true }))
}

fn create() -> Command {
    Command::new("user.create", json!({ "profile": { "login": "ada@acme.com" } }))
}

async fn way(command: Command, script: Vec<Exchange>) -> SuccessKind {
    command.run(script).await.unwrap().kind
}

async fn code(command: Command, script: Vec<Exchange>) -> String {
    command.run(script).await.unwrap_err().error.code
}

#[tokio::test]
async fn a_lost_answer_is_no_reason_to_do_it_twice() {
    let (active, suspended) = (|| (ADA, 200, ada("ACTIVE")), || (ADA, 200, ada("SUSPENDED")));
    let lost = vec![active(), active(), (SUSPEND, 500, internal()), suspended()];
    assert_eq!(way(suspend(), lost).await, SuccessKind::Done);
    let not_done = vec![
        active(),
        active(),
        (SUSPEND, 503, Value::Null),
        active(),
        (SUSPEND, 200, json!({})),
        suspended(),
    ];
    assert_eq!(way(suspend(), not_done).await, SuccessKind::Done);
    // It is ours although the status is no longer the expected one.
    let expecting = suspend().expecting(json!({ "status": ["ACTIVE"] }));
    let lost = vec![active(), active(), (SUSPEND, 500, internal()), suspended()];
    assert_eq!(way(expecting, lost).await, SuccessKind::Done);
    let unreadable = vec![active(), active(), (SUSPEND, 200, Value::from("{")), suspended()];
    assert_eq!(way(suspend(), unreadable).await, SuccessKind::Done);
}

#[tokio::test]
async fn an_answer_without_what_okta_would_tell_is_a_lost_one() {
    let command = || Command::new("user.update", json!({ "user": "00u1", "profile": { "title": "Dr" } }));
    let update = r#"POST /users/00u1 {"profile":{"title":"Dr"}}"#;
    let mut renamed = ada("ACTIVE");
    renamed["profile"]["title"] = json!("Dr");
    let active = || (ADA, 200, ada("ACTIVE"));
    for status in [200, 204] {
        let made = vec![active(), active(), (update, status, Value::Null), (ADA, 200, renamed.clone())];
        assert_eq!(way(command(), made).await, SuccessKind::Done);
        let not_made =
            vec![active(), active(), (update, status, Value::Null), active(), (update, 200, renamed.clone())];
        assert_eq!(way(command(), not_made).await, SuccessKind::Done);
    }
    let rounds = vec![[(update, 200, json!({})), active()]; 4].concat();
    let script = [vec![active(), active()], rounds[..7].to_vec()].concat();
    // Another attempt reads.
    let failed = command().run(script).await.unwrap_err();
    assert!(failed.retry_after.is_some(), "{failed:?}");
    // Okta gives no answer to this one, and the list tells.
    let factor = || json!([{ "id": "f1" }]);
    let (list, delete) = ("GET /users/00u1/factors", "DELETE /users/00u1/factors/f1");
    let reset = Command::new("user.reset_factor", json!({ "user": "00u1", "factor": "f1" }));
    let not_made = vec![
        active(),
        active(),
        (list, 200, factor()),
        (delete, 204, Value::Null),
        (list, 200, factor()),
        (list, 200, factor()),
        (delete, 204, Value::Null),
        (list, 200, json!([])),
    ];
    assert_eq!(way(reset, not_made).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_later_attempt_knows_what_a_former_one_did() {
    let twice = || vec![(ADA, 200, ada("SUSPENDED")), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(way(suspend().again(EARLIER), twice()).await, SuccessKind::Done);
    assert_eq!(way(suspend().again_unsent(EARLIER), twice()).await, SuccessKind::Already);
    let expect = json!({ "status": ["ACTIVE"] });
    assert_eq!(way(suspend().again(EARLIER).expecting(expect.clone()), twice()).await, SuccessKind::Done);
    assert_eq!(code(suspend().expecting(expect), twice()).await, "expectation_failed");
}

#[tokio::test]
async fn mails_whose_answers_are_lost_are_sent_three_times_at_most() {
    let command = || Command::new("user.forgot_password", json!({ "user": "00u1" }));
    let forgot = "POST /users/00u1/credentials/forgot_password?sendEmail=true";
    let active = || (ADA, 200, ada("ACTIVE"));
    let lost = || [(forgot, 500, internal()), active()];
    let lost = [vec![active(), active()], lost().to_vec(), lost().to_vec()].concat();
    let failed = command().run(lost).await.unwrap_err();
    assert!(failed.retry_after.is_some(), "{failed:?}");
    let once = Baseline::of_user(&User::read(ada("ACTIVE")).unwrap());
    let again = vec![active(), active(), (forgot, 200, json!({})), active()];
    assert_eq!(way(command().again_from(once.clone()), again).await, SuccessKind::Done);
    let twice = once.sending();
    assert_eq!(code(command().again_from(twice), vec![active(), active()]).await, "unconfirmed");
}

/// Keeps the baseline, as the journal does.
#[derive(Default)]
struct Keeping(Mutex<Option<Baseline>>);

impl Admission for Keeping {
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>> {
        *self.0.lock().unwrap() = Some(change.baseline.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn the_outcome_says_how_often_a_mail_was_sent_that_nothing_confirms() {
    let request = Request::read(Action::UserForgotPassword, json!({ "user": "00u1" })).unwrap();
    let forgot = ("POST /users/00u1/credentials/forgot_password?sendEmail=true", 500, internal());
    let active = || (ADA, 200, ada("ACTIVE"));
    // Two sends in the first attempt, and one in the second.
    let first = vec![active(), active(), forgot.clone(), active(), forgot.clone(), active()];
    let script = [first, vec![active(), forgot, active()], vec![active()]].concat();
    let failed = ask(script, async |executor| {
        let kept = Keeping::default();
        let resolved = executor.resolve(&request).await.unwrap().subjects.into();
        let mut last = None;
        for number in 1..=3 {
            let baseline = kept.0.lock().unwrap().clone();
            let (begun_at, baseline) = (Timestamp::now(), baseline.as_ref());
            let attempt = Attempt {
                number,
                begun_at,
                dry_run: false,
                baseline,
                sent_until: None,
                progress: &Progress::default(),
                admission: &kept,
            };
            last = executor.perform(&request, &resolved, &Expect::default(), attempt).await.err();
        }
        last.unwrap()
    });
    let error = failed.await.error;
    assert_eq!(error.code, "unconfirmed");
    assert!(error.message.contains("sent 3 times"), "{}", error.message);
}

#[tokio::test]
async fn factors_that_the_user_has_enrolled_since_are_kept() {
    let command = Command::new("user.reset_factors", json!({ "user": "00u1" }));
    let factors = |id: &str| ("GET /users/00u1/factors", 200, json!([{ "id": id }]));
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        (ADA, 200, ada("ACTIVE")),
        factors("old"),
        ("POST /users/00u1/lifecycle/reset_factors", 500, internal()),
        factors("new"),
    ];
    assert_eq!(way(command, script).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_created_user_without_the_groups_that_were_asked_for_is_somebody_elses() {
    let parameters = json!({ "profile": { "login": "ada@acme.com" }, "groups": ["00g1"] });
    let create = r#"POST /users?activate=true {"groupIds":["00g1"],"profile":{"login":"ada@acme.com"}}"#;
    let young = || (ADA, 200, ada_with("PROVISIONED", "created", "2999-01-01T00:00:00Z"));
    for (groups, expected) in [(json!([]), Err("already_exists")), (json!([staff()]), Ok(SuccessKind::Done))]
    {
        let script = vec![
            (BY_LOGIN, 404, absent()),
            ("GET /groups/00g1", 200, staff()),
            (BY_LOGIN, 404, absent()),
            (create, 500, internal()),
            (BY_LOGIN, 200, ada("PROVISIONED")),
            young(),
            ("GET /users/00u1/groups", 200, groups),
        ];
        let came_of = Command::new("user.create", parameters.clone()).run(script).await;
        let came_of = came_of.map(|created| created.kind).map_err(|failed| failed.error.code);
        assert_eq!(came_of, expected.map_err(str::to_owned));
    }
}

#[tokio::test]
async fn only_the_deprovisioned_are_deleted() {
    for status in ["ACTIVE", "STAGED", "SUSPENDED", "SOMETHING_NEW"] {
        let script = vec![(ADA, 200, ada(status)), (ADA, 200, ada(status))];
        assert_eq!(code(delete(), script).await, "wrong_status", "{status}");
    }
    assert_eq!(code(delete(), vec![(ADA, 404, absent())]).await, "user_not_found");
    assert_eq!(code(delete().again(EARLIER), vec![(ADA, 404, absent())]).await, "user_not_found");
}

#[tokio::test]
async fn a_deletion_in_doubt_is_looked_at_before_it_goes_on() {
    let (active, deprovisioned) = (|| (ADA, 200, ada("ACTIVE")), || (ADA, 200, ada("DEPROVISIONED")));
    let gone = || (ADA, 404, absent());
    let lost = vec![deprovisioned(), deprovisioned(), (DELETE, 500, internal()), gone()];
    assert_eq!(way(delete(), lost).await, SuccessKind::Done);
    // Deactivated, not deleted: the second call must not be a blind repetition of the first.
    let lost_first = vec![
        active(),
        active(),
        (DEACTIVATE, 500, internal()),
        deprovisioned(),
        (DELETE, 500, internal()),
        gone(),
    ];
    let expecting = delete_both().expecting(json!({ "status": ["ACTIVE"] }));
    assert_eq!(way(expecting, lost_first).await, SuccessKind::Done);
    // Somebody activates the user between the steps.
    let taken_back = vec![deprovisioned(), deprovisioned(), (DELETE, 500, internal()), active()];
    assert_eq!(code(delete(), taken_back).await, "expectation_failed");
    let again = || (ADA, 200, ada_with("ACTIVE", "statusChanged", "2999-01-01T00:00:00Z"));
    let taken_back = vec![active(), active(), (DEACTIVATE, 200, json!({})), again()];
    assert_eq!(code(delete_both(), taken_back).await, "expectation_failed");
    let in_doubt = vec![active(), active(), (DEACTIVATE, 500, internal()), again()];
    assert_eq!(code(delete_both(), in_doubt).await, "expectation_failed");
    assert_eq!(code(delete_both().again(EARLIER), vec![again(), again()]).await, "expectation_failed");
    // The user whom an earlier attempt saw is gone.
    let seen = vec![deprovisioned(), gone()];
    assert_eq!(way(delete().again(EARLIER), seen).await, SuccessKind::Done);
}

#[tokio::test]
async fn who_is_activated_in_the_moment_of_the_deletion_is_not_deleted() {
    let deprovisioned = |at: &str| (ADA, 200, ada_with("DEPROVISIONED", "statusChanged", at));
    let (before, since) =
        (|| deprovisioned("2026-01-01T00:00:00Z"), || deprovisioned("2026-02-02T00:00:00Z"));
    // Okta answers 204 all the same: it has only deactivated them again.
    let told = [before(), before(), (DELETE, 204, Value::Null)].into_iter();
    let told: Vec<_> = told.chain([since(), since(), since(), since()]).collect();
    assert_eq!(code(delete(), told).await, "expectation_failed");
    let lost = vec![before(), before(), (DELETE, 500, internal()), since()];
    assert_eq!(code(delete(), lost).await, "expectation_failed");
    let late = vec![before(), before(), (DELETE, 204, Value::Null), before(), (ADA, 404, absent())];
    assert_eq!(way(delete(), late).await, SuccessKind::Done);
}

#[tokio::test]
async fn expectations_are_looked_at_before_each_step_of_a_deletion() {
    let expect = json!({ "status": ["ACTIVE"], "profile": { "title": "Countess" } });
    let mut other = ada("DEPROVISIONED");
    other["profile"]["title"] = json!("Dr");
    let first = vec![(ADA, 200, ada("SUSPENDED")), (ADA, 200, ada("SUSPENDED"))];
    assert_eq!(code(delete_both().expecting(expect.clone()), first).await, "expectation_failed");
    let second = vec![
        (ADA, 200, ada("ACTIVE")),
        (ADA, 200, ada("ACTIVE")),
        (DEACTIVATE, 200, json!({})),
        (ADA, 200, other),
    ];
    assert_eq!(code(delete_both().expecting(expect), second).await, "expectation_failed");
}

#[tokio::test]
async fn a_user_in_doubt_is_found_by_the_login() {
    let none = || (BY_LOGIN, 404, absent());
    let found = || (BY_LOGIN, 200, ada("PROVISIONED"));
    let ada = || (ADA, 200, ada("PROVISIONED"));
    let young = || (ADA, 200, ada_with("PROVISIONED", "created", "2999-01-01T00:00:00Z"));
    let lost = vec![none(), none(), (CREATE, 500, internal()), found(), young()];
    assert_eq!(way(create(), lost).await, SuccessKind::Done);
    assert_eq!(way(create().again(EARLIER), vec![found(), found(), ada()]).await, SuccessKind::Done);
    let spelled =
        Command::new("user.create", json!({ "profile": { "login": "Ada@acme.com" } })).again(EARLIER);
    let by_login = || ("GET /users/Ada@acme.com", 200, ada_with("PROVISIONED", "created", EARLIER));
    assert_eq!(way(spelled, vec![by_login(), by_login(), ada()]).await, SuccessKind::Done);
    assert_eq!(code(create().again(LATER), vec![found(), found(), ada()]).await, "already_exists");
    assert_eq!(code(create(), vec![found(), found(), ada()]).await, "already_exists");
    // Somebody with the same login was there before the answer was lost.
    let other = vec![none(), none(), (CREATE, 500, internal()), found(), ada()];
    assert_eq!(code(create(), other).await, "already_exists");
    let refused = json!({ "errorCode": "E0000001", "errorSummary": "Api validation failed: login" });
    let raced = vec![none(), none(), (CREATE, 400, refused.clone()), found(), ada()];
    assert_eq!(code(create(), raced).await, "already_exists");
    assert_eq!(code(create(), vec![none(), none(), (CREATE, 400, refused), none()]).await, "okta_refused");
}

#[tokio::test]
async fn one_who_is_gone_keeps_no_other_from_a_group() {
    let command = Command::new("group.add_user", json!({ "users": ["00u1", "00u2"], "group": "00g1" }));
    let mut bob = ada("ACTIVE");
    bob["id"] = json!("00u2");
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        ("GET /users/00u2", 200, bob),
        ("GET /groups/00g1", 200, staff()),
        ("GET /users/00u1/groups", 404, absent()),
        ("GET /users/00u2/groups", 200, json!([])),
        ("PUT /groups/00g1/users/00u2", 204, Value::Null),
    ];
    let failed = command.run(script).await.unwrap_err();
    assert_eq!(failed.error.code, "user_not_found");
    let parts = failed.result["memberships"].as_array().unwrap();
    let statuses: Vec<_> = parts.iter().map(|part| part["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "done"]);
}

#[tokio::test]
async fn a_link_is_not_lost_with_the_look_after_it() {
    let command = Command::new("user.activate", json!({ "user": "00u1", "send_email": false }));
    let activate = "POST /users/00u1/lifecycle/activate?sendEmail=false";
    let staged = || (ADA, 200, ada("STAGED"));
    let forbidden = json!({ "errorCode": "E0000006", "errorSummary": "no" });
    let answer = json!({ "activationUrl": "https://s3cret", "activationToken": "s3cret" });
    let script = vec![staged(), staged(), (activate, 200, answer), (ADA, 403, forbidden)];
    let activated = command.run(script).await.unwrap();
    assert_eq!((activated.kind, activated.after, activated.revealed.len()), (SuccessKind::Done, None, 1));
}

#[tokio::test]
async fn times_are_compared_by_oktas_clock() {
    // Our clock is ten minutes ahead: a recent change seems to be older than the command.
    let begun = Timestamp::now();
    let created = (begun - jiff::SignedDuration::from_mins(10)).to_string();
    let found = || (BY_LOGIN, 200, ada("PROVISIONED"));
    let script = vec![found(), found(), (ADA, 200, ada_with("PROVISIONED", "created", &created))];
    let command = create().again(&begun.to_string()).at_okta(-600);
    assert_eq!(way(command, script).await, SuccessKind::Done);
}

#[tokio::test]
async fn a_user_who_was_created_and_not_activated_is_activated() {
    let young = |status| (ADA, 200, ada_with(status, "created", "2999-01-01T00:00:00Z"));
    let lost = vec![
        (BY_LOGIN, 404, absent()),
        (BY_LOGIN, 404, absent()),
        (CREATE, 500, internal()),
        (BY_LOGIN, 200, ada("STAGED")),
        young("STAGED"),
        ("POST /users/00u1/lifecycle/activate?sendEmail=true", 200, json!({})),
        young("PROVISIONED"),
    ];
    let created = create().run(lost).await.unwrap();
    assert_eq!((created.kind, created.after), (SuccessKind::Done, Some(json!({ "status": "PROVISIONED" }))));
}

#[tokio::test]
async fn a_group_that_a_former_attempt_created_is_found_though_lists_are_behind() {
    let named = "GET /groups?search=profile.name+eq+%22Staff%22&limit=200";
    let create = r#"POST /groups {"profile":{"name":"Staff"}}"#;
    let mut young = staff();
    young["created"] = json!("2999-01-01T00:00:00Z");
    let words = json!({ "errorCode": "E0000001", "errorSummary": "Api validation failed: name",
        "errorCauses": [{ "errorSummary": "name: An object with this field already exists in the current organization" }] });
    let duplicate = json!({ "errorCode": "E0000055", "errorSummary": "Duplicate group." });
    let none = || (named, 200, json!([]));
    for (status, refusal) in [(409, duplicate), (400, words)] {
        let found = || ("GET /groups/00g1", 200, young.clone());
        let refused =
            || vec![(create, status, refusal.clone()), none(), (named, 200, json!([young])), found()];
        let log = |events: Value| ("GET /logs?since=…", 200, events);
        let command = || Command::new("group.create", json!({ "name": "Staff" }));
        let again = [vec![none(), none(), log(json!([]))], refused()].concat();
        assert_eq!(way(command().again(EARLIER), again).await, SuccessKind::Done);
        let first = [vec![none(), none()], refused()].concat();
        assert_eq!(code(command(), first).await, "already_exists");
        // The log has it before lists do.
        let event = json!({ "target": [{ "type": "UserGroup", "id": "00g1" }] });
        let logged = vec![none(), none(), log(json!([event])), found()];
        assert_eq!(way(command().again(EARLIER), logged).await, SuccessKind::Done);
        let gone = vec![none(), none(), log(json!([event])), ("GET /groups/00g1", 404, absent())];
        assert_eq!(code(command().again(EARLIER), gone).await, "changed_meanwhile");
    }
}

#[tokio::test]
async fn an_app_that_a_group_gives_too_is_not_taken_away() {
    let command = Command::new("app.unassign_user", json!({ "app": "0oa1", "user": "00u1" }));
    let assignment = "GET /apps/0oa1/users/00u1";
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        ("GET /apps/0oa1", 200, json!({ "id": "0oa1" })),
        (assignment, 200, json!({ "scope": "USER" })),
        ("DELETE /apps/0oa1/users/00u1", 204, Value::Null),
        (assignment, 200, json!({ "scope": "GROUP" })),
    ];
    assert_eq!(code(command, script).await, "assigned_by_group");
}

#[tokio::test]
async fn what_looks_cannot_tell_is_told_by_the_refusal() {
    let unlock = "POST /users/00u1/lifecycle/unlock";
    let active = || (ADA, 200, ada("ACTIVE"));
    let command = || Command::new("user.unlock", json!({ "user": "00u1" }));
    let not_locked =
        json!({ "errorCode": "E0000032", "errorSummary": "Unlock is not allowed for this user." });
    let script = vec![active(), active(), (unlock, 403, not_locked.clone()), active()];
    assert_eq!(way(command(), script).await, SuccessKind::Already);
    // Blocked only on unknown devices.
    assert_eq!(
        way(command(), vec![active(), active(), (unlock, 200, json!({})), active()]).await,
        SuccessKind::Done
    );
    let locked = || (ADA, 200, ada("LOCKED_OUT"));
    let script = vec![locked(), locked(), (unlock, 403, not_locked), locked()];
    assert_eq!(code(command(), script).await, "okta_refused");

    let command = Command::new("user.reset_factor", json!({ "user": "00u1", "factor": "f1" }));
    let factors = ("GET /users/00u1/factors", 200, json!([]));
    let script = vec![active(), active(), factors, ("DELETE /users/00u1/factors/f1", 404, absent())];
    assert_eq!(way(command, script).await, SuccessKind::Already);
}

#[tokio::test]
async fn a_profile_of_a_deactivated_user_is_updated_where_the_org_allows_it() {
    let gone = || (ADA, 200, ada("DEPROVISIONED"));
    let command = || Command::new("user.update", json!({ "user": "00u1", "profile": { "title": "Dr" } }));
    let update = r#"POST /users/00u1 {"profile":{"title":"Dr"}}"#;
    let mut updated = ada("DEPROVISIONED");
    updated["profile"]["title"] = json!("Dr");
    assert_eq!(way(command(), vec![gone(), gone(), (update, 200, updated)]).await, SuccessKind::Done);
    // Other refusals have changed nothing.
    let ignored = vec![gone(), gone(), (update, 200, ada("DEPROVISIONED"))];
    assert_eq!(code(command(), ignored).await, "wrong_status");
}

#[tokio::test]
async fn sessions_that_shall_end_are_ended_whatever_the_status() {
    let parameters = json!({ "user": "00u1", "revoke_sessions": true });
    let recovering = || (ADA, 200, ada("RECOVERY"));
    let reset = "POST /users/00u1/lifecycle/reset_password?sendEmail=true&revokeSessions=true";
    let script = vec![recovering(), recovering(), (reset, 200, json!({})), recovering()];
    assert_eq!(way(Command::new("user.reset_password", parameters), script).await, SuccessKind::Done);
}

#[tokio::test]
async fn of_several_memberships_each_is_told() {
    let command = Command::new("group.add_user", json!({ "users": ["00u1"], "groups": ["00g1", "00g2"] }));
    let second = json!({ "id": "00g2", "type": "APP_GROUP", "profile": { "name": "App" } });
    let forbidden = json!({ "errorCode": "E0000006", "errorSummary": "no" });
    let script = vec![
        (ADA, 200, ada("ACTIVE")),
        ("GET /groups/00g1", 200, staff()),
        ("GET /groups/00g2", 200, second.clone()),
        ("GET /users/00u1/groups", 200, json!([])),
        ("PUT /groups/00g1/users/00u1", 500, internal()),
        ("GET /users/00u1/groups", 200, json!([staff()])),
        ("PUT /groups/00g2/users/00u1", 403, forbidden),
        ("GET /groups/00g2", 200, second),
    ];
    let failed = command.run(script).await.unwrap_err();
    assert_eq!(failed.error.code, "read_only_group");
    assert!(failed.error.message.starts_with("1 of 2 failed"), "{}", failed.error.message);
    let parts = failed.result["memberships"].as_array().unwrap();
    let statuses: Vec<_> = parts.iter().map(|part| part["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["done", "failed"]);
}

#[tokio::test]
async fn a_password_is_set_until_okta_says_so_whoever_has_changed_it_meanwhile() {
    let command =
        || Command::new("user.set_password", json!({ "user": "00u1", "password": "p", "temporary": true }));
    let expire = "POST /users/00u1/lifecycle/expire_password";
    let set = r#"POST /users/00u1 {"credentials":{"password":{"value":"p"}}}"#;
    let active = || (ADA, 200, ada("ACTIVE"));
    let expired = || (ADA, 200, ada("PASSWORD_EXPIRED"));
    // Somebody else has set one just now, perhaps an attacker.
    let changed = || (ADA, 200, ada_with("ACTIVE", "passwordChanged", "2999-01-01T00:00:00Z"));
    let script = vec![
        active(),
        active(),
        (set, 503, Value::Null),
        changed(),
        (set, 200, ada("ACTIVE")),
        active(),
        (expire, 500, internal()),
        expired(),
        expired(),
    ];
    assert_eq!(way(command(), script).await, SuccessKind::Done);
    let script =
        vec![changed(), changed(), (set, 200, ada("ACTIVE")), changed(), (expire, 200, json!({})), expired()];
    assert_eq!(way(command().again(EARLIER), script).await, SuccessKind::Done);
    // The new password ends the expiry of the former one, so it must be expired again.
    let script =
        vec![expired(), expired(), (set, 200, ada("ACTIVE")), active(), (expire, 200, json!({})), expired()];
    assert_eq!(way(command(), script).await, SuccessKind::Done);
}
