//! `extensions.auth`: by what kind of system and by which factors somebody signed on.

use super::{
    super::{
        facts::{Factor, Factors, Method, Outcome},
        writer::ObjectWriter,
    },
    Scene,
};

/// Sign-ons to a machine. All others are single sign-on, which is what Okta is.
const MACHINES: [&str; 5] = [
    "user.device_session.",
    "device.password_sync.",
    "device.platform_sso.",
    "device.desktop_mfa.",
    "pam.server.",
];

/// Writes `extensions`.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let factors = Factors::of(scene.event);
    out.object("extensions", |out| {
        out.object("auth", |out| {
            let is_machine = MACHINES.iter().any(|beginning| scene.event_type.starts_with(beginning));
            out.text("type", if is_machine { "MACHINE" } else { "SSO" });
            let mut mechanisms: Vec<_> = factors.all.iter().map(|factor| mechanism(factor.method)).collect();
            mechanisms.dedup();
            if mechanisms.is_empty() {
                mechanisms.push("MECHANISM_UNSPECIFIED");
            }
            out.texts("mechanism", mechanisms);
            let words: Vec<&str> = factors.all.iter().map(Factor::name).collect();
            if !words.is_empty() {
                out.text("auth_details", &words.join(", "));
            }
            let outcome = match scene.outcome {
                Outcome::Success => Some("SUCCESS"),
                Outcome::Failure => Some("FAILURE"),
                Outcome::Other(_) | Outcome::Unknown => None,
            };
            out.text_if("outcome", outcome);
        });
    });
}

fn mechanism(method: Method) -> &'static str {
    match method {
        Method::Password => "USERNAME_PASSWORD",
        Method::Sms | Method::Call | Method::Email | Method::Otp => "OTP",
        Method::WebAuthn | Method::U2f | Method::HardwareToken => "HARDWARE_KEY",
        Method::Biometric => "BIOMETRIC",
        Method::Push | Method::FastPass | Method::Question | Method::Other => "MECHANISM_OTHER",
    }
}
