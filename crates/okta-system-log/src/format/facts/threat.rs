//! What Okta's ThreatInsight said of a request.

use std::borrow::Cow;

use super::{level::Level, notation};
use crate::format::{log_event::LogEvent, object::Object};

/// What ThreatInsight found.
#[derive(Debug, Default)]
pub(in crate::format) struct Threat<'a> {
    /// Whether it suspects the request; None where it says nothing.
    pub(in crate::format) is_suspected: Option<bool>,
    /// The highest level of what it detected.
    pub(in crate::format) level: Option<Level>,
    /// What it detected, for example `Password Spray`.
    pub(in crate::format) detections: Vec<Cow<'a, str>>,
}

impl<'a> Threat<'a> {
    /// What `event` says of a threat: `threatSuspected` is a text or a truth value, `threatDetections` such as
    /// `{"Password Spray":"HIGH"}` an object, a text with JSON, or Java's `{Password Spray=HIGH}`.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Self {
        let mut threat = Self::default();
        let suspected = event.debug_data.raw("threatSuspected").and_then(notation::content);
        let is = |word: &str| suspected.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
        threat.is_suspected = if is("true") { Some(true) } else { is("false").then_some(false) };
        match event.debug_data.raw("threatDetections").and_then(notation::content) {
            Some(Cow::Borrowed(content)) => threat.add(content),
            Some(Cow::Owned(content)) => {
                let mut found = Threat::default();
                found.add(&content);
                threat.level = found.level;
                let names = found.detections.into_iter().map(|name| Cow::Owned(name.into_owned()));
                threat.detections = names.collect();
            }
            None => {}
        }
        threat
    }

    fn add(&mut self, content: &'a str) {
        if let Some(object) = Object::read(content) {
            for (name, json) in object.members() {
                if let Some(level) = notation::content(json) {
                    self.insert(Cow::Owned(name.to_owned()), &level);
                }
            }
            return;
        }
        if let Some(elements) = Object::read_elements(content) {
            let names = elements.into_iter().filter_map(notation::content);
            return names.for_each(|name| self.insert(name, ""));
        }
        let (entries, _) = notation::entries_by_value(content);
        if entries.is_empty() {
            // Names alone, such as `[Password Spray]`.
            let names = content.trim_matches(['[', ']', '{', '}', ' ']).split(',').map(str::trim_ascii);
            return names
                .filter(|name| !name.is_empty())
                .for_each(|name| self.insert(Cow::Borrowed(name), ""));
        }
        for (name, level) in entries {
            self.insert(Cow::Borrowed(name), level);
        }
    }

    fn insert(&mut self, name: Cow<'a, str>, level: &str) {
        self.level = self.level.max(Level::read(level));
        if self.detections.len() < DETECTIONS_MAX {
            self.detections.push(name);
        }
    }
}

/// More than ThreatInsight has. What is beyond stays where Okta wrote it.
const DETECTIONS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_detection_counts_in_every_notation() {
        for (data, is_suspected) in [
            (
                r#"{"threatSuspected":"true","threatDetections":"{\"Password Spray\":\"MEDIUM\",\"Login Failures\":\"HIGH\"}"}"#,
                true,
            ),
            (
                r#"{"threatSuspected":false,"threatDetections":{"Password Spray":"MEDIUM","Login Failures":"HIGH"}}"#,
                false,
            ),
            (
                r#"{"threatSuspected":true,"threatDetections":"{Password Spray=MEDIUM, Login Failures=HIGH}"}"#,
                true,
            ),
        ] {
            let event = format!(r#"{{"debugContext":{{"debugData":{data}}}}}"#);
            let event = LogEvent::read(event.as_str()).unwrap();
            let threat = Threat::of(&event);
            assert_eq!(
                (threat.is_suspected, threat.level),
                (Some(is_suspected), Some(Level::High)),
                "{data}"
            );
            assert_eq!(threat.detections, ["Password Spray", "Login Failures"]);
        }
        for names in [r#""[Password Spray, Login Failures]""#, r#"["Password Spray","Login Failures"]"#] {
            let event = format!(r#"{{"debugContext":{{"debugData":{{"threatDetections":{names}}}}}}}"#);
            let event = LogEvent::read(event.as_str()).unwrap();
            let threat = Threat::of(&event);
            assert_eq!(threat.detections, ["Password Spray", "Login Failures"], "{names}");
            assert_eq!(threat.level, None);
        }
        let nothing = LogEvent::read("{}").unwrap();
        assert!(Threat::of(&nothing).is_suspected.is_none() && Threat::of(&nothing).detections.is_empty());
    }
}
