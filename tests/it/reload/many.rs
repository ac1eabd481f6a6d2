//! Many reloads under load, and reloads in the middle of a stop.

use std::{fs, time::Instant};

use serde_json::json;

use super::{assert_each_once, exchange, files, reload, stream, while_events_flow, with_org};
use crate::support::{daemon::Workplace, okta::Okta, tools::eventually};

const RELOADS: usize = 100;

/// What a process has: file descriptors, and threads.
fn resources(pid: u32) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    (count("fd"), count("task"))
}

#[tokio::test]
async fn a_hundred_reloads_under_load_miss_no_event_and_leave_nothing_behind() {
    let okta = Okta::with_backlog(2_000).await;
    // Each of these differs from the one before in all that a reload may touch.
    let configuration = |number: usize| {
        let routes = match number % 3 {
            0 => r#"{ sink = "kept", name = "kept" }, { sink = "one", name = "changing" }"#.to_owned(),
            1 => r#"{ sink = "kept", name = "kept" }, { sink = "one", name = "changing", in_flight_pages = 3 }"#.to_owned(),
            _ => r#"{ sink = "one", name = "changing" }, { sink = "kept", name = "kept" }"#.to_owned(),
        };
        let search = format!(
            "[searches.s]\norg = \"acme\"\nschedule = \"{} 3 1 1 *\"\nroutes = [{{ sink = \"one\" }}]\n",
            number % 60
        );
        let commands = format!(
            "[commands.hr]\norg = \"acme\"\noutcomes = {{ sink = \"one\" }}\nallow = [\"user.get\"]\nlimits = {{ \"user.get\" = \"{}/1h\" }}\n",
            number + 1
        );
        with_org(&okta, &(stream(&routes) + &files("kept") + &files("one") + &search + &commands))
    };
    let workplace = Workplace::with_orgs(&configuration(0));
    let daemon = workplace.start(&[]);
    workplace.route("changing", |route| route.delivered > 0).await;
    workplace.route("kept", |route| route.delivered > 0).await;
    while_events_flow(&okta, async {
        // The first ones open whatever is opened once.
        for number in 1..=6 {
            exchange(&workplace, &configuration(number)).await;
        }
        let before = resources(daemon.id());
        for number in 7..7 + RELOADS {
            workplace.configure(&configuration(number));
            // A storm of signals is one reload, or a few; the last answer is of a reload that came after all of them.
            if number % 10 == 0 {
                for _ in 0..10 {
                    daemon.reload().await;
                }
            }
            assert_ne!(reload(&workplace, 0).await["result"], "refused");
        }
        let few_more = |now: (usize, usize)| now.0 <= before.0 + 5 && now.1 <= before.1 + 5;
        eventually(&format!("no more than {before:?} descriptors and threads"), async || {
            few_more(resources(daemon.id())).then_some(())
        })
        .await;
    })
    .await;
    let begun = workplace
        .log()
        .lines()
        .filter(|line| line.contains("begins to read") && line.contains("\"kept\""))
        .count();
    assert_eq!(begun, 1, "a route that stays the same goes on untouched");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    workplace.catch_up().await;
    assert_each_once(&okta, &workplace, &["kept"]).await;
    // The search and the outcomes have files of their own beside the route's.
    assert_each_once(&okta, &workplace, &["one"]).await;
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_reload_and_a_reload_in_the_middle_of_a_stop_are_a_stop() {
    let okta = Okta::with_backlog(3_000).await;
    let one = stream(r#"{ sink = "one" }"#) + &files("one");
    let workplace = Workplace::new(&okta, &one);
    for round in 0..10 {
        // Reading takes long, so that loops are in the middle of something.
        okta.arm(json!({"kind": "delay", "milliseconds": 100})).await;
        let daemon = workplace.start(&[]);
        workplace.route("log/one", |_| true).await;
        workplace.configure(&with_org(&okta, &one.replace("200ms", &format!("{}ms", 201 + round))));
        let asked = Instant::now();
        if round % 2 == 0 {
            daemon.reload().await;
            daemon.terminate().await;
        } else {
            daemon.terminate().await;
            daemon.reload().await;
        }
        assert!(daemon.ended().await.success(), "{}", workplace.log());
        assert!(asked.elapsed().as_secs() < 20, "{:?}", asked.elapsed());
        okta.disarm().await;
    }
    workplace.catch_up().await;
    assert_each_once(&okta, &workplace, &["one"]).await;
}
