//! How much of an event is rendered: all of it, unless the bus takes less.

/// A rung of the ladder, from all to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything.
    Full,
    /// Without Okta's own event beside the rendered one.
    WithoutRawData {
        /// What the event has with everything.
        full_bytes: usize,
    },
    /// Without Okta's debug data too, the largest part of what is not mapped.
    WithoutDebugData {
        /// What the event has with everything.
        full_bytes: usize,
    },
    /// What is mapped alone, with short texts and lists.
    Essential {
        /// What the event has with everything.
        full_bytes: usize,
    },
}

/// What texts and lists have at most where only the essential is rendered.
const ESSENTIAL_TEXT_BYTES: usize = 512;
const ESSENTIAL_ELEMENTS: usize = 16;

impl Detail {
    /// The rungs below [`Detail::Full`], one after another.
    pub(super) fn less_than_full(full_bytes: usize) -> [Self; 3] {
        [
            Self::WithoutRawData { full_bytes },
            Self::WithoutDebugData { full_bytes },
            Self::Essential { full_bytes },
        ]
    }

    /// What the event has with everything, where something is missing.
    pub(super) fn full_bytes(self) -> Option<usize> {
        match self {
            Self::Full => None,
            Self::WithoutRawData { full_bytes }
            | Self::WithoutDebugData { full_bytes }
            | Self::Essential { full_bytes } => Some(full_bytes),
        }
    }

    pub(super) fn text_bytes_max(self) -> usize {
        if self.is_essential() { ESSENTIAL_TEXT_BYTES } else { usize::MAX }
    }

    pub(super) fn elements_max(self) -> usize {
        if self.is_essential() { ESSENTIAL_ELEMENTS } else { usize::MAX }
    }

    /// Whether Okta's debug data goes along.
    pub(super) fn has_debug_data(self) -> bool {
        matches!(self, Self::Full | Self::WithoutRawData { .. })
    }

    /// Whether what is mapped goes alone.
    pub(super) fn is_essential(self) -> bool {
        matches!(self, Self::Essential { .. })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use crate::{
        event::Events,
        format::{Format, Renderer},
    };

    fn render(format: Format, event: &Value, bytes_max: usize) -> Vec<u8> {
        let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
        let renderer = Renderer { format, ..Renderer::default() };
        renderer.render(&events.get(0).unwrap(), Some(bytes_max)).bytes.to_vec()
    }

    #[test]
    fn every_list_that_grows_is_cut_to_fit_a_bus() {
        let hops: Vec<_> = (0..3_000)
            .map(|hop| json!({"ip": format!("10.0.{}.{}", hop / 250, hop % 250), "version": "V4"}))
            .collect();
        let kinds =
            ["User", "AppInstance", "access_token", "PolicyRule", "UserGroup", "AuthenticatorEnrollment"];
        let mut targets: Vec<_> = (0..3_000)
            .map(|number| {
                let (kind, method) = (kinds[number % kinds.len()], format!("m{number}"));
                json!({"id": format!("t{number}"), "type": kind, "detailEntry": {"methodTypeUsed": method}})
            })
            .collect();
        let rights: Vec<_> = (0..3_000).map(|number| format!("right {number}")).collect();
        let long = "x".repeat(100_000);
        let changes = json!({"from": {"x": long}, "to": {"x": long}});
        targets.push(json!({"id": "z", "type": "NetworkZone", "changeDetails": changes}));
        let behaviors: Vec<_> = rights.iter().map(|right| format!("{right}=POSITIVE")).collect();
        let addresses: Vec<_> = hops.iter().map(|hop| &hop["ip"]).collect();
        for event_type in [
            "user.session.start",
            "user.account.privilege.grant",
            "zone.update",
            "security.threat.detected",
            "security.events.provider.receive_event",
            "group.privilege.grant",
            "app.oauth2.token.revoke",
        ] {
            let debug_data = json!({
                "privilegeGranted": rights.join(", "), "grantedScopes": rights, "behaviors": behaviors.join(", "),
                "partnerRiskReportData": {"claims": {"current_ip_address": addresses}},
            });
            let event = json!({
                "uuid": "u-1", "eventType": event_type, "client": {"ipAddress": "198.51.100.7"},
                "request": {"ipChain": hops}, "target": targets, "debugContext": {"debugData": debug_data},
            });
            for format in [Format::Ocsf, Format::Ecs, Format::Udm] {
                let rendered = render(format, &event, 32 << 10);
                assert!(rendered.len() <= 32 << 10, "{format:?} {event_type}: {} bytes", rendered.len());
                assert!(String::from_utf8(rendered).unwrap().contains("truncated"));
            }
        }
    }
}
