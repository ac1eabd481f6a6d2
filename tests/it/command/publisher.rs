//! Where outcomes go: each kind of sink proves them, and independent readers find them.

use std::{fs, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use oktabus::{
    command::{
        Outcome, Status,
        publisher::{self, Publication, Publisher, Records},
    },
    config::{FileSink, Rotate, SinkConfig},
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) fn outcome(id: &str) -> Outcome {
    Outcome {
        command_id: id.to_owned(),
        action: "user.deactivate".to_owned(),
        status: Status::Done,
        repeated: false,
        result: json!({ "user": "J\u{fc}rgen" }).into(),
        error: None,
        okta_request_id: Some("req-1".to_owned()),
        before: Some(json!({ "status": "ACTIVE" })),
        after: Some(json!({ "status": "DEPROVISIONED" })),
        attempts: 1,
        received_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
    }
}

/// What an id may be.
const ODD_ID: &str = "cmd 2%é";
fn publication(id: &str, copy: u64) -> Publication {
    Publication::outcome("provisioning", &outcome(id), Some("00u1"), copy).unwrap()
}

/// A publisher of outcomes to `sink`.
fn open(sink: &SinkConfig, commands: &str) -> Arc<dyn Publisher> {
    publisher::open(sink, commands, Records::Outcomes, &[]).unwrap()
}

fn file(directory: &Path) -> SinkConfig {
    SinkConfig::File(FileSink {
        name: "archive".to_owned(),
        directory: directory.to_owned(),
        rotate: Rotate { size_bytes: u64::MAX, age: Duration::from_hours(24), compress: None },
        retention: None,
        former_directory: None,
    })
}

#[tokio::test]
async fn outcomes_are_lines_of_a_file() {
    let directory = TempDir::new().unwrap();
    for start in 0..2 {
        let publisher = open(&file(directory.path()), "provisioning");
        for number in 0..3 {
            publisher.publish(&publication(&format!("{start}{number}"), 0)).await.unwrap();
        }
        publisher.close().await;
    }
    let mut files: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
    // The record of the files is beside them.
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let lines: Vec<_> = files
        .iter()
        .flat_map(|file| {
            assert!(
                file.file_name().unwrap().to_str().unwrap().starts_with("commands.provisioning.outcomes-")
            );
            let text = fs::read_to_string(file).unwrap();
            text.lines().map(|line| serde_json::from_str::<Outcome>(line).unwrap()).collect::<Vec<_>>()
        })
        .collect();
    let expected: Vec<_> = ["00", "01", "02", "10", "11", "12"].map(outcome).into();
    assert_eq!(lines, expected);
}

/// What the judge reads of outcomes on a bus.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn assert_judged(messages: &[serde_json::Value], address: &str) {
    let mut ids: Vec<_> = messages.iter().map(|message| message["event"]["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [ODD_ID, "cmd-1", "cmd-1:repeated:1"]);
    for message in messages {
        let event = &message["event"];
        assert_eq!(message["address"], address);
        assert_eq!(event["type"], "oktabus.outcome");
        assert_eq!(event["source"], "oktabus/provisioning");
        assert_eq!(event["subject"], "00u1");
        assert_eq!(event["partitionkey"], "00u1");
        assert_eq!(event["time"], "1970-01-01T00:00:00+00:00");
        let id = if event["id"] == ODD_ID { ODD_ID } else { "cmd-1" };
        assert_eq!(message["data"], serde_json::to_value(outcome(id)).unwrap());
    }
}

#[cfg(feature = "kafka")]
mod kafka {
    use std::{sync::Arc, time::Duration};

    use oktabus::{
        command::publisher::PublishCure,
        config::{Encoding, KafkaBus, KafkaSink, SinkConfig},
        message::{Template, TemplateUse},
    };

    use super::{assert_judged, open, publication};
    use crate::support::{
        judges::messages::messages_judge,
        kafka::{Broker, PASSWORD},
        tools::eventually,
    };

    fn sink(bus: Arc<KafkaBus>, topic: &str, encoding: Encoding) -> SinkConfig {
        SinkConfig::Kafka(KafkaSink {
            name: "siem".to_owned(),
            bus,
            topic: Template::parse(topic, TemplateUse::Topic).unwrap(),
            key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
            encoding,
            transactions: None,
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn outcomes_are_read_by_cloudevents_own_library() {
        let broker = Broker::shared().await;
        for (topic, encoding) in
            [("outcomes-binary", Encoding::Binary), ("outcomes-structured", Encoding::Structured)]
        {
            broker.create_topic(topic, 2, &[]).await;
            let publisher = open(&sink(broker.bus(), topic, encoding), "provisioning");
            let publications =
                [publication("cmd-1", 0), publication("cmd-1", 1), publication(super::ODD_ID, 0)];
            for published in futures_util::future::join_all(
                publications.iter().map(|publication| publisher.publish(publication)),
            )
            .await
            {
                published.unwrap();
            }
            publisher.close().await;
            let messages = messages_judge(&["kafka", &broker.bus().brokers[0], topic], "").await;
            assert_judged(&messages, topic);
            assert!(messages.iter().all(|message| message["key"] == "00u1"));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_published_says_what_cures_it() {
        let broker = Broker::shared().await;
        broker.create_topic("outcomes", 1, &[("max.message.bytes", "10000")]).await;
        let publisher = open(&sink(broker.bus(), "outcomes", Encoding::Binary), "p");
        let mut large = publication("large", 0);
        // Nothing that packs well.
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(30_000).collect();
        large.payload = format!("\"{noise}\"").into();
        assert_eq!(publisher.publish(&large).await.unwrap_err().cure(), PublishCure::Smaller);
        let nowhere = publisher.publish(&publication("nowhere", 0).to("no-such-replies")).await.unwrap_err();
        assert_eq!(nowhere.cure(), PublishCure::Elsewhere, "{nowhere}");
        publisher.publish(&publication("good", 0)).await.unwrap();
        publisher.close().await;
        assert_eq!(broker.records("outcomes").await.len(), 1);

        let by_event = open(&sink(broker.bus(), "okta.{event_type}", Encoding::Binary), "p");
        let unaddressed = by_event.publish(&publication("x", 0)).await.unwrap_err();
        assert!(unaddressed.to_string().contains("depends on an event"), "{unaddressed}");
        by_event.publish(&publication("x", 0).to("outcomes")).await.unwrap();
        by_event.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn where_we_may_not_publish_somebody_must_allow_it_and_elsewhere_all_goes_on() {
        let broker = Broker::shared_secured().await;
        for topic in ["own-outcomes", "denied-replies"] {
            broker.create_topic(topic, 1, &[]).await;
        }
        broker.allow("looker", "Write", "own-outcomes");
        let bus = Arc::new(broker.secured_bus("looker", PASSWORD));
        let publisher = open(&sink(bus, "own-outcomes", Encoding::Binary), "p");
        for _ in 0..2 {
            let denied =
                publisher.publish(&publication("c", 0).in_reply_to("denied-replies")).await.unwrap_err();
            assert!(denied.needs_somebody(), "{denied}");
            publisher.publish(&publication("c", 0)).await.unwrap();
        }
        publisher.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restart_of_the_broker_is_survived() {
        let mut broker = Broker::start().await;
        broker.create_topic("outcomes", 1, &[]).await;
        let publisher = open(&sink(broker.bus(), "outcomes", Encoding::Binary), "p");
        publisher.publish(&publication("before", 0)).await.unwrap();
        broker.kill();
        let publication = publication("during", 0);
        let publishing = eventually("it to be published", async || {
            let published = publisher.publish(&publication).await;
            if let Err(err) = &published {
                assert_eq!(err.cure(), PublishCure::Retry, "{err}");
            }
            published.ok()
        });
        let restarting = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            broker.restart().await;
        };
        tokio::join!(publishing, restarting);
        publisher.close().await;
        let records = broker.records("outcomes").await;
        let last = records.last().unwrap();
        assert_eq!(last.headers["ce_id"], "during");
        assert!(records.len() >= 2);
    }
}

#[cfg(feature = "nats")]
mod nats {
    use std::{sync::Arc, time::Duration};

    use async_nats::jetstream::stream::Config;
    use futures_util::StreamExt as _;
    use oktabus::{
        command::publisher::{self, Publication, PublishCure, Records},
        config::{CreateStream, Encoding, IntakeConfig, NatsAuth, NatsSink, SinkConfig},
        message::{Template, TemplateUse},
    };

    use super::{assert_judged, open, publication};
    use crate::support::{
        judges::messages::messages_judge,
        nats::{NatsServer, listen},
        tools::eventually,
    };

    const STREAM: &str = "OUTCOMES";
    const SUBJECT: &str = "okta.acme.outcomes";

    async fn server() -> NatsServer {
        let server = NatsServer::start().await;
        let subjects = vec!["okta.acme.>".to_owned()];
        let config =
            Config { name: STREAM.to_owned(), subjects, max_message_size: 20_000, ..Config::default() };
        server.create_stream(config).await;
        server
    }

    fn sink(server: &NatsServer, encoding: Encoding) -> SinkConfig {
        SinkConfig::Nats(NatsSink {
            name: "events".to_owned(),
            bus: Arc::new(server.bus(NatsAuth::None)),
            stream: STREAM.to_owned(),
            subject: Template::parse(SUBJECT, TemplateUse::Subject).unwrap(),
            key: Template::parse("{user|org}", TemplateUse::Key).unwrap(),
            encoding,
            create: None,
            unacknowledged_max: 1_024,
            transactions: None,
        })
    }

    #[tokio::test]
    async fn outcomes_are_read_by_another_client() {
        for encoding in [Encoding::Binary, Encoding::Structured] {
            let server = server().await;
            let publisher = open(&sink(&server, encoding), "provisioning");
            // The last two are copies of what the stream has already.
            for publication in [
                publication("cmd-1", 0),
                publication("cmd-1", 1),
                publication(super::ODD_ID, 0),
                publication("cmd-1", 0),
                publication(super::ODD_ID, 0),
            ] {
                publisher.publish(&publication).await.unwrap();
            }
            publisher.close().await;
            let messages = messages_judge(&["nats", &server.url(), STREAM], "").await;
            assert_judged(&messages, SUBJECT);
        }
    }

    #[tokio::test]
    async fn the_same_outcome_goes_to_several_subjects_of_one_stream() {
        let server = server().await;
        let publisher = open(&sink(&server, Encoding::Binary), "provisioning");
        publisher.publish(&publication("cmd-1", 0)).await.unwrap();
        publisher.publish(&publication("cmd-1", 0).to("okta.acme.replies.1")).await.unwrap();
        publisher.close().await;
        let subjects: Vec<_> = server.stored(STREAM).await.into_iter().map(|stored| stored.subject).collect();
        assert_eq!(subjects, [SUBJECT, "okta.acme.replies.1"]);
    }

    #[tokio::test]
    async fn no_stream_stores_a_secret_but_those_that_may() {
        let server = server().await;
        let secret =
            Publication { is_secret: true, ..publication("cmd-1", 0).in_reply_to("okta.acme.private") };
        let publisher = open(&sink(&server, Encoding::Binary), "hr");
        for told in [publisher.publish(&secret).await, publisher.require_private("okta.acme.private").await] {
            let told = told.unwrap_err();
            assert_eq!(told.cure(), PublishCure::Elsewhere, "{told}");
            assert!(told.to_string().contains("the stream `OUTCOMES` would store the secrets"), "{told}");
        }
        publisher.require_private("replies.private").await.unwrap();
        publisher.close().await;
        assert!(server.stored(STREAM).await.is_empty());

        let named = [STREAM.to_owned()];
        let publisher =
            publisher::open(&sink(&server, Encoding::Binary), "hr", Records::Outcomes, &named).unwrap();
        publisher.require_private("okta.acme.private").await.unwrap();
        publisher.publish(&secret).await.unwrap();
        publisher.close().await;
        assert_eq!(server.stored(STREAM).await.len(), 1);
    }

    #[tokio::test]
    async fn a_command_is_in_the_stream_of_the_intake_or_nowhere() {
        let server = NatsServer::start().await;
        let stream = |name: &str, subject: &str| Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            ..Config::default()
        };
        let intake = IntakeConfig::Nats {
            bus: Arc::new(server.bus(NatsAuth::None)),
            stream: "COMMANDS".to_owned(),
            subject: "okta.acme.commands.>".to_owned(),
            durable: "oktabus".to_owned(),
        };
        let queue = publisher::open_queue(&intake, "hr").unwrap();
        let command = Publication::command("hr", "c-1", None, "{}".into()).to("okta.acme.commands.user.get");
        let told = queue.publish(&command).await.unwrap_err().to_string();
        assert!(
            told.contains("no stream takes subject") && told.contains("nats stream add COMMANDS"),
            "{told}"
        );

        server.create_stream(stream("OKTA", "okta.>")).await;
        let told = queue.publish(&command).await.unwrap_err().to_string();
        for part in ["the stream `OKTA` takes", "reads the stream `COMMANDS`", "nats stream add COMMANDS"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(server.stored("OKTA").await.is_empty());

        server.jetstream().await.update_stream(stream("OKTA", "okta.acme.ocsf.>")).await.unwrap();
        server.create_stream(stream("COMMANDS", "okta.acme.commands.>")).await;
        queue.publish(&command).await.unwrap();
        queue.close().await;
        assert_eq!(server.stored("COMMANDS").await.len(), 1);
    }

    fn create() -> CreateStream {
        CreateStream {
            replicas: 1,
            duplicate_window: Duration::from_secs(120),
            max_age: Duration::ZERO,
            max_bytes: None,
        }
    }

    #[tokio::test]
    async fn the_stream_of_a_sink_that_may_create_it_is_there_for_outcomes() {
        let server = NatsServer::start().await;
        let SinkConfig::Nats(sink) = sink(&server, Encoding::Binary) else { panic!("it is NATS") };
        let creating = SinkConfig::Nats(NatsSink { create: Some(create()), ..sink });
        let publisher = open(&creating, "provisioning");
        publisher.publish(&publication("cmd-1", 0)).await.unwrap();
        assert_eq!(server.stored(STREAM).await.len(), 1);
        // Where nothing is kept, an outcome is not done with.
        let elsewhere = publisher.publish(&publication("cmd-2", 0).to("elsewhere")).await.unwrap_err();
        assert!(elsewhere.to_string().contains("no stream takes subject `elsewhere`"), "{elsewhere}");
        publisher.close().await;
    }

    #[tokio::test]
    async fn a_stream_that_is_there_and_takes_the_outcomes_is_enough() {
        let server = NatsServer::start().await;
        let narrow = Config {
            name: "NARROW".to_owned(),
            subjects: vec!["okta.acme.>".to_owned()],
            ..Config::default()
        };
        server.create_stream(narrow).await;
        let SinkConfig::Nats(sink) = sink(&server, Encoding::Binary) else { panic!("it is NATS") };
        let creating = SinkConfig::Nats(NatsSink {
            stream: "NARROW".to_owned(),
            subject: Template::parse("okta.{org}.{format}.{event_type}", TemplateUse::Subject).unwrap(),
            create: Some(create()),
            ..sink
        });
        let address = "okta.acme.outcomes.user.get";
        let checked = publisher::check(&creating, &[address.to_owned()].into()).await.unwrap();
        assert!(checked[0].text.contains("are taken by a stream"), "{checked:?}");
        let publisher = open(&creating, "provisioning");
        publisher.publish(&publication("cmd-1", 0).to(address)).await.unwrap();
        publisher.close().await;
        assert_eq!(server.stored("NARROW").await.len(), 1);
    }

    #[tokio::test]
    async fn a_reply_reaches_one_who_listens_without_a_stream() {
        let server = server().await;
        let client = server.jetstream().await.client();
        let inbox = client.new_inbox();
        let mut replies = listen(&client, inbox.clone()).await;
        let publisher = open(&sink(&server, Encoding::Binary), "provisioning");
        let sent = publication("cmd-1", 0).in_reply_to(inbox);
        publisher.publish(&sent).await.unwrap();
        let reply = tokio::time::timeout(Duration::from_secs(10), replies.next()).await.unwrap().unwrap();
        assert_eq!(reply.payload, sent.payload);
        assert_eq!(reply.headers.unwrap().get("ce-id").unwrap().as_str(), "cmd-1");
        publisher.close().await;
    }

    #[tokio::test]
    async fn what_cannot_be_published_says_what_cures_it() {
        let server = server().await;
        let publisher = open(&sink(&server, Encoding::Binary), "p");
        let mut large = publication("large", 0);
        for bytes in [30_000, 2 << 20] {
            large.payload = format!("\"{}\"", "x".repeat(bytes)).into();
            let refusal = publisher.publish(&large).await.unwrap_err();
            assert_eq!(refusal.cure(), PublishCure::Smaller, "{refusal}");
        }
        let nowhere = publisher.publish(&publication("nowhere", 0).to("two words")).await.unwrap_err();
        assert_eq!(nowhere.cure(), PublishCure::Elsewhere, "{nowhere}");
        publisher.publish(&publication("good", 0)).await.unwrap();
        server.jetstream().await.delete_stream(STREAM).await.unwrap();
        let gone = publisher.publish(&publication("gone", 0)).await.unwrap_err();
        assert_eq!(gone.cure(), PublishCure::Retry);
        assert!(gone.to_string().contains("no stream takes subject"), "{gone}");
        publisher.close().await;
    }

    #[tokio::test]
    async fn where_we_may_not_publish_somebody_must_allow_it_and_elsewhere_all_goes_on() {
        let permissions = "authorization { users = [{ user: some, password: some, permissions: { \
                           publish: { deny: [\"okta.acme.denied\"] } } }] }\nno_auth_user: some";
        let server = NatsServer::start_with(permissions).await;
        let subjects = vec!["okta.acme.>".to_owned()];
        server.create_stream(Config { name: STREAM.to_owned(), subjects, ..Config::default() }).await;
        let publisher = open(&sink(&server, Encoding::Binary), "p");
        for _ in 0..2 {
            let denied =
                publisher.publish(&publication("c", 0).in_reply_to("okta.acme.denied")).await.unwrap_err();
            assert!(denied.needs_somebody(), "{denied}");
            publisher.publish(&publication("c", 0)).await.unwrap();
        }
        publisher.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restart_of_the_server_is_survived() {
        let mut server = server().await;
        let publisher = open(&sink(&server, Encoding::Binary), "p");
        publisher.publish(&publication("before", 0)).await.unwrap();
        server.kill();
        let publication = publication("during", 0);
        assert_eq!(publisher.publish(&publication).await.unwrap_err().cure(), PublishCure::Retry);
        server.restart().await;
        eventually("it to be published", async || publisher.publish(&publication).await.ok()).await;
        publisher.close().await;
        let ids: Vec<_> = server
            .stored(STREAM)
            .await
            .iter()
            .map(|stored| stored.header("ce-id").unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["before", "during"]);
    }
}
