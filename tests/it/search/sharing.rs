//! Two routes of one search whose windows are not the same: each is given exactly its own, by the simulator's own list of
//! what was published when.

use std::{collections::BTreeMap, fs};

use jiff::Timestamp;
use serde_json::Value;

use super::{SETTLE, last_slot, published_before, schedule};
use crate::support::{
    clock::Clock,
    daemon::{Daemon, Workplace},
    okta::Okta,
    tools::eventually,
};

const HOUR: i64 = 3_600;

/// A search `s` into files in `a` and, unless it has but one route, in `b`.
fn to_two(start: &str, keys: &str, routes: &[&str]) -> String {
    let list: String = routes.iter().map(|route| format!("{{ sink = \"{route}\" }}, ")).collect();
    let sinks = routes
        .iter()
        .map(|route| format!("[sinks.{route}]\nkind = \"file\"\ndirectory = \"{{dir}}/{route}\"\n"));
    let sinks: String = sinks.collect();
    format!(
        "[searches.s]\norg = \"acme\"\nschedule = \"{}\"\nstart = \"{start}\"\n{keys}\nroutes = [{list}]\n{sinks}",
        schedule()
    )
}

/// Keeps a sink from working: what should be its folder is a file.
fn block(workplace: &Workplace, folder: &str) {
    let _ = fs::rename(workplace.path(folder), workplace.path("away"));
    fs::write(workplace.path(folder), "").unwrap();
}

fn unblock(workplace: &Workplace, folder: &str) {
    fs::remove_file(workplace.path(folder)).unwrap();
    let _ = fs::rename(workplace.path("away"), workplace.path(folder));
}

fn start(workplace: &Workplace, clock: &Clock, seconds_ahead: i64) -> Daemon {
    clock.put(seconds_ahead);
    workplace.start_with(&[], &clock.environment())
}

/// Runs the daemon until no slot is due.
async fn catch_up(workplace: &Workplace, clock: &Clock, seconds_ahead: i64) {
    clock.put(seconds_ahead);
    let ended = workplace.start_with(&["--until-caught-up"], &clock.environment()).ended().await;
    assert!(ended.success(), "{}", workplace.log());
}

/// The windows that each route has run, in order.
fn windows(workplace: &Workplace) -> BTreeMap<String, Vec<[Timestamp; 2]>> {
    let mut windows = BTreeMap::<_, Vec<_>>::new();
    for line in workplace.log().lines().filter(|line| line.contains("the search has run")) {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| {
            let found = line.get(name).or_else(|| line["fields"].get(name));
            found.unwrap().as_str().unwrap().to_owned()
        };
        let at = |name: &str| text(name).parse::<Timestamp>().unwrap();
        windows.entry(text("route")).or_default().push([at("since"), at("until")]);
    }
    windows
}

/// Waits until `route` has run so many windows.
async fn has_run(workplace: &Workplace, route: &str, runs: usize) {
    eventually(&format!("{route} to run {runs} windows"), async || {
        windows(workplace).get(route).is_some_and(|windows| windows.len() >= runs).then_some(())
    })
    .await;
}

/// Waits until a route says that its sink does not work: it has its window by then.
async fn is_blocked(workplace: &Workplace, route: &str) {
    workplace.route(route, |route| route.sink_trouble.is_some()).await;
}

/// Each route has exactly what was published in the windows that it ran, which meet.
async fn assert_each_has_its_own(workplace: &Workplace, okta: &Okta, folders: &[&str]) {
    let windows = windows(workplace);
    for folder in folders {
        let windows = &windows[&format!("s/{folder}")];
        assert!(windows.windows(2).all(|pair| pair[0][1] == pair[1][0]), "{folder}: {windows:?}");
        let [since, until] = [windows[0][0], windows[windows.len() - 1][1]];
        let mut delivered = workplace.uuids(folder);
        delivered.sort();
        let expected = okta.published(since, until).await;
        assert_eq!(delivered.len(), expected.len(), "{folder}: {windows:?}");
        assert_eq!(delivered, expected, "{folder}");
    }
}

#[tokio::test]
async fn a_route_that_comes_later_begins_where_it_is_told_and_the_other_goes_on() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_two("-1h", "", &["a"]));
    let clock = Clock::new(&workplace);
    catch_up(&workplace, &clock, -5 * HOUR).await;
    catch_up(&workplace, &clock, 0).await;
    workplace.configure(&with_org(&okta, &to_two("-6d", "", &["a", "b"])));
    // It is started for the first time before the next slot, which then is due for both.
    catch_up(&workplace, &clock, HOUR / 4).await;
    catch_up(&workplace, &clock, HOUR).await;
    let ran = windows(&workplace);
    let ([_, a], [b]) = (&ran["s/a"][..], &ran["s/b"][..]) else { panic!("{ran:?}") };
    assert!(a[1] == b[1] && b[0] < a[0], "one slot, two windows: {ran:?}");
    assert!(workplace.uuids("b").len() > workplace.uuids("a").len() + 1_000);
    assert_each_has_its_own(&workplace, &okta, &["a", "b"]).await;
}

