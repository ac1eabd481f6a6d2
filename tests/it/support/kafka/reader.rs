//! Reads a topic from its beginning to its end.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Vec<u8>,
}

/// Reads what is committed in all partitions of `topic`. Blocking.
pub(super) fn read(client: &mut ClientConfig, topic: &str) -> Vec<Record> {
    client.set("group.id", "reader").set("enable.auto.commit", "false");
    client.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = client.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut unfinished = metadata.topics()[0].partitions().len();

    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut records = Vec::new();
    while unfinished > 0 {
        match consumer.poll(PATIENCE).expect("the broker delivers nothing") {
            Ok(message) => records.push(record(&message)),
            Err(KafkaError::PartitionEOF(_)) => unfinished -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let text = |bytes: Option<&[u8]>| str::from_utf8(bytes.unwrap_or_default()).unwrap().to_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Record {
        partition: message.partition(),
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}
