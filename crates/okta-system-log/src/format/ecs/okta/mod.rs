//! `okta`: the whole event under the names and with the types of Elastic's own Okta integration.
//!
//! What has no field there, or is not of its field's type, is under `okta.unmapped` with Okta's own names.

mod debug_data;
mod fields;
mod flattened;
mod target;

use super::{
    super::{
        facts::Assessment,
        log_event::LogEvent,
        object::Object,
        writer::{ArrayWriter, ObjectWriter},
    },
    origin::write_location,
};

/// Members of a hop that Elastic renames.
const HOP: [(&str, &str); 2] = [("geographicalContext", "geographical_context"), ("ipDetails", "ip_details")];

/// Writes `okta`.
pub(super) fn write(
    event: &LogEvent<'_>,
    assessment: &Assessment<'_>,
    with_debug_data: bool,
    out: &mut ObjectWriter<'_>,
) {
    out.object("okta", |out| {
        fields::write(&event.root, &fields::EVENT, out);
        out.object("actor", |out| target::write_party(&event.actor.object, out));
        write_client(event, out);
        out.object("device", |out| fields::write(&event.device, &fields::DEVICE, out));
        out.object("outcome", |out| fields::write(&event.outcome, &fields::OUTCOME, out));
        target::write(&event.targets, out);
        out.object("transaction", |out| {
            fields::write(&event.transaction, &fields::TRANSACTION, out);
            out.object("detail", |out| {
                fields::write(&event.transaction_detail, &fields::TRANSACTION_DETAIL, out);
            });
        });
        if with_debug_data {
            debug_data::write(event, assessment, out);
        }
        out.object("authentication_context", |out| {
            fields::write(&event.authentication, &fields::AUTHENTICATION, out);
            out.object("issuer", |out| fields::write(&event.issuer, &fields::ISSUER, out));
        });
        write_security(event, out);
        out.object("request", |out| {
            out.array("ip_chain", |out| event.ip_chain.iter().for_each(|hop| write_hop(hop, out)));
        });
        out.object("unmapped", |out| write_unmapped(event, with_debug_data, out));
    });
}

fn write_client(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("client", |out| {
        fields::write(&event.client, &fields::CLIENT, out);
        out.object("user_agent", |out| fields::write(&event.user_agent, &fields::USER_AGENT, out));
        out.object("geographical_context", |out| {
            fields::write(&event.geography, &fields::GEOGRAPHY, out);
            if write_location("geolocation", &event.geolocation, out) {
                ["lat", "lon"].iter().for_each(|name| event.geolocation.mark(name));
            }
        });
    });
}

fn write_security(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object("security_context", |out| {
        out.object("as", |out| {
            fields::write(&event.security, &fields::SYSTEM, out);
            out.object("organization", |out| {
                fields::write(&event.security, &fields::SYSTEM_ORGANIZATION, out);
            });
        });
        fields::write(&event.security, &fields::SECURITY, out);
        out.object("risk", |out| fields::write(&event.risk, &fields::RISK, out));
    });
}

/// A hop of `ip_chain`, which is flattened: everything in it stays where it is.
fn write_hop(hop: &Object<'_>, out: &mut ArrayWriter<'_>) {
    out.object(|out| {
        for member in hop.present() {
            let (name, json) = (member.name(), member.json());
            let renamed = HOP.iter().find(|(okta, ecs)| *okta == name && hop.raw(ecs).is_none());
            match renamed {
                Some((okta, ecs)) if json.starts_with('{') => {
                    out.object(ecs, |out| write_geography(&hop.open(okta), out));
                }
                _ => flattened::write_member(member, out),
            }
        }
    });
}

fn write_geography(geography: &Object<'_>, out: &mut ObjectWriter<'_>) {
    for member in geography.present() {
        if member.name() == "postalCode" && geography.raw("postal_code").is_none() {
            flattened::write("postal_code", member.json(), out);
        } else {
            flattened::write_member(member, out);
        }
    }
}

