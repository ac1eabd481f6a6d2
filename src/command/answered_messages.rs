//! The queue messages for which a command was answered, as the journal keeps them: a second delivery of one is a
//! redelivery, not a new copy. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most bytes of saved places; the latest are kept.
const PLACES_BYTES_MAX: usize = 600;

/// One message of a queue. The time distinguishes messages at the same place of a topic or stream that was recreated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePlace {
    /// The place, also for people: `orders/3@42` or `COMMANDS@42`.
    pub place: String,
    /// When it was written, if the bus says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
}

/// The messages that were answered last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnsweredMessages(Vec<QueuePlace>);

impl AnsweredMessages {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the message was answered.
    pub fn has(&self, place: &QueuePlace) -> bool {
        self.0.contains(place)
    }

    /// Adds a message. Drops the oldest when there are too many; they are answered again if they are redelivered.
    #[must_use]
    pub fn with(mut self, place: QueuePlace) -> Self {
        self.0.push(place);
        while self.0.len() > 1 && self.0.iter().map(QueuePlace::bytes).sum::<usize>() > PLACES_BYTES_MAX {
            self.0.remove(0);
        }
        self
    }
}

impl QueuePlace {
    /// The approximate size in bytes.
    fn bytes(&self) -> usize {
        const NAMES_AND_TIME: usize = 70;
        self.place.len() + NAMES_AND_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64, second: i64) -> QueuePlace {
        let published_at = Timestamp::from_second(second).ok();
        QueuePlace { place: format!("orders/3@{offset}"), published_at }
    }

    #[test]
    fn a_place_is_known_until_many_others_are_and_not_once_its_topic_is_made_anew() {
        let answered = AnsweredMessages::default().with(at(1, 10)).with(at(2, 20));
        assert!(answered.has(&at(1, 10)) && answered.has(&at(2, 20)));
        assert!(!answered.has(&at(3, 30)));
        assert!(!answered.has(&at(1, 11)), "a message of another topic of this name");
        let many = (3..1_000).fold(answered, |answered, n| answered.with(at(n, n)));
        assert!(many.has(&at(999, 999)) && many.has(&at(995, 995)) && !many.has(&at(1, 10)));
        let json = serde_json::to_string(&many).unwrap();
        assert!(json.len() <= 700, "{}", json.len());
        assert_eq!(serde_json::from_str::<AnsweredMessages>(&json).unwrap(), many);
    }
}
