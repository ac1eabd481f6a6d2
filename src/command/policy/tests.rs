//! What is decided, by examples.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    command::{
        Action, GroupSubject, UserSubject,
        message::{Headers, decode},
    },
    config::{
        ApprovalConfig, AuditConfig, AuditFileConfig, DestinationConfig, ProtectConfig, SinkConfig,
        StdoutSink, StdoutStyle,
    },
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn config() -> CommandsConfig {
    let sink = SinkConfig::Stdout(StdoutSink { name: "out".to_owned(), style: StdoutStyle::Json });
    CommandsConfig {
        name: "provisioning".to_owned(),
        org: "acme".to_owned(),
        intake: None,
        outcomes: DestinationConfig { sink, address: None },
        allow: patterns(&["user.*", "group.add_user", "log.by_ip"]),
        approval: ApprovalConfig::default(),
        protect: ProtectConfig {
            users: vec!["BreakGlass@acme.com".to_owned()],
            groups: vec!["Administrators".to_owned()],
            addresses: vec!["203.0.113.0/24".parse().unwrap()],
            apps: vec!["Payroll".to_owned(), "0oa7".to_owned()],
        },
        limits: Vec::new(),
        list_max: 4,
        signature: None,
        reveal: RevealConfig {
            allowed: true,
            private: vec!["replies.private.>".parse().unwrap()],
            stored_in: Vec::new(),
        },
        reply_to: vec!["replies.>".parse().unwrap()],
        audit: AuditConfig::File(AuditFileConfig::at("audit")),
        parallel: 8,
        attempts_max: 10,
        keep: 24 * HOUR,
        journal_max: 1_000_000,
    }
}

pub(super) fn patterns(texts: &[&str]) -> Vec<ActionPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn policy() -> Policy {
    Policy::new(&config())
}

pub(super) fn command(action: &str, parameters: Value, more: Value) -> Command {
    let members = [("id", json!("c-1")), ("action", json!(action)), ("parameters", parameters)];
    let mut command: Map<_, _> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Value::Object(more) = more {
        command.extend(more);
    }
    decode(&Bytes::from(Value::Object(command).to_string()), &Headers::new(), None).unwrap()
}

fn deactivate(more: Value) -> Command {
    command("user.deactivate", json!({ "user": "ada@acme.com" }), more)
}

fn code(result: Result<(), OutcomeError>) -> String {
    result.map_or_else(|error| error.code, |()| "ok".to_owned())
}

fn user(name: &str, id: Option<&str>, login: Option<&str>) -> UserSubject {
    UserSubject { name: name.to_owned(), id: id.map(str::to_owned), login: login.map(str::to_owned) }
}

fn group(name: &str, id: &str) -> GroupSubject {
    GroupSubject { name: name.to_owned(), id: Some(id.to_owned()), okta_name: None }
}

#[test]
fn what_is_not_allowed_is_refused() {
    let policy = policy();
    assert_eq!(code(policy.admit(&deactivate(json!({})))), "ok");
    let find = command("group.find", json!({ "name": "x" }), json!({}));
    assert_eq!(code(policy.admit(&find)), "not_allowed");
    let users = |count: usize| {
        let users: Vec<_> = (0..count).map(|number| format!("u{number}")).collect();
        command("group.add_user", json!({ "users": users, "groups": ["a", "b"] }), json!({}))
    };
    assert_eq!(code(policy.admit(&users(2))), "ok");
    assert_eq!(code(policy.admit(&users(3))), "list_too_long");
}