/// All that has found no field of its own, under Okta's names.
fn write_unmapped(event: &LogEvent<'_>, with_debug_data: bool, out: &mut ObjectWriter<'_>) {
    write_rest(&event.root, out);
    out.object("actor", |out| write_rest(&event.actor.object, out));
    out.object("client", |out| {
        write_rest(&event.client, out);
        out.object("userAgent", |out| write_rest(&event.user_agent, out));
        out.object("geographicalContext", |out| {
            write_rest(&event.geography, out);
            out.object("geolocation", |out| write_rest(&event.geolocation, out));
        });
    });
    out.object("device", |out| write_rest(&event.device, out));
    out.object("outcome", |out| write_rest(&event.outcome, out));
    if !event.has_odd_targets {
        out.array("target", |out| {
            let targets = event.targets.iter();
            targets.for_each(|target| out.object(|out| write_rest_of_target(&target.object, out)));
        });
    }
    out.object("transaction", |out| {
        write_rest(&event.transaction, out);
        out.object("detail", |out| write_rest(&event.transaction_detail, out));
    });
    out.object("authenticationContext", |out| {
        write_rest(&event.authentication, out);
        out.object("issuer", |out| write_rest(&event.issuer, out));
    });
    out.object("securityContext", |out| {
        write_rest(&event.security, out);
        out.object("risk", |out| write_rest(&event.risk, out));
    });
    out.object("request", |out| write_rest(&event.request, out));
    if with_debug_data {
        out.object("debugContext", |out| write_rest(&event.debug_context, out));
    }
}

fn write_rest(object: &Object<'_>, out: &mut ObjectWriter<'_>) {
    object.left().for_each(|member| flattened::write_member(member, out));
}

