//! The pause with which commands start on a state that was recovered: what was cancelled, paused, counted or parked since may
//! be lost, and so may ids that are protected. Pure.

use jiff::Timestamp;

use super::stops::StopRecord;
use crate::state::FreshNote;

/// What is told where a recovery is chosen or done.
pub const CONSEQUENCE: &str = "commands start paused: cancellations, pauses, counts of limits, parked commands, protected ids \
                               and outcomes may be lost or old; look at what happened since, cancel and pause again what must \
                               be, and let them go on with `oktabus command resume --commands NAME`";

/// Who has paused, for people.
const BY: &str = "recovery";

/// The notes that a state is recovered with, so that the commands `names` are paused in it.
pub fn pauses<'a>(names: impl IntoIterator<Item = &'a String>, at: Timestamp) -> Vec<FreshNote> {
    names.into_iter().map(|name| FreshNote { name: note_name(name), content: content(name, at) }).collect()
}

/// The name of the note of the commands `name`. It is another than that of an operator's pause, which it hides and leaves alone.
pub(super) fn note_name(name: &str) -> String {
    format!("recovered/{name}")
}

/// What is to be told of a recovery and of a pause by an operator, who both hold until somebody resumes.
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
    // Strings and a time alone: there is nothing in it that could fail to be JSON.
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
