//! Whether the configuration of a stream suits our messages. Pure: sends no request.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};

use super::{checkpoints, stream::misconfigured};
use crate::{
    bus::{BusError, Finding},
    config::NatsSink,
};

/// What a stream's duplicate window should at least be: JetStream's own default.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(120);
/// Less than most events have with their headers, so that most would become dead letters.
const MESSAGE_BYTES_MIN: i32 = 4 << 10;
/// More than most events have, so that few would.
const MESSAGE_BYTES_ENOUGH: i32 = 256 << 10;

/// From here on a stream is nearly full.
const NEARLY_FULL_PERCENT: u128 = 90;

/// Refuses settings with which no message can be delivered.
pub(crate) fn require(sink: &NatsSink, stream: &Config) -> Result<(), BusError> {
    unfit(stream)
        .map_or(Ok(()), |what| Err(misconfigured(&sink.name, format!("stream `{}` {what}", stream.name))))
}

fn unfit(stream: &Config) -> Option<String> {
    let size = stream.max_message_size;
    if stream.no_ack {
        return Some("acknowledges nothing: set its `no_ack` to false".to_owned());
    }
    if stream.sealed {
        return Some("is sealed and takes nothing more: use another one".to_owned());
    }
    if stream.mirror.is_some() {
        return Some(
            "is a mirror, which takes no messages of its own: use the stream that it mirrors".to_owned(),
        );
    }
    if stream.allow_message_counter {
        return Some("counts, and takes no other messages: use another one".to_owned());
    }
    if (1..MESSAGE_BYTES_MIN).contains(&size) {
        return Some(format!(
            "takes messages of {size} bytes at most, and most events have more: raise its `max_msg_size` to \
             {MESSAGE_BYTES_ENOUGH} or more"
        ));
    }
    None
}

/// The error for a stream that does not have our subjects.
pub(crate) fn outside(sink: &NatsSink, stream: &Config, subjects: &str) -> BusError {
    let (name, patterns) = (&stream.name, stream.subjects.join(", "));
    misconfigured(
        &sink.name,
        format!("stream `{name}` takes {patterns}, and not `{subjects}`: add that to its subjects"),
    )
}

/// The error for a missing stream, with the command that creates it.
pub(crate) fn missing(sink: &NatsSink) -> BusError {
    let (stream, subjects) = (&sink.stream, sink.subject.wildcard(None));
    let for_checkpoints =
        sink.transactions.as_ref().map(|transactions| checkpoints::flags(transactions, stream));
    let for_checkpoints = for_checkpoints.unwrap_or_default();
    misconfigured(
        &sink.name,
        format!(
            "stream `{stream}` does not exist: set `create`, or run \
             `nats stream add {stream} --subjects '{subjects}' --storage file --dupe-window 2m --allow-batch{for_checkpoints} --defaults`"
        ),
    )
}

/// Whether messages are to go into the stream by fast ingest. Not with replicas: it was not faster there (2.15.1), and a
/// leader counts a message as taken whose copy it has sent to the others before and that they have not agreed upon. And not
/// without atomic batches, which take its place where others write too.
pub(crate) fn takes_fast_ingest(stream: &Config) -> bool {
    stream.allow_batch_publish && stream.allow_atomic_publish && stream.num_replicas <= 1
}

/// How the stream would take messages faster, if the server can.
pub(crate) fn speed_up(stream: &Config) -> Option<Finding> {
    if stream.num_replicas > 1 || takes_fast_ingest(stream) {
        return None;
    }
    let name = &stream.name;
    let text = format!(
        "`nats stream edit {name} --allow-batch --allow-fast` lets it take messages faster, by fast ingest"
    );
    Some(Finding { is_warning: false, text })
}

