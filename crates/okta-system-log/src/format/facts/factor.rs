//! By which factors somebody showed who they are, by what was used and not by what the event type is called.

use std::borrow::Cow;

use super::notation;
use crate::format::{
    log_event::LogEvent,
    object::flag,
    party::{Party, order},
};

/// A way to show who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum Method {
    Sms,
    Call,
    Email,
    Push,
    WebAuthn,
    U2f,
    /// Okta Verify on the device itself, with a key of the device.
    FastPass,
    HardwareToken,
    Otp,
    Biometric,
    Question,
    Password,
    /// Something else, or what Okta's word does not tell: a `Phone` is a text or a call.
    Other,
}

/// What a factor rests on. Two of one kind are not more than one factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    Knowledge,
    Possession,
    Inherence,
}

/// A factor that was used.
#[derive(Debug, Clone)]
pub(in crate::format) struct Factor<'a> {
    pub(in crate::format) method: Method,
    /// Okta's word.
    pub(in crate::format) word: Cow<'a, str>,
}

/// The factors that an event names.
#[derive(Debug, Default)]
pub(in crate::format) struct Factors<'a> {
    pub(in crate::format) all: Vec<Factor<'a>>,
    /// Whether one of them was verified on a device that also verified the user, by biometrics or a PIN.
    has_verified_user: bool,
    /// Whether there was a first and a second one, or an identity provider says that there were several.
    is_several: bool,
    /// Whether Okta named the first one and no second, or two that rest on the same.
    is_first_alone: bool,
}

/// The type of a target that is a factor of the user's.
const ENROLLMENT: &str = "AuthenticatorEnrollment";

/// Words of Okta's by the method that they mean. The first method of which one word fits counts.
const WORDS: [(Method, &[&str]); 12] = [
    (Method::Sms, &["SMS"]),
    (Method::Push, &["PUSH"]),
    (Method::U2f, &["U2F"]),
    (Method::WebAuthn, &["WEBAUTHN", "FIDO2", "FIDO", "PASSKEY", "PASSKEYS", "SECURITYKEY"]),
    (Method::FastPass, &["FASTPASS", "OKTAFASTPASS", "NONCE", "SIGNEDNONCE"]),
    (Method::Question, &["QUESTION", "KBA"]),
    (Method::Call, &["CALL", "VOICE", "TEL"]),
    (Method::Email, &["EMAIL"]),
    (Method::HardwareToken, &["YUBIKEY", "RSA", "SECURID", "SYMANTEC", "HARDWARE", "HWK"]),
    (Method::Otp, &["OTP", "TOTP", "HOTP", "GOOGLE", "TOKEN", "CODE"]),
    (Method::Biometric, &["BIOMETRIC", "FINGERPRINT", "FACE", "FPT"]),
    (Method::Password, &["PASSWORD", "PWD"]),
];

/// Okta's name for [`Method::FastPass`] in its documents.
const FASTPASS: &str = "Okta FastPass";

/// Values of `credentialType` that are a factor: the others are what one program shows another.
const CREDENTIALS: [&str; 5] = ["CERTIFICATE", "EMAIL", "OTP", "PASSWORD", "SMS"];

impl Method {
    /// The method that `word` means, for example `OKTA_VERIFY_PUSH` or `Get a push notification`.
    pub(in crate::format) fn of(word: &str) -> Self {
        let (mut first, mut is_security, mut is_key) = (WORDS.len(), false, false);
        for word in words_of(word) {
            let is = |known: &&str| known.eq_ignore_ascii_case(word);
            is_security |= is(&"SECURITY");
            is_key |= is(&"KEY");
            first = WORDS[..first].iter().position(|(_, known)| known.iter().any(is)).unwrap_or(first);
        }
        // The authenticator of that name is WebAuthn, whatever else its name says.
        if is_security && is_key {
            return Self::WebAuthn;
        }
        WORDS.get(first).map_or(Self::Other, |(method, _)| *method)
    }

