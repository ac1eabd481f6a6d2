//! Order, copies, time.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    queue::Queue,
    scene::{Scene, essence},
};

fn create(id: &str, login: &str) -> Value {
    let profile = json!({ "firstName": "Ada", "lastName": "L", "email": login, "login": login });
    let parameters = json!({ "profile": profile, "password": "Correct-horse-7-battery" });
    json!({ "id": id, "action": "user.create", "parameters": parameters })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_users_commands_run_in_order_from_before_they_exist_until_they_are_gone() {
    whole_lives(Queue::nats("allow = [\"user.*\"]").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_users_commands_run_in_order_over_kafka() {
    whole_lives(Queue::kafka("allow = [\"user.*\"]").await).await;
}

async fn whole_lives((scene, queue): (Scene, Queue)) {
    let logins: Vec<_> = (0..6).map(|n| format!("order{n}@acme.com")).collect();
    let actions = ["user.suspend", "user.unsuspend", "user.deactivate", "user.delete"];
    for login in &logins {
        queue.send(&scene, login, &create(&format!("create {login}"), login)).await;
        for action in actions {
            let id = format!("{action} {login}");
            let command = json!({ "id": id, "action": action, "parameters": { "user": login } });
            queue.send(&scene, login, &command).await;
        }
    }
    for login in &logins {
        for action in ["create"].iter().chain(&actions) {
            let outcome = scene.outcome(&format!("{action} {login}")).await;
            assert_eq!(essence(&outcome), ("done", ""), "{outcome}");
        }
    }
    for login in &logins {
        let all = scene.outcomes().await;
        let of_user = all.iter().filter(|outcome| outcome["command_id"].as_str().unwrap().ends_with(login));
        let order: Vec<_> = of_user.map(|outcome| outcome["action"].as_str().unwrap().to_owned()).collect();
        assert_eq!(order, ["user.create", actions[0], actions[1], actions[2], actions[3]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_passes_to_another_user_means_the_other_one_from_then_on() {
    let scene = Scene::start("allow = [\"user.*\"]").await;
    scene.send(create("first", "heir@acme.com")).await;
    let first = scene.outcome("first").await;
    let parameters = json!({ "user": "heir@acme.com", "deactivate_first": true });
    scene.send(json!({ "id": "gone", "action": "user.delete", "parameters": parameters })).await;
    scene.send(create("second", "heir@acme.com")).await;
    let suspended = scene.ask("s", "user.suspend", "heir@acme.com").await;
    assert_eq!(essence(&suspended), ("done", ""), "{suspended}");
    let second = scene.outcome("second").await;
    assert_eq!(essence(&second), ("done", ""), "{second}");
    let id = |outcome: &Value| outcome["result"]["user"]["id"].as_str().unwrap().to_owned();
    assert_ne!(id(&first), id(&second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_users_do_not_wait_for_each_other() {
    let scene = Scene::start("allow = [\"*\"]\nparallel = 8").await;
    for n in 0..8 {
        scene.send(create(&format!("c{n}"), &format!("par{n}@acme.com"))).await;
    }
    for n in 0..8 {
        scene.outcome(&format!("c{n}")).await;
    }
    let fault =
        json!({ "kind": "delay", "milliseconds": 1_500, "path": "/api/v1/users/*", "method": "POST" });
    scene.okta.arm(fault).await;
    let begun = std::time::Instant::now();
    for n in 0..8 {
        let user = format!("par{n}@acme.com");
        scene
            .send(json!({ "id": format!("s{n}"), "action": "user.suspend", "parameters": { "user": user } }))
            .await;
    }
    for n in 0..8 {
        assert_eq!(essence(&scene.outcome(&format!("s{n}")).await), ("done", ""));
    }
    let took = begun.elapsed();
    assert!(took.as_millis() < 8 * 1_500 / 2, "eight at a time took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_answered_with_the_first_outcome_and_nothing_is_done_again() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    for _ in 0..3 {
        scene.send(create("c-1", "twice@acme.com")).await;
    }
    let outcomes = scene.outcomes_of("c-1", 3).await;
    let repeated: Vec<_> = outcomes.iter().map(|outcome| outcome["repeated"].as_bool().unwrap()).collect();
    assert_eq!(repeated, [false, true, true]);
    scene.stop().await;
    scene.resume();
    scene.send(create("c-1", "twice@acme.com")).await;
    let outcomes = scene.outcomes_of("c-1", 4).await;
    let unmarked = |outcome: &Value| {
        let mut outcome = outcome.clone();
        outcome["repeated"] = Value::Null;
        outcome
    };
    assert!(outcomes.iter().all(|outcome| unmarked(outcome) == unmarked(&outcomes[0])), "{outcomes:#?}");
    let writes = scene.okta.page("/-/writes").await;
    let created = writes.as_array().unwrap().iter().filter(|write| write["what"] == "user.lifecycle.create");
    assert_eq!(created.count(), 1);

    // The same id, and something else is asked for.
    scene.send(create("c-1", "other@acme.com")).await;
    // It is named by its place in the queue: the command `c-1` has one outcome.
    let reused = scene.outcome("COMMANDS@5").await;
    assert_eq!(essence(&reused), ("refused", "id_reused"));
    assert_eq!(scene.outcomes_of("c-1", 4).await.len(), 4);
    scene.send(create("c-1", "twice@acme.com")).await;
    let again = scene.outcomes_of("c-1", 5).await.remove(4);
    assert_eq!(unmarked(&again), unmarked(&outcomes[0]), "the first outcome is not touched");
    let decisions: Vec<_> =
        scene.audit().iter().map(|line| line["decision"].as_str().unwrap().to_owned()).collect();
    assert_eq!(decisions, ["begun", "ended", "repeated", "repeated", "repeated", "refused", "repeated"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_in_its_time_alone() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.send(create("c-1", "time@acme.com")).await;
    let soon = Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let past = Timestamp::now() - jiff::SignedDuration::from_secs(3);
    let suspend = json!({ "user": "time@acme.com" });
    scene.outcome("c-1").await;
    scene
        .send(json!({ "id": "late", "action": "user.suspend", "parameters": suspend, "expires_at": past }))
        .await;
    scene
        .send(json!({ "id": "early", "action": "user.suspend", "parameters": suspend, "not_before": soon }))
        .await;
    // It does not hold up those behind it.
    assert_eq!(essence(&scene.ask("now", "user.get", "time@acme.com").await), ("done", ""));
    assert_eq!(essence(&scene.outcome("late").await), ("expired", "expired"));
    let early = scene.outcome("early").await;
    assert_eq!(essence(&early), ("done", ""));
    assert!(early["finished_at"].as_str().unwrap().parse::<Timestamp>().unwrap() >= soon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_would_be_sent_and_sends_none_of_it() {
    let scene = Scene::start("allow = [\"*\"]").await;
    scene.send(create("c-1", "dry@acme.com")).await;
    scene.outcome("c-1").await;
    let before = scene.okta.page("/-/writes").await;
    let parameters = json!({ "user": "dry@acme.com", "deactivate_first": true });
    scene
        .send(json!({ "id": "dry", "action": "user.delete", "dry_run": true, "parameters": parameters }))
        .await;
    let outcome = scene.outcome("dry").await;
    assert_eq!(essence(&outcome), ("dry_run", ""));
    let methods: Vec<_> =
        outcome["result"]["requests"].as_array().unwrap().iter().map(|r| &r["method"]).collect();
    assert_eq!(methods, ["POST", "DELETE"]);
    assert_eq!(scene.okta.page("/-/writes").await, before);
}
