//! Lists that are longer than an outcome: part by part, each from where the one before ended, nothing is left out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::actions::Scene;

/// Reads a list to its end; answers the items and in how many parts they came.
async fn read(scene: &Scene, action: &str, parameters: &Value, items: &str) -> (Vec<Value>, usize) {
    let (mut all, mut parts, mut parameters) = (Vec::new(), 0, parameters.clone());
    loop {
        let found = scene.run(action, parameters.clone(), false).await.unwrap();
        let result = serde_json::to_value(&found.result).unwrap();
        let part = result[items].as_array().unwrap();
        assert!(result.to_string().len() < 1_000_000, "an outcome has room for it");
        assert_eq!(result["count"], json!(part.len()));
        all.extend(part.iter().cloned());
        parts += 1;
        assert_eq!(result["complete"], json!(result.get("next").is_none()), "{action}: {parts} parts");
        let Some(next) = result.get("next") else { return (all, parts) };
        parameters["after"] = next.clone();
    }
}

fn ids<'a>(items: impl IntoIterator<Item = &'a Value>, name: &str) -> Vec<String> {
    items.into_iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_3000_is_read_whole_part_by_part() {
    let scene = Scene::new().await;
    let mut planted = BTreeSet::new();
    for number in 0..3_000 {
        let profile = json!({ "login": format!("member{number}@acme.example"), "department": "Everybody" });
        planted.insert(scene.okta.plant("users", &json!({ "profile": profile })).await);
    }
    let group = json!({ "profile": { "name": "Crowd" }, "members": planted });
    let group = scene.okta.plant("groups", &group).await;

    let (members, parts) = read(&scene, "group.members", &json!({ "group": group }), "members").await;
    let found = ids(&members, "id");
    assert_eq!(found.len(), 3_000, "each once");
    assert!(found.into_iter().collect::<BTreeSet<_>>() == planted && parts > 1, "{parts} parts");

    let search = json!({ "search": "profile.department eq \"Everybody\"", "limit": 999 });
    let (users, parts) = read(&scene, "user.search", &search, "users").await;
    let found = ids(&users, "id");
    assert_eq!((found.len(), parts), (3_000, 4));
    assert!(found.into_iter().collect::<BTreeSet<_>>() == planted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_lists_and_the_log_go_on_where_they_ended() {
    let scene = Scene::new().await;
    let user = scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.example" } })).await;
    for number in 0..7 {
        let group = json!({ "profile": { "name": format!("Page {number}") }, "members": [user] });
        scene.okta.plant("groups", &group).await;
    }
    for (action, parameters, items) in [
        ("group.find", json!({ "name": "Page", "limit": 2 }), "groups"),
        ("user.groups", json!({ "user": user, "limit": 3 }), "groups"),
    ] {
        let (found, parts) = read(&scene, action, &parameters, items).await;
        let names: BTreeSet<_> =
            found.iter().map(|group| group["profile"]["name"].as_str().unwrap()).collect();
        assert!(
            names.len() == found.len() && names.iter().filter(|name| name.starts_with("Page")).count() == 7
        );
        assert!(parts > 1, "{action}");
    }
    let parameters = json!({ "since": "-90d", "limit": 300 });
    let (events, parts) = read(&scene, "log.search", &parameters, "events").await;
    let uuids = ids(&events, "uuid");
    let all = scene.okta.uuids().await;
    assert_eq!(uuids.iter().collect::<BTreeSet<_>>(), all.iter().collect::<BTreeSet<_>>());
    assert!(uuids.len() == all.len() && parts > 3, "{} of {}", uuids.len(), all.len());
    let wrong = json!({ "group": "Page 1", "after": "x" });
    let refused = oktabus::command::Request::read(oktabus::command::Action::GroupMembers, wrong).unwrap_err();
    assert!(refused.contains("`next`"), "{refused}");
}