/// The configuration with the org that `Workplace::new` has put before it.
fn with_org(okta: &Okta, rest: &str) -> String {
    format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n{rest}",
        okta.url()
    )
}

#[tokio::test]
async fn a_route_that_fell_behind_over_restarts_catches_up_with_its_own_windows() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_two("-6d", "", &["a", "b"]));
    let clock = Clock::new(&workplace);
    catch_up(&workplace, &clock, -5 * HOUR).await;
    block(&workplace, "b");
    for (hours, runs) in [(-4, 1), (-3, 2)] {
        let daemon = start(&workplace, &clock, hours * HOUR);
        has_run(&workplace, "s/a", runs).await;
        is_blocked(&workplace, "s/b").await;
        daemon.kill().await;
    }
    unblock(&workplace, "b");
    // `a` is at work with its window of the last slot when `b` comes to that slot.
    block(&workplace, "a");
    let daemon = start(&workplace, &clock, 0);
    is_blocked(&workplace, "s/a").await;
    has_run(&workplace, "s/b", 2).await;
    unblock(&workplace, "a");
    has_run(&workplace, "s/a", 3).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let ran = windows(&workplace);
    assert_eq!((ran["s/a"].len(), ran["s/b"].len()), (3, 2), "{ran:?}");
    assert_each_has_its_own(&workplace, &okta, &["a", "b"]).await;
    let all = published_before(&okta, last_slot() - SETTLE).await.len();
    assert_eq!((workplace.uuids("a").len(), workplace.uuids("b").len()), (all, all));
}

#[tokio::test]
async fn a_route_that_skips_slots_while_it_works_covers_them_with_its_next_window() {
    let okta = Okta::with_backlog(3_000).await;
    let workplace = Workplace::new(&okta, &to_two("-6d", "overlap = \"skip\"", &["a", "b"]));
    let clock = Clock::new(&workplace);
    catch_up(&workplace, &clock, -4 * HOUR).await;
    block(&workplace, "b");
    let daemon = start(&workplace, &clock, -4 * HOUR);
    eventually("the daemon to run", async || workplace.get("/status").await.ok()).await;
    for (hours, runs) in [(-3, 1), (-2, 2)] {
        clock.put(hours * HOUR);
        has_run(&workplace, "s/a", runs).await;
        is_blocked(&workplace, "s/b").await;
    }
    unblock(&workplace, "b");
    has_run(&workplace, "s/b", 1).await;
    block(&workplace, "a");
    clock.put(-HOUR);
    is_blocked(&workplace, "s/a").await;
    has_run(&workplace, "s/b", 2).await;
    unblock(&workplace, "a");
    has_run(&workplace, "s/a", 3).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let ran = windows(&workplace);
    assert_eq!((ran["s/a"].len(), ran["s/b"].len()), (3, 2), "{ran:?}");
    assert_each_has_its_own(&workplace, &okta, &["a", "b"]).await;
}

#[tokio::test]
async fn what_came_late_for_one_route_is_not_taken_for_found_by_the_other() {
    let okta = Okta::with_backlog(500).await;
    let keys = "missed = \"all\"\nwindow_overlap = \"30m\"";
    let workplace = Workplace::new(&okta, &to_two("-6d", keys, &["a", "b"]));
    let clock = Clock::new(&workplace);
    catch_up(&workplace, &clock, -4 * HOUR).await;
    block(&workplace, "b");
    let daemon = start(&workplace, &clock, -2 * HOUR);
    has_run(&workplace, "s/a", 2).await;
    is_blocked(&workplace, "s/b").await;
    daemon.kill().await;
    // Published in the second window, which `a` has read and `b` has not.
    let published = last_slot() - SETTLE - jiff::SignedDuration::from_mins(2 * 60 + 5);
    okta.add(&format!(
        "{{\"uuid\":\"late\",\"published\":\"{published}\",\"eventType\":\"user.session.start\"}}\n"
    ))
    .await;
    unblock(&workplace, "b");
    catch_up(&workplace, &clock, -2 * HOUR).await;
    catch_up(&workplace, &clock, 0).await;
    let all = published_before(&okta, last_slot() - SETTLE).await;
    for folder in ["a", "b"] {
        let mut delivered = workplace.uuids(folder);
        assert_eq!(delivered.iter().filter(|uuid| *uuid == "late").count(), 1, "{folder}");
        delivered.sort();
        let mut expected = all.clone();
        expected.sort();
        assert_eq!(delivered, expected, "{folder}");
    }
}

#[tokio::test]
async fn what_okta_repeats_is_found_once() {
    let okta = Okta::with_backlog(3_000).await;
    okta.arm(serde_json::json!({"kind": "duplicates", "events": 25})).await;
    let workplace = Workplace::new(&okta, &to_two("-6d", "page_size = 200", &["a"]));
    let clock = Clock::new(&workplace);
    catch_up(&workplace, &clock, -5 * HOUR).await;
    catch_up(&workplace, &clock, 0).await;
    okta.disarm().await;
    assert_each_has_its_own(&workplace, &okta, &["a"]).await;
}
