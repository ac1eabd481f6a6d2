//! The journal's record of a command, and which record may follow which. Pure: the engine reads and writes the entries.
//!
//! received → started, once for each attempt → ended with an outcome → answered, once for each copy of the command. An
//! ended command never starts again, and its outcome never changes, except for one that a limit has refused: it may be
//! sent again. A started command has a baseline before anything is sent for it. An entry has no secrets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AnsweredMessages, Outcome, QueuePlace, Status, Subjects,
    execute::{Baseline, PartsProgress},
    policy::LIMIT_TRIPPED,
};
use crate::{invariant::Invariant, state::CONTENT_MAX_BYTES};

/// The most bytes of an outcome that is kept whole; the rest of the entry has room beside it.
const OUTCOME_MAX_BYTES: usize = CONTENT_MAX_BYTES - (4 << 10);
/// The most bytes of subjects of a command: they must be in the journal before something is sent.
const SUBJECTS_MAX_BYTES: usize = 8 << 10;
/// The most bytes of subjects that are kept beside an outcome.
const ENDED_SUBJECTS_MAX_BYTES: usize = 1_500;
/// What a record with parts keeps free for all else that may come.
const PARTS_APART_BYTES: usize = 1 << 10;
/// The most characters that are kept of the requester.
const TEXT_MAX_CHARS: usize = 200;

/// The journal's record of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The action, as written: it may not exist.
    pub action: String,
    /// A digest of the content: another command with the same id has another digest. It cannot be used to find a
    /// password, nor for an approval, whose fingerprint also covers the subjects. Older versions used the name
    /// `fingerprint`.
    #[serde(rename = "digest", alias = "fingerprint")]
    pub fingerprint: String,
    /// The requester, as named in the message.
    pub requested_by: Option<String>,
    /// The key of the signature.
    pub signed_by: Option<String>,
    /// When the first copy was received.
    pub received_at: Timestamp,
    /// The subjects when the command was first started: a user who is gone now was there then. Dropped from an ended
    /// record if they are large.
    pub subjects: Option<Subjects>,
    /// The state at Okta before anything was sent; none if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The changes that the limits have counted for the command, sent or not: they are not counted again. Records of
    /// older versions lack it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub counted: u64,
    /// Until when it is parked, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
    /// The approval by a second key, if one is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_key: Option<SecondKey>,
    /// When it was sent again after a limit had refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_again_at: Option<Timestamp>,
    /// The results of the parts that its attempts have done, until it ends, as far as there is room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done_parts: Vec<Value>,
    /// The parts that may be done. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsure_parts: Vec<Value>,
    /// The name of the list of parts in the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_name: Option<String>,
    /// How many answers were published before a limit allowed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_answers: u64,
    /// The messages whose answers were published. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "AnsweredMessages::is_empty")]
    pub answered: AnsweredMessages,
    /// The stage.
    pub stage: CommandStage,
}

/// The approval of a command by a second key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondKey {
    /// Missing.
    Awaited {
        /// The deadline.
        until: Timestamp,
        /// What the approval must name: a digest of the command and of the ids of its subjects.
        fingerprint: String,
    },
    /// Given.
    Given {
        /// The name of the key.
        by: String,
        /// What tells it from another key of that name. Records of older versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The time of the approval.
        at: Timestamp,
        /// The id of the approving message.
        approval: String,
        /// What was approved: a digest of the command and of the ids of its subjects.
        fingerprint: String,
    },
}

