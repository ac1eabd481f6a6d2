//! The pause in which commands start after a recovery of the state: newer cancellations, pauses, counts, parked
//! commands and protected ids may be lost. Pure.

use jiff::Timestamp;

use super::stops::StopRecord;
use crate::state::FreshNote;

/// The consequence of a recovery, shown before and after it.
pub const CONSEQUENCE: &str = "commands start paused: cancellations, pauses, counts of limits, parked commands, protected ids \
                               and outcomes may be lost or old; look at what happened since, cancel and pause again what must \
                               be, and let them go on with `oktabus command resume --commands NAME`";

/// Who has paused, as shown to people.
const BY: &str = "recovery";

/// The notes that pause the sections `names` in a recovered state.
pub fn pauses<'a>(names: impl IntoIterator<Item = &'a String>, at: Timestamp) -> Vec<FreshNote> {
    names.into_iter().map(|name| FreshNote { name: note_name(name), content: content(name, at) }).collect()
}

/// The name of the note of the section `name`. It differs from that of an operator's pause, which stays in the state.
pub(super) fn note_name(name: &str) -> String {
    format!("recovered/{name}")
}

/// The pause that is in effect if there is a recovery, a pause by an operator, or both: each holds until somebody
/// resumes.
pub(super) fn paused(recovered: Option<StopRecord>, operator: Option<StopRecord>) -> Option<StopRecord> {
    let (recovered, operator) = match (recovered, operator) {
        (Some(recovered), Some(operator)) => (recovered, operator),
        (recovered, operator) => return recovered.or(operator),
    };
    let reason = recovered.reason.unwrap_or_default();
    Some(StopRecord { reason: Some(format!("{reason}; before, it was paused{operator}")), ..recovered })
}

fn content(name: &str, at: Timestamp) -> String {
    let reason = format!(
        "the state was recovered: cancellations, pauses, limits, parked commands and protected ids may be lost or old; look at \
         what happened since, then `oktabus command resume --commands {name}`"
    );
    let stopped = StopRecord { at, by: Some(BY.to_owned()), reason: Some(reason) };
    // It has only strings and a time, so serialization cannot fail.
    serde_json::to_string(&stopped).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_pause_is_told_beside_a_recovery() {
        let name = "hr".to_owned();
        let notes = pauses([&name], Timestamp::UNIX_EPOCH);
        assert_eq!(notes[0].name, "recovered/hr");
        let recovered: StopRecord = serde_json::from_str(&notes[0].content).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let eve = StopRecord { at, by: Some("eve".to_owned()), reason: Some("a leak".to_owned()) };
        assert_eq!(paused(None, Some(eve.clone())), Some(eve.clone()));
        assert_eq!(paused(Some(recovered.clone()), None), Some(recovered.clone()));
        let both = paused(Some(recovered), Some(eve)).unwrap();
        let reason = both.reason.unwrap();
        assert!(reason.contains("resume --commands hr") && reason.contains("by eve"), "{reason}");
        assert_eq!(both.by.as_deref(), Some("recovery"));
    }
}
