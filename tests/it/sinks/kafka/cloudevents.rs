//! What PyPI's cloudevents makes of records, read by another client.

use oktabus::{config::Encoding, sink::SinkFactory as _};

use super::{sink, topic_name};
use crate::{
    sinks::judged::{assert_bytes, assert_judged, batches},
    support::{judges::messages::messages_judge, kafka::Broker},
};

#[tokio::test]
async fn both_forms_are_read_by_cloudevents_own_library() {
    let broker = Broker::shared().await;
    for encoding in [Encoding::Binary, Encoding::Structured] {
        let topic = topic_name();
        broker.create_topic(&topic, 3, &[]).await;
        for (origin, batch) in batches() {
            let mut sink = sink(broker.bus(), &topic, encoding).open(&origin, None).await.unwrap();
            assert_eq!(sink.publish(&batch, 0).await.unwrap().await.unwrap().rejected(), []);
            sink.close().await;
        }
        let messages = messages_judge(&["kafka", &broker.bus().brokers[0], &topic], "").await;
        assert_judged(&messages);
        for message in &messages {
            let headers = message["headers"].as_object().unwrap();
            assert_eq!(
                message["key"], message["event"]["partitionkey"],
                "the key is what the binding maps it from"
            );
            match encoding {
                Encoding::Binary => {
                    assert_eq!(headers["ce_partitionkey"], message["key"]);
                    assert_eq!(headers["content-type"], "application/json");
                }
                Encoding::Structured => {
                    assert_eq!(headers["content-type"], "application/cloudevents+json; charset=UTF-8");
                }
            }
        }
        if encoding == Encoding::Binary {
            assert_bytes(&messages);
        }
    }
}