impl SecondKey {
    /// The key that has approved, if one has.
    pub fn given_by(&self) -> Option<&str> {
        match self {
            Self::Given { by, .. } => Some(by),
            Self::Awaited { .. } => None,
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The stage of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case", try_from = "StoredStage")]
pub enum CommandStage {
    /// Nothing was done.
    Received,
    /// It was started, and it is unknown whether Okta has done it.
    Started {
        /// The number of attempts.
        attempt: u32,
        /// When the first attempt began.
        begun_at: Timestamp,
    },
    /// It has an outcome.
    Ended {
        /// The outcome, trimmed if it was large.
        outcome: Box<Outcome>,
        /// How many answers are known to have been published.
        answers: u64,
    },
}

/// A stage in serialized form. Serde buffers what it reads by a tag as values, which must not happen to an outcome with
/// events.
#[derive(Deserialize)]
struct StoredStage {
    stage: StageName,
    attempt: Option<u32>,
    begun_at: Option<Timestamp>,
    outcome: Option<Box<Outcome>>,
    answers: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StageName {
    Received,
    Started,
    Ended,
}

impl TryFrom<StoredStage> for CommandStage {
    type Error = &'static str;

    fn try_from(written: StoredStage) -> Result<Self, Self::Error> {
        let StoredStage { stage, attempt, begun_at, outcome, answers } = written;
        match (stage, attempt, begun_at, outcome, answers) {
            (StageName::Received, ..) => Ok(Self::Received),
            (StageName::Started, Some(attempt), Some(begun_at), ..) => {
                Ok(Self::Started { attempt, begun_at })
            }
            (StageName::Ended, .., Some(outcome), Some(answers)) => Ok(Self::Ended { outcome, answers }),
            (StageName::Started | StageName::Ended, ..) => Err("a stage without all that it has"),
        }
    }
}

/// Proof that the outcome is in the journal, or that the command is parked in the state: required to acknowledge a
/// message.
#[derive(Debug)]
pub struct Durable {
    _private: (),
}

impl Record {
    /// The record of a new command.
    pub fn new(action: &str, fingerprint: &str, requested_by: Option<&str>, now: Timestamp) -> Self {
        Self {
            action: action.to_owned(),
            fingerprint: fingerprint.to_owned(),
            requested_by: requested_by.map(shortened),
            signed_by: None,
            received_at: now,
            subjects: None,
            baseline: None,
            counted: 0,
            done_parts: Vec::new(),
            unsure_parts: Vec::new(),
            parts_name: None,
            parked_until: None,
            second_key: None,
            asked_again_at: None,
            earlier_answers: 0,
            answered: AnsweredMessages::default(),
            stage: CommandStage::Received,
        }
    }

    /// Reads an entry.
    pub fn decode(content: &str) -> serde_json::Result<Self> {
        serde_json::from_str(content)
    }

    /// The entry, never larger than the state takes.
    pub fn encode(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u32 {
        match &self.stage {
            CommandStage::Received => 0,
            CommandStage::Started { attempt, .. } => *attempt,
            CommandStage::Ended { outcome, .. } => outcome.attempts,
        }
    }

    /// Whether the journal has room for `subjects`.
    pub fn has_room_for(subjects: &Subjects) -> bool {
        bytes(subjects) <= SUBJECTS_MAX_BYTES
    }

    /// Sets the subjects.
    #[must_use]
    pub fn about(self, subjects: &Subjects) -> Self {
        Self { subjects: Self::has_room_for(subjects).then(|| subjects.clone()), ..self }
    }

    /// The record of the next attempt, and when the first one began. None if the command has ended.
    pub fn begun(&self, now: Timestamp) -> Option<(Self, Timestamp)> {
        let (attempt, begun_at) = match &self.stage {
            CommandStage::Received => (1, now),
            CommandStage::Started { attempt, begun_at } => (attempt.saturating_add(1), *begun_at),
            CommandStage::Ended { .. } => {
                Invariant::OneOutcome.check(false);
                return None;
            }
        };
        Some((Self { stage: CommandStage::Started { attempt, begun_at }, ..self.clone() }, begun_at))
    }

    /// Sets the baseline: something is about to be sent.
    #[must_use]
    pub fn sending(self, baseline: &Baseline) -> Self {
        Self { baseline: Some(baseline.clone()), ..self }
    }

    /// Sets the number of changes that the limits have counted.
    #[must_use]
    pub fn counted(self, changes: u64) -> Self {
        Self { counted: changes, ..self }
    }

    /// The record after an attempt of which Okta has certainly executed nothing: the baseline is again what it was
    /// `before` it. The limits' count stays.
    #[must_use]
    pub fn unsent(self, before: Option<Baseline>) -> Self {
        Self { baseline: before, ..self }
    }

    /// How far the parts of the command are.
    pub fn progress(&self) -> PartsProgress {
        let (name, done, unsure) =
            (self.parts_name.clone(), self.done_parts.clone(), self.unsure_parts.clone());
        PartsProgress { name, done, unsure }
    }

    /// The record with the parts as they are now. What there is no room for is left out, of those that are done the last
    /// ones: of them, only Okta and its log can tell.
    #[must_use]
    pub fn with_progress(self, progress: &PartsProgress) -> Self {
        let bare = Self {
            done_parts: Vec::new(),
            unsure_parts: Vec::new(),
            parts_name: progress.name.clone(),
            ..self
        };
        if progress.unsure.is_empty() && progress.done.is_empty() {
            return bare;
        }
        let mut room = CONTENT_MAX_BYTES.saturating_sub(bytes(&bare) + PARTS_APART_BYTES);
        let mut fitting = |parts: &[Value]| -> Vec<Value> {
            let fits = |part: &&Value| {
                let left = room.checked_sub(bytes(part) + 1);
                room = left.unwrap_or_default();
                left.is_some()
            };
            parts.iter().take_while(fits).cloned().collect()
        };
        let unsure_parts = fitting(&progress.unsure);
        let done_parts = fitting(&progress.done);
        Self { done_parts, unsure_parts, ..bare }
    }

    /// The record with this outcome, which must have no secrets. None if it has one already.
    pub fn ended(&self, outcome: &Outcome) -> Option<Self> {
        if !Invariant::OneOutcome.check(!matches!(self.stage, CommandStage::Ended { .. })) {
            return None;
        }
        let outcome = Box::new(outcome.trimmed_to(OUTCOME_MAX_BYTES).into_owned());
        let subjects = self.subjects.clone().filter(|subjects| bytes(subjects) <= ENDED_SUBJECTS_MAX_BYTES);
        let stage = CommandStage::Ended { outcome, answers: self.earlier_answers };
        Some(Self {
            stage,
            subjects,
            baseline: None,
            counted: 0,
            done_parts: Vec::new(),
            unsure_parts: Vec::new(),
            parts_name: None,
            parked_until: None,
            ..self.clone()
        })
    }

    /// The record after one more answer, to the message at `place` if it came from a queue. None if there is no outcome
    /// yet.
    pub fn answered(&self, place: Option<&QueuePlace>) -> Option<Self> {
        let CommandStage::Ended { outcome, answers } = &self.stage else { return None };
        let stage = CommandStage::Ended { outcome: outcome.clone(), answers: answers.saturating_add(1) };
        let mut next = Self { stage, ..self.clone() };
        if let Some(place) = place {
            next.answered = next.answered.with(place.clone());
        }
        Some(next)
    }

    /// The proof for the message at `place`, if its answer is known to have been published.
    pub fn answered_before(&self, place: Option<&QueuePlace>) -> Option<Durable> {
        place.is_some_and(|place| self.answered.has(place)).then_some(Durable { _private: () })
    }

    /// The record of a command that is sent again at `now` after a limit had refused it: nothing was sent for it. It
    /// must be approved again.
    pub fn reopened(&self, now: Timestamp) -> Option<Self> {
        let CommandStage::Ended { outcome, answers } = &self.stage else { return None };
        let is_of_limit = outcome.error.as_ref().is_some_and(|error| error.code == LIMIT_TRIPPED);
        (is_of_limit && outcome.status == Status::Refused).then(|| Self {
            stage: CommandStage::Received,
            subjects: None,
            second_key: None,
            asked_again_at: Some(now),
            earlier_answers: *answers,
            ..self.clone()
        })
    }

    /// Whether it has an outcome.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, CommandStage::Ended { .. })
    }

    /// How many answers are known to have been published.
    pub fn answers(&self) -> u64 {
        match &self.stage {
            CommandStage::Ended { answers, .. } => *answers,
            CommandStage::Received | CommandStage::Started { .. } => self.earlier_answers,
        }
    }

    /// Whether it has an outcome, and an answer with it is known to have been published.
    pub fn is_answered(&self) -> bool {
        self.has_ended() && self.answers() > self.earlier_answers
    }

    /// Whether nothing was sent for it, and it has no outcome.
    pub fn is_pending(&self) -> bool {
        !self.has_ended() && self.baseline.is_none()
    }

    /// Whether something may have been sent for it, and it has no outcome.
    pub fn may_be_done(&self) -> bool {
        !self.has_ended() && self.baseline.is_some()
    }

    /// Whether something may have been sent for it, or it has an outcome that was not published.
    pub fn is_under_way(&self) -> bool {
        self.may_be_done() || (self.has_ended() && !self.is_answered())
    }

    /// The proof for the message, if this record, which must be on the disk, has an outcome.
    pub fn durable(&self) -> Option<Durable> {
        let ended = matches!(self.stage, CommandStage::Ended { .. });
        Invariant::AcknowledgedWhenDurable.check(ended).then_some(Durable { _private: () })
    }
}

impl Record {
    /// The proof for the message of a command that is parked in the state.
    pub fn parked(&self) -> Option<Durable> {
        self.parked_until.is_some().then_some(Durable { _private: () })
    }
}

impl Durable {
    /// For messages that are not commands: they were refused or are in the dead letters. The journal has no record of
    /// them, because their sender may have no right to the id in them.
    pub fn without_journal() -> Self {
        Self { _private: () }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).collect()
}

fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{json, value::RawValue};

    use super::*;
    use crate::command::{OutcomeError, OutcomeValue, Status};

    pub(crate) fn outcome(result: impl Into<OutcomeValue>) -> Outcome {
        Outcome {
            command_id: "c-1".to_owned(),
            action: "user.suspend".to_owned(),
            status: Status::Done,
            repeated: false,
            result: result.into(),
            error: None,
            okta_request_id: None,
            before: None,
            after: None,
            attempts: 1,
            received_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn received() -> Record {
        Record::new("user.suspend", "f", None, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_command_goes_from_received_to_told_and_survives_coding_at_each_stage() {
        let later = Timestamp::from_second(9).unwrap();
        let received = received();
        let (first, begun_at) = received.begun(later).unwrap();
        assert_eq!((first.attempts(), begun_at), (1, later));
        let (second, begun_at) = first.begun(Timestamp::from_second(20).unwrap()).unwrap();
        assert_eq!((second.attempts(), begun_at), (2, later));
        let ended = second.ended(&outcome(json!({ "id": "00u1" }))).unwrap();
        let told = ended.answered(None).unwrap();
        assert!(received.answered(None).is_none());
        assert!(told.durable().is_some());
        assert!(told.is_answered() && !ended.is_answered() && !second.is_answered());
        for record in [received, first, second, ended, told.clone()] {
            assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        }
        let CommandStage::Ended { outcome: kept, answers } = told.stage else { panic!("it has ended") };
        assert_eq!((*kept, answers), (outcome(json!({ "id": "00u1" })), 1));
    }

    #[test]
    fn what_was_counted_and_certainly_not_sent_is_as_if_never_sent_but_for_the_count() {
        let (begun, _) = received().begun(Timestamp::UNIX_EPOCH).unwrap();
        let sending = begun.clone().sending(&Baseline::default()).counted(3);
        let unsent = sending.clone().unsent(None);
        assert_eq!(unsent, Record { counted: 3, ..begun });
        assert_eq!(Record::decode(&unsent.encode().unwrap()).unwrap(), unsent);
        // A released limit counts from zero.
        assert_eq!(sending.ended(&outcome(json!({}))).unwrap().counted, 0);
    }

    #[test]
    fn as_many_parts_are_kept_as_there_is_room_for_those_in_doubt_first() {
        let part = |number: usize| json!({ "user": format!("00u{number:017}"), "group": "00gStaff", "status": "done" });
        let (begun, _) = received().begun(Timestamp::UNIX_EPOCH).unwrap();
        let few = PartsProgress {
            name: Some("memberships".to_owned()),
            done: vec![part(1)],
            unsure: vec![part(2)],
        };
        let kept = begun.with_progress(&few);
        assert_eq!(Record::decode(&kept.encode().unwrap()).unwrap().progress(), few);
        let many = PartsProgress { done: (10..1_000).map(part).collect(), ..few.clone() };
        let kept = kept.with_progress(&many);
        let bytes = kept.encode().unwrap().len();
        assert!((CONTENT_MAX_BYTES / 2..CONTENT_MAX_BYTES).contains(&bytes), "{bytes}");
        assert_eq!((&kept.unsure_parts, &kept.done_parts[0]), (&few.unsure, &part(10)));
        // What is kept is the same each time.
        assert_eq!(kept.clone().with_progress(&many), kept);
        assert_eq!(kept.ended(&outcome(json!({}))).unwrap().progress(), PartsProgress::default());
    }

    #[test]
    fn what_a_limit_has_refused_is_asked_for_again_without_its_approval() {
        let given = SecondKey::Given {
            by: "lead".to_owned(),
            key: None,
            at: Timestamp::UNIX_EPOCH,
            approval: "a-1".to_owned(),
            fingerprint: "v1:1".to_owned(),
        };
        let approved = Record { second_key: Some(given), ..received() };
        let refused = |code: &str| Outcome {
            status: Status::Refused,
            error: Some(OutcomeError { code: code.to_owned(), message: String::new(), remedy: None }),
            ..outcome(json!({}))
        };
        let now = Timestamp::from_second(9).unwrap();
        let again = approved.ended(&refused(LIMIT_TRIPPED)).unwrap().reopened(now).unwrap();
        assert_eq!(again, Record { asked_again_at: Some(now), ..received() });
        assert!(approved.ended(&refused("protected")).unwrap().reopened(now).is_none());
    }

    #[test]
    fn events_of_an_outcome_stay_byte_for_byte() {
        let event = r#"{"n":12345678901234567890123,"m":1e400,"l":1.10}"#;
        let events = Some(vec![RawValue::from_string(event.to_owned()).unwrap()]);
        let found = outcome(OutcomeValue::new(json!({ "count": 1 }), events));
        let told = received().ended(&found).unwrap().answered(None).unwrap();
        let text = told.encode().unwrap();
        assert!(text.contains(event), "{text}");
        assert_eq!(Record::decode(&text).unwrap(), told);
    }

    #[test]
    #[should_panic(expected = "one_outcome")]
    fn an_ended_command_does_not_end_again() {
        received().ended(&outcome(json!({}))).unwrap().ended(&outcome(json!({})));
    }

    #[test]
    #[should_panic(expected = "one_outcome")]
    fn an_ended_command_does_not_begin_again() {
        received().ended(&outcome(json!({}))).unwrap().begun(Timestamp::UNIX_EPOCH);
    }

    #[test]
    #[should_panic(expected = "acknowledged_when_durable")]
    fn what_has_no_outcome_is_not_acknowledged() {
        received().durable();
    }

    #[test]
    fn an_entry_never_outgrows_what_the_state_takes() {
        let large = "é\"".repeat(9_000);
        let mut huge = outcome(json!({ "large": large }));
        huge.before = Some(json!(large));
        huge.error = Some(OutcomeError { code: "x".to_owned(), message: large.clone(), remedy: Some(large) });
        let record = received().ended(&huge).unwrap();
        assert!(record.encode().unwrap().len() <= CONTENT_MAX_BYTES);
        let CommandStage::Ended { outcome, .. } = record.stage else { panic!("it has ended") };
        assert_eq!(outcome.result, json!({ "truncated": true }).into());
    }
}
