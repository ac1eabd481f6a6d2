//! Finds or creates the stream that has our subjects. Whether its configuration is suitable is decided in `stream_settings`.

use std::error::Error;

use async_nats::jetstream::{
    Context, ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind, RequestError, RequestErrorKind},
    stream::{Config, DiscardPolicy, StorageType, Stream},
};

use super::{checkpoints, connection::Connection, link::Link, rejection, stream_settings, stream_warnings};
use crate::{
    bus::BusError,
    config::{CreateStream, NatsSink},
    message::subject,
};

/// The stream called `stream`, if it exists, for the sink or commands `name`.
pub(crate) async fn find(
    connection: &Connection,
    name: &str,
    stream: &str,
) -> Result<Option<Stream>, BusError> {
    find_by(&connection.jetstream, &connection.link, name, stream).await
}

async fn find_by(
    jetstream: &Context,
    link: &Link,
    name: &str,
    stream: &str,
) -> Result<Option<Stream>, BusError> {
    let error = match jetstream.get_stream(stream).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
        GetStreamErrorKind::JetStream(error) => Err(rejection::of_jetstream(name, stream, &error)),
        GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
            Err(misconfigured(name, format!("`{stream}` is not the name of a stream")))
        }
        GetStreamErrorKind::Request => Err(unanswered(link, name, &error)),
    }
}

/// The stream of `sink`, created where that is wanted, and fit to take messages on all of `subjects`.
pub(crate) async fn find_or_create(
    connection: &Connection,
    sink: &NatsSink,
    subjects: &str,
) -> Result<Stream, BusError> {
    let stream = match (find(connection, &sink.name, &sink.stream).await?, &sink.create) {
        (Some(stream), _) => stream,
        (None, Some(create)) => self::create(connection, sink, create).await?,
        (None, None) => return Err(stream_settings::missing(sink)),
    };
    let config = &stream.cached_info().config;
    stream_settings::require(sink, config)?;
    if !config.subjects.iter().any(|pattern| subject::covers(pattern, subjects)) {
        return Err(stream_settings::outside(sink, config, subjects));
    }
    let warnings = stream_settings::warnings(config);
    stream_warnings::log_news(&sink.name, "the stream may not keep what it is given", &warnings);
    Ok(stream)
}

/// Creates the stream of `sink` if that is wanted and it is missing. Asks nothing of one that is there: which subjects it needs
/// is known to whoever publishes.
pub(crate) async fn create_if_missing(connection: &Connection, sink: &NatsSink) -> Result<(), BusError> {
    let Some(create) = &sink.create else { return Ok(()) };
    if find(connection, &sink.name, &sink.stream).await?.is_none() {
        self::create(connection, sink, create).await?;
    }
    Ok(())
}

/// Why a message on `subject` got no answer: a stream without a leader is as silent as a missing one.
pub(crate) async fn untaken(jetstream: &Context, link: &Link, sink: &NatsSink, subject: &str) -> BusError {
    let NatsSink { name, stream, .. } = sink;
    let unreachable = |reason: String| BusError::Unreachable { name: name.clone(), reason };
    let info = match find_by(jetstream, link, name, stream).await {
        Ok(Some(found)) => found.cached_info().clone(),
        Ok(None) => return stream_settings::missing(sink),
        Err(BusError::Unreachable { reason, .. }) => {
            return unreachable(format!(
                "no stream takes subject `{subject}`, and the stream cannot be looked up: {reason}"
            ));
        }
        Err(error) => return error,
    };
    if !info.config.subjects.iter().any(|pattern| subject::covers(pattern, subject)) {
        return misconfigured(
            name,
            format!("no stream takes subject `{subject}`: add it to the subjects of stream `{stream}`"),
        );
    }
    let has_leader = info.cluster.is_none_or(|cluster| cluster.leader.is_some());
    unreachable(if has_leader {
        format!("stream `{stream}` had no leader for a moment")
    } else {
        format!(
            "stream `{stream}` has lost its quorum and has no leader: too few of its {} replicas are up",
            info.config.num_replicas
        )
    })
}

/// Refuses a server that takes no atomic batches, without which nothing is delivered exactly once.
pub(crate) fn require_atomic_batches(connection: &Connection, name: &str) -> Result<(), BusError> {
    if connection.has_atomic_batches() {
        return Ok(());
    }
    let version = connection.jetstream.client().server_info().version;
    Err(misconfigured(
        name,
        format!(
            "`exactly_once` needs atomic batches, which NATS servers have since 2.12.1, and this one is {version}: update it"
        ),
    ))
}

/// Creates the stream on all subjects that the template can give, because other routes may use the sink as well.
async fn create(connection: &Connection, sink: &NatsSink, create: &CreateStream) -> Result<Stream, BusError> {
    let mut subjects = vec![sink.subject.wildcard(None)];
    let transactions = sink.transactions.as_ref();
    if let Some(transactions) = transactions {
        require_atomic_batches(connection, &sink.name)?;
        subjects.push(checkpoints::subjects(transactions, &sink.stream));
    }
    let config = Config {
        name: sink.stream.clone(),
        subjects,
        storage: StorageType::File,
        num_replicas: create.replicas,
        duplicate_window: create.duplicate_window,
        max_age: create.max_age,
        max_bytes: create.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        // A full stream then stops the route; the other policy would lose unread messages.
        discard: DiscardPolicy::New,
        // The order of the whole route rests on it.
        allow_atomic_publish: connection.has_atomic_batches(),
        // Of no use elsewhere, see `takes_fast_ingest`. A server before 2.14 would not take the stream over.
        allow_batch_publish: connection.has_fast_ingest() && create.replicas == 1 && transactions.is_none(),
        // A checkpoint takes the place of the last one, and outlives what is dropped for its age.
        allow_rollup: transactions.is_some(),
        allow_message_ttl: transactions.is_some(),
        ..Config::default()
    };
    let error = match connection.jetstream.create_stream(config).await {
        Ok(stream) => {
            tracing::info!(sink = sink.name, stream = sink.stream, "created the stream");
            return Ok(stream);
        }
        Err(error) => error,
    };
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => {
            Err(rejection::of_jetstream(&sink.name, &sink.stream, &error))
        }
        CreateStreamErrorKind::EmptyStreamName | CreateStreamErrorKind::InvalidStreamName => {
            Err(misconfigured(&sink.name, format!("`{}` is not the name of a stream", sink.stream)))
        }
        _ => Err(unanswered(&connection.link, &sink.name, &error)),
    }
}

/// The error for a request to the JetStream API without an answer: no listener, a denied permission, or a timeout.
pub(crate) fn unanswered(link: &Link, name: &str, error: &(dyn Error + 'static)) -> BusError {
    let request_error = error.source().and_then(|source| source.downcast_ref::<RequestError>());
    if request_error.is_some_and(|error| error.kind() == RequestErrorKind::NoResponders) {
        return misconfigured(
            name,
            "JetStream does not answer: enable it on the server and for the account".to_owned(),
        );
    }
    link.denial().unwrap_or_else(|| BusError::Unreachable {
        name: name.to_owned(),
        reason: format!("JetStream does not answer, as when a cluster has lost its quorum: {error}"),
    })
}

pub(crate) fn misconfigured(name: &str, reason: String) -> BusError {
    BusError::Misconfigured { name: name.to_owned(), reason }
}
