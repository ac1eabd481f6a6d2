//! A System Log event opened up for rendering: its objects, whose members each mapping takes one by one.
//!
//! Where Okta keeps what is read here: `LogEvent` in Okta's management OpenAPI document 2026.06.3. Every part may be
//! absent. Members that no mapping took are written by [`LogEvent::write_rest`], nested under Okta's own names.

use std::borrow::Cow;

use super::{
    forms,
    object::Object,
    party::{Kind, Party, lowest},
    writer::ObjectWriter,
};
use crate::event::json::Document;

/// What every format says of an event with something among its targets that is none.
pub(super) const ODD_TARGETS: &str =
    "target: something among the targets is no object, and is told as Okta wrote it";

/// The parts of one event.
#[derive(Debug, Default)]
pub(super) struct LogEvent<'a> {
    pub(super) root: Object<'a>,
    pub(super) actor: Party<'a>,
    pub(super) targets: Vec<Party<'a>>,
    /// Whether something that is no object is among the targets.
    pub(super) has_odd_targets: bool,
    /// Whether a part is in another form than Okta's, and says something.
    pub(super) has_other_forms: bool,
    pub(super) client: Object<'a>,
    pub(super) user_agent: Object<'a>,
    pub(super) geography: Object<'a>,
    pub(super) geolocation: Object<'a>,
    pub(super) device: Object<'a>,
    pub(super) authentication: Object<'a>,
    pub(super) issuer: Object<'a>,
    pub(super) outcome: Object<'a>,
    pub(super) security: Object<'a>,
    pub(super) risk: Object<'a>,
    pub(super) transaction: Object<'a>,
    pub(super) transaction_detail: Object<'a>,
    pub(super) request: Object<'a>,
    pub(super) ip_chain: Vec<Object<'a>>,
    pub(super) debug_context: Object<'a>,
    pub(super) debug_data: Object<'a>,
}

impl<'a> LogEvent<'a> {
    /// Opens the event that `json` is; None if it is no JSON object.
    pub(super) fn read(json: impl Into<Document<'a>>) -> Option<Self> {
        let root = Object::read(json)?;
        let client = root.open("client");
        let geography = client.open("geographicalContext");
        let authentication = root.open("authenticationContext");
        let security = root.open("securityContext");
        let transaction = root.open("transaction");
        let request = root.open("request");
        let debug_context = root.open("debugContext");
        let (targets, are_all) = root.open_objects("target");
        let mut event = Self {
            actor: Party::new(root.open("actor")),
            targets: targets.into_iter().map(Party::new).collect(),
            has_odd_targets: !are_all,
            has_other_forms: false,
            user_agent: client.open("userAgent"),
            geolocation: geography.open("geolocation"),
            device: root.open("device"),
            issuer: authentication.open("issuer"),
            outcome: root.open("outcome"),
            risk: security.open("risk"),
            transaction_detail: transaction.open("detail"),
            ip_chain: request.open_array("ipChain"),
            debug_data: debug_context.open("debugData"),
            root,
            client,
            geography,
            authentication,
            security,
            transaction,
            request,
            debug_context,
        };
        event.has_other_forms = event.is_in_other_forms();
        Some(event)
    }

    /// Whether one of the parts is in another form. Only where nothing was opened there is something to look at.
    fn is_in_other_forms(&self) -> bool {
        let opened = [
            (&self.root, "actor", &self.actor.object),
            (&self.root, "client", &self.client),
            (&self.client, "userAgent", &self.user_agent),
            (&self.client, "geographicalContext", &self.geography),
            (&self.geography, "geolocation", &self.geolocation),
            (&self.root, "device", &self.device),
            (&self.root, "authenticationContext", &self.authentication),
            (&self.authentication, "issuer", &self.issuer),
            (&self.root, "outcome", &self.outcome),
            (&self.root, "securityContext", &self.security),
            (&self.root, "transaction", &self.transaction),
            (&self.transaction, "detail", &self.transaction_detail),
            (&self.root, "request", &self.request),
            (&self.root, "debugContext", &self.debug_context),
            (&self.debug_context, "debugData", &self.debug_data),
        ];
        let is_other = |whole: &Object<'_>, name: &str| whole.raw(name).is_some_and(forms::is_other);
        opened.into_iter().any(|(whole, name, part)| part.is_empty() && is_other(whole, name))
            || self.targets.iter().any(Party::has_other_detail)
            || self.ip_chain.is_empty() && self.request.raw("ipChain").is_some_and(|json| json != "[]")
            || self.client.raw("ipAddress").is_some_and(forms::is_other_text)
            || self.outcome.raw("result").is_some_and(forms::is_other_text)
    }

