//! What a sign-on has beyond the user: the service, the session, the factors and the protocol; and the factors of a
//! changed account.

use std::borrow::Cow;

use super::{
    super::{
        facts::{Assessment, Factors, Method, Protocol, is_enrollment},
        log_event::LogEvent,
        party::{Kind, Party, lowest},
        vouching, whose,
        writer::ObjectWriter,
    },
    caption,
    named::Named,
    notes::{Notes, Observed},
    routing::Note,
    user::{self, User},
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

/// Writes what is the class Authentication's own.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    note: Note,
    assessment: &Assessment<'_>,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    User::who(whose::authenticated(event))
        .with_tokens(event, notes.elements_max)
        .write("user", "user", out, notes);
    let server = lowest(event.targets.iter().filter(is_server)).and_then(Named::of);
    // A list of several is left.
    let hostname =
        event.debug_data.peek(HOSTNAMES).filter(|name| server.is_none() && !name.contains([',', '[']));
    if hostname.is_some() {
        event.debug_data.mark(HOSTNAMES);
    }
    out.object("service", |out| {
        let app = vouching::application(event);
        let (name, id) = app.map(|app| (app.take_name(), app.take_id())).unwrap_or_default();
        if name.is_none() && id.is_none() && server.is_none() && hostname.is_none() {
            out.text("name", "Okta");
        }
        out.text_if("name", name.as_deref());
        out.text_if("uid", id.as_deref());
    });
    if let Some(server) = &server {
        out.object("dst_endpoint", |out| {
            out.text_if("uid", server.uid.as_deref());
            out.text_if("name", server.name.as_deref());
            out.integer("type_id", 1);
            out.text("type", "Server");
        });
        notes.observe(Observed::ResourceUid, "dst_endpoint", "uid", server.uid.as_ref());
    }
    if let Some(hostname) = &hostname {
        out.object("dst_endpoint", |out| {
            out.text("name", hostname);
            out.integer("type_id", 1);
            out.text("type", "Server");
        });
    }
    write_session(event, out);
    write_protocol(event, note, out);
    if note == Note::Impersonation {
        out.integer("account_switch_type_id", 2);
        out.text("account_switch_type", "Impersonate");
    }
    out.flag("is_remote", true);
    let is_new_device = |name: &&Cow<'_, str>| name.eq_ignore_ascii_case(NEW_DEVICE);
    if assessment.behaviors.fired().iter().any(|name| is_new_device(&name)) {
        out.flag("is_new_logon", true);
    }
    let factors = Factors::of(event);
    if let Some(is_mfa) = factors.is_mfa(note == Note::Mfa) {
        out.flag("is_mfa", is_mfa);
    }
    write_factors(event, &factors, out);
}

/// Where the debug data names the server that a credential is for.
const HOSTNAMES: &str = "serverHostnames";

/// Whether it is a machine that people sign on to.
fn is_server(target: &&Party<'_>) -> bool {
    target.kind == Kind::Server
}

/// The behaviour that Okta has from the beginning for a device that the user has not signed in from before.
const NEW_DEVICE: &str = "New Device";

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

/// Writes `auth_protocol*`: what the event says, else what its type alone tells.
fn write_protocol(event: &LogEvent<'_>, note: Note, out: &mut ObjectWriter<'_>) {
    let protocol = Protocol::of(event);
    let (id, caption) = match (&protocol, note) {
        (Some(Protocol::OpenId), _) => (4, "OpenID"),
        (Some(Protocol::Saml), _) => (5, "SAML"),
        (Some(Protocol::OAuth), _) => (6, "OAUTH 2.0"),
        (Some(Protocol::Radius), _) => (10, "RADIUS"),
        (Some(Protocol::Basic), _) => (11, "Basic Authentication"),
        (Some(Protocol::Other(word)), _) => (99, &**word),
        (None, Note::Protocol(id)) => (id, caption(PROTOCOLS, id)),
        (None, _) => return,
    };
    out.integer("auth_protocol_id", id);
    out.text("auth_protocol", caption);
}

/// Writes `auth_factors`. What Okta's word says beyond OCSF's stays with what is not mapped.
pub(super) fn write_factors(event: &LogEvent<'_>, factors: &Factors<'_>, out: &mut ObjectWriter<'_>) {
    let is_one = factors.all.len() == 1;
    out.array("auth_factors", |out| {
        for factor in &factors.all {
            let (id, name) = factor_type(factor.method).unwrap_or((99, factor.name()));
            event.debug_data.mark_same("factor", name);
            event.authentication.mark_same("credentialType", name);
            let enrollments = event.targets.iter().filter(|target| is_enrollment(target));
            enrollments.for_each(|target| target.object.mark_same("displayName", name));
            out.object(|out| {
                out.integer("factor_type_id", id);
                out.text("factor_type", name);
                // Which of several the provider verified is not told.
                if is_one {
                    out.text_if("provider", event.authentication.take("credentialProvider").as_deref());
                }
            });
        }
    });
}

/// `factor_type_id` and its caption; None if OCSF has none.
fn factor_type(method: Method) -> Option<(u8, &'static str)> {
    Some(match method {
        Method::Sms => (1, "SMS"),
        Method::Question => (2, "Security Question"),
        Method::Call => (3, "Phone Call"),
        Method::Biometric => (4, "Biometric"),
        Method::Push => (5, "Push Notification"),
        Method::HardwareToken => (6, "Hardware Token"),
        Method::Otp => (7, "OTP"),
        Method::Email => (8, "Email"),
        Method::U2f => (9, "U2F"),
        Method::WebAuthn => (10, "WebAuthn"),
        Method::Password => (11, "Password"),
        Method::FastPass | Method::Other => return None,
    })
}
