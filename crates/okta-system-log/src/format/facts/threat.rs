//! What Okta's ThreatInsight said of a request.

use std::borrow::Cow;

use super::{level::Level, notation};
use crate::{
    event::is_missing,
    format::{log_event::LogEvent, object::Object},
};

/// What ThreatInsight found.
#[derive(Debug, Default)]
pub(in crate::format) struct Threat<'a> {
    /// Whether it suspects the request; None where it says nothing.
    pub(in crate::format) is_suspected: Option<bool>,
    /// The highest level of what it detected.
    pub(in crate::format) level: Option<Level>,
    /// What it detected, for example `Password Spray`.
    pub(in crate::format) detections: Vec<Cow<'a, str>>,
    /// Whether Okta wrote something of a threat that could not be read.
    pub(in crate::format) is_unread: bool,
}

/// Where Okta says it; its documents write some members with a capital.
pub(in crate::format) const SUSPECTED: [&str; 3] = ["threatSuspected", "ThreatSuspected", "threat_suspected"];
const DETECTIONS: [&str; 3] = ["threatDetections", "ThreatDetections", "threat_detections"];
/// A part of either name, in small letters.
const NAME: &str = "threat";

/// Words for yes and for no.
const YES: [&str; 3] = ["true", "yes", "1"];
const NO: [&str; 3] = ["false", "no", "0"];

impl<'a> Threat<'a> {
    /// What `event` says of a threat: `threatSuspected` is a text or a truth value, `threatDetections` such as
    /// `{"Password Spray":"HIGH"}` an object, a text with JSON, or Java's `{Password Spray=HIGH}`.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Self {
        let mut threat = Self::default();
        // Of several spellings the one that tells of a threat counts.
        let contents = |names: [&'static str; 3]| {
            names.into_iter().filter_map(|name| event.debug_data.raw(name)).filter_map(notation::content)
        };
        for suspected in contents(SUSPECTED) {
            let is = |words: [&str; 3]| words.iter().any(|word| suspected.eq_ignore_ascii_case(word));
            let told = if is(YES) { Some(true) } else { is(NO).then_some(false) };
            threat.is_unread |= told.is_none();
            threat.is_suspected = threat.is_suspected.max(told);
        }
        for detections in contents(DETECTIONS) {
            match detections {
                Cow::Borrowed(content) => threat.add(content),
                Cow::Owned(content) => {
                    let mut found = Threat::default();
                    found.add(&content);
                    threat.level = threat.level.max(found.level);
                    threat.is_unread |= found.is_unread;
                    let names = found.detections.into_iter().map(|name| Cow::Owned(name.into_owned()));
                    threat.detections.extend(names);
                }
            }
        }
        // A context that nobody can read hides no threat.
        threat.is_unread |= event.unread_contexts().any(|json| json.to_ascii_lowercase().contains(NAME));
        threat
    }

    fn add(&mut self, content: &'a str) {
        if let Some(object) = Object::read(content) {
            return self.add_object(&object);
        }
        if let Some(elements) = Object::read_elements(content) {
            for element in elements {
                match (Object::read(element), notation::content(element)) {
                    (Some(object), _) => self.add_object(&object),
                    (None, Some(text)) => self.add_text(&text, |name| Cow::Owned(name.to_owned())),
                    (None, None) => {}
                }
            }
            return;
        }
        self.add_text(content, Cow::Borrowed);
    }

    /// Adds `{"Password Spray":"HIGH"}`, or one detection that is told as `{"name":"Password Spray","level":"HIGH"}`.
    fn add_object(&mut self, object: &Object<'a>) {
        if let (Some(name), Some(level)) = (object.peek("name"), object.peek("level")) {
            return self.insert(name, &level);
        }
        for (name, json) in object.members() {
            match (Object::read(json), notation::content(json)) {
                (Some(detail), _) => {
                    self.insert(Cow::Owned(name.to_owned()), detail.peek("level").as_deref().unwrap_or("?"));
                }
                (None, Some(level)) => self.insert(Cow::Owned(name.to_owned()), &level),
                (None, None) => {}
            }
        }
    }

    /// Adds what Java printed, `{Password Spray=HIGH}`, or names alone, such as `[Password Spray]`.
    fn add_text<'t>(&mut self, text: &'t str, own: impl Fn(&'t str) -> Cow<'a, str>) {
        let (entries, is_whole) = notation::entries_by_value(text, |word| Level::read(word).is_some());
        if entries.is_empty() {
            let names = text.trim_matches(['[', ']', '{', '}', ' ']).split(',').map(str::trim_ascii);
            return names.filter(|name| !name.is_empty()).for_each(|name| self.insert(own(name), ""));
        }
        self.is_unread |= !is_whole;
        for (name, level) in entries {
            self.insert(own(name), level);
        }
    }

    /// Adds a detection; `level` is empty where there is none.
    fn insert(&mut self, name: Cow<'a, str>, level: &str) {
        let read = Level::read(level);
        self.level = self.level.max(read);
        self.is_unread |= read.is_none() && !is_missing(level);
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
        let threat = |data: &str| {
            let event = format!(r#"{{"debugContext":{{"debugData":{data}}}}}"#);
            let event = LogEvent::read(event.as_str()).unwrap();
            let threat = Threat::of(&event);
            (threat.is_suspected, threat.level, threat.detections.len(), threat.is_unread)
        };
        for data in [
            r#"{"threatDetections":[{"Password Spray":"HIGH"}]}"#,
            r#"{"threatDetections":[{"name":"Password Spray","level":"HIGH"}]}"#,
            r#"{"threatDetections":{"Password Spray":{"level":"HIGH"}}}"#,
            r#"{"threatDetections":["Password Spray=HIGH"]}"#,
            r#"{"ThreatDetections":"{Password Spray:HIGH}"}"#,
        ] {
            assert_eq!(threat(data), (None, Some(Level::High), 1, false), "{data}");
        }
        for data in [
            r#"{"threatDetections":{"Password Spray":"VERY_HIGH"}}"#,
            r#"{"threatDetections":{"Password Spray":{"score":90}}}"#,
            r#"{"threatDetections":["Password Spray=90"]}"#,
        ] {
            assert_eq!(threat(data), (None, None, 1, true), "{data}");
        }
        for (data, is_suspected, is_unread) in [
            (r#"{"ThreatSuspected":"true"}"#, Some(true), false),
            (r#"{"threatSuspected":1}"#, Some(true), false),
            (r#"{"threatSuspected":"Yes"}"#, Some(true), false),
            (r#"{"threatSuspected":"0"}"#, Some(false), false),
            (r#"{"threatSuspected":"maybe"}"#, None, true),
            (r#"{"threatSuspected":{"value":true}}"#, None, true),
            (r#"{"threatSuspected":null}"#, None, false),
            (r#"{"threat_suspected":"true"}"#, Some(true), false),
            (r#""{\"threatSuspected\":\"true\",\"x\":\"y""#, None, true),
            (r#""{threatSuspected=false, threatSuspected=true}""#, None, true),
        ] {
            assert_eq!(threat(data), (is_suspected, None, 0, is_unread), "{data}");
        }
        let nothing = LogEvent::read("{}").unwrap();
        assert!(Threat::of(&nothing).is_suspected.is_none() && Threat::of(&nothing).detections.is_empty());
    }
}