    fn basis(self) -> Option<Basis> {
        match self {
            Self::Password | Self::Question => Some(Basis::Knowledge),
            Self::Biometric => Some(Basis::Inherence),
            Self::Other => None,
            Self::Sms | Self::Call | Self::Email | Self::Push | Self::WebAuthn | Self::U2f => {
                Some(Basis::Possession)
            }
            Self::FastPass | Self::HardwareToken | Self::Otp => Some(Basis::Possession),
        }
    }
}

impl Factor<'_> {
    /// Whether it may have asked for a PIN or a finger: FastPass, and a passkey or a security key.
    fn may_verify_user(&self) -> bool {
        matches!(self.method, Method::FastPass | Method::WebAuthn)
    }

    /// What it is called where a format has no word of its own for it: Okta's word. Okta has several for FastPass, of which
    /// none tells a person that it was not a push.
    pub(in crate::format) fn name(&self) -> &str {
        if self.method == Method::FastPass { FASTPASS } else { &self.word }
    }
}

/// Whether a key, or one of a list of properties, is one that verified the user, as `USER_VERIFYING_BIO_OR_PIN`. What stands
/// before it may say that it did not: `NON_USER_VERIFYING`; and so may a value behind it: `{"USER_VERIFYING":false}`.
fn is_user_verifying(text: &str) -> bool {
    let is_in_property = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut is_negated = false;
    let mut rest = text;
    while let Some(at) = rest.find(is_in_property) {
        let end = rest[at..].find(|letter| !is_in_property(letter)).map_or(rest.len(), |length| at + length);
        let (property, behind) = (&rest[at..end], &rest[end..]);
        if is_called_verifying(property) && !is_negated && !is_off(behind) {
            return true;
        }
        is_negated =
            NOT.iter().any(|not| not.eq_ignore_ascii_case(property)) && behind.starts_with([' ', '-']);
        rest = behind;
    }
    false
}

fn is_called_verifying(property: &str) -> bool {
    let mut words = words_of(property);
    ["USER", "VERIFYING"]
        .iter()
        .all(|known| words.next().is_some_and(|word| word.eq_ignore_ascii_case(known)))
}

/// Whether what stands behind a property says that it is not so.
fn is_off(behind: &str) -> bool {
    let is_around = |letter: char| matches!(letter, '"' | '\\' | ' ');
    let Some(value) = behind.trim_start_matches(is_around).strip_prefix([':', '=']) else { return false };
    let value = value.trim_start_matches(is_around).as_bytes();
    OFF.iter().any(|off| value.get(..off.len()).is_some_and(|word| word.eq_ignore_ascii_case(off.as_bytes())))
}

/// Words that say that what follows is not so.
const NOT: [&str; 4] = ["NOT", "NON", "NO", "WITHOUT"];
/// Values that say that something is not so.
const OFF: [&str; 4] = ["false", "no", "0", "null"];

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