/// With the id that the rest belongs to.
fn write_rest_of_target(target: &Object<'_>, out: &mut ObjectWriter<'_>) {
    let mut rest = target.rest().peekable();
    if rest.peek().is_none() {
        return;
    }
    if let Some(id) = target.raw("id") {
        flattened::write("id", id, out);
    }
    rest.filter(|(name, _)| *name != "id").for_each(|(name, json)| flattened::write(name, json, out));
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    fn okta(json: &str) -> String {
        let event = LogEvent::read(json).unwrap();
        Writer::new(usize::MAX).object(|out| write(&event, &Assessment::default(), true, out))
    }

    #[test]
    fn names_and_types_are_elastics_and_values_are_oktas() {
        for (event, expected) in [
            (
                r#"{"displayMessage":"é","severity":"INFO","client":{"ipAddress":"1.2.3.4","zone":"null","device":"Unknown","x":null}}"#,
                r#"{"severity":"INFO","display_message":"é","client":{"ip":"1.2.3.4","zone":"null","device":"Unknown"}}"#,
            ),
            (
                r#"{"securityContext":{"asNumber":1,"asOrg":"x","isProxy":false,"userBehaviors":[{"name":"a"}]}}"#,
                r#"{"security_context":{"as":{"number":1,"organization":{"name":"x"}},"is_proxy":false,"user_behaviors":[{"name":"a"}]}}"#,
            ),
            (
                r#"{"debugContext":{"debugData":{"requestId":"r","grantedScopes":["a","b"],"x":1.10}}}"#,
                r#"{"debug_context":{"debug_data":{"request_id":"r","granted_scopes":["a","b"],"flattened":{"requestId":"r","grantedScopes":["a","b"],"x":1.10}}}}"#,
            ),
            (
                r#"{"request":{"ipChain":[{"ip":"1.2.3.4","geographicalContext":{"postalCode":"1"},"x":{"a":1}}]}}"#,
                r#"{"request":{"ip_chain":[{"ip":"1.2.3.4","geographical_context":{"postal_code":"1"},"x":{"a":1}}]}}"#,
            ),
            (
                r#"{"transaction":{"detail":{"requestApiTokenId":"00T","other":1}}}"#,
                r#"{"transaction":{"detail":{"request_api_token_id":"00T"}},"unmapped":{"transaction":{"detail":{"other":1}}}}"#,
            ),
        ] {
            assert_eq!(okta(event), format!("{{\"okta\":{expected}}}"));
        }
    }

    #[test]
    fn what_is_not_of_its_fields_type_is_unmapped() {
        for (event, expected) in [
            (
                r#"{"client":{"ipAddress":"1.2.3.4:443"}}"#,
                r#"{"client":{"ip":"1.2.3.4"},"unmapped":{"client":{"ipAddress":"1.2.3.4:443"}}}"#,
            ),
            (r#"{"actor":"x","severity":["a"]}"#, r#"{"unmapped":{"actor":"x","severity":["a"]}}"#),
            (r#"{"aBC":1,"aB_c":2}"#, r#"{"unmapped":{"aBC":1,"aB_c":2}}"#),
            (
                r#"{"securityContext":{"isProxy":"maybe","as":{"number":"x"},"asNumber":-1}}"#,
                r#"{"unmapped":{"securityContext":{"isProxy":"maybe","as":{"number":"x"},"asNumber":-1}}}"#,
            ),
            (r#"{"debugContext":{"debugData":5}}"#, r#"{"unmapped":{"debugContext":{"debugData":5}}}"#),
            (
                r#"{"device":{"os_platform":"OSX","osPlatform":"OSX","platform":"IOS","osVersion":"26.2.0","screenLockType":"BIOMETRIC","diskEncryptionType":"NONE","secureHardwarePresent":true}}"#,
                r#"{"device":{"os_platform":"OSX","os_version":"26.2.0","disk_encryption_type":"NONE","screen_lock_type":"BIOMETRIC","secure_hardware_present":true},"unmapped":{"device":{"platform":"IOS"}}}"#,
            ),
            (r#"{"uuid":7,"version":true}"#, r#"{"uuid":"7","version":"true"}"#),
        ] {
            assert_eq!(okta(event), format!("{{\"okta\":{expected}}}"));
        }
    }

    #[test]
    fn a_change_has_one_type_whatever_okta_sends() {
        let changes = |subject: &str| {
            okta(&format!(
                r#"{{"target":[{{"id":"0oa","changeDetails":{{"to":{{"policySubject":{subject}}}}}}}]}}"#
            ))
        };
        let expected = |subject: &str| {
            format!(
                r#"{{"okta":{{"target":[{{"id":"0oa","changeDetails":{{"to":{{"policySubject":{subject}}}}}}}]}}}}"#
            )
        };
        for (sent, told) in [
            (r#""EMAIL""#, r#""EMAIL""#),
            (r#"{"matchType":"EMAIL"}"#, r#""{\"matchType\":\"EMAIL\"}""#),
            ("[1,null]", r#""[1,null]""#),
            ("true", r#""true""#),
        ] {
            assert_eq!(changes(sent), expected(told));
        }
        assert_eq!(
            okta(r#"{"target":[{"changeDetails":{"from":"a","to":{}},"detailEntry":[1]}]}"#),
            r#"{"okta":{"unmapped":{"target":[{"changeDetails":{"from":"a","to":{}},"detailEntry":[1]}]}}}"#
        );
    }

    #[test]
    fn no_name_has_a_null_character_which_elasticsearch_refuses() {
        let event = r#"{"x\u0000":1,"actor":{"detailEntry":{"b\u0000":"c"}},"target":[{"changeDetails":{"to":{"d\u0000":"e"}}}],
            "request":{"ipChain":[{"f\u0000":1}]},"debugContext":{"debugData":{"g\u0000":1,"h":{"i\u0000":1},"behaviors":"{j\u0000=POSITIVE}"}}}"#;
        let written = okta(event);
        for name in ["x", "b", "d", "f", "g"] {
            assert!(written.contains(&format!(r#""{name}\\u0000":"#)), "{name}: {written}");
        }
        let written: serde_json::Value = serde_json::from_str(&written).unwrap();
        let flattened = &written["okta"]["debug_context"]["debug_data"]["flattened"];
        assert_eq!(flattened["h"], r#"{"i\u0000":1}"#);
        assert_eq!(flattened["behaviors"], "{j\0=POSITIVE}");
    }

    #[test]
    fn depth_ends_somewhere() {
        let deep = format!("{{\"a\":{}1{}}}", "{\"bC\":".repeat(10_000), "}".repeat(10_000));
        assert!(okta(&deep).starts_with(r#"{"okta":{"unmapped":{"a":"{\"bC\":"#));
    }
}
