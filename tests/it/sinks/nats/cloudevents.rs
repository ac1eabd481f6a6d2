//! What another NATS client and PyPI's cloudevents make of messages.

use oktabus::{
    config::{Encoding, NatsAuth, NatsSink, SinkConfig},
    sink::SinkFactory as _,
};

use super::{STREAM, server_with, sink, stream};
use crate::{
    sinks::judged::{assert_bytes, assert_judged, batches},
    support::judges::messages::messages_judge,
};

#[tokio::test]
async fn both_forms_are_read_by_another_client() {
    for encoding in [Encoding::Binary, Encoding::Structured] {
        let server = server_with(stream()).await;
        let config = SinkConfig::Nats(NatsSink { encoding, ..sink(server.bus(NatsAuth::None)) });
        for (origin, batch) in batches() {
            let mut sink = config.open(&origin, None).await.unwrap();
            assert_eq!(sink.publish(&batch, 0).await.unwrap().await.unwrap().rejected(), []);
            sink.close().await;
        }
        let messages = messages_judge(&["nats", &server.url(), STREAM], "").await;
        assert_judged(&messages);
        let subjects: Vec<_> = messages.iter().map(|message| message["address"].as_str().unwrap()).collect();
        assert_eq!(
            subjects[..3],
            ["okta.acme.okta.user.session.start", "okta.acme.okta.a_b._.__._", "okta.acme.okta._"]
        );
        match encoding {
            Encoding::Binary => {
                assert_bytes(&messages);
                let headers = &messages[1]["headers"];
                assert_eq!(headers["ce-subject"], "J%C3%BCrgen%20%22x%22%20100%2525");
                let message_id = headers["Nats-Msg-Id"].as_str().unwrap();
                assert!(message_id.starts_with("acme:h%201%0A%25%C2%85#"), "{message_id}");
            }
            Encoding::Structured => {
                assert!(
                    messages
                        .iter()
                        .all(|message| message["headers"]["Content-Type"] == "application/cloudevents+json")
                );
            }
        }
    }
}
