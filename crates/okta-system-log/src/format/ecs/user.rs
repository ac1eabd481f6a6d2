//! `user` and `group`: the actor, the user and the group that were acted on.

use super::{
    super::{
        facts::Assessment,
        log_event::LogEvent,
        party::{Kind, Party},
        whose,
    },
    ObjectWriter,
};

/// `user` with `user.target`, and `group`. ECS has no field for the risk of another than `user`.
pub(super) fn write(event: &LogEvent<'_>, assessment: &Assessment<'_>, out: &mut ObjectWriter<'_>) {
    let group = event.group();
    let risk = assessment.risk.word().filter(|_| whose::is_risk_of_actor(event));
    out.object("user", |out| {
        write_actor(event, out);
        out.object("risk", |out| out.text_if("calculated_level", risk));
        out.object("target", |out| {
            let target = event.target(Kind::User).or_else(|| event.target(Kind::AppUser));
            if let Some(target) = target {
                write_account(target, out);
            }
            if let Some(group) = group {
                out.object("group", |out| write_named(group, out));
            }
        });
    });
    if let Some(group) = group {
        out.object("group", |out| write_named(group, out));
    }
}

/// Who did it. Elastic has every actor here, applications and Okta itself too; but an address is nobody, and a machine is a
/// device.
pub(super) fn write_actor(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    if !event.actor.kind.is_machine() {
        write_account(&event.actor, out);
    }
}

/// The members of `user`, wherever it stands. A mere address is nobody.
pub(super) fn write_account(party: &Party<'_>, out: &mut ObjectWriter<'_>) {
    if party.kind == Kind::Address {
        return;
    }
    let login = party.object.peek("alternateId");
    let name = party.object.peek("displayName");
    out.text_if("id", party.object.peek("id").as_deref());
    out.text_if("name", login.as_deref().or(name.as_deref()));
    out.text_if("full_name", name.as_deref());
    out.text_if("email", login.as_deref().filter(|login| is_address(login)));
}

/// `id` and `name` of what has no login.
pub(super) fn write_named(party: &Party<'_>, out: &mut ObjectWriter<'_>) {
    out.text_if("id", party.object.peek("id").as_deref());
    out.text_if("name", party.name().as_deref());
}

/// Whether a login is an e-mail address. Unlike OCSF, ECS has no pattern for one: letters of any alphabet are in use.
fn is_address(login: &str) -> bool {
    let Some((local, domain)) = login.split_once('@') else { return false };
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
    };
    is_part(local) && is_part(domain)
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    fn written(event: &str) -> String {
        let event = LogEvent::read(event).unwrap();
        let assessment = Assessment::of(&event);
        Writer::new(usize::MAX).object(|out| write(&event, &assessment, out))
    }

    #[test]
    fn a_risk_is_of_the_one_who_is_risky_and_not_of_who_says_so() {
        let event = |event_type: &str, actor: &str, target: &str| {
            format!(
                r#"{{"eventType":"{event_type}","actor":{actor},"target":[{target}],"debugContext":{{"debugData":{{"risk":"{{level=HIGH}}"}}}}}}"#
            )
        };
        let [ada, bob, okta] = [("00uAda", "User"), ("00uBob", "User"), ("okta", "SystemPrincipal")]
            .map(|(id, kind)| format!(r#"{{"id":"{id}","type":"{kind}"}}"#));
        let risk = r#""risk":{"calculated_level":"HIGH"}"#;
        for event_type in [
            "user.risk.detect",
            "user.risk.change",
            "user.internal.risk.change",
            "policy.entity_risk.action",
            "policy.auth_reevaluate.fail",
            "security.events.provider.receive_event",
            "analytics.feedback.provide",
        ] {
            for actor in [&ada, &okta] {
                assert!(!written(&event(event_type, actor, &bob)).contains(risk), "{event_type}");
            }
            assert!(written(&event(event_type, &bob, &bob)).contains(risk), "{event_type}");
        }
        assert!(written(&event("user.session.start", &ada, "")).contains(risk));
        assert!(!written(&event("user.session.start", "null", "")).contains(risk), "nobody's");
        assert!(written(&event("user.risk.change", &ada, "")).contains(risk));
        assert!(!written(&event("analytics.feedback.provide", &ada, "")).contains(risk), "who only says so");
        // What an administrator does to another is as risky as the session of the administrator.
        assert!(written(&event("user.lifecycle.deactivate", &ada, &bob)).contains(risk));
        assert!(!written(&event("user.lifecycle.deactivate", &okta, &bob)).contains(risk));
    }

    #[test]
    fn a_device_is_no_user() {
        for kind in ["Device", "Server"] {
            let event = format!(
                r#"{{"actor":{{"id":"guv1","type":"{kind}"}},"target":[{{"id":"00u","type":"User"}}]}}"#
            );
            assert_eq!(written(&event), r#"{"user":{"target":{"id":"00u"}}}"#);
        }
    }

    #[test]
    fn a_login_of_any_alphabet_is_an_address() {
        for address in ["ada@acme.example", "zoë.müller@corp.example", "ada@bücher.example", "root@localhost"]
        {
            assert!(is_address(address), "{address}");
        }
        for login in ["ada", "@acme", "ada@", "", "a b@acme.example", "a@b@acme.example", "0oa1client"] {
            assert!(!is_address(login), "{login}");
        }
    }
}