/// What an operator should change, although messages are delivered.
pub(crate) fn warnings(stream: &Config) -> Vec<Finding> {
    let name = &stream.name;
    let mut warnings = Vec::new();
    let mut warn = |is_so: bool, text: String| {
        if is_so {
            warnings.push(Finding { is_warning: true, text: format!("stream `{name}` {text}") });
        }
    };
    warn(
        stream.storage == StorageType::Memory,
        "is kept in memory and lost when its servers stop: use file storage".to_owned(),
    );
    warn(
        stream.duplicate_window < DUPLICATE_WINDOW_MIN,
        format!(
            "recognises a duplicate for {:?} only: set its duplicate window to 2m or more",
            stream.duplicate_window
        ),
    );
    warn(
        stream.retention == RetentionPolicy::Interest,
        "drops at once what no consumer is interested in: use the retention `limits`".to_owned(),
    );
    warn(
        (MESSAGE_BYTES_MIN..MESSAGE_BYTES_ENOUGH).contains(&stream.max_message_size),
        format!(
            "takes messages of {} bytes at most, and larger events become dead letters: raise its `max_msg_size`",
            stream.max_message_size
        ),
    );
    let has_limit = stream.max_bytes > 0 || stream.max_messages > 0;
    warn(
        stream.discard == DiscardPolicy::Old && has_limit,
        "drops its oldest messages when it is full, be they read or not: set its discard policy to `new` to be held up \
         instead"
            .to_owned(),
    );
    warn(
        stream.max_messages_per_subject > 0,
        if stream.discard_new_per_subject {
            "refuses an event when its subject is full, which holds up the route: remove `max_msgs_per_subject`"
        } else {
            "drops the oldest messages of a subject when that is full: remove `max_msgs_per_subject`"
        }
        .to_owned(),
    );
    warn(
        stream.subject_transform.is_some(),
        "stores under other subjects, so that what it holds since the last delivery is not found: after a long stop there \
         may be duplicates"
            .to_owned(),
    );
    warnings
}

/// Refuses a stream that takes nothing more, and warns of one that soon will not.
pub(crate) fn fullness(sink: &NatsSink, stream: &Info) -> Result<Option<Finding>, BusError> {
    let (config, state) = (&stream.config, &stream.state);
    if config.discard != DiscardPolicy::New {
        return Ok(None);
    }
    // With the least that an event takes of it.
    let limits = [
        ("max_bytes", config.max_bytes, state.bytes, u64::from(MESSAGE_BYTES_MIN.unsigned_abs())),
        ("max_msgs", config.max_messages, state.messages, 1),
    ];
    for (name, max, has, of_event) in limits {
        let Some(max) = u64::try_from(max).ok().filter(|max| *max > 0) else { continue };
        let text = format!("stream `{}` has {has} of the {max} that `{name}` allows", config.name);
        if has + of_event > max {
            let reason = format!("{text}, and takes nothing more: raise the limit, or remove what is in it");
            return Err(misconfigured(&sink.name, reason));
        }
        if u128::from(has) * 100 >= u128::from(max) * NEARLY_FULL_PERCENT {
            let text = format!("{text}, and will soon take nothing more");
            return Ok(Some(Finding { is_warning: true, text }));
        }
    }
    Ok(None)
}

/// The stream as it is, in one line, and what order it keeps.
pub(crate) fn summary(stream: &Info) -> String {
    let config = &stream.config;
    let storage = match config.storage {
        StorageType::File => "file",
        StorageType::Memory => "memory",
    };
    let order = if takes_fast_ingest(config) {
        "fast ingest and atomic batches keep the order of all messages"
    } else if config.allow_atomic_publish {
        "atomic batches keep the order of all messages"
    } else {
        "without atomic batches (`allow_atomic`) the order is kept per key"
    };
    format!(
        "stream `{}` on {}: {storage} storage, {} replica(s), duplicate window {:?}, {} messages; {order}",
        config.name,
        config.subjects.join(", "),
        config.num_replicas,
        config.duplicate_window,
        stream.state.messages
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Config {
        Config { duplicate_window: DUPLICATE_WINDOW_MIN, discard: DiscardPolicy::New, ..Config::default() }
    }

    #[test]
    fn each_weakness_of_a_stream_is_told() {
        assert_eq!(warnings(&sound()), []);
        let weak = Config {
            storage: StorageType::Memory,
            duplicate_window: Duration::from_millis(100),
            retention: RetentionPolicy::Interest,
            max_message_size: 8_192,
            discard: DiscardPolicy::Old,
            max_bytes: 1 << 20,
            max_messages_per_subject: 1,
            ..Config::default()
        };
        assert_eq!(warnings(&weak).len(), 6);
        assert!(warnings(&weak)[1].text.contains("100ms"));
    }

    #[test]
    fn a_stream_that_can_take_no_event_is_unfit() {
        assert_eq!(unfit(&sound()), None);
        let unfits = [
            (Config { no_ack: true, ..sound() }, "no_ack"),
            (Config { sealed: true, ..sound() }, "sealed"),
            (Config { max_message_size: 1_024, ..sound() }, "max_msg_size"),
            (Config { allow_message_counter: true, ..sound() }, "counts"),
        ];
        for (config, told) in unfits {
            assert!(unfit(&config).is_some_and(|text| text.contains(told)), "{told}");
        }
    }
}