    /// The contexts that are in a form which nobody can read, and may tell of a risk or of a threat.
    pub(super) fn unread_contexts(&self) -> impl Iterator<Item = &'a str> {
        let contexts = match self.has_other_forms {
            true => [
                self.root.raw("securityContext"),
                self.root.raw("debugContext"),
                self.debug_context.raw("debugData"),
            ],
            false => [None; 3],
        };
        contexts.into_iter().flatten().filter(|json| json.starts_with(['"', '[']))
    }

    /// What happened, for example `user.session.start`.
    pub(super) fn event_type(&self) -> Option<Cow<'a, str>> {
        self.root.peek("eventType")
    }

    /// The target of this kind that is meant. The order of targets is not stable, so that kind and id decide; who does
    /// something is only then whom it is done to, if there is nobody else; and what has neither id nor name is nobody.
    pub(super) fn target(&self, kind: Kind) -> Option<&Party<'a>> {
        let of_kind =
            || self.targets.iter().filter(move |target| target.kind == kind && target.is_identified());
        lowest(of_kind().filter(|target| !target.is_same(&self.actor))).or_else(|| lowest(of_kind()))
    }

    /// The group among the targets: one of Okta's own, else one of an application or a directory.
    pub(super) fn group(&self) -> Option<&Party<'a>> {
        self.target(Kind::Group).or_else(|| self.target(Kind::AppGroup))
    }

    /// Writes the members that no mapping took. The debug data is by far the largest part of it and may be left out.
    pub(super) fn write_rest(&self, out: &mut ObjectWriter<'_>, with_debug_data: bool) {
        self.root.write_rest(out);
        out.object("actor", |out| self.actor.object.write_rest(out));
        // What is among others of another type is left as it is.
        if !self.has_odd_targets {
            out.array("target", |out| {
                self.targets.iter().for_each(|target| out.object(|out| target.write_rest(out)));
            });
        }
        out.object("client", |out| {
            self.client.write_rest(out);
            out.object("userAgent", |out| self.user_agent.write_rest(out));
            out.object("geographicalContext", |out| {
                self.geography.write_rest(out);
                out.object("geolocation", |out| self.geolocation.write_rest(out));
            });
        });
        out.object("device", |out| self.device.write_rest(out));
        out.object("authenticationContext", |out| {
            self.authentication.write_rest(out);
            out.object("issuer", |out| self.issuer.write_rest(out));
        });
        out.object("outcome", |out| self.outcome.write_rest(out));
        out.object("securityContext", |out| {
            self.security.write_rest(out);
            out.object("risk", |out| self.risk.write_rest(out));
        });
        out.object("transaction", |out| {
            self.transaction.write_rest(out);
            out.object("detail", |out| self.transaction_detail.write_rest(out));
        });
        out.object("request", |out| {
            self.request.write_rest(out);
            out.array("ipChain", |out| {
                self.ip_chain.iter().for_each(|hop| out.object(|out| hop.write_rest(out)));
            });
        });
        if with_debug_data {
            out.object("debugContext", |out| {
                self.debug_context.write_rest(out);
                out.object("debugData", |out| self.debug_data.write_rest(out));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_target_hides_no_other() {
        for (target, ids, is_whole) in [
            (r#"["x",{"id":"1"}]"#, vec!["1"], false),
            (r#"{"id":"1"}"#, vec!["1"], true),
            (r#"[null,{"id":"1"}]"#, vec!["1"], true),
            (r#""x""#, vec![], false),
            ("null", vec![], true),
        ] {
            let json = format!(r#"{{"target":{target}}}"#);
            let event = LogEvent::read(json.as_str()).unwrap();
            assert_eq!(event.targets.iter().filter_map(Party::take_id).collect::<Vec<_>>(), ids);
            assert_eq!(event.has_odd_targets, !is_whole, "{target}");
            let rest =
                super::super::writer::Writer::new(usize::MAX).object(|out| event.write_rest(out, true));
            assert_eq!(rest == json, !is_whole, "{target}: {rest}");
        }
    }

    #[test]
    fn a_target_without_id_and_name_displaces_nobody() {
        let bob = r#"{"id":"00uBob","type":"User"}"#;
        for nobody in
            [r#"{"type":"User"}"#, r#"{"type":"User","id":null,"alternateId":"unknown","displayName":null}"#]
        {
            for targets in [[bob, nobody], [nobody, bob]] {
                for actor in ["00uAda", "00uBob"] {
                    let json = format!(r#"{{"actor":{{"id":"{actor}"}},"target":[{}]}}"#, targets.join(","));
                    let event = LogEvent::read(json.as_str()).unwrap();
                    let meant = event.target(Kind::User).and_then(Party::take_id);
                    assert_eq!(meant.as_deref(), Some("00uBob"), "{json}");
                }
            }
            let json = format!(r#"{{"target":[{nobody}]}}"#);
            assert!(LogEvent::read(json.as_str()).unwrap().target(Kind::User).is_none());
        }
    }

    #[test]
    fn odd_parts_count_as_absent_and_are_left() {
        let json = r#"{"actor":5,"client":"x","target":[1],"outcome":null,"debugContext":{"debugData":[]}}"#;
        let event = LogEvent::read(json).unwrap();
        assert!(event.targets.is_empty() && event.event_type().is_none());
        let rest = super::super::writer::Writer::new(usize::MAX).object(|out| event.write_rest(out, true));
        assert_eq!(rest, r#"{"actor":5,"client":"x","target":[1],"debugContext":{"debugData":[]}}"#);
    }
}