#[test]
fn replies_go_and_secrets_are_told_where_policy_says() {
    let policy = policy();
    for (more, expected, reveals) in [
        (json!({ "reply_to": "replies.hr" }), "ok", false),
        (json!({ "reply_to": "elsewhere" }), "reply_to_not_allowed", false),
        (json!({ "reply_to": "replies.>" }), "reply_to_not_allowed", false),
        (json!({ "reply_to": "$JS.API.STREAM.DELETE.X" }), "reply_to_not_allowed", false),
        (json!({ "reveal": true }), "reveal_not_allowed", false),
        (json!({ "reveal": true, "reply_to": "replies.hr" }), "reveal_not_allowed", false),
        (json!({ "reply_to": "replies.private.hr" }), "ok", false),
        (json!({ "reveal": true, "reply_to": "replies.private.hr" }), "ok", true),
    ] {
        let command = deactivate(more.clone());
        assert_eq!(
            (code(policy.admit(&command)).as_str(), policy.reveals(&command)),
            (expected, reveals),
            "{more}"
        );
    }
    let reveal = RevealConfig { allowed: false, ..config().reveal };
    let policy = Policy::new(&CommandsConfig { reveal, ..config() });
    let command = deactivate(json!({ "reveal": true, "reply_to": "replies.private.hr" }));
    assert_eq!(
        (code(policy.admit(&command)).as_str(), policy.reveals(&command)),
        ("reveal_not_allowed", false)
    );
}

#[test]
fn nothing_is_changed_about_whom_and_what_is_protected() {
    let mut protected = Protected::named(&config().protect);
    protected.add_user(&user("BreakGlass@acme.com", Some("00u0"), Some("breakglass@acme.com")));
    protected.add_group("Administrators", "00g0", ["00u9".to_owned()]);
    let ada = || user("ada@acme.com", Some("00u1"), Some("ada@acme.com"));
    let cases = [
        (vec![ada()], vec![], None),
        (vec![user("breakglass@ACME.com", None, None)], vec![], Some("`breakglass@ACME.com` is protected")),
        (vec![user("00u0", Some("00u0"), None)], vec![], Some("`00u0` is protected")),
        (vec![user("bg", Some("00u7"), Some("BREAKGLASS@acme.com"))], vec![], Some("`bg` is protected")),
        (vec![user("root", Some("00u9"), None)], vec![], Some("member of the group `Administrators`")),
        (vec![ada(), user("root", Some("00u9"), None)], vec![], Some("member of the group")),
        (vec![ada()], vec![group("Everyone", "00g1")], None),
        (vec![ada()], vec![group("00g0", "00g0")], Some("the group `00g0` is protected")),
        (vec![ada()], vec![group("Administrators", "00g5")], Some("the group `Administrators` is protected")),
    ];
    let (policy, look) = (policy(), command("log.by_ip", json!({ "ip": "192.0.2.1" }), json!({})));
    for (users, groups, reason) in cases {
        let subjects = Subjects { users, groups, ..Subjects::default() };
        let judged = policy.judge(&deactivate(json!({})), &subjects, &protected);
        match reason {
            None => assert_eq!(judged, Ok(())),
            Some(reason) => {
                let error = judged.unwrap_err();
                assert!(error.code == "protected" && error.message.contains(reason), "{error:?}");
            }
        }
        assert_eq!(policy.judge(&look, &subjects, &protected), Ok(()), "to look is no change");
    }
}

#[test]
fn nobody_gets_or_loses_an_app_that_is_protected() {
    let policy = Policy::new(&CommandsConfig { allow: patterns(&["*"]), ..config() });
    let mut protected = Protected::named(&config().protect);
    protected.add_apps(["0oa1".to_owned(), "0oa2".to_owned()]);
    for (app, expected) in
        [("0oa1", "protected"), ("0oa2", "protected"), ("0oa7", "protected"), ("0oa3", "ok")]
    {
        let subjects = Subjects { app: Some(app.to_owned()), ..Subjects::default() };
        for (action, parameters) in [
            ("app.assign_user", json!({ "app": app, "user": "ada" })),
            ("app.unassign_user", json!({ "app": app, "user": "ada" })),
            ("app.assign_group", json!({ "app": app, "group": "Staff" })),
            ("app.unassign_group", json!({ "app": app, "group": "Staff" })),
        ] {
            let judged = policy.judge(&command(action, parameters, json!({})), &subjects, &protected);
            assert_eq!(code(judged), expected, "{action} {app}");
        }
    }
}

