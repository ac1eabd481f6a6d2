//! Checks that streams accept what is to be published. Publishes and creates nothing.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;

use super::{super::listed, Connection, NatsSink, PublishError, siblings, stream, stream_of};
use crate::{
    bus::{BusError, Finding},
    command::AddressPattern,
    message::subject,
};

/// Fails unless streams accept all of `subjects`, or will once the sink's own is created.
pub(in crate::command::publisher) async fn check(
    sink: &NatsSink,
    subjects: &BTreeSet<String>,
) -> Result<Vec<Finding>, PublishError> {
    let connection = Connection::open(&sink.name, &sink.bus, 1).await?;
    let (mut left_out, mut takes) = (Vec::new(), "are taken by a stream");
    let own = sink.subject.wildcard(None);
    let will_be_there =
        sink.create.is_some() && stream::find(&connection, &sink.name, &sink.stream).await?.is_none();
    for subject in subjects {
        if will_be_there && subject::covers(&own, subject) {
            takes = "will be taken by the stream that is created";
        } else if stream_of(sink, &connection, subject).await?.is_none() {
            left_out.push(subject);
        }
    }
    if !left_out.is_empty() {
        let stream = &sink.stream;
        let remedy = match stream::find(&connection, &sink.name, stream).await? {
            Some(_) => format!("add them to the subjects of stream `{stream}`"),
            None => {
                let subjects: BTreeSet<_> = left_out.iter().map(|subject| siblings(subject)).collect();
                let subjects = subjects.into_iter().collect::<Vec<_>>().join(",");
                format!(
                    "there is no stream `{stream}` either: create it, for example with `nats stream add {stream} \
                     --subjects '{subjects}' --defaults`"
                )
            }
        };
        let reason = format!(
            "no stream takes {}, and what goes there would wait without end: {remedy}",
            listed(&left_out)
        );
        return Err(BusError::Misconfigured { name: sink.name.clone(), reason }.into());
    }
    let text = format!("all {} subject(s) {takes}", subjects.len());
    Ok(vec![Finding { is_warning: false, text }])
}

/// Fails if a stream, except those of `stored_in`, stores messages to addresses of `private`.
pub(in crate::command::publisher) async fn check_private(
    sink: &NatsSink,
    private: &[AddressPattern],
    stored_in: &[String],
) -> Result<Vec<Finding>, PublishError> {
    let connection = Connection::open(&sink.name, &sink.bus, 1).await?;
    let streams: Vec<_> = match connection.jetstream.streams().try_collect().await {
        Ok(streams) => streams,
        Err(err) => {
            let text = format!(
                "the server does not tell which streams there are ({err}): see yourself that none takes {}",
                listed(private)
            );
            return Ok(vec![Finding { is_warning: true, text }]);
        }
    };
    for stream in streams.iter().filter(|stream| !stored_in.contains(&stream.config.name)) {
        let takes = |private: &&AddressPattern| {
            stream.config.subjects.iter().any(|subjects| subject::overlap(subjects, &private.to_string()))
        };
        if let Some(address) = private.iter().find(takes) {
            let (sink, address) = (sink.name.clone(), address.to_string());
            let reason = format!(
                "the stream `{}` takes {} and would store the secrets: choose an address that no stream takes, or name the \
                 stream in `reveal.stored_in`",
                stream.config.name,
                listed(&stream.config.subjects)
            );
            return Err(PublishError::Address { sink, address, reason });
        }
    }
    Ok(vec![Finding { is_warning: false, text: format!("no other stream takes {}", listed(private)) }])
}
