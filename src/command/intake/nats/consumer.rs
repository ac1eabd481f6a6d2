//! The durable consumer: found and checked, or created at the position of the queue.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, Config, Consumer, DeliverPolicy, FromConsumer as _, Info, pull},
    context::ConsumerInfoErrorKind,
    stream::{ConsumerErrorKind, RetentionPolicy, Stream},
};

use super::{NatsQueue, acknowledgement::ConsumerState};
use crate::{
    bus::{
        BusError,
        nats::{
            connection::Connection,
            rejection,
            stream::{find, unanswered},
        },
    },
    message::subject,
};

/// How long the server waits for an acknowledgement or a progress message before it delivers again.
const ACK_WAIT: Duration = Duration::from_secs(60);
/// With a shorter wait, a message might be delivered again between two progress messages.
const ACK_WAIT_MIN: Duration = Duration::from_secs(15);
/// The most unacknowledged messages of all replicas together, including those to be delivered again.
const ACK_PENDING_MAX: i64 = 4_096;

/// The consumer of `queue`. It is created at the position that `state` has of the queue, if that is of the same stream.
pub(super) async fn find_or_create(
    connection: &Connection,
    queue: &NatsQueue,
    state: &ConsumerState,
) -> Result<Consumer<pull::Config>, BusError> {
    let stream = stream_of(connection, queue).await?;
    let floor = {
        let mut pending = state.pending();
        pending.enter_stream(stream.cached_info().created.unix_timestamp_nanos());
        pending.floor()
    };
    match info_of(connection, queue, &stream).await? {
        Some(info) => existing(connection, queue, info),
        None => create(connection, queue, &stream, floor).await,
    }
}

/// A description of the stream and the consumer of `queue`, for people. Creates nothing.
pub(super) async fn look(connection: &Connection, queue: &NatsQueue) -> Result<String, BusError> {
    let stream = stream_of(connection, queue).await?;
    let NatsQueue { stream: stream_name, durable, .. } = queue;
    let Some(info) = info_of(connection, queue, &stream).await? else {
        let messages = stream.cached_info().state.messages;
        return Ok(format!(
            "the stream {stream_name} has {messages} message(s), and the consumer {durable} will be created"
        ));
    };
    judge(queue, &info.config)?;
    let (waiting, at_work) = (info.num_pending, info.num_ack_pending);
    Ok(format!("the consumer {durable} has {waiting} message(s) waiting, and {at_work} at work"))
}

async fn stream_of(connection: &Connection, queue: &NatsQueue) -> Result<Stream, BusError> {
    let NatsQueue { name, stream: stream_name, subject, .. } = queue;
    let stream = find(connection, name, stream_name).await?.ok_or_else(|| {
        misconfigured(
            queue,
            format!(
                "stream `{stream_name}` does not exist: create it with \
                 `nats stream add {stream_name} --subjects '{subject}' --storage file --retention work --defaults`"
            ),
        )
    })?;
    let subjects = &stream.cached_info().config.subjects;
    if !subjects.iter().any(|pattern| subject::overlap(pattern, subject)) {
        let subjects = subjects.join(", ");
        return Err(misconfigured(
            queue,
            format!(
                "stream `{stream_name}` takes {subjects}, and not `{subject}`: no command would ever come"
            ),
        ));
    }
    Ok(stream)
}

/// The server's data of the consumer; none if it does not exist.
async fn info_of(
    connection: &Connection,
    queue: &NatsQueue,
    stream: &Stream,
) -> Result<Option<Info>, BusError> {
    let NatsQueue { name, stream: stream_name, durable, .. } = queue;
    let err = match stream.consumer_info(durable).await {
        Ok(info) => return Ok(Some(info)),
        Err(err) => err,
    };
    match err.kind() {
        ConsumerInfoErrorKind::NotFound => Ok(None),
        ConsumerInfoErrorKind::JetStream(err) => Err(rejection::of_jetstream(name, stream_name, &err)),
        ConsumerInfoErrorKind::InvalidName => {
            Err(misconfigured(queue, format!("`{durable}` is not the name of a consumer")))
        }
        _ => Err(unanswered(&connection.link, name, &err)),
    }
}