#[test]
fn nobody_gets_the_name_of_one_who_is_protected() {
    let policy = Policy::new(&CommandsConfig { allow: patterns(&["*"]), ..config() });
    let protected = Protected::named(&config().protect);
    for (action, parameters, expected) in [
        ("user.update", json!({ "user": "eve", "profile": { "login": "Breakglass@acme.com" } }), "protected"),
        ("user.update", json!({ "user": "eve", "profile": { "title": "breakglass@acme.com" } }), "ok"),
        ("group.update", json!({ "group": "Staff", "name": "Administrators" }), "protected"),
        ("group.update", json!({ "group": "Staff", "name": " ADMINISTRATORS\t" }), "protected"),
        ("group.update", json!({ "group": "Staff", "profile": { "name": "Administrators" } }), "protected"),
        ("group.update", json!({ "group": "Staff", "description": "Administrators" }), "ok"),
    ] {
        let command = command(action, parameters.clone(), json!({}));
        let judged = policy.judge(&command, &Subjects::default(), &protected);
        assert_eq!(code(judged), expected, "{parameters}");
    }
}

#[test]
fn a_name_by_which_somebody_is_protected_is_given_to_nobody_else_in_any_way() {
    let protect =
        ProtectConfig { users: vec!["Chief@acme.com".to_owned(), "short".to_owned()], ..config().protect };
    let policy = Policy::new(&CommandsConfig { allow: patterns(&["*"]), ..config() });
    let mut protected = Protected::named(&protect);
    // The e-mail is not the login.
    protected.add_user(&user("Chief@acme.com", Some("00u0"), Some("boss@acme.com")));
    protected.add_user(&user("short", Some("00u1"), Some("short@acme.com")));
    let eve = || user("eve@acme.com", Some("00u5"), Some("eve@acme.com"));
    for (profile, expected) in [
        (json!({ "email": "chief@acme.com" }), "protected"),
        (json!({ "email": "CHIEF@acme.com " }), "protected"),
        (json!({ "Email": "chief@acme.com" }), "protected"),
        (json!({ "login": "chief@ACME.com" }), "protected"),
        (json!({ "login": "Short@evil.com" }), "protected"),
        (json!({ "login": "ſhort@evil.com" }), "protected"),
        (json!({ "LOGIN": "short@evil.com" }), "protected"),
        (json!({ "login": "SHORT" }), "protected"),
        (json!({ "login": "shorty@evil.com", "email": "short@evil.com" }), "ok"),
        (json!({ "title": "chief@acme.com" }), "ok"),
        // An administrator's second account, for example: nobody is protected by this name.
        (json!({ "email": "boss@acme.com" }), "ok"),
    ] {
        let update = command("user.update", json!({ "user": "eve@acme.com", "profile": profile }), json!({}));
        let of_eve = Subjects { users: vec![eve()], ..Subjects::default() };
        assert_eq!(code(policy.judge(&update, &of_eve, &protected)), expected, "user.update {profile}");
        for action in ["user.create", "user.upsert"] {
            let mut new = profile.clone();
            if new.get("login").is_none() {
                new["login"] = json!("eve@acme.com");
            }
            let login = new["login"].as_str().unwrap().to_owned();
            let create = command(action, json!({ "profile": new }), json!({}));
            let subjects = Subjects { users: vec![user(&login, None, None)], ..Subjects::default() };
            assert_eq!(code(policy.judge(&create, &subjects, &protected)), expected, "{action} {profile}");
        }
        let upsert = command("user.upsert", json!({ "profile": profile }), json!({}));
        assert_eq!(
            code(policy.judge(&upsert, &of_eve, &protected)),
            expected,
            "user.upsert of eve {profile}"
        );
    }
}

