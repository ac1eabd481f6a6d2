//! Templates of subjects, topics and keys: legal whatever an event or a command says.

use std::sync::Arc;

use bytes::Bytes;
use okta_system_log::event::Events;

use super::lines;
use crate::{
    action::{Action, AddressTemplate, AddressUse, Status},
    message::{Messages, Origin, Template, TemplateUse, subject::covers},
};

/// The first line of `data` is a template, the second the id of a command; the rest is an event.
pub fn template(data: &[u8]) {
    let Some(([text, command_id], event)) = lines(data) else { return };
    for used_as in [AddressUse::Subject, AddressUse::Topic] {
        if let Ok(template) = AddressTemplate::parse(text, used_as) {
            for action in [Action::ALL[0].name(), command_id] {
                let address = template.render(action, Status::Done, "acme", command_id);
                assert!(is_address(&address), "{address:?}");
            }
        }
    }
    let page = [b"[", event, b"]"].concat();
    let Ok(events) = Events::parse(Bytes::from(page)) else { return };
    let messages = Messages::render(Arc::new(origin()), Arc::new(events), |_, event| Some(event.raw()));
    for used_as in [TemplateUse::Subject, TemplateUse::Topic, TemplateUse::Key] {
        let Ok(template) = Template::parse(text, used_as) else { continue };
        assert_eq!(template.to_string(), text);
        let mut given = String::new();
        for message in messages.messages() {
            template.render(&message, &mut given);
            if template.fixed(Some(message.origin)).is_some_and(|fixed| fixed != given) {
                unreachable!("{given:?} is not what it always gives");
            }
            match used_as {
                TemplateUse::Key => assert!(!given.contains(char::is_control), "{given:?}"),
                TemplateUse::Subject => {
                    assert!(is_subject(&given), "{given:?}");
                    let wildcard = template.wildcard(Some(message.origin));
                    assert!(covers(&wildcard, &given), "{wildcard} does not take {given}");
                    assert!(
                        covers(&template.wildcard(None), &wildcard),
                        "{wildcard} is wider than without an org"
                    );
                }
                TemplateUse::Topic => {
                    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                    assert!(!given.is_empty() && given.chars().all(is_legal), "{given:?}");
                    assert!(given.len() <= template.length_max(message.origin), "{given:?}");
                }
            }
        }
    }
}

fn origin() -> Origin {
    Origin {
        org: "acme".to_owned(),
        route: "log/siem".to_owned(),
        source: "https://acme.okta.com/api/v1/logs".to_owned(),
        format: "okta",
        is_redacted: false,
    }
}

/// Whether NATS takes a message on `subject`.
fn is_subject(subject: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && !token.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    subject.split('.').all(is_token)
}

fn is_address(address: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || "_-$".contains(c))
    };
    address.split('.').all(is_token)
}
