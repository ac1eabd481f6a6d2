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

/// The cluster's own topic that says how each transaction stands.
const TRANSACTIONS: &str = "__transaction_state";

/// Reads what is committed in all partitions of `topic`. Blocking.
pub(super) fn read(client: &mut ClientConfig, topic: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for_each(client, topic, |message| records.push(record(message)));
    records
}

/// Whether the cluster has decided on a transaction whose end it has not yet written everywhere. Blocking.
pub(super) fn has_unwritten_ends(client: &mut ClientConfig) -> bool {
    /// Behind version, producer id, its epoch and the timeout.
    const STATE_AT: usize = 2 + 8 + 2 + 4;
    const PREPARED: [u8; 2] = [2, 3];
    let mut states = BTreeMap::new();
    for_each(client, TRANSACTIONS, |message| {
        let state = message.payload().map(|value| value[STATE_AT]);
        states.insert(message.key().unwrap_or_default().to_vec(), state);
    });
    states.values().flatten().any(|state| PREPARED.contains(state))
}

/// Shows what is committed in all partitions of `topic`; what is in one partition in its order. Blocking.
fn for_each(client: &mut ClientConfig, topic: &str, mut look: impl FnMut(&BorrowedMessage<'_>)) {
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
    while unfinished > 0 {
        match consumer.poll(PATIENCE).expect("the broker delivers nothing") {
            Ok(message) => look(&message),
            Err(KafkaError::PartitionEOF(_)) => unfinished -= 1,
            Err(error) => panic!("{error}"),
        }
    }
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