#[test]
fn an_address_is_protected_in_every_form_that_has_it_in_it() {
    let policy = Policy::new(&CommandsConfig { allow: patterns(&["*"]), ..config() });
    let judged = |addresses: &[&str], ip: &str| {
        let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
        let protected = Protected::named(&ProtectConfig { addresses, ..config().protect });
        let command = command("zone.block_ip", json!({ "ip": ip }), json!({}));
        code(policy.judge(&command, &Subjects::default(), &protected))
    };
    for (ip, expected) in [
        ("::ffff:10.0.0.1", "protected"),
        ("::ffff:10.0.0.0/120", "protected"),
        ("::10.0.0.1", "protected"),
        ("::ffff:0:10.0.0.1", "protected"),
        ("64:ff9b::a00:1", "protected"),
        ("64:ff9b::9ff:ff00-64:ff9b::a00:1", "protected"),
        ("64:ff9b::b00:1", "ok"),
        // Where the address is in it, each network decides for itself.
        ("64:ff9b:1::b00:1", "protected"),
        ("2002:a00:1::", "protected"),
        ("2002:a00:1:7::9", "protected"),
        ("2002:b00:1::/48", "ok"),
        // A client of Teredo, whose address is inverted, and a server.
        ("2001:0:c000:201::f5ff:fffe", "protected"),
        ("2001:0:a00:1::f4ff:fffe", "protected"),
        ("2001:0:c000:201::f4ff:fffe", "ok"),
        ("2001:db8::/32", "ok"),
        ("11.0.0.1", "ok"),
    ] {
        assert_eq!(judged(&["10.0.0.0/8"], ip), expected, "{ip}");
    }
    assert_eq!(judged(&["64:ff9b::a00:1"], "10.0.0.1"), "protected");
    assert_eq!(judged(&["64:ff9b::a00:1"], "2002:a00:1::1"), "protected");
    // A block that has such forms in it among others says nothing of them.
    assert_eq!(judged(&["2000::/3"], "10.0.0.1"), "ok");
    assert_eq!(judged(&["2001:db8::/32"], "10.0.0.1"), "ok");
}

#[test]
fn addresses_that_are_protected_are_not_blocked_and_roles_are_not_among_all_actions() {
    let policy_of = |allow: &[&str]| Policy::new(&CommandsConfig { allow: patterns(allow), ..config() });
    let (all, protected) = (policy_of(&["*"]), Protected::named(&config().protect));
    for (action, ips, expected) in [
        ("zone.block_ip", ["198.51.100.1", "192.0.2.0/24"], "ok"),
        ("zone.block_ip", ["198.51.100.1", "203.0.113.7"], "protected"),
        // Part of it is.
        ("zone.block_ip", ["198.51.100.1", "203.0.112.1-203.0.113.0"], "protected"),
        ("zone.unblock_ip", ["198.51.100.1", "203.0.113.7"], "ok"),
    ] {
        let command = command(action, json!({ "ips": ips }), json!({}));
        assert_eq!(code(all.judge(&command, &Subjects::default(), &protected)), expected, "{action} {ips:?}");
    }
    let assign = command("role.assign_user", json!({ "user": "ada", "role": "SUPER_ADMIN" }), json!({}));
    for (allow, expected) in [
        (&["*"][..], "not_allowed"),
        (&["*", "role.*"], "ok"),
        (&["role.assign_user"], "ok"),
        (&["role.unassign_user", "user.*"], "not_allowed"),
    ] {
        assert_eq!(code(policy_of(allow).admit(&assign)), expected, "{allow:?}");
    }
}

