//! `okta.debug_context.debug_data`: all of it under `flattened`, and what rules ask for in fields of its own.
//!
//! Under `flattened` the risk and the behaviours are objects, as Elastic's integration has them, where Okta writes a text
//! such as `{level=HIGH, reasons=Anomalous Device}`.

use super::{
    super::super::{
        facts::{Assessment, notation},
        log_event::LogEvent,
        object::{Member, Object},
        writer::ObjectWriter,
    },
    fields, flattened,
};
use crate::event::repaired;

/// The event type whose debug data tell of the event that a user reported.
const REPORT: &str = "user.account.report_suspicious_activity_by_enduser";

pub(super) fn write(event: &LogEvent<'_>, assessment: &Assessment<'_>, out: &mut ObjectWriter<'_>) {
    let data = &event.debug_data;
    out.object("debug_context", |out| {
        out.object("debug_data", |out| {
            fields::write(data, &fields::DEBUG_DATA, out);
            write_assessment(assessment, out);
            out.object("originalPrincipal", |out| write_principal(data, out));
            if event.event_type().as_deref() == Some(REPORT) {
                out.object("suspicious_activity", |out| {
                    fields::write(data, &fields::SUSPICIOUS_ACTIVITY, out);
                });
            }
            out.object("flattened", |out| {
                data.present().for_each(|member| write_flattened(data, member, out));
            });
        });
    });
}

/// What Okta found of the risk, in whatever place it says so. Of the behaviours only those that fired.
fn write_assessment(assessment: &Assessment<'_>, out: &mut ObjectWriter<'_>) {
    out.text_if("risk_level", assessment.risk.word());
    out.texts("risk_reasons", &assessment.risk.reasons);
    out.texts("risk_behaviors", assessment.behaviors.fired());
}

/// Who is behind a token that acts for them.
fn write_principal(data: &Object<'_>, out: &mut ObjectWriter<'_>) {
    if let Some(principal) = data.peek_object("originalPrincipal") {
        fields::write(&principal, &fields::PRINCIPAL, out);
    }
}

fn write_flattened(data: &Object<'_>, member: Member<'_, '_>, out: &mut ObjectWriter<'_>) {
    let name = member.name();
    let is_written = match name {
        "risk" => data.peek(name).is_some_and(|text| {
            let (entries, _) = notation::entries_by_name(&text, |_| false);
            write_entries("risk", &text, &entries, out)
        }),
        "behaviors" => data.peek(name).is_some_and(|text| {
            let (entries, _) = notation::entries_by_value(&text, |_| false);
            write_entries("behaviors", &text, &entries, out)
        }),
        "logOnlySecurityData" => {
            data.peek(name).is_some_and(|text| write_json("logOnlySecurityData", &text, out))
        }
        _ => false,
    };
    if !is_written {
        flattened::write_member(member, out);
    }
}

/// The entries of the map that `text` is, as an object; false if that would not tell all that the text does.
fn write_entries(
    name: &'static str,
    text: &str,
    entries: &[(&str, &str)],
    out: &mut ObjectWriter<'_>,
) -> bool {
    let is_each_once =
        || entries.iter().enumerate().all(|(n, (own, _))| entries[..n].iter().all(|(name, _)| name != own));
    if text.contains('\0') || entries.len() > ENTRIES_MAX || !is_the_same(text, entries) || !is_each_once() {
        return false;
    }
    out.object(name, |out| entries.iter().for_each(|(name, value)| out.okta_text(name, value)))
}

/// Whether `text` is `{name=value, name=value}` with these entries.
fn is_the_same(text: &str, entries: &[(&str, &str)]) -> bool {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let rest = inside.and_then(|inside| {
        entries.iter().try_fold(inside, |rest, (name, value)| {
            let rest = rest.strip_prefix(name)?.strip_prefix('=')?.strip_prefix(value)?;
            rest.strip_prefix(", ").or(rest.is_empty().then_some(rest))
        })
    });
    rest == Some("")
}

/// The object whose JSON is in `text`; false if there is none.
fn write_json(name: &'static str, text: &str, out: &mut ObjectWriter<'_>) -> bool {
    let json: &str = &repaired(text);
    Object::read(json).is_some() && flattened::write_objects(name, json.trim_ascii(), out)
}

/// More than Okta has in a map. What is beyond stays a text.
const ENTRIES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::super::super::writer::Writer;
    use super::*;

    fn debug_data(json: &str) -> String {
        let json = format!(r#"{{"debugContext":{{"debugData":{json}}}}}"#);
        let event = LogEvent::read(json.as_str()).unwrap();
        let assessment = Assessment::of(&event);
        let written = Writer::new(usize::MAX).object(|out| write(&event, &assessment, out));
        let inside = written.strip_prefix(r#"{"debug_context":{"debug_data":"#).unwrap();
        inside.strip_suffix("}}").unwrap().to_owned()
    }

    #[test]
    fn the_risk_has_fields_of_its_own_in_every_form() {
        for (data, flattened) in [
            (
                r#"{"risk":"{level=HIGH, reasons=A, B}","behaviors":"{New Device=POSITIVE, New IP=NEGATIVE}"}"#,
                r#"{"risk":{"level":"HIGH","reasons":"A, B"},"behaviors":{"New Device":"POSITIVE","New IP":"NEGATIVE"}}"#,
            ),
            (
                r#"{"logOnlySecurityData":"{\"risk\":{\"level\":\"HIGH\",\"reasons\":\"A, B\"},\"behaviors\":{\"New Device\":\"POSITIVE\"}}"}"#,
                r#"{"logOnlySecurityData":{"risk":{"level":"HIGH","reasons":"A, B"},"behaviors":{"New Device":"POSITIVE"}}}"#,
            ),
            // What is not told whole by an object stays a text.
            (
                r#"{"risk":"reasons=A, B, level=HIGH","behaviors":"{New Device=POSITIVE,New IP=NEGATIVE}"}"#,
                r#"{"risk":"reasons=A, B, level=HIGH","behaviors":"{New Device=POSITIVE,New IP=NEGATIVE}"}"#,
            ),
        ] {
            let risk = r#""risk_level":"HIGH","risk_reasons":["A","B"],"risk_behaviors":["New Device"]"#;
            assert_eq!(debug_data(data), format!(r#"{{{risk},"flattened":{flattened}}}"#));
        }
    }

    #[test]
    fn what_is_in_a_text_is_an_object_only_if_it_is_one() {
        for text in [r#""{\"a\":1""#, r#""[1]""#, r#""x""#, r#""{\"a\":1} x""#] {
            let data = format!(r#"{{"logOnlySecurityData":{text}}}"#);
            assert!(debug_data(&data).contains(&format!(r#""flattened":{data}"#)), "{text}");
        }
        let twice = r#"{"logOnlySecurityData":"{\"a\":1,\"a\":{\"b\":2,\"b\":3}}"}"#;
        assert_eq!(
            debug_data(twice),
            r##"{"flattened":{"logOnlySecurityData":{"a#1":1,"a":{"b#1":2,"b":3}}}}"##
        );
        assert_eq!(
            debug_data(r#"{"risk":"{a=1, a=2}"}"#),
            r#"{"risk_level":"{a=1, a=2}","flattened":{"risk":"{a=1, a=2}"}}"#
        );
    }
}
