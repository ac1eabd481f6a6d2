//! Traces of pages and commands, as a receiver that is not ours decodes them.

use serde_json::{Value, json};

use super::TO_FILES;
#[cfg(feature = "kafka")]
use crate::support::kafka::{Broker, Record};
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

/// Delivers 250 events into the sink `once`, in pages of 100, and gives a whole page's `traceparent` once all is told of it. All of
/// what is told ends in a commit, the messages of each page in one of their own trace.
async fn traced_page(okta: &Okta, collector: &Collector, sink: &str) -> String {
    let stream =
        "[streams.log]\norg = \"acme\"\nstart = \"-90d\"\npage_size = 100\nroutes = [{ sink = \"once\" }]\n";
    let workplace = Workplace::new(okta, &format!("{stream}{sink}{}", collector.section()));
    let daemon = workplace.start(&[]);
    workplace.route("log/once", |route| route.phase == "at_tail" && route.delivered == 250).await;
    let page = collector
        .span("a whole page", |span| {
            span["name"] == "page" && attribute(span, "oktabus.events") == 100 && span["parent"] == ""
        })
        .await;
    assert_eq!(attribute(&page, "oktabus.phase"), "committed", "{page}");
    assert_eq!((attribute(&page, "oktabus.messages"), &page["error"]), (&json!(100), &Value::Null));
    let mut phases = collector.children(&page, &["fetch", "render", "deliver", "commit"]).await;
    phases.sort_by_key(|phase| phase["start"].as_u64());
    assert!(phases.windows(2).all(|two| two[0]["end"] == two[1]["start"]), "{phases:?}");
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
    require_impersonal(&collector.received());
    let pages: Vec<_> = collector.received().into_iter().filter(|span| span["name"] == "page").collect();
    assert_eq!(pages.len(), 3, "{pages:?}");
    assert!(pages.iter().all(|page| attribute(page, "oktabus.phase") == "committed"), "{pages:?}");
    format!("00-{}-{}-01", page["trace"].as_str().unwrap(), page["span"].as_str().unwrap())
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn messages_in_kafka_say_of_which_page_they_are_at_least_once_and_exactly_once() {
    let broker = Broker::start().await;
    for delivery in ["at_least_once", "exactly_once"] {
        let (okta, collector) = (Okta::with_backlog(250).await, Collector::start().await);
        let topic = format!("okta.traced.{delivery}");
        broker.create_topic(&topic, 1, &[]).await;
        let sink = format!(
            "{}[sinks.once]\nkind = \"kafka\"\ntopic = \"{topic}\"\ndelivery = \"{delivery}\"\n",
            broker.section()
        );
        let context = traced_page(&okta, &collector, &sink).await;
        let records = broker.records(&topic).await;
        let of = |traceparent: &str| {
            let is_of =
                |record: &&Record| record.headers.get("traceparent").is_some_and(|of| of == traceparent);
            records.iter().filter(is_of).count()
        };
        assert_eq!((of(&context), records.len()), (100, 250), "{delivery}");
        assert!(records.iter().all(|record| record.headers.contains_key("traceparent")), "{delivery}");
    }
}

#[tokio::test]
async fn a_page_that_is_committed_exactly_once_in_jetstream_is_traced_to_its_commit() {
    let (okta, nats, collector) =
        (Okta::with_backlog(250).await, NatsServer::start().await, Collector::start().await);
    let sink = format!(
        "{}[sinks.once]\nkind = \"nats\"\nstream = \"OKTA\"\ndelivery = \"exactly_once\"\ncreate = {{}}\n",
        nats.section()
    );
    let context = traced_page(&okta, &collector, &sink).await;
    let stored = nats.stored("OKTA").await;
    let events: Vec<_> = stored.iter().filter(|stored| stored.subject.starts_with("okta.")).collect();
    let of_page = events.iter().filter(|event| event.header("traceparent") == Some(&context)).count();
    assert_eq!((of_page, events.len()), (100, 250));
    // The checkpoint is of no page.
    let others = stored.iter().filter(|stored| !stored.subject.starts_with("okta."));
    assert!(others.into_iter().all(|stored| stored.header("traceparent").is_none()));
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