fn limit(pattern: &str, count: u32, per: Duration) -> LimitConfig {
    LimitConfig { pattern: pattern.parse().unwrap(), count, per }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[test]
fn a_limit_that_is_exceeded_stays_tripped_until_it_is_released() {
    let rules = [limit("user.deactivate", 3, Duration::from_secs(600)), limit("user.*", 5, HOUR)];
    let mut limits = Limits::default();
    for second in [0, 1, 2] {
        limits.take(&rules, Action::UserDeactivate, 1, at(second)).unwrap();
    }
    let tripped = limits.take(&rules, Action::UserDeactivate, 1, at(3)).unwrap_err();
    assert_eq!((tripped.limit.pattern.to_string().as_str(), tripped.since), ("user.deactivate", at(3)));
    assert!(OutcomeError::from(tripped).message.contains("3 user.deactivate in 10m"));
    // Time does not release it, and what was refused has not counted with the other limit.
    assert!(limits.take(&rules, Action::UserDeactivate, 1, at(86_400)).is_err());
    limits.take(&rules, Action::UserSuspend, 2, at(4)).unwrap();
    // It survives being written down.
    let mut limits: Limits = serde_json::from_str(&serde_json::to_string(&limits).unwrap()).unwrap();
    assert_eq!(limits.tripped().collect::<Vec<_>>(), [("user.deactivate", at(3))]);
    assert!(limits.release("user.deactivate") && !limits.release("user.deactivate"));
    let tripped = limits.take(&rules, Action::UserDeactivate, 1, at(5)).unwrap_err();
    assert_eq!(tripped.limit.pattern.to_string(), "user.*", "the other limit has counted all along");
    assert!(limits.release("user.*"));
    limits.take(&rules, Action::UserDeactivate, 1, at(6)).unwrap();
}

#[test]
fn no_time_of_a_limits_length_has_more_than_it_says_and_little_less_is_let_through() {
    let rules = [limit("*", 10, Duration::from_secs(600))];
    // One a minute is what the limit says; a part of its time more is counted, so a little slower is never stopped.
    let mut limits = Limits::default();
    for step in 0..500 {
        limits.take(&rules, Action::UserSuspend, 1, at(step * 64)).unwrap();
    }
    for gap in [1, 7, 20, 40, 59] {
        let mut limits = Limits::default();
        let mut taken = Vec::new();
        while limits.take(&rules, Action::UserSuspend, 1, at(taken.len() as i64 * gap)).is_ok() {
            taken.push(taken.len() as i64 * gap);
            assert!(taken.len() < 1_000, "one each {gap}s is never stopped");
        }
        let in_window =
            |from: i64| taken.iter().filter(|second| (from..from + 600).contains(*second)).count();
        assert!(taken.iter().all(|from| in_window(*from) <= 10), "{gap}");
    }
}

#[test]
fn reads_count_where_a_limit_is_about_reads_alone_and_a_list_counts_each() {
    let rules = [limit("*", 1, HOUR), limit("log.*", 2, HOUR), limit("user.get", 1, HOUR)];
    let mut limits = Limits::default();
    for _ in 0..5 {
        limits.take(&rules, Action::UserGroups, 1, at(0)).unwrap();
    }
    limits.take(&rules, Action::LogByIp, 2, at(0)).unwrap();
    assert!(limits.take(&rules, Action::LogSearch, 1, at(0)).is_err());
    limits.take(&rules, Action::UserGet, 1, at(0)).unwrap();
    assert!(limits.take(&rules, Action::UserGet, 1, at(0)).is_err());
    assert!(limits.take(&rules, Action::GroupAddUser, 2, at(0)).is_err());
    assert_eq!(limits.among(&rules[..2]).tripped().count(), 2);
}

#[test]
fn a_limit_that_leaves_the_configuration_and_comes_back_is_as_it_was() {
    let (suspends, deletes) = (limit("user.suspend", 2, HOUR), limit("user.delete", 5, HOUR));
    let others = [limit("user.*", 100, HOUR)];
    let mut limits = Limits::default();
    limits.take(&[suspends.clone(), deletes.clone()], Action::UserDelete, 4, at(0)).unwrap();
    assert!(limits.take(std::slice::from_ref(&suspends), Action::UserSuspend, 3, at(0)).is_err());
    limits.take(&others, Action::UserClearSessions, 1, at(60)).unwrap();
    limits.forget_unused(&others, at(60));
    assert!(
        limits.take(std::slice::from_ref(&suspends), Action::UserSuspend, 1, at(120)).is_err(),
        "nobody has released it"
    );
    assert!(
        limits.clone().take(std::slice::from_ref(&deletes), Action::UserDelete, 2, at(120)).is_err(),
        "four of five are taken"
    );
    // What did not trip is forgotten when its time is over.
    limits.forget_unused(&others, at(7_200));
    limits.take(&[deletes], Action::UserDelete, 5, at(7_200)).unwrap();
    assert!(limits.release("user.suspend"));
}

#[test]
fn what_all_limits_count_fits_into_a_note() {
    let rules: Vec<_> = Action::ALL
        .iter()
        .filter(|action| action.effect() != Effect::Read)
        .take(24)
        .map(|action| limit(action.name(), u32::MAX, 24 * HOUR))
        .collect();
    let mut limits = Limits::default();
    for (rule, hour) in rules.iter().flat_map(|rule| (0..48).map(move |hour| (rule, hour))) {
        let action = rule.pattern.actions().next().unwrap();
        limits.take(&rules, action, 4_000_000, at(hour * 3_600)).unwrap();
    }
    let bytes = serde_json::to_vec(&limits).unwrap().len();
    assert!(bytes < crate::state::CONTENT_MAX_BYTES, "{bytes}");
}