impl<'a> Factors<'a> {
    /// The factors that `event` names. The closest source counts: the first and second method of a sign-on and the
    /// factor that was verified; the enrolled authenticators among the targets; the authenticator, the credential or the
    /// identity provider's list.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Self {
        let mut factors = Self::default();
        factors.add_first_and_second(event);
        for name in ["factor", "factorType"] {
            event.debug_data.peek(name).into_iter().for_each(|word| factors.add(word));
        }
        let mut targets: Vec<_> = event.targets.iter().filter(|target| tells_of_factor(target)).collect();
        targets.sort_by(|one, other| order(one, other));
        targets.iter().for_each(|target| factors.add_used(target));
        if factors.all.is_empty() {
            targets.iter().for_each(|target| factors.add_named(target));
        }
        let key = event.debug_data.peek("keyTypeUsedForAuthentication");
        factors.has_verified_user |= key.is_some_and(|key| is_user_verifying(&key));
        if factors.all.is_empty() {
            factors.add_else(event);
        }
        factors.add_identity_provider(event);
        factors
    }

    /// Whether more than one factor was used, as far as the event tells. `is_further` says that the event is about a
    /// factor after the first, which some event types are on most orgs: it was one unless it is a mere password.
    pub(in crate::format) fn is_mfa(&self, is_further: bool) -> Option<bool> {
        let mut bases = self.all.iter().filter_map(|factor| factor.method.basis());
        let first = bases.next();
        let are_two = first.is_some_and(|first| bases.any(|basis| basis != first));
        if self.is_several || self.has_verified_user || are_two {
            return Some(true);
        }
        // It may have asked for a PIN or a finger, and is the only factor on many orgs: without word of that nobody knows.
        if first.is_some() && self.all.iter().all(|factor| factor.method == Method::FastPass) {
            return None;
        }
        let is_password = self.all.iter().all(|factor| factor.method == Method::Password);
        match first {
            Some(_) if is_password => Some(false),
            Some(Basis::Possession | Basis::Inherence) if is_further => Some(true),
            Some(_) if self.is_first_alone && !self.all.iter().any(Factor::may_verify_user) => Some(false),
            _ => None,
        }
    }

    /// `authMethodFirstType` is `okta_password:password:<id>`: the authenticator, the method, the authenticator's id.
    fn add_first_and_second(&mut self, event: &LogEvent<'a>) {
        let [first, second] =
            ["authMethodFirstType", "authMethodSecondType"].map(|name| event.debug_data.peek(name));
        let basis =
            |method: &Option<Cow<'_, str>>| method.as_deref().and_then(|name| Method::of(name).basis());
        let (of_first, of_second) = (basis(&first), basis(&second));
        let are_of_one_kind = of_first.is_some() && of_first == of_second;
        self.is_several = first.is_some() && second.is_some() && first != second && !are_of_one_kind;
        self.is_first_alone = first.is_some() && (second.is_none() || are_of_one_kind);
        for method in [first, second].into_iter().flatten() {
            let word = method.rsplit_once(':').map_or(&*method, |(word, _)| word).to_owned();
            self.add(Cow::Owned(word));
        }
    }

    /// Adds the method by which a target was used.
    fn add_used(&mut self, target: &Party<'a>) {
        let detail = &target.detail;
        let used = USED.iter().find_map(|name| detail.peek(name));
        // A list, as JSON or as `[USER_VERIFYING, HARDWARE_PROTECTED]`.
        self.has_verified_user |= detail.raw("methodUsedVerifiedProperties").is_some_and(is_user_verifying);
        used.into_iter().for_each(|used| self.add(used));
    }

    /// Adds the factor that a target is, where nothing tells how it was used.
    fn add_named(&mut self, target: &Party<'a>) {
        if is_enrollment(target) {
            let name = target.detail.peek("authenticatorKey").or_else(|| target.object.peek("displayName"));
            name.into_iter().for_each(|name| self.add(name));
        }
    }

    fn add_else(&mut self, event: &LogEvent<'a>) {
        let credential = event.authentication.peek("credentialType");
        let is_factor =
            |word: &Cow<'_, str>| CREDENTIALS.iter().any(|known| known.eq_ignore_ascii_case(word));
        let credential = credential.filter(is_factor);
        let named = event.debug_data.peek("authenticatorKey").or_else(|| factor_in_reason(event));
        named.or(credential).into_iter().for_each(|word| self.add(word));
    }

    /// What the identity provider says of the sign-on there, by RFC 8176: a list of JSON, or a text such as `[pwd, otp]`.
    fn add_identity_provider(&mut self, event: &LogEvent<'a>) {
        let told = event.debug_data.raw("mfaVerified").and_then(notation::content);
        self.is_several |= told.and_then(|told| flag(&told)) == Some(true);
        let Some(list) = event.debug_data.raw("amrList").and_then(notation::content) else { return };
        for word in words_of(&list).take(REFERENCES_MAX) {
            self.is_several |= SEVERAL.iter().any(|several| several.eq_ignore_ascii_case(word));
            if Method::of(word) != Method::Other {
                self.add(Cow::Owned(word.to_owned()));
            }
        }
    }

    /// Adds a factor unless it is told already.
    fn add(&mut self, word: Cow<'a, str>) {
        let method = Method::of(&word);
        let is_told = |known: &Factor<'_>| match method {
            Method::Other => known.word.eq_ignore_ascii_case(&word),
            method => known.method == method,
        };
        if self.all.len() < FACTORS_MAX && !self.all.iter().any(is_told) {
            self.all.push(Factor { method, word });
        }
    }
}

