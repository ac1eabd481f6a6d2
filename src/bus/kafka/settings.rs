//! The settings of a topic that affect events, and what they mean for a sink. Does not know the client.

use rdkafka::admin::ConfigResource;

use super::check::Layout;
use crate::config::KafkaSink;

/// Below this not even usual events fit.
const RECORD_BYTES_MIN: usize = 4 << 10;
/// Below this some events do not fit.
const RECORD_BYTES_USUAL: usize = 64 << 10;
/// More than a checkpoint has with its key.
pub(super) const CHECKPOINT_BYTES: usize = 64 << 10;
/// A span of time that a retry, a moment's standstill or a clock that is a little wrong may exceed.
const TIME_SPAN_MIN_MS: i64 = 60_000;

/// The settings of a topic, as the cluster reports them. Settings that it does not report, as it is older or of another
/// make, count as harmless.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    cleanup_policy: String,
    in_sync_copies_min: usize,
    record_bytes_max: Option<usize>,
    /// How far the time of a record may be before and after that of the broker.
    before_max_ms: Option<i64>,
    after_max_ms: Option<i64>,
    is_stamped_by_broker: bool,
}

impl Settings {
    pub(super) fn of(resource: &ConfigResource) -> Self {
        let text =
            |name: &str| resource.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or_default();
        Self {
            cleanup_policy: text("cleanup.policy").to_owned(),
            in_sync_copies_min: text("min.insync.replicas").parse().unwrap_or_default(),
            record_bytes_max: text("max.message.bytes").parse().ok(),
            before_max_ms: text("message.timestamp.before.max.ms").parse().ok(),
            after_max_ms: text("message.timestamp.after.max.ms").parse().ok(),
            is_stamped_by_broker: text("message.timestamp.type") == "LogAppendTime",
        }
    }

    /// What the topic takes at most of a record.
    pub(super) fn record_bytes_max(&self) -> Option<usize> {
        self.record_bytes_max
    }

    /// Why the topic would refuse what `sink` publishes, if that is so.
    pub(super) fn refusal(&self, sink: &KafkaSink) -> Option<String> {
        if self.is_compacted() && sink.key.fixed(None).is_some_and(|key| key.is_empty()) {
            return Some(
                "the topic is compacted and refuses records without a key: give the sink a `key`, or set the topic's \
                 `cleanup.policy` to `delete`"
                    .to_owned(),
            );
        }
        self.record_bytes_max.filter(|bytes| *bytes < RECORD_BYTES_MIN).map(|bytes| {
            format!(
                "the topic takes no more than {bytes} bytes, which is less than an event has: raise its \
                 `max.message.bytes`"
            )
        })
    }

