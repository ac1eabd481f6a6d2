//! Why an event is rendered as it is: in words, for people who write rules.

use super::{
    Format,
    about::made_or_ended,
    ecs::Category,
    facts::{Assessment, Outcome, Threat},
    forms,
    log_event::LogEvent,
    ocsf, severity, udm,
};
use crate::event::{Event, json::Document, repaired};

/// What decided how `event` is rendered: its type, and where it says otherwise what is in it.
pub fn explanation(format: Format, event: &Event<'_>) -> String {
    if format == Format::Okta {
        return format!("{}: as Okta sent it", event.event_type().unwrap_or(NO_TYPE));
    }
    let repaired = if event.is_odd() { repaired(event.text()) } else { event.text().into() };
    forms::with_event(&Document::read(&repaired), |event| explained(format, &event.unwrap_or_default()))
}

fn explained(format: Format, event: &LogEvent<'_>) -> String {
    let event_type = event.event_type();
    let event_type = event_type.as_deref();
    let by_type = ocsf::Routing::of(event_type);
    let (assessment, threat) = (Assessment::of(event), Threat::of(event));
    let routing = ocsf::Routing::of_event(event, event_type, &assessment);
    let name = event_type.unwrap_or(NO_TYPE);
    let mut text = match format {
        Format::Okta | Format::Ocsf => {
            let ocsf::Routing { class, activity, rule, pattern, reason, .. } = &routing;
            let (uid, class, caption) = (class.uid, class.name, class.activity(*activity));
            format!("{name}: {uid}/{activity} {class}: {caption}; {rule} rule `{pattern}`: {reason}")
        }
        Format::Ecs => {
            let category = Category::of(event_type);
            let categories = Vec::from_iter(category.categories()).join(", ");
            let types = Vec::from_iter(category.types()).join(", ");
            let Category { rule, pattern, reason, .. } = category;
            format!("{name}: category {categories}, type {types}; {rule} rule `{pattern}`: {reason}")
        }
        Format::Udm => {
            let wanted = udm::EventType::wanted(&routing).name();
            let ocsf::Routing { class, activity, rule, pattern, reason, .. } = &routing;
            let caption = class.activity(*activity);
            format!(
                "{name}: {wanted} or wider, as {}: {caption} in OCSF; {rule} rule `{pattern}`: {reason}",
                class.name
            )
        }
    };
    let is_by_content = routing.activity != by_type.activity;
    let is_refused = format != Format::Ecs
        && routing.class.is_beginning_or_end(routing.activity)
        && !event.targets.is_empty()
        && made_or_ended(event, name).is_none();
    let notes = [
        is_by_content.then_some(match routing.class.uid {
            ocsf::AUTHENTICATION => "the factor was checked for something else than a sign-on",
            _ => "the risk is low again",
        }),
        Outcome::reason_of_turn(event, name),
        is_refused.then_some("no target is what the type says that it was done to"),
        severity::is_unread(&assessment, &threat).then_some(severity::UNREAD),
        event.has_other_forms.then_some(forms::UNREAD),
    ];
    for note in notes.into_iter().flatten() {
        text.push_str("; ");
        text.push_str(note);
    }
    text
}

const NO_TYPE: &str = "no event type";

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::Events;

    fn explained_text(format: Format, event: &str) -> String {
        let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
        explanation(format, &events.get(0).unwrap())
    }

    #[test]
    fn what_is_in_an_event_is_told_where_it_decides() {
        let event = |event_type: &str, data: &str| {
            format!(
                r#"{{"eventType":{event_type},"uuid":"u","published":"2026-01-02T03:04:05.678Z","outcome":{{"result":"SUCCESS"}},"target":[{{"id":"00u1","type":"User"}}],"debugContext":{{"debugData":{data}}}}}"#
            )
        };
        for (event_type, data, expected) in [
            (r#""user.risk.change""#, r#"{"risk":"{level=LOW}"}"#, "2004/3 Detection Finding: Close; "),
            (r#""user.risk.change""#, r#"{"risk":"{level=LOW}"}"#, "; the risk is low again"),
            (
                r#""user.authentication.auth_via_mfa""#,
                r#"{"factorIntent":"CREDENTIAL_RECOVERY"}"#,
                "3002/99 Authentication: Other; ",
            ),
            (
                r#""user.authentication.auth_via_mfa""#,
                r#"{"factorIntent":"CREDENTIAL_RECOVERY"}"#,
                "something else",
            ),
            (r#""""#, "{}", "no event type: 0/0 Base Event"),
            ("{}", "{}", "no event type: 0/0 Base Event"),
            (r#""pam.security_policy.evaluate""#, "{}", "; the type tells of a failure"),
            (r#""zone.deactivate""#, "{}", "; no target is what the type says"),
            (r#""user.session.start""#, r#"{"risk":"{level=PURPLE}"}"#, severity::UNREAD),
        ] {
            let told = explained_text(Format::Ocsf, &event(event_type, data));
            assert!(told.contains(expected), "{told}");
        }
        let plain = explained_text(Format::Ocsf, &event(r#""user.session.start""#, "{}"));
        assert!(plain.ends_with("the sign-in itself"), "{plain}");
        let failed = explained_text(Format::Ecs, &event(r#""pam.security_policy.evaluate""#, "{}"));
        assert!(failed.contains("; the type tells of a failure"), "{failed}");
        let lock = r#"{"eventType":"user.account.lock","outcome":{"result":"FAILURE"}}"#;
        assert!(explained_text(Format::Udm, lock).contains("; what the type tells of took place"));
    }
}
