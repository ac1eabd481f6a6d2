//! Reads the latest committed record of one key in a topic, over all its partitions, and stays ready to read on.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaErrorCode as Code,
};
use tokio_util::sync::CancellationToken;

use super::{
    fault::Fault,
    last_error::{self, LastError},
    properties::consumer_config,
    token::Tokens,
    transactions::repeat,
};
use crate::config::KafkaBus;

/// The client wants a group; nothing ever joins this one or commits an offset in it.
const GROUP: &str = "oktabus-checkpoints";
/// How long the cluster may take to tell of the topic.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long one call of the client blocks.
const STEP: Duration = Duration::from_millis(250);

/// A consumer of a topic that looks for one key.
pub(crate) struct LatestReader {
    consumer: BaseConsumer<Context>,
    key: String,
    partitions: Vec<i32>,
    /// Where each partition was read up to.
    read: BTreeMap<i32, i64>,
    latest: Option<Latest>,
}

/// The latest record of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) partition: i32,
    /// None: it was deleted.
    pub(crate) value: Option<Bytes>,
    timestamp_ms: i64,
}

/// Receives the callbacks of the consumer.
struct Context {
    name: String,
    topic: String,
    brokers: String,
    last_error: LastError,
    tokens: Option<Tokens>,
}

impl LatestReader {
    /// A reader of `key` in `topic` for the sink `name`, which has read nothing yet. Blocking.
    pub(crate) fn open(name: &str, bus: &Arc<KafkaBus>, topic: &str, key: &str) -> Result<Self, Fault> {
        let properties = consumer_config(bus, GROUP)?;
        let context = Context {
            name: name.to_owned(),
            topic: topic.to_owned(),
            brokers: bus.brokers.join(","),
            last_error: LastError::default(),
            tokens: Tokens::of(bus),
        };
        let consumer: BaseConsumer<Context> =
            properties.create_with_context(context).map_err(|err| Fault::from_client(&err, topic))?;
        let mut reader = Self {
            consumer,
            key: key.to_owned(),
            partitions: Vec::new(),
            read: BTreeMap::new(),
            latest: None,
        };
        reader.assign()?;
        Ok(reader)
    }

    /// The partitions of the topic.
    pub(crate) fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// The latest record of those that were read.
    pub(crate) fn latest(&self) -> Option<&Latest> {
        self.latest.as_ref()
    }

    /// Where what is committed ends in each partition. Blocking.
    pub(crate) fn committed_ends(&self, token: &CancellationToken) -> Result<Vec<(i32, i64)>, Fault> {
        let end = |partition: &i32| {
            let (_, high) = self.watermarks(*partition, token)?;
            Ok((*partition, high))
        };
        self.partitions.iter().map(end).collect()
    }

    /// Reads until everything before `ends` is read. Blocking.
    pub(crate) fn read_until(
        &mut self,
        ends: &[(i32, i64)],
        patience: Duration,
        token: &CancellationToken,
    ) -> Result<(), Fault> {
        let start = Instant::now();
        for (partition, end) in ends {
            if self.read.get(partition).is_some_and(|read| read > end) {
                return Err(Fault::Poisoned(format!(
                    "the topic `{}` has lost its end or was created anew, and is read from its beginning",
                    self.topic()
                )));
            }
            // What is deleted is read.
            let (low, _) = self.watermarks(*partition, token)?;
            let read = self.read.entry(*partition).or_insert(low);
            *read = (*read).max(low);
        }
        loop {
            self.note_positions();
            let behind =
                |(partition, end): &&(i32, i64)| self.read.get(partition).is_none_or(|read| read < end);
            let Some((partition, end)) = ends.iter().find(behind) else { return Ok(()) };
            if token.is_cancelled() || start.elapsed() >= patience {
                return Err(self.too_late(*partition, *end));
            }
            match self.consumer.poll(STEP) {
                Some(Ok(message)) if message.key() == Some(self.key.as_bytes()) => {
                    note(&mut self.latest, Latest::of(&message));
                }
                None | Some(Ok(_)) => {}
                Some(Err(err)) => self.consumer.context().survive(&err)?,
            }
        }
    }

    fn topic(&self) -> &str {
        &self.consumer.context().topic
    }

    fn assign(&mut self) -> Result<(), Fault> {
        let start = Instant::now();
        let topic = self.topic().to_owned();
        let metadata = loop {
            let asked = self.consumer.fetch_metadata(Some(&topic), STEP * 4);
            while let Some(told) = self.consumer.poll(Duration::ZERO) {
                if let Err(err) = told {
                    self.consumer.context().survive(&err)?;
                }
            }
            match asked {
                Ok(metadata) => break metadata,
                Err(err) if start.elapsed() >= ANSWER_PATIENCE => {
                    return Err(self.consumer.context().told(&err));
                }
                Err(_) => {}
            }
        };
        let Some(found) = metadata.topics().first() else {
            return Err(Fault::from_code(Code::UnknownTopicOrPartition, &topic, ""));
        };
        if let Some(code) = found.error().map(Code::from) {
            return Err(self.consumer.context().fault(code, &code.to_string()));
        }
        let mut list = TopicPartitionList::with_capacity(found.partitions().len());
        for partition in found.partitions() {
            let added = list.add_partition_offset(&topic, partition.id(), Offset::Beginning);
            added.map_err(|err| Fault::from_client(&err, &topic))?;
            self.partitions.push(partition.id());
        }
        self.consumer.assign(&list).map_err(|err| Fault::from_client(&err, &topic))
    }