fn existing(
    connection: &Connection,
    queue: &NatsQueue,
    info: Info,
) -> Result<Consumer<pull::Config>, BusError> {
    judge(queue, &info.config)?;
    if info.config.ack_wait < ACK_WAIT_MIN {
        tracing::warn!(
            intake = queue.name,
            consumer = queue.durable,
            "the consumer waits for less than {ACK_WAIT_MIN:?} for a word about a message: raise its `ack_wait`, or commands \
             come again while they are carried out"
        );
    }
    let config = pull::Config::try_from_consumer_config(info.config.clone());
    let config = config.map_err(|err| unfit(queue, &format!("cannot be used: {err}")))?;
    Ok(Consumer::new(config, info, connection.jetstream.clone()))
}

/// Settings without which commands would be lost, or wrong ones would be read.
fn judge(queue: &NatsQueue, config: &Config) -> Result<(), BusError> {
    if config.deliver_subject.is_some() {
        return Err(unfit(queue, "pushes its messages, and commands are pulled"));
    }
    if config.ack_policy != AckPolicy::Explicit {
        return Err(unfit(queue, "does not have the acknowledgement policy `explicit`"));
    }
    if config.max_deliver > 0 {
        return Err(unfit(
            queue,
            "gives up a message after some deliveries (`max_deliver`): a command would be lost without a word",
        ));
    }
    if !config.priority_groups.is_empty() {
        return Err(unfit(queue, "gives its messages to members of a priority group only"));
    }
    if config.headers_only {
        return Err(unfit(queue, "gives headers only"));
    }
    let is_ours = config.filter_subject == queue.subject
        || config.filter_subjects.iter().all(|filter| *filter == queue.subject)
            && !config.filter_subjects.is_empty();
    if !is_ours {
        return Err(unfit(queue, &format!("has another filter than `{}`", queue.subject)));
    }
    Ok(())
}

async fn create(
    connection: &Connection,
    queue: &NatsQueue,
    stream: &Stream,
    floor: u64,
) -> Result<Consumer<pull::Config>, BusError> {
    let NatsQueue { name, stream: stream_name, subject, durable, .. } = queue;
    let info = stream.cached_info();
    let deliver_policy = match info.config.retention {
        // A work queue holds only unacknowledged messages, and allows no other policy.
        RetentionPolicy::WorkQueue => DeliverPolicy::All,
        // Somebody deleted our consumer. What it had acknowledged must not be delivered again.
        _ if floor > 0 && floor <= info.state.last_sequence => {
            DeliverPolicy::ByStartSequence { start_sequence: floor + 1 }
        }
        _ => DeliverPolicy::All,
    };
    let config = pull::Config {
        durable_name: Some(durable.clone()),
        description: Some(format!("oktabus: commands `{name}`")),
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: ACK_PENDING_MAX,
        filter_subject: subject.clone(),
        ..pull::Config::default()
    };
    let err = match stream.create_consumer(config).await {
        Ok(consumer) => {
            tracing::info!(
                intake = name,
                stream = stream_name,
                consumer = durable,
                floor,
                "created the consumer"
            );
            return Ok(consumer);
        }
        Err(err) => err,
    };
    match err.kind() {
        ConsumerErrorKind::JetStream(err) => Err(misconfigured(
            queue,
            format!("consumer `{durable}` cannot be created on stream `{stream_name}`: {err}"),
        )),
        _ => Err(unanswered(&connection.link, name, &err)),
    }
}

fn unfit(queue: &NatsQueue, what: &str) -> BusError {
    let NatsQueue { stream, durable, .. } = queue;
    misconfigured(
        queue,
        format!(
            "consumer `{durable}` of stream `{stream}` {what}: let oktabus create one of its own by naming another in \
             `durable`, or change it"
        ),
    )
}

fn misconfigured(queue: &NatsQueue, reason: String) -> BusError {
    BusError::Misconfigured { name: queue.name.clone(), reason }
}
