//! Traces of pages and commands, as a receiver that is not ours decodes them.

use serde_json::{Value, json};

use super::TO_FILES;
use crate::support::{
    daemon::Workplace,
    judges::traces::Collector,
    nats::NatsServer,
    okta::Okta,
    tools::{eventually, found_within},
};

const TO_NATS: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
routes = [{ sink = "events" }]
[sinks.events]
kind = "nats"
stream = "OKTA"
subject = "okta.{event_type}"
create = { max_age = "1d" }
"#;

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    &span["attributes"][name]
}

/// What no span may tell: an address, a login, an id of an event, the token.
fn require_impersonal(spans: &[Value]) {
    for span in spans {
        let text = span.to_string();
        for word in ["@", "uuid", "00u", "SSWS", "s3cret"] {
            let span_of_header = text.replace("Bearer s3cret", "");
            assert!(!span_of_header.contains(word), "{word}: {text}");
        }
    }
}

#[tokio::test]
async fn a_page_is_traced_from_its_fetch_to_its_commit_and_its_messages_say_so() {
    let (okta, nats, collector) =
        (Okta::with_backlog(250).await, NatsServer::start().await, Collector::start().await);
    let workplace = Workplace::new(&okta, "");
    workplace.write_secret("collector-token", "Bearer s3cret");
    let header = "headers.authorization = { file = \"{dir}/collector-token\" }\n";
    let org = format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
        okta.url()
    );
    workplace.configure(&format!("{org}{TO_NATS}{}{}{header}", nats.section(), collector.section()));
    let daemon = workplace.start(&[]);
    workplace.route("log/events", |route| route.phase == "at_tail" && route.delivered == 250).await;

    let page = collector
        .span("a whole page", |span| {
            span["name"] == "page" && attribute(span, "oktabus.events") == 100 && span["parent"] == ""
        })
        .await;
    let expected = json!({
        "oktabus.route": "log/events", "oktabus.org": "acme", "oktabus.events": 100, "oktabus.messages": 100,
        "oktabus.bytes": attribute(&page, "oktabus.bytes"), "oktabus.phase": "committed",
    });
    assert_eq!((&page["attributes"], &page["error"]), (&expected, &Value::Null));
    assert_eq!(page["resource"]["service.name"], "oktabus");
    assert_eq!(page["authorization"], "Bearer s3cret");
    let names = ["fetch", "render", "deliver", "commit"];
    let mut phases = collector.children(&page, &names).await;
    phases.sort_by_key(|phase| phase["start"].as_u64());
    let told: Vec<_> = phases.iter().map(|phase| phase["name"].as_str().unwrap()).collect();
    assert_eq!(told, ["fetch", "wait", "render", "deliver", "commit"]);
    assert!(phases.windows(2).all(|two| two[0]["end"] == two[1]["start"]), "{phases:?}");

    let stored = nats.stored("OKTA").await;
    let context = format!("00-{}-{}-01", page["trace"].as_str().unwrap(), page["span"].as_str().unwrap());
    let of_page = stored.iter().filter(|message| message.header("traceparent") == Some(&context)).count();
    assert_eq!((of_page, stored.len()), (100, 250));
    require_impersonal(&collector.received());

    // All three pages, and not the empty answers since.
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    let pages = collector.received().iter().filter(|span| span["name"] == "page").count();
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_collector_that_hangs_or_is_away_holds_up_nothing_and_what_is_dropped_is_counted() {
    let okta = Okta::with_backlog(3_000).await;
    let hanging = Collector::that_hangs().await;
    let away = "[traces]\nendpoint = \"http://127.0.0.1:1\"\nsample = 1.0\n".to_owned();
    for section in [hanging.section(), away] {
        let text = TO_FILES.replace("poll_interval", "page_size = 50\npoll_interval");
        let workplace = Workplace::new(&okta, &(text + &section));
        let daemon = workplace.start(&[]);
        workplace.route("log/files", |route| route.phase == "at_tail" && route.delivered == 3_000).await;
        assert_eq!(workplace.uuids("archive"), okta.uuids().await);
        eventually("spans that were dropped", async || {
            let page = workplace.get("/metrics").await.ok()?.1;
            let dropped = page.lines().find_map(|line| line.strip_prefix("oktabus_spans_dropped_total "))?;
            (dropped.parse::<u64>().unwrap() > 0).then_some(())
        })
        .await;
        assert!(workplace.log().contains("the collector does not take spans"), "{}", workplace.log());
        daemon.terminate().await;
        assert!(daemon.ended().await.success());
    }
}

#[tokio::test]
async fn without_the_section_nothing_is_traced() {
    let (okta, nats, collector) =
        (Okta::with_backlog(10).await, NatsServer::start().await, Collector::start().await);
    let workplace = Workplace::new(&okta, &format!("{TO_NATS}{}", nats.section()));
    workplace.catch_up().await;
    let stored = nats.stored("OKTA").await;
    assert!(stored.len() == 10 && stored.iter().all(|message| message.header("traceparent").is_none()));
    let received = found_within(std::time::Duration::ZERO, async || collector.received().pop()).await;
    assert_eq!(received, None);
}
