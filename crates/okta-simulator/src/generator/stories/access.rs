//! People and services that come in: sign-on, apps, passwords, tokens.

use super::super::cast::Person;
use super::super::draft::{Act, Credential, Draft};
use super::super::scene::Scene;

const PASSWORD: Credential = Credential {
    checked_by: "OKTA_AUTHENTICATION_PROVIDER",
    issued_by: "OKTA_CREDENTIAL_PROVIDER",
    kind: "PASSWORD",
};
const FACTOR: Credential =
    Credential { checked_by: "FACTOR_PROVIDER", issued_by: "OKTA_CREDENTIAL_PROVIDER", kind: "OTP" };
const BY_SESSION: Credential = Credential {
    checked_by: "OKTA_AUTHENTICATION_PROVIDER",
    issued_by: "OKTA_AUTHENTICATION_PROVIDER",
    kind: "OKTA_CLIENT_SESSION",
};

/// A morning: password, policy, second factor, some apps, perhaps a sign-out.
pub(super) fn sign_in(scene: &mut Scene<'_>) {
    let person = scene.person();
    let act = scene.visit(person);
    signed_in(scene, person, &act);
    for _ in 0..scene.rng.u32(1..4) {
        scene.pause(2..90);
        let request = scene.next_request(&act);
        sso(scene, person, &request);
    }
    if scene.one_in(5) {
        scene.pause(60..1_200);
        let request = scene.next_request(&act);
        scene.tell(request.event("user.session.end").uri("/login/signout").target(&person.user));
    }
}

/// A user with a session opens another app, and is sometimes refused.
pub(super) fn open_app(scene: &mut Scene<'_>) {
    let person = scene.person();
    let act = scene.visit(person);
    if scene.one_in(25) {
        let denied = evaluation(scene, &act).result("DENY");
        scene.tell(denied);
        let app = scene.app();
        let denied = act.event("application.policy.sign_on.deny_access").target(app);
        return scene.tell(denied.failure("Sign-on policy evaluation resulted in DENY"));
    }
    sso(scene, person, &act);
}

/// A wrong password or two, then the right one.
pub(super) fn mistyped_password(scene: &mut Scene<'_>) {
    let person = scene.person();
    let act = scene.visit(person);
    for _ in 0..scene.rng.u32(1..3) {
        let attempt = Act { session_id: None, ..scene.next_request(&act) };
        scene.tell(failed_sign_in(&attempt));
        scene.pause(3..20);
    }
    signed_in(scene, person, &act);
}

/// A forgotten password: mail, recovery, new password.
pub(super) fn password_reset(scene: &mut Scene<'_>) {
    let person = scene.person();
    let act = scene.visit(person);
    let user = &person.user;
    scene.tell(act.event("system.email.password_reset.sent_message").target(user));
    scene.tell(act.event("user.account.reset_password").target(user));
    scene.pause(30..600);
    let request = scene.next_request(&act);
    scene.tell(request.event("user.account.update_password").target(user).uri("/idp/idx/challenge/answer"));
    scene.tell(request.event("user.session.start").target(user).credential(PASSWORD));
}

/// A service app gets an access token and reads.
pub(super) fn service_reads_api(scene: &mut Scene<'_>) {
    let act = scene.api_call();
    let token = scene.cast.thing("access_token", scene.rng.u64(..6));
    let grant = act.event("app.oauth2.token.grant.access_token").target(&token).uri("/oauth2/v1/token");
    scene.tell(grant.debug("grantType", "client_credentials").debug("scopes", "okta.logs.read"));
}

/// A sign-in attempt with a wrong password.
pub(super) fn failed_sign_in(act: &Act) -> Draft {
    act.event("user.session.start").failure("INVALID_CREDENTIALS").credential(PASSWORD)
}

fn signed_in(scene: &mut Scene<'_>, person: &Person, act: &Act) {
    scene.tell(act.event("user.session.start").target(&person.user).credential(PASSWORD));
    let challenge = evaluation(scene, act).result("CHALLENGE");
    scene.tell(challenge);
    if person.device.is_some() {
        scene.tell(act.event("system.push.send_factor_verify_push").target(&person.user));
        scene.pause(2..15);
    }
    let verified = act.event("user.authentication.auth_via_mfa").credential(FACTOR);
    let factor = if person.device.is_some() { "OKTA_VERIFY_PUSH" } else { "OKTA_SOFT_TOKEN" };
    let verified = verified.target(&person.user).target(&scene.cast.okta_verify);
    scene.tell(verified.debug("factor", factor).uri("/idp/idx/authenticators/poll"));
}

fn sso(scene: &mut Scene<'_>, person: &Person, act: &Act) {
    let allowed = evaluation(scene, act).result("ALLOW");
    scene.tell(allowed);
    let app = scene.app();
    let sign_on = act.event("user.authentication.sso").credential(BY_SESSION).uri("/app/sso/saml");
    scene.tell(sign_on.target(app).target(&person.app_user).debug("signOnMode", "SAML 2.0"));
}

fn evaluation(scene: &mut Scene<'_>, act: &Act) -> Draft {
    let (policy, rule) = (scene.policy(), scene.rule());
    let behaviors = "{New Geo-Location=NEGATIVE, New Device=NEGATIVE, New IP=POSITIVE, Velocity=NEGATIVE}";
    let evaluation = act.event("policy.evaluate_sign_on").target(policy).target(rule);
    evaluation.debug("behaviors", behaviors).debug("deviceFingerprint", act.transaction_id.to_string())
}
