//! What a stream needs so that it takes messages and the checkpoint of their route together, and keeps the checkpoint: on
//! which subjects, with which settings, and by which command an operator gives them to it. Pure: sends no request.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};

use super::stream::misconfigured;
use crate::{
    bus::{BusError, Finding},
    config::{NatsSink, NatsTransactions},
    message::subject::{covers, overlap},
};

/// More than a checkpoint has with its headers.
const CHECKPOINT_BYTES: i32 = 64 << 10;
/// More than most messages have too.
const MESSAGE_BYTES_ENOUGH: i32 = 256 << 10;

/// The subjects of all checkpoints that `stream` keeps.
pub(crate) fn subjects(transactions: &NatsTransactions, stream: &str) -> String {
    format!("{}.{stream}.>", transactions.checkpoint_prefix)
}

/// The subject of the checkpoint of the route `identity`, which is `<org's host>/<route's name>`.
///
/// It is `<prefix>.<stream>.<host>.<route>`, where each `/` of the identity separates tokens. The stream is among them because no
/// two streams may have a subject in common. Two identities never have one subject: in a token `_` stands for a dot, and what
/// else a token may not have is percent-encoded, `_` and `%` themselves included; an empty token is `%`.
pub(crate) fn subject_of(transactions: &NatsTransactions, stream: &str, identity: &str) -> String {
    let mut subject = format!("{}.{stream}", transactions.checkpoint_prefix);
    for token in identity.split('/') {
        subject.push('.');
        if token.is_empty() {
            subject.push('%');
        }
        for byte in token.bytes() {
            match byte {
                b'.' => subject.push('_'),
                b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => subject.push(char::from(byte)),
                _ => subject.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    subject
}

/// Refuses a stream that would not take messages and checkpoints together, or would lose a checkpoint.
pub(crate) fn require(
    sink: &NatsSink,
    transactions: &NatsTransactions,
    stream: &Config,
) -> Result<(), BusError> {
    let name = &stream.name;
    if let Some(why) = unfit(transactions, stream) {
        let reason = format!("stream `{name}` cannot keep checkpoints for `exactly_once`: {why}");
        return Err(misconfigured(&sink.name, reason));
    }
    let (lacks, flags): (Vec<_>, Vec<_>) = lacks(transactions, stream).into_iter().unzip();
    if lacks.is_empty() {
        return Ok(());
    }
    let (lacks, flags) = (lacks.join(", "), flags.join(" "));
    let reason = format!(
        "stream `{name}` cannot be delivered to `exactly_once`: it {lacks}: run `nats stream edit {name} {flags}`"
    );
    Err(misconfigured(&sink.name, reason))
}

/// The flags with which the `nats` command creates a stream that has all of it.
pub(crate) fn flags(transactions: &NatsTransactions, stream: &str) -> String {
    let subjects = subjects(transactions, stream);
    format!(" --subjects '{subjects}' --allow-rollup --allow-msg-ttl")
}

/// What an operator should change, although no checkpoint is lost as long as its route has something to deliver now and
/// then.
pub(crate) fn warnings(stream: &Config) -> Vec<Finding> {
    let has_limit = stream.max_bytes > 0 || stream.max_messages > 0;
    if stream.discard != DiscardPolicy::Old || !has_limit {
        return Vec::new();
    }
    let text = format!(
        "stream `{}` drops its oldest messages when it is full, and so the checkpoint of a route that had nothing to deliver \
         for long while others had: set its discard policy to `new`",
        stream.name
    );
    vec![Finding { is_warning: true, text }]
}

/// What no edit of the stream puts right.
fn unfit(transactions: &NatsTransactions, stream: &Config) -> Option<String> {
    let subjects = subjects(transactions, &stream.name);
    if stream.retention != RetentionPolicy::Limits {
        return Some(
            "it removes them as soon as they are read or nobody wants them: use one with the retention `limits`"
                .to_owned(),
        );
    }
    let transforms = |source: &str| source.is_empty() || overlap(source, &subjects);
    if stream.subject_transform.as_ref().is_some_and(|transform| transforms(&transform.source)) {
        return Some(format!(
            "it stores them under other subjects: leave `{subjects}` out of its subject transform"
        ));
    }
    if stream.deny_purge && !stream.allow_rollup {
        return Some("it denies purges, and so would keep every checkpoint: use another one".to_owned());
    }
    None
}

/// What an edit of the stream puts right, each with the flag for it.
fn lacks(transactions: &NatsTransactions, stream: &Config) -> Vec<(String, String)> {
    let subjects = subjects(transactions, &stream.name);
    let mut lacks = Vec::new();
    let mut lack = |is_so: bool, what: String, flag: String| {
        if is_so {
            lacks.push((what, flag));
        }
    };
    lack(
        !stream.subjects.iter().any(|pattern| covers(pattern, &subjects)),
        format!("does not take checkpoints on `{subjects}`"),
        format!(
            "--subjects '{}'",
            [&stream.subjects[..], std::slice::from_ref(&subjects)].concat().join(",")
        ),
    );
    lack(
        !stream.allow_atomic_publish,
        "takes no atomic batches (`allow_atomic`)".to_owned(),
        "--allow-batch".to_owned(),
    );
    lack(
        !stream.allow_rollup,
        "would keep every checkpoint and not the last alone (`allow_rollup_hdrs`)".to_owned(),
        "--allow-rollup".to_owned(),
    );
    lack(
        !stream.max_age.is_zero() && !stream.allow_message_ttl,
        format!("drops a checkpoint when it is {:?} old (`allow_msg_ttl`)", stream.max_age),
        "--allow-msg-ttl".to_owned(),
    );
    lack(
        (1..CHECKPOINT_BYTES).contains(&stream.max_message_size),
        format!("takes no checkpoint of {CHECKPOINT_BYTES} bytes (`max_msg_size`)"),
        format!("--max-msg-size {MESSAGE_BYTES_ENOUGH}"),
    );
    lacks
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use async_nats::jetstream::stream::SubjectTransform;

    use super::*;

    fn transactions() -> NatsTransactions {
        NatsTransactions { checkpoint_prefix: "oktabus.checkpoints".to_owned() }
    }

    fn sound() -> Config {
        Config {
            name: "OKTA".to_owned(),
            subjects: vec!["okta.>".to_owned(), "oktabus.checkpoints.OKTA.>".to_owned()],
            allow_atomic_publish: true,
            allow_rollup: true,
            ..Config::default()
        }
    }

    #[test]
    fn a_route_has_a_subject_that_can_be_read() {
        let subject = subject_of(&transactions(), "OKTA", "acme.okta.com/system-log/siem");
        assert_eq!(subject, "oktabus.checkpoints.OKTA.acme_okta_com.system-log.siem");
        assert!(covers(&subjects(&transactions(), "OKTA"), &subject));
    }

    #[test]
    fn no_two_routes_have_one_subject() {
        let identities = [
            "a.b/c", "a_b/c", "a__b/c", "a._b/c", "a_.b/c", "a%5Fb/c", "a/b/c", "a.b.c", "a//b", "a/%/b",
            "a/b/", "a/b", "a/b c", "a/b*", "a/b>", "a/>", "a/\u{fc}", "a:8443/b", "A/b",
        ];
        let subjects: HashSet<_> =
            identities.iter().map(|identity| subject_of(&transactions(), "OKTA", identity)).collect();
        assert_eq!(subjects.len(), identities.len(), "{subjects:?}");
        for subject in subjects {
            let tokens = subject.split('.').all(|token| !token.is_empty());
            assert!(
                tokens && !subject.contains(|c: char| c.is_whitespace() || "*>".contains(c)),
                "{subject}"
            );
        }
    }

    #[test]
    fn what_a_stream_lacks_is_told_with_one_command() {
        assert_eq!(lacks(&transactions(), &sound()), []);
        let forgetful = Config { max_age: Duration::from_secs(60), ..sound() };
        assert_eq!(lacks(&transactions(), &forgetful).len(), 1);
        let bare = Config {
            subjects: vec!["okta.>".to_owned()],
            max_message_size: 8 << 10,
            ..Config { allow_atomic_publish: false, allow_rollup: false, ..forgetful }
        };
        let flags: Vec<_> = lacks(&transactions(), &bare).into_iter().map(|(_, flag)| flag).collect();
        assert_eq!(
            flags.join(" "),
            "--subjects 'okta.>,oktabus.checkpoints.OKTA.>' --allow-batch --allow-rollup --allow-msg-ttl --max-msg-size 262144"
        );
    }

    #[test]
    fn a_stream_that_would_lose_checkpoints_is_unfit() {
        assert_eq!(unfit(&transactions(), &sound()), None);
        let transform = |source: &str| {
            let (source, destination) = (source.to_owned(), "elsewhere".to_owned());
            Config { subject_transform: Some(SubjectTransform { source, destination }), ..sound() }
        };
        assert_eq!(unfit(&transactions(), &transform("okta.>")), None);
        let unfits = [
            (Config { retention: RetentionPolicy::Interest, ..sound() }, "retention"),
            (Config { retention: RetentionPolicy::WorkQueue, ..sound() }, "retention"),
            (transform(">"), "transform"),
            (transform(""), "transform"),
            (Config { deny_purge: true, allow_rollup: false, ..sound() }, "purges"),
        ];
        for (config, told) in unfits {
            assert!(unfit(&transactions(), &config).is_some_and(|why| why.contains(told)), "{told}");
        }
    }
}
