//! The stream that must hold our subjects: found or created, and judged by what can be seen of it.

use std::{error::Error, time::Duration};

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind, RequestError, RequestErrorKind},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream},
};

use super::{connection::Connection, refusal};
use crate::{
    config::{CreateStream, NatsSink},
    event::subject,
    sink::{Finding, SinkError},
};

/// What a stream's duplicate window should at least be: JetStream's own default.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(120);

/// The stream called `stream`, if it exists; `name` is who asks.
pub(crate) async fn find(
    connection: &Connection,
    name: &str,
    stream: &str,
) -> Result<Option<Stream>, SinkError> {
    let error = match connection.jetstream.get_stream(stream).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
        GetStreamErrorKind::JetStream(error) => Err(refusal::of_jetstream(name, stream, &error)),
        GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
            Err(misconfigured(name, format!("`{stream}` is not the name of a stream")))
        }
        GetStreamErrorKind::Request => Err(unanswered(connection, name, &error)),
    }
}

/// The stream of `sink`, created where that is wanted, and fit to take messages on all of `subjects`.
pub(crate) async fn find_or_create(
    connection: &Connection,
    sink: &NatsSink,
    subjects: &str,
) -> Result<Stream, SinkError> {
    let stream = match (find(connection, &sink.name, &sink.stream).await?, &sink.create) {
        (Some(stream), _) => stream,
        (None, Some(create)) => self::create(connection, sink, create).await?,
        (None, None) => return Err(missing(sink)),
    };
    let config = &stream.cached_info().config;
    require(sink, config, subjects)?;
    for warning in warnings(config) {
        tracing::warn!(sink = sink.name, warning = warning.text, "the stream may not keep what it is given");
    }
    Ok(stream)
}

/// Creates the stream on all subjects that the template can give, because other routes may use the sink as well.
async fn create(
    connection: &Connection,
    sink: &NatsSink,
    create: &CreateStream,
) -> Result<Stream, SinkError> {
    let subjects = vec![sink.subject.wildcard(None)];
    let config = Config {
        name: sink.stream.clone(),
        subjects,
        storage: StorageType::File,
        num_replicas: create.replicas,
        duplicate_window: create.duplicate_window,
        max_age: create.max_age,
        max_bytes: create.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        // A full stream then holds us up, where the other policy would lose what nobody has read yet.
        discard: DiscardPolicy::New,
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
            Err(refusal::of_jetstream(&sink.name, &sink.stream, &error))
        }
        CreateStreamErrorKind::EmptyStreamName | CreateStreamErrorKind::InvalidStreamName => {
            Err(misconfigured(&sink.name, format!("`{}` is not the name of a stream", sink.stream)))
        }
        _ => Err(unanswered(connection, &sink.name, &error)),
    }
}

/// What must hold, or messages on `subjects` cannot be delivered.
fn require(sink: &NatsSink, stream: &Config, subjects: &str) -> Result<(), SinkError> {
    if stream.no_ack {
        let name = &stream.name;
        return Err(misconfigured(
            &sink.name,
            format!("stream `{name}` acknowledges nothing: set its `no_ack` to false"),
        ));
    }
    if !stream.subjects.iter().any(|pattern| subject::covers(pattern, subjects)) {
        return Err(outside(sink, stream, subjects));
    }
    Ok(())
}

/// What a stream needs that has no place for our messages.
pub(super) fn outside(sink: &NatsSink, stream: &Config, subjects: &str) -> SinkError {
    let (name, patterns) = (&stream.name, stream.subjects.join(", "));
    misconfigured(
        &sink.name,
        format!("stream `{name}` takes {patterns}, and not `{subjects}`: add that to its subjects"),
    )
}

/// What a missing stream needs.
pub(super) fn missing(sink: &NatsSink) -> SinkError {
    let (stream, subjects) = (&sink.stream, sink.subject.wildcard(None));
    misconfigured(
        &sink.name,
        format!(
            "stream `{stream}` does not exist: set `create`, or run \
             `nats stream add {stream} --subjects '{subjects}' --storage file --dupe-window 2m --defaults`"
        ),
    )
}

/// What somebody should change, though messages are delivered as it is.
pub(super) fn warnings(stream: &Config) -> Vec<Finding> {
    let name = &stream.name;
    let mut warnings = Vec::new();
    if stream.storage == StorageType::Memory {
        warnings.push(format!(
            "stream `{name}` is kept in memory and lost when its servers stop: use file storage"
        ));
    }
    if stream.duplicate_window < DUPLICATE_WINDOW_MIN {
        warnings.push(format!(
            "stream `{name}` recognises a duplicate for {:?} only: set its duplicate window to 2m or more",
            stream.duplicate_window
        ));
    }
    if stream.retention == RetentionPolicy::Interest {
        warnings.push(format!(
            "stream `{name}` drops at once what no consumer is interested in: use the retention `limits`"
        ));
    }
    warnings.into_iter().map(|text| Finding { is_warning: true, text }).collect()
}

/// The stream as it is, in one line.
pub(super) fn summary(stream: &Info) -> String {
    let config = &stream.config;
    let storage = match config.storage {
        StorageType::File => "file",
        StorageType::Memory => "memory",
    };
    format!(
        "stream `{}` on {}: {storage} storage, {} replica(s), duplicate window {:?}, {} messages",
        config.name,
        config.subjects.join(", "),
        config.num_replicas,
        config.duplicate_window,
        stream.state.messages
    )
}

/// No answer from the JetStream API: nobody listens there, or the server complained beside it, or it is silent.
pub(crate) fn unanswered(connection: &Connection, name: &str, error: &(dyn Error + 'static)) -> SinkError {
    let request_error = error.source().and_then(|source| source.downcast_ref::<RequestError>());
    if request_error.is_some_and(|error| error.kind() == RequestErrorKind::NoResponders) {
        return misconfigured(
            name,
            "nobody answers for JetStream: enable it on the server and for the account".to_owned(),
        );
    }
    connection.link.denial().unwrap_or_else(|| SinkError::Unreachable {
        sink: name.to_owned(),
        reason: format!("JetStream does not answer: {error}"),
    })
}

fn misconfigured(name: &str, reason: String) -> SinkError {
    SinkError::Misconfigured { sink: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_weakness_of_a_stream_is_told() {
        let sound = Config { duplicate_window: DUPLICATE_WINDOW_MIN, ..Config::default() };
        assert_eq!(warnings(&sound), []);
        let weak = Config {
            storage: StorageType::Memory,
            duplicate_window: Duration::from_millis(100),
            retention: RetentionPolicy::Interest,
            ..Config::default()
        };
        assert_eq!(warnings(&weak).len(), 3);
        assert!(warnings(&weak)[1].text.contains("100ms"));
    }
}