/// The factor that somebody got or lost, which Okta tells in a sentence: `User set up SIGNED_NONCE factor`.
fn factor_in_reason<'a>(event: &LogEvent<'a>) -> Option<Cow<'a, str>> {
    let reason = event.outcome.peek("reason")?;
    let is_about_one = |event_type: Cow<'_, str>| event_type.starts_with(ABOUT_A_FACTOR);
    let factor = reason.trim_ascii().strip_suffix(" factor")?.rsplit(' ').next()?;
    let is_known = Method::of(factor) != Method::Other && event.event_type().is_some_and(is_about_one);
    is_known.then(|| Cow::Owned(factor.to_owned()))
}

/// The types of events that tell of one in a sentence.
const ABOUT_A_FACTOR: &str = "user.mfa.factor.";

/// Where the detail of a target names the method that was used.
const USED: [&str; 3] = ["methodTypeUsed", "MethodTypeUsed", "factorType"];

/// Whether a target is a factor, or tells of one in detail.
fn tells_of_factor(target: &Party<'_>) -> bool {
    is_enrollment(target) || target.detail.members().next().is_some()
}

/// Words of an identity provider that say that there was more than one factor, or channel.
const SEVERAL: [&str; 2] = ["mfa", "mca"];

/// More than any sign-on has. What is beyond stays where Okta wrote it.
const FACTORS_MAX: usize = 16;
/// More than the words that there are for the identity provider to choose from.
const REFERENCES_MAX: usize = 64;

/// What a factor is checked for beside a sign-on, in words of `factorIntent`: `CREDENTIAL_RECOVERY`, `ENROLLMENT`.
const OTHER_INTENTS: [&str; 5] = ["RECOVERY", "ENROLLMENT", "ENROLL", "UNLOCK", "RESET"];

/// Whether Okta says that a factor was checked for something else than a sign-on: to enroll another, or to get back in. It
/// is AUTHENTICATION otherwise.
pub(in crate::format) fn is_for_something_else(event: &LogEvent<'_>) -> bool {
    let Some(intent) = event.debug_data.peek("factorIntent") else { return false };
    words_of(&intent).any(|word| OTHER_INTENTS.iter().any(|other| other.eq_ignore_ascii_case(word)))
}

