//! Whether streams take what is to be published. Publishes and creates nothing.

use std::collections::BTreeSet;

use super::{super::listed, Connection, NatsSink, PublishError, SinkError, stream, stream_of};
use crate::{event::subject, sink::Finding};

/// Whether streams take all of `subjects`, or will once the sink's own is created.
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
        let reason = format!(
            "no stream takes {}, and what goes there would wait without end: add them to the subjects of stream `{}`",
            listed(&left_out),
            sink.stream
        );
        return Err(SinkError::Misconfigured { sink: sink.name.clone(), reason }.into());
    }
    let text = format!("all {} subject(s) {takes}", subjects.len());
    Ok(vec![Finding { is_warning: false, text }])
}
