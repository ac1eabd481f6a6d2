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
const RISKS: [&str; 9] = [
    "risk",
    "riskChange",
    "risk_change",
    "partnerRisk",
    "partner_risk",
    "partnerRiskReportData",
    "partner_risk_report_data",
    "securityEventsProviderReportedRisk",
    "security_events_provider_reported_risk",
];
/// Members that are behaviours.
const BEHAVIORS: [&str; 3] = ["behaviors", "userBehaviors", "user_behaviors"];
/// Members that are only logged, and decide nothing.
const LOG_ONLY: [&str; 2] = ["logOnlySecurityData", "log_only_security_data"];

fn is_behaviors(name: &str) -> bool {
    BEHAVIORS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl<'a> Assessment<'a> {
    /// All that the event says of it.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Self {
        let mut found = Self::default();
        found.add_security_context(event);
        let data = &event.debug_data;
        RISKS.iter().filter_map(|name| data.raw(name)).for_each(|json| found.risk.add(json));
        for place in [data, &event.security] {
            for name in ["riskLevel", "risk_level"] {
                place.raw(name).into_iter().for_each(|json| found.risk.add_level(json));
            }
            for name in ["riskReasons", "riskReason", "risk_reasons"] {
                place.raw(name).into_iter().for_each(|json| found.risk.add_reasons(json));
            }
            for name in BEHAVIORS {
                place.raw(name).into_iter().for_each(|json| found.behaviors.add(json));
            }
            found.add_capitalised(place);
        }
        LOG_ONLY.iter().filter_map(|name| data.raw(name)).for_each(|json| found.add_log_only(json));
        found.add_unread_contexts(event);
        found.risk.distrust_low();
        found
    }

    /// Okta's documents write the members with a capital.
    fn add_capitalised(&mut self, place: &Object<'a>) {
        let is_capital = |name: &str| name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        for (name, json) in place.members().filter(|(name, _)| is_capital(name)) {
            match name {
                _ if is_behaviors(name) => self.behaviors.add(json),
                "LogOnlySecurityData" => self.add_log_only(json),
                "RiskLevel" => self.risk.add_level(json),
                "RiskReasons" => self.risk.add_reasons(json),
                _ if RISKS.iter().any(|risk| risk.eq_ignore_ascii_case(name)) => self.risk.add(json),
                _ => {}
            }
        }
    }

    /// A context that nobody can read may still tell of a risk, and never hides one.
    fn add_unread_contexts(&mut self, event: &LogEvent<'a>) {
        for content in event.unread_contexts().filter_map(notation::content) {
            match Object::read_elements(&*content) {
                Some(elements) => {
                    let contents = elements.into_iter().filter_map(notation::content);
                    contents.for_each(|content| self.add_printed(&content));
                }
                None => self.add_printed(&content),
            }
        }
    }

    /// Adds what a text says that may hold a risk and behaviours, and much else.
    fn add_printed(&mut self, content: &str) {
        let mut found = Assessment::default();
        found.add_log_only_content(content);
        self.merge(found);
    }

    fn merge(&mut self, found: Assessment<'_>) {
        self.risk.merge(found.risk.into_owned());
        self.behaviors.merge(found.behaviors);
    }

    fn add_security_context(&mut self, event: &LogEvent<'a>) {
        match event.security.raw("risk") {
            // It was opened with the event.
            Some(json) if json.starts_with('{') => self.risk.add_object(&event.risk, json),
            Some(json) => self.risk.add(json),
            None => {}
        }
    }

    /// What is only logged, and decides nothing: `{"risk": {…}, "behaviors": {…}}`.
    fn add_log_only(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_log_only_content(content),
            Some(Cow::Owned(content)) => self.add_printed(&content),
            None => {}
        }
    }

    fn add_log_only_content(&mut self, content: &'a str) {
        if let Some(object) = Object::read(content) {
            self.risk.add_part_of(&object, content);
            let behaviors = object.members().filter(|(name, _)| is_behaviors(name));
            return behaviors.for_each(|(_, json)| self.behaviors.add(json));
        }
        if let Some(elements) = Object::read_elements(content) {
            for content in elements.into_iter().filter_map(notation::content) {
                match Object::read_elements(&*content) {
                    Some(_) => self.risk.add_unread(content.into_owned().into()),
                    None => self.add_printed(&content),
                }
            }
            return;
        }
        // What Java printed, or JSON that was cut.
        self.risk.add_content(content);
        match printed_behaviors(content) {
            Some(behaviors) => self.behaviors.add_content(behaviors),
            None if Behaviors::has_result(content) => self.behaviors.add_content(content),
            None => {}
        }
    }
}