/// Whether a target is a factor of the user's.
pub(in crate::format) fn is_enrollment(target: &Party<'_>) -> bool {
    target.object.peek("type").is_some_and(|kind| kind.eq_ignore_ascii_case(ENROLLMENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_oktas_words() {
        for (word, method) in [
            ("OKTA_VERIFY_PUSH", Method::Push),
            ("Get a push notification", Method::Push),
            ("SMS_FACTOR", Method::Sms),
            ("CALL_FACTOR", Method::Call),
            ("phone_number:voice", Method::Call),
            ("EMAIL_FACTOR", Method::Email),
            ("Security Key or Biometric", Method::WebAuthn),
            ("FIDO_WEBAUTHN", Method::WebAuthn),
            ("webauthn:webauthn", Method::WebAuthn),
            ("FIDO_U2F", Method::U2f),
            ("SIGNED_NONCE", Method::FastPass),
            ("Use Okta FastPass", Method::FastPass),
            ("signedNonce", Method::FastPass),
            ("okta_verify:signed_nonce", Method::FastPass),
            ("SECURITY_QUESTION", Method::Question),
            ("SECURID_FACTOR", Method::HardwareToken),
            ("YUBIKEY_OTP_FACTOR", Method::HardwareToken),
            ("OKTA_SOFT_TOKEN", Method::Otp),
            ("GOOGLE_AUTHENTICATOR", Method::Otp),
            ("Enter a code", Method::Otp),
            ("okta_verify:totp", Method::Otp),
            ("PASSWORD_AS_FACTOR", Method::Password),
            ("okta_password:password", Method::Password),
            ("Phone", Method::Other),
            ("Okta Verify", Method::Other),
            ("UNIVERSAL_THING", Method::Other),
            ("DUO_SECURITY", Method::Other),
        ] {
            assert_eq!(Method::of(word), method, "{word}");
        }
    }

    fn factors(event: &str) -> (Vec<Method>, Option<bool>, Option<bool>) {
        let event = LogEvent::read(event).unwrap();
        let factors = Factors::of(&event);
        (
            factors.all.iter().map(|factor| factor.method).collect(),
            factors.is_mfa(false),
            factors.is_mfa(true),
        )
    }

    #[test]
    fn a_password_alone_is_not_more_than_one_factor_whatever_the_type_is_called() {
        for event in [
            r#"{"debugContext":{"debugData":{"factor":"PASSWORD_AS_FACTOR"}}}"#,
            r#"{"target":[{"type":"AuthenticatorEnrollment","displayName":"Password","detailEntry":{"methodTypeUsed":"Password"}}]}"#,
            r#"{"authenticationContext":{"credentialType":"PASSWORD"}}"#,
        ] {
            assert_eq!(factors(event), (vec![Method::Password], Some(false), Some(false)), "{event}");
        }
    }

    #[test]
    fn what_was_used_decides() {
        let push = r#"{"debugContext":{"debugData":{"factor":"OKTA_VERIFY_PUSH"}},"target":[{"type":"AuthenticatorEnrollment","displayName":"Okta Verify","detailEntry":{"methodTypeUsed":"Get a push notification"}}]}"#;
        assert_eq!(factors(push), (vec![Method::Push], None, Some(true)));
        let both = r#"{"debugContext":{"debugData":{"authMethodFirstType":"okta_password:password:aut1","authMethodSecondType":"webauthn:webauthn:aut2"}}}"#;
        assert_eq!(factors(both), (vec![Method::Password, Method::WebAuthn], Some(true), Some(true)));
        let first = r#"{"debugContext":{"debugData":{"authMethodFirstType":"okta_verify:push:aut1"}}}"#;
        assert_eq!(factors(first).1, Some(false));
        let verified = r#"{"target":[{"type":"AuthenticatorEnrollment","detailEntry":{"methodTypeUsed":"Use Okta FastPass","methodUsedVerifiedProperties":"[USER_VERIFYING, HARDWARE_PROTECTED]"}}]}"#;
        assert_eq!(factors(verified), (vec![Method::FastPass], Some(true), Some(true)));
        let possession = [
            r#"{"debugContext":{"debugData":{"factor":"SIGNED_NONCE"}}}"#,
            r#"{"debugContext":{"debugData":{"authMethodFirstType":"okta_verify:signed_nonce:aut1"}}}"#,
            r#"{"target":[{"type":"AuthenticatorEnrollment","detailEntry":{"methodTypeUsed":"Use Okta FastPass","methodUsedVerifiedProperties":"[USER_PRESENCE]"}}]}"#,
        ];
        for event in possession {
            assert_eq!(factors(event), (vec![Method::FastPass], None, None), "{event}");
        }
        for (second, is_mfa) in
            [("okta_email:email:b", false), ("phone_number:sms:b", false), ("okta_password:password:b", true)]
        {
            let mails = format!(
                r#"{{"debugContext":{{"debugData":{{"authMethodFirstType":"okta_email:email:a","authMethodSecondType":"{second}"}}}}}}"#
            );
            assert_eq!(factors(&mails).1, Some(is_mfa), "{second}");
        }
        let known = r#"{"debugContext":{"debugData":{"authMethodFirstType":"okta_password:password:aut1","authMethodSecondType":"security_question:security_question:aut2"}}}"#;
        assert_eq!(factors(known), (vec![Method::Password, Method::Question], Some(false), Some(false)));
        for list in [r#""[pwd, sms]""#, r#"["pwd","sms"]"#, r#""[\"pwd\",\"sms\"]""#, r#""PWD SMS""#] {
            let provider = format!(r#"{{"debugContext":{{"debugData":{{"amrList":{list}}}}}}}"#);
            assert_eq!(
                factors(&provider),
                (vec![Method::Password, Method::Sms], Some(true), Some(true)),
                "{list}"
            );
        }
        for several in [r#""amrList":["pwd","MFA"]"#, r#""amrList":"[mfa]""#, r#""mfaVerified":"True""#] {
            let provider = format!(r#"{{"debugContext":{{"debugData":{{{several}}}}}}}"#);
            assert_eq!(factors(&provider).1, Some(true), "{several}");
        }
        let verified = r#"{"target":[{"type":"AUTHENTICATORENROLLMENT","detailEntry":{"methodTypeUsed":"Use Okta FastPass","methodUsedVerifiedProperties":["user_verifying"]}}]}"#;
        assert_eq!(factors(verified).1, Some(true));
        for (event, method) in [
            (
                r#"{"eventType":"user.mfa.factor.activate","outcome":{"reason":"User set up SIGNED_NONCE factor"}}"#,
                Some(Method::FastPass),
            ),
            (
                r#"{"eventType":"user.mfa.factor.deactivate","outcome":{"reason":"User reset FIDO_WEBAUTHN factor"}}"#,
                Some(Method::WebAuthn),
            ),
            (
                r#"{"eventType":"user.mfa.factor.reset_all","outcome":{"reason":"User reset all factor"}}"#,
                None,
            ),
            (r#"{"eventType":"user.session.start","outcome":{"reason":"User reset SMS factor"}}"#, None),
        ] {
            assert_eq!(factors(event).0.first().copied(), method, "{event}");
        }
        for (key, is_verifying) in [
            (r#""user_verifying""#, true),
            (r#"["HARDWARE_PROTECTED","USER_VERIFYING"]"#, true),
            (r#""[HARDWARE_PROTECTED, USER_VERIFYING]""#, true),
            (r#"{"USER_VERIFYING":true}"#, true),
            (r#""NON_USER_VERIFYING""#, false),
            (r#""NOT_USER_VERIFYING""#, false),
            (r#""NOT USER_VERIFYING""#, false),
            (r#""HARDWARE_PROTECTED USER_VERIFYING""#, true),
            (r#"["NON_USER_VERIFYING","HARDWARE_PROTECTED"]"#, false),
            (r#"{"USER_VERIFYING":false}"#, false),
            (r#""{USER_VERIFYING=false}""#, false),
            (r#""{\"USER_VERIFYING\":\"No\"}""#, false),
        ] {
            assert_eq!(is_user_verifying(key), is_verifying, "{key}");
        }
        for key in ["USER_VERIFYING_BIO_ONLY", "USER_VERIFYING_BIO_OR_PIN"] {
            let verified = format!(
                r#"{{"debugContext":{{"debugData":{{"factor":"SIGNED_NONCE","keyTypeUsedForAuthentication":"{key}"}}}}}}"#
            );
            assert_eq!(factors(&verified), (vec![Method::FastPass], Some(true), Some(true)));
        }
        let question = r#"{"debugContext":{"debugData":{"factor":"SECURITY_QUESTION"}}}"#;
        assert_eq!(factors(question), (vec![Method::Question], None, None));
        assert_eq!(factors(r#"{"authenticationContext":{"credentialType":"IWA"}}"#), (vec![], None, None));
        assert_eq!(factors("{}"), (vec![], None, None));
    }
}