    /// Where a partition begins, and where what is committed of it ends. Blocking.
    fn watermarks(&self, partition: i32, token: &CancellationToken) -> Result<(i64, i64), Fault> {
        let mut watermarks = (0, 0);
        let asked = repeat(
            ANSWER_PATIENCE,
            || token.is_cancelled(),
            || {
                watermarks = self.consumer.fetch_watermarks(self.topic(), partition, STEP * 4)?;
                Ok(())
            },
        );
        match asked {
            Ok(()) => Ok(watermarks),
            Err(Some(err)) => Err(self.consumer.context().told(&err)),
            Err(None) => Err(Fault::Unreachable("the sink was closed".to_owned())),
        }
    }

    /// The client counts the ends of transactions too, which it does not give out.
    fn note_positions(&mut self) {
        let Ok(positions) = self.consumer.position() else { return };
        for element in positions.elements() {
            if let Offset::Offset(offset) = element.offset() {
                let read = self.read.entry(element.partition()).or_insert(offset);
                *read = (*read).max(offset);
            }
        }
    }

    fn too_late(&self, partition: i32, end: i64) -> Fault {
        let topic = self.topic();
        let read = self.read.get(&partition).copied().unwrap_or_default();
        self.consumer.context().last_error.last().unwrap_or_else(|| {
            Fault::Unreachable(format!(
                "the last checkpoint is not known: partition {partition} of the topic `{topic}` was written up to offset {end}, \
                 and is neither committed nor aborted from offset {read} on: either a transaction of another route is open, \
                 and ends soon, or the brokers have lost one, as they may when they are killed: then find it with \
                 `kafka-transactions.sh --bootstrap-server {} find-hanging --max-transaction-timeout 1 --topic {topic}`, and \
                 look for it in the topics of events too; end it wherever it hangs with `kafka-transactions.sh … abort`",
                self.consumer.context().brokers
            ))
        })
    }
}

impl std::fmt::Debug for LatestReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("LatestReader");
        shown.field("topic", &self.topic()).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Latest {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition(),
            value: message.payload().map(Bytes::copy_from_slice),
            timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        }
    }
}

/// Within a partition the later record wins. A key is in several partitions only if somebody else wrote it there; then its
/// time decides.
fn note(latest: &mut Option<Latest>, found: Latest) {
    let is_later = latest.as_ref().is_none_or(|latest| {
        latest.partition == found.partition || latest.timestamp_ms <= found.timestamp_ms
    });
    if is_later {
        *latest = Some(found);
    }
}

impl Context {
    /// Notes `err`, and returns it if it does not pass.
    fn survive(&self, err: &KafkaError) -> Result<(), Fault> {
        let fault = self.told(err);
        match err.rdkafka_error_code() {
            // The client looks for a group that it does not need.
            None | Some(Code::GroupAuthorizationFailed) => return Ok(()),
            Some(code) => self.last_error.note(code, fault.clone()),
        }
        let is_fatal = matches!(err, KafkaError::MessageConsumptionFatal(_));
        if is_fatal || fault.is_specific() { Err(fault) } else { Ok(()) }
    }

    fn told(&self, err: &KafkaError) -> Fault {
        match err.rdkafka_error_code() {
            Some(code) => self.fault(code, &code.to_string()),
            None => Fault::from_client(err, &self.topic),
        }
    }

    fn fault(&self, code: Code, told: &str) -> Fault {
        match code {
            Code::TopicAuthorizationFailed => Fault::Refused(format!(
                "TOPIC_AUTHORIZATION_FAILED: this user may not read the topic `{}`: grant it READ, WRITE and DESCRIBE on the \
                 topic",
                self.topic
            )),
            code => Fault::from_code(code, &self.topic, told),
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        last_error::log(&self.name, level, facility, line);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref().ok_or("the bus names no source of tokens")?;
        Ok(tokens.fetch()?)
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(partition: i32, timestamp_ms: i64, value: &str) -> Latest {
        let value = Some(Bytes::copy_from_slice(value.as_bytes()));
        Latest { partition, value, timestamp_ms }
    }

    #[test]
    fn the_later_record_wins_by_its_place_or_between_partitions_by_its_time() {
        let mut latest = None;
        note(&mut latest, found(1, 500, "first"));
        note(&mut latest, found(1, 400, "second, by a clock that was set back"));
        assert_eq!(latest, Some(found(1, 400, "second, by a clock that was set back")));
        note(&mut latest, found(2, 300, "older, elsewhere"));
        assert_eq!(latest.as_ref().map(|latest| latest.partition), Some(1));
        note(&mut latest, found(2, 600, "newer, elsewhere"));
        assert_eq!(latest.map(|latest| latest.partition), Some(2));
    }
}
