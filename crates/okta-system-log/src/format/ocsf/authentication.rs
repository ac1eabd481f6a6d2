//! What a sign-on has beyond the user: the service, the session, the factors and the protocol; and the factors of a
//! changed account.

use std::borrow::Cow;

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party},
        writer::ObjectWriter,
    },
    caption,
    notes::Notes,
    routing::Note,
    user, whose,
};

/// `auth_protocol_id`
const PROTOCOLS: &[(u8, &str)] = &[
    (1, "NTLM"),
    (2, "Kerberos"),
    (3, "Digest"),
    (4, "OpenID"),
    (5, "SAML"),
    (6, "OAUTH 2.0"),
    (10, "RADIUS"),
    (11, "Basic Authentication"),
    (12, "LDAP"),
];

/// `factor_type_id`, its caption, and words of Okta's that mean it. The first that fits counts.
const FACTORS: &[(u8, &str, &[&str])] = &[
    (1, "SMS", &["SMS"]),
    (2, "Security Question", &["QUESTION"]),
    (3, "Phone Call", &["CALL", "VOICE", "PHONE"]),
    (5, "Push Notification", &["PUSH"]),
    (10, "WebAuthn", &["WEBAUTHN", "FIDO2", "FIDO_WEBAUTHN", "PASSKEY"]),
    (9, "U2F", &["U2F"]),
    (8, "Email", &["EMAIL"]),
    (6, "Hardware Token", &["YUBIKEY", "RSA", "SYMANTEC", "HARDWARE", "SMART_CARD"]),
    (7, "OTP", &["OTP", "GOOGLE", "TOKEN"]),
    (4, "Biometric", &["BIOMETRIC"]),
    (11, "Password", &["PASSWORD"]),
];

/// Writes what is the class Authentication's own.
pub(super) fn write<'a>(event: &LogEvent<'a>, note: Note, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
    whose::authenticated(event).with_tokens(event).write("user", "user", out, notes);
    out.object("service", |out| {
        let app = event.target(Kind::App);
        let (name, id) = app.map(|app| (app.take_name(), app.take_id())).unwrap_or_default();
        if name.is_none() && id.is_none() {
            out.text("name", "Okta");
        }
        out.text_if("name", name.as_deref());
        out.text_if("uid", id.as_deref());
    });
    write_session(event, out);
    match note {
        Note::Mfa => out.flag("is_mfa", true),
        Note::Protocol(id) => {
            out.integer("auth_protocol_id", id);
            out.text("auth_protocol", caption(PROTOCOLS, id));
        }
        Note::Impersonation => {
            out.integer("account_switch_type_id", 2);
            out.text("account_switch_type", "Impersonate");
        }
        Note::Privilege(_) | Note::None => {}
    }
    out.flag("is_remote", true);
    write_factors(event, out);
}

/// Writes `session`: the one that ended, else the actor's if it is their own sign-on.
fn write_session(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    if let Some(ended) = event.debug_data.take("endedSessionId") {
        out.object("session", |out| {
            out.text("uid", &ended);
            out.text_if("expiration_reason", event.debug_data.take("terminationReason").as_deref());
        });
    } else if whose::is_own_sign_on(event) {
        user::write_session(event, out);
    }
}

/// The type of a target that is a factor of the user's.
const ENROLLMENT: &str = "AuthenticatorEnrollment";

/// Writes `auth_factors`: the factor of the debug data, else what the authentication context calls the credential, else
/// the enrolled authenticator among the targets.
pub(super) fn write_factors(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let is_enrollment =
        |target: &&Party<'_>| target.object.peek("type").is_some_and(|kind| kind == ENROLLMENT);
    let enrollment = event.targets.iter().find(is_enrollment);
    let places = [
        Some((&event.debug_data, "factor")),
        Some((&event.authentication, "credentialType")),
        enrollment.map(|target| (&target.object, "displayName")),
    ];
    let found = places
        .into_iter()
        .flatten()
        .find_map(|(object, member)| Some((object, member, object.peek(member)?)));
    let Some((object, member, factor)) = found else { return };
    let (id, name) = factor_type(&factor);
    object.mark_same(member, &name);
    out.array("auth_factors", |out| {
        out.object(|out| {
            out.integer("factor_type_id", id);
            out.text("factor_type", &name);
            out.text_if("provider", event.authentication.take("credentialProvider").as_deref());
        });
    });
}

fn factor_type<'a>(factor: &'a str) -> (u8, Cow<'a, str>) {
    let upper = factor.to_ascii_uppercase();
    let found = FACTORS.iter().find(|(_, _, words)| words.iter().any(|word| upper.contains(word)));
    found.map_or((99, Cow::Borrowed(factor)), |(id, name, _)| (*id, Cow::Borrowed(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_known_by_oktas_words() {
        for (factor, id) in [
            ("OKTA_VERIFY_PUSH", 5),
            ("SMS_FACTOR", 1),
            ("PASSWORD_AS_FACTOR", 11),
            ("FIDO_WEBAUTHN", 10),
            ("GOOGLE_AUTHENTICATOR", 7),
            ("YUBIKEY_TOKEN", 6),
            ("SIGNED_NONCE", 99),
        ] {
            assert_eq!(factor_type(factor).0, id, "{factor}");
        }
    }
}