    /// What would lose or hold up events.
    pub(super) fn warnings(&self, layout: &Layout) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_compacted() {
            warnings.push(
                "the topic is compacted to the last event of each key: set its `cleanup.policy` to `delete`"
                    .to_owned(),
            );
        }
        warnings.extend(self.few_copies(layout));
        if let Some(bytes) = self.record_bytes_max.filter(|bytes| *bytes < RECORD_BYTES_USUAL) {
            warnings.push(format!(
                "the topic takes no more than {bytes} bytes, and larger events go to the dead letters: raise its \
                 `max.message.bytes`"
            ));
        }
        warnings.extend(self.narrow_times());
        warnings
    }

    /// Whether the last record of each key is kept for ever.
    pub(super) fn is_compacted_alone(&self) -> bool {
        // A cluster that does not say so cannot be held to it.
        matches!(self.cleanup_policy.as_str(), "compact" | "")
    }

    /// What the topic takes at most of a record, if that is less than a checkpoint may have.
    pub(super) fn too_small_for_checkpoints(&self) -> Option<usize> {
        self.record_bytes_max.filter(|bytes| *bytes < CHECKPOINT_BYTES)
    }

    /// What would lose or hold up checkpoints.
    pub(super) fn warnings_of_checkpoints(&self, layout: &Layout) -> Vec<String> {
        self.few_copies(layout)
    }

    fn is_compacted(&self) -> bool {
        self.cleanup_policy.contains("compact")
    }

    fn few_copies(&self, layout: &Layout) -> Vec<String> {
        let mut warnings = Vec::new();
        let min = self.in_sync_copies_min;
        if layout.copies >= 2 && min < 2 {
            warnings.push(
                "a record counts as written with a single copy: set the topic's `min.insync.replicas` to 2"
                    .to_owned(),
            );
        }
        if layout.copies_in_sync < min {
            warnings.push(format!(
                "a partition has {} copies in sync of the {min} that `min.insync.replicas` demands: its records wait",
                layout.copies_in_sync
            ));
        }
        warnings
    }

    fn narrow_times(&self) -> Option<String> {
        if self.is_stamped_by_broker {
            return None;
        }
        let spans = [
            ("message.timestamp.before.max.ms", self.before_max_ms),
            ("message.timestamp.after.max.ms", self.after_max_ms),
        ];
        let (name, span) =
            spans.into_iter().find(|(_, span)| span.is_some_and(|span| span < TIME_SPAN_MIN_MS))?;
        Some(format!(
            "the topic refuses events whose time differs by more than {} ms from its own (`{name}`): a clock that is a little \
             wrong, or a short standstill, stops the route",
            span.unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::{Encoding, KafkaBus},
        message::{Template, TemplateUse},
    };

    const SOUND: Layout =
        Layout { brokers: 3, partitions: 6, copies: 3, copies_in_sync: 3, partitions_without_leader: 0 };

    fn settings(cleanup_policy: &str, in_sync_copies_min: usize) -> Settings {
        Settings { cleanup_policy: cleanup_policy.to_owned(), in_sync_copies_min, ..Settings::default() }
    }

    fn sink(key: &str) -> KafkaSink {
        KafkaSink {
            name: "siem".to_owned(),
            bus: Arc::new(KafkaBus::default()),
            topic: Template::parse("events", TemplateUse::Topic).unwrap(),
            key: Template::parse(key, TemplateUse::Key).unwrap(),
            encoding: Encoding::Binary,
            transactions: None,
        }
    }

    fn assert_told(warnings: &[String], what: &str) {
        assert!(warnings.iter().any(|warning| warning.contains(what)), "{what}: {warnings:?}");
    }

    #[test]
    fn a_sound_topic_gives_no_warning() {
        assert_eq!(settings("delete", 2).warnings(&SOUND), Vec::<String>::new());
    }

    #[test]
    fn what_would_lose_or_hold_up_events_is_told() {
        assert_told(&settings("compact,delete", 2).warnings(&SOUND), "compacted");
        assert_told(&settings("delete", 1).warnings(&SOUND), "`min.insync.replicas` to 2");
        let behind = Layout { copies_in_sync: 1, ..SOUND };
        assert_told(&settings("delete", 2).warnings(&behind), "1 copies in sync");
        let small = Settings { record_bytes_max: Some(60_000), ..settings("delete", 2) };
        assert_told(&small.warnings(&SOUND), "max.message.bytes");
    }

    #[test]
    fn checkpoints_are_kept_by_compaction_alone() {
        for (policy, keeps) in [("compact", true), ("delete", false), ("compact,delete", false), ("", true)] {
            assert_eq!(settings(policy, 2).is_compacted_alone(), keeps, "{policy}");
        }
        assert_told(&settings("compact", 1).warnings_of_checkpoints(&SOUND), "`min.insync.replicas` to 2");
    }

    #[test]
    fn a_topic_that_is_particular_about_time_is_told_unless_the_broker_stamps_it() {
        let narrow = Settings { before_max_ms: Some(1_000), ..settings("delete", 2) };
        assert_told(&narrow.warnings(&SOUND), "message.timestamp.before.max.ms");
        let stamped = Settings { is_stamped_by_broker: true, ..narrow };
        assert_eq!(stamped.warnings(&SOUND), Vec::<String>::new());
    }

    #[test]
    fn what_a_topic_refuses_of_every_event_is_known_beforehand() {
        let compacted = settings("compact", 2);
        assert!(compacted.refusal(&sink("")).unwrap().contains("without a key"));
        assert_eq!(compacted.refusal(&sink("{user|org}")), None);
        assert_eq!(settings("delete", 2).refusal(&sink("")), None);
        let tiny = Settings { record_bytes_max: Some(1_000), ..settings("delete", 2) };
        assert!(tiny.refusal(&sink("{user|org}")).unwrap().contains("1000 bytes"));
    }
}
