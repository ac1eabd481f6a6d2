//! What Okta's risk engine and its behaviour detection said of an event, wherever they said it.

use std::borrow::Cow;

use super::{behaviors::Behaviors, notation, risk::Risk};
use crate::format::{log_event::LogEvent, object::Object};

/// The risk and the behaviours. Okta has said so in the security context since 2025; before that, and often beside it, in
/// the debug data.
#[derive(Debug, Default)]
pub(in crate::format) struct Assessment<'a> {
    pub(in crate::format) risk: Risk<'a>,
    pub(in crate::format) behaviors: Behaviors<'a>,
}

/// Members of the debug data that are a risk.
const RISKS: [&str; 5] =
    ["risk", "riskChange", "partnerRisk", "partnerRiskReportData", "securityEventsProviderReportedRisk"];

impl<'a> Assessment<'a> {
    /// All that the event says of it.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Self {
        let mut found = Self::default();
        found.add_security_context(event);
        let data = &event.debug_data;
        RISKS.iter().filter_map(|name| data.raw(name)).for_each(|json| found.risk.add(json));
        for name in ["riskLevel", "risk_level"] {
            data.raw(name).into_iter().for_each(|json| found.risk.add_level(json));
        }
        for name in ["riskReasons", "riskReason"] {
            data.raw(name).into_iter().for_each(|json| found.risk.add_reasons(json));
        }
        if let Some(json) = data.raw("behaviors") {
            found.behaviors.add(json);
        }
        if let Some(json) = data.raw("logOnlySecurityData") {
            found.add_log_only(json);
        }
        found.add_capitalised(event);
        found.add_texts(event);
        found.risk.distrust_low();
        found
    }

    /// Okta's documents write the members with a capital.
    fn add_capitalised(&mut self, event: &LogEvent<'a>) {
        let is_capital = |name: &str| name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        for (name, json) in event.debug_data.members().filter(|(name, _)| is_capital(name)) {
            match name {
                "Behaviors" => self.behaviors.add(json),
                "LogOnlySecurityData" => self.add_log_only(json),
                "RiskLevel" => self.risk.add_level(json),
                "RiskReasons" => self.risk.add_reasons(json),
                _ if RISKS.iter().any(|risk| risk.eq_ignore_ascii_case(name)) => self.risk.add(json),
                _ => {}
            }
        }
    }

    /// What stands between Okta and us may have made a text of a whole context.
    fn add_texts(&mut self, event: &LogEvent<'a>) {
        let contexts = ["securityContext", "debugContext"].map(|name| (name, event.root.raw(name)));
        for (name, json) in contexts {
            self.add_text(json, |content| format!("{{\"{name}\":{content}}}"));
        }
        let data = event.debug_context.raw("debugData");
        self.add_text(data, |content| format!("{{\"debugContext\":{{\"debugData\":{content}}}}}"));
    }

    /// Adds what the text `json` says, of which `event` makes an event.
    fn add_text(&mut self, json: Option<&str>, event: impl Fn(&str) -> String) {
        let Some(json) = json.filter(|json| json.starts_with('"')) else { return };
        let Some(content) = notation::content(json).filter(|content| Object::read(&**content).is_some())
        else {
            return;
        };
        let event = event(&content);
        if let Some(event) = LogEvent::read(event.as_str()) {
            let found = Assessment::of(&event);
            self.risk.merge(found.risk.into_owned());
            self.behaviors.merge(found.behaviors);
        }
    }

    fn add_security_context(&mut self, event: &LogEvent<'a>) {
        match event.security.raw("risk") {
            // It was opened with the event.
            Some(json) if json.starts_with('{') => self.risk.add_object(&event.risk, json),
            Some(json) => self.risk.add(json),
            None => {}
        }
        if let Some(json) = event.security.raw("userBehaviors") {
            self.behaviors.add(json);
        }
    }

    /// What is only logged, and decides nothing: `{"risk": {…}, "behaviors": {…}}`.
    fn add_log_only(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_log_only_content(content),
            Some(Cow::Owned(content)) => {
                let mut found = Assessment::default();
                found.add_log_only_content(&content);
                self.risk.merge(found.risk.into_owned());
                self.behaviors.merge(found.behaviors);
            }
            None => {}
        }
    }

    fn add_log_only_content(&mut self, content: &'a str) {
        let Some(object) = Object::read(content) else {
            self.risk.add_content(content);
            // What Java printed, or JSON that was cut.
            return match content.split_once("behaviors=") {
                Some((_, behaviors)) => self.behaviors.add_content(behaviors),
                None => self.behaviors.add_content(content),
            };
        };
        // What has neither may be a risk of its own.
        if !object.members().any(|(name, _)| ["risk", "behaviors"].contains(&name)) {
            return self.risk.add_part_of(&object, content);
        }
        for (name, json) in object.members() {
            match name {
                "risk" => self.risk.add(json),
                "behaviors" => self.behaviors.add(json),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn assess<'a>(json: &'a str) -> Assessment<'a> {
        Assessment::of(&LogEvent::read(json).unwrap())
    }

    #[test]
    fn what_is_said_in_any_place_is_found() {
        for security in [
            r#""securityContext":{"risk":{"level":"HIGH","reasons":["A","B"]},"userBehaviors":[{"name":"New Device","result":"POSITIVE"},{"name":"New IP","result":"NEGATIVE"}]}"#,
            r#""debugContext":{"debugData":{"risk":"{reasons=A, B, level=HIGH}","behaviors":"{New Device=POSITIVE, New IP=NEGATIVE}"}}"#,
            r#""debugContext":{"debugData":{"logOnlySecurityData":{"risk":{"level":"HIGH","reasons":"A, B"},"behaviors":{"New Device":"POSITIVE","New IP":"NEGATIVE"}}}}"#,
            r#""debugContext":{"debugData":{"logOnlySecurityData":"{\"risk\":{\"level\":\"HIGH\",\"reasons\":\"A, B\"},\"behaviors\":{\"New Device\":\"POSITIVE\",\"New IP\":\"NEGATIVE\"}}"}}"#,
            r#""debugContext":{"debugData":{"logOnlySecurityData":"{risk={level=HIGH, reasons=A, B}, behaviors={New Device=POSITIVE, New IP=NEGATIVE}}"}}"#,
            r#""debugContext":{"debugData":{"Risk":"{reasons=A, B, level=HIGH}","Behaviors":"{New Device=POSITIVE, New IP=NEGATIVE}"}}"#,
            r#""debugContext":{"debugData":{"riskLevel":"HIGH","riskReasons":"A, B","behaviors":{"New Device":"POSITIVE","New IP":"NEGATIVE"}}}"#,
            r#""debugContext":{"debugData":{"riskChange":"{\"riskLevel\":\"HIGH\",\"priorRiskLevel\":\"LOW\",\"reasonCode\":\"A, B\"}","behaviors":"New Device=POSITIVE"}}"#,
            r#""debugContext":{"debugData":{"partnerRisk":"[{reasons=A, B, level=HIGH, name=sig-sci}, {name=perimeter-x, level=MEDIUM}]","behaviors":"New Device=POSITIVE"}}"#,
        ] {
            let event = format!("{{{security}}}");
            let Assessment { risk, behaviors } = assess(&event);
            assert_eq!((risk.level, risk.word()), (Some(Level::High), Some("HIGH")), "{security}");
            assert_eq!(risk.reasons, ["A", "B"], "{security}");
            assert_eq!(behaviors.fired(), ["New Device"], "{security}");
            assert_eq!((risk.unread, behaviors.unread), (None, None), "{security}");
        }
    }

    #[test]
    fn the_highest_of_several_levels_counts() {
        let event = r#"{"securityContext":{"risk":{"level":"LOW"}},"debugContext":{"debugData":{"risk":"{level=HIGH}","logOnlySecurityData":"{\"risk\":{\"level\":\"MEDIUM\"}}"}}}"#;
        assert_eq!(assess(event).risk.level, Some(Level::High));
    }

    #[test]
    fn a_context_that_became_a_text_still_tells_of_the_risk() {
        for context in [
            r#""debugContext":"{\"debugData\":{\"risk\":\"{level=HIGH}\"}}""#,
            r#""debugContext":{"debugData":"{\"risk\":\"{level=HIGH}\"}"}"#,
            r#""securityContext":"{\"risk\":{\"level\":\"HIGH\"}}""#,
            r#""debugContext":{"debugData":{"risk_level":"HIGH"}}"#,
        ] {
            let event = format!("{{{context}}}");
            assert_eq!(assess(&event).risk.level, Some(Level::High), "{context}");
        }
    }

    #[test]
    fn a_risk_that_nobody_can_read_is_told_wherever_it_stands() {
        for event in [
            r#"{"securityContext":{"risk":{"user":{"level":"HIGH"}}}}"#,
            r#"{"debugContext":{"debugData":{"risk":{"riskScore":"HIGH"}}}}"#,
            r#"{"debugContext":{"debugData":{"logOnlySecurityData":{"value":"HIGH"}}}}"#,
            r#"{"debugContext":{"debugData":{"logOnlySecurityData":"{user={level=HIGH}}"}}}"#,
        ] {
            let Assessment { risk, .. } = assess(event);
            assert!(risk.level.is_none() && risk.unread.is_some(), "{event}");
        }
        let behaviors =
            r#"{"debugContext":{"debugData":{"logOnlySecurityData":{"behaviors":{"New IP":"POSITIVE"}}}}}"#;
        assert_eq!(assess(behaviors).risk.word(), None);
    }

    #[test]
    fn a_low_risk_beside_one_that_cannot_be_read_is_not_known_to_be_low() {
        let event = |level: &str| {
            format!(
                r#"{{"securityContext":{{"risk":{{"level":"{level}"}}}},"debugContext":{{"debugData":{{"risk":"{{level=VERY_HIGH}}"}}}}}}"#
            )
        };
        assert_eq!(assess(&event("LOW")).risk.word(), Some("VERY_HIGH"));
        assert_eq!(assess(&event("MEDIUM")).risk.word(), Some("MEDIUM"));
    }

    #[test]
    fn a_text_that_was_cut_is_read_as_far_as_it_goes_and_known_to_be_unread() {
        let event = r#"{"debugContext":{"debugData":{"logOnlySecurityData":"{\"risk\":{\"level\":\"LOW\",\"reasons\":\"A\"},\"behaviors\":{\"New Dev"}}}"#;
        let Assessment { risk, behaviors } = assess(event);
        assert!(risk.word().is_some() && behaviors.unread.is_some());
        assert!(assess("{}").risk.word().is_none());
    }
}