/// The behaviours in what Java printed, `{risk={level=LOW}, behaviors={New IP=NEGATIVE}}`, or in JSON that was cut: from
/// the brace behind their name to the one that closes it, if one does.
fn printed_behaviors(content: &str) -> Option<&str> {
    const NAME: &str = "behaviors";
    let is_name = |at: &usize| {
        content.get(*at..at + NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            && content[at + NAME.len()..].trim_start_matches(['"', '\'', '\\', ' ']).starts_with(['=', ':'])
    };
    let at = (0..content.len().saturating_sub(NAME.len())).find(is_name)?;
    let (_, value) = content[at..].split_once(['=', ':'])?;
    let value = value.trim_start_matches(['"', '\\', ' ']);
    let mut depth = 0_usize;
    for (at, letter) in value.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return Some(&value[..=at]);
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::{event::json::Document, format::forms};

    /// What an event says, with its parts in whatever form.
    fn assess(json: &str) -> Assessment<'static> {
        forms::with_event(&Document::read(json), |event| {
            let found = Assessment::of(&event.unwrap());
            let mut kept = Assessment { risk: found.risk.into_owned(), ..Assessment::default() };
            kept.behaviors.merge(found.behaviors);
            kept
        })
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
            r#""debugContext":{"debugData":{"risk_level":"HIGH","risk_reasons":"A, B","user_behaviors":{"New Device":"POSITIVE","New IP":"NEGATIVE"}}}"#,
            r#""debugContext":{"debugData":{"risk_change":"{level=HIGH, reasons=A, B}","behaviors":{"New Device":"POSITIVE"}}}"#,
            r#""debugContext":{"debugData":{"partner_risk":"[{reasons=A, B, level=HIGH}]","behaviors":{"New Device":"POSITIVE"}}}"#,
            r#""debugContext":{"debugData":{"log_only_security_data":"{risk={level=HIGH, reasons=A, B}, behaviors={New Device=POSITIVE}}"}}"#,
            r#""debugContext":{"debugData":"{risk={level=HIGH, reasons=A, B}, behaviors={New Device=POSITIVE, New IP=NEGATIVE}}"}"#,
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
    fn what_is_only_logged_is_read_with_all_that_stands_in_it() {
        for data in [
            r#"{"behaviors":{"New IP":"POSITIVE"},"riskLevel":"HIGH"}"#,
            r#"{"Behaviors":{"New IP":"POSITIVE"},"Risk":{"level":"HIGH"}}"#,
            r#""{\"behaviors\":{\"New IP\":\"POSITIVE\"},\"Risk\":{\"level\":\"HIGH\"}}""#,
            r#"{"userBehaviors":[{"New IP":"POSITIVE"}],"level":"HIGH"}"#,
            r#"[{"risk":{"level":"HIGH"}},{"behaviors":{"New IP":"POSITIVE"}}]"#,
            r#""{behaviors={New IP=POSITIVE, New Device=NEGATIVE}, risk={level=HIGH, reasons=A}}""#,
            r#""{Behaviors={New IP=POSITIVE}, Risk={reasons=A, level=HIGH}}""#,
        ] {
            let event = format!(r#"{{"debugContext":{{"debugData":{{"logOnlySecurityData":{data}}}}}}}"#);
            let Assessment { risk, behaviors } = assess(&event);
            assert_eq!((risk.level, risk.unread), (Some(Level::High), None), "{data}");
            assert_eq!(
                (behaviors.fired(), behaviors.unread.as_deref()),
                (&["New IP".into()][..], None),
                "{data}"
            );
        }
        let low = r#"{"debugContext":{"debugData":{"logOnlySecurityData":"{behaviors={New IP=NEGATIVE}, risk={level=LOW, reasons=A}}"}}}"#;
        let Assessment { risk, behaviors } = assess(low);
        assert_eq!((risk.word(), risk.unread.as_deref()), (Some("LOW"), None));
        assert!(behaviors.fired().is_empty() && behaviors.unread.is_none());
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
            r#""debugContext":{"debugData":"{risk={level=HIGH}}"}"#,
            r#""debugContext":{"debugData":"{requestId=R1, risk={reasons=A, B, level=HIGH}, url=/a?}"}"#,
            r#""securityContext":"{risk={level=HIGH}, userBehaviors=[{id=b1, name=New IP, result=POSITIVE}]}""#,
            r#""securityContext":[{"risk":{"level":"HIGH"}}]"#,
            r#""securityContext":{"Risk":{"level":"HIGH"}}"#,
            r#""securityContext":{"riskLevel":"HIGH"}"#,
            r#""debugContext":{"debugData":[{"requestId":"R1"},{"risk":"{level=HIGH}"}]}"#,
            r#""debugContext":[{"debugData":{"risk":"{level=HIGH}"}}]"#,
            r#""debugContext":{"debugData":["risk={level=HIGH}"]}"#,
            r#""debugContext":"{debugData={risk={level=HIGH}}}""#,
            r#""debugContext":{"debugData":[{"key":"risk","value":"HIGH"}]}"#,
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
            r#"{"debugContext":{"debugData":[{"entry":"risk","value":"HIGH"},{"entry":"x","value":"y"}]}}"#,
            r#"{"debugContext":{"debugData":"the risk is high"}}"#,
            r#"{"debugContext":{"debugData":{"riskReasons":"x level=high"}}}"#,
            r#"{"debugContext":{"debugData":{"logOnlySecurityData":"{user={level=HIGH}}"}}}"#,
        ] {
            let Assessment { risk, .. } = assess(event);
            assert!(risk.level.is_none() && risk.unread.is_some(), "{event}");
        }
        let behaviors =
            r#"{"debugContext":{"debugData":{"logOnlySecurityData":{"behaviors":{"New IP":"POSITIVE"}}}}}"#;
        assert_eq!(assess(behaviors).risk.word(), None);
        for harmless in [
            r#"{"debugContext":{"debugData":"{requestId=R1, url=/a?, threatSuspected=false}"}}"#,
            r#"{"debugContext":{"debugData":[{"requestId":"R1"}]},"securityContext":[]}"#,
            r#"{"debugContext":"","securityContext":"null"}"#,
        ] {
            let Assessment { risk, behaviors } = assess(harmless);
            assert!(behaviors.fired().is_empty() && behaviors.unread.is_none(), "{harmless}");
            assert_eq!(risk.word(), None, "{harmless}");
        }
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
