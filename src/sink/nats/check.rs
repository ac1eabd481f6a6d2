//! Whether the sink could be used, told to a person. Publishes nothing and creates nothing.

use async_nats::jetstream::stream::Info;

use crate::{
    bus::{
        BusError, Finding,
        nats::{checkpoints, connection::Connection, stream, stream_settings},
    },
    config::NatsSink,
    message::subject,
};

/// Connects and looks at the stream.
pub(in crate::sink) async fn check(sink: &NatsSink) -> Result<Vec<Finding>, BusError> {
    let connection = Connection::open(&sink.name, &sink.bus, sink.unacknowledged_max).await?;
    let server = connection.jetstream.client().server_info();
    let mut findings = vec![found(format!(
        "NATS server {} answers, messages may have {} bytes",
        server.version, server.max_payload
    ))];
    let found_stream = stream::find(&connection, &sink.name, &sink.stream).await?;
    let takes_batches =
        found_stream.as_ref().is_some_and(|stream| stream.cached_info().config.allow_atomic_publish);
    if sink.transactions.is_some() && !takes_batches {
        stream::require_atomic_batches(&connection, &sink.name)?;
    }
    require_room(&connection, sink).await?;
    match found_stream {
        Some(stream) => {
            findings.extend(findings_of(sink, stream.cached_info())?);
            if sink.transactions.is_none() && connection.has_fast_ingest() {
                findings.extend(stream_settings::speed_up(&stream.cached_info().config));
            }
        }
        None if sink.create.is_some() => {
            let mut subjects = vec![sink.subject.wildcard(None)];
            subjects.extend(checkpoint_subjects(sink));
            let subjects = subjects.join("` and `");
            findings.push(found(format!("stream `{}` will be created on `{subjects}`", sink.stream)));
        }
        None => return Err(stream_settings::missing(sink)),
    }
    Ok(findings)
}

fn findings_of(sink: &NatsSink, stream: &Info) -> Result<Vec<Finding>, BusError> {
    stream_settings::require(sink, &stream.config)?;
    let mut findings = vec![found(stream_settings::summary(stream))];
    // Which of these subjects are needed depends on the routes, and each route looks for its own when it starts.
    let subjects = sink.subject.wildcard(None);
    let patterns = &stream.config.subjects;
    if !patterns.iter().any(|pattern| subject::overlap(pattern, &subjects)) {
        return Err(stream_settings::outside(sink, &stream.config, &subjects));
    }
    if !patterns.iter().any(|pattern| subject::covers(pattern, &subjects)) {
        let text =
            format!("the stream takes only some of `{subjects}`: make sure that every route is among them");
        findings.push(Finding { is_warning: true, text });
    }
    findings.extend(stream_settings::warnings(&stream.config));
    findings.extend(stream_settings::fullness(sink, stream)?);
    if let Some(transactions) = &sink.transactions {
        checkpoints::require(sink, transactions, &stream.config)?;
        let subjects = checkpoints::subjects(transactions, &sink.stream);
        findings.push(found(format!(
            "messages are committed exactly once, together with the checkpoint of their route on `{subjects}`"
        )));
        findings.extend(checkpoints::warnings(&stream.config));
    }
    Ok(findings)
}

/// Refuses an account that has no room left. Whether it has is told only to those who may ask.
async fn require_room(connection: &Connection, sink: &NatsSink) -> Result<(), BusError> {
    let Ok(account) = connection.jetstream.query_account().await else { return Ok(()) };
    let limit = account.limits.max_storage.and_then(|max| u64::try_from(max).ok());
    let Some(max) = limit.filter(|max| *max > 0) else { return Ok(()) };
    if account.storage < max {
        return Ok(());
    }
    let reason = format!(
        "the account has stored {} bytes of the {max} that it may, and its streams take nothing more: raise its limit, or \
         remove what they hold",
        account.storage
    );
    Err(stream::misconfigured(&sink.name, reason))
}

fn checkpoint_subjects(sink: &NatsSink) -> Option<String> {
    Some(checkpoints::subjects(sink.transactions.as_ref()?, &sink.stream))
}

fn found(text: String) -> Finding {
    Finding { is_warning: false, text }
}
