//! People who should not come in.

use super::super::draft::{Act, Risk};
use super::super::scene::Scene;
use super::access;

const SPRAY: Risk = Risk {
    level: "HIGH",
    previous_level: None,
    reasons: &["Anomalous Device", "Suspected Threat"],
    detection_name: None,
};
const HIJACK: Risk = Risk {
    level: "HIGH",
    previous_level: Some("LOW"),
    reasons: &["Anomalous Geo-Distance", "Anomalous Device"],
    detection_name: Some("Suspected Session Hijacking"),
};

/// Passwords guessed until the account locks; an admin unlocks it later.
pub(super) fn lockout(scene: &mut Scene<'_>) {
    let person = scene.person();
    let act = scene.intrusion(&person.user);
    for _ in 0..scene.rng.u32(4..10) {
        let attempt = scene.next_request(&act);
        scene.tell(access::failed_sign_in(&attempt).risk(SPRAY));
        scene.pause(1..5);
    }
    let last = scene.next_request(&act);
    scene.tell(last.event("user.account.lock").target(&person.user).failure("LOCKED_OUT").risk(SPRAY));
    let admin = scene.admin();
    scene.pause(300..2_400);
    let act = scene.visit(admin);
    scene.tell(
        act.event("user.account.unlock_by_admin").target(&person.user).uri("/api/v1/users/lifecycle/unlock"),
    );
}

/// A stolen session: Okta notices, raises the risk and ends the sessions.
pub(super) fn threat(scene: &mut Scene<'_>) {
    let person = scene.person();
    let victim = scene.visit(person);
    let act = scene.intrusion(&person.user);
    let address = scene.cast.thing("IpAddress", scene.rng.u64(..12));
    scene.tell(act.event("security.threat.detected").target(&address).result("DENY").risk(SPRAY));
    scene.pause(5..60);
    let act = Act { session_id: victim.session_id, ..act };
    scene.tell(act.event("user.session.context.change").target(&person.user).risk(HIJACK));
    let job = scene.job();
    scene.tell(
        job.event("user.risk.change")
            .target(&person.user)
            .debug("previousRiskLevel", "LOW")
            .debug("riskLevel", "HIGH"),
    );
    let (policy, rule) = (scene.policy(), scene.rule());
    scene.tell(job.event("policy.entity_risk.evaluate").target(&person.user).target(policy).target(rule));
    scene.tell(job.event("policy.entity_risk.action").target(&person.user));
    scene.tell(job.event("user.authentication.universal_logout").target(&person.user));
    scene.tell(job.event("user.session.clear").target(&person.user));
}

/// Push after push until the victim denies one, or gives in.
pub(super) fn push_fatigue(scene: &mut Scene<'_>) {
    let person = scene.person();
    let user = &person.user;
    let act = scene.intrusion(user);
    for _ in 0..scene.rng.u32(5..14) {
        let request = scene.next_request(&act);
        scene.tell(request.event("system.push.send_factor_verify_push").target(user).result("UNANSWERED"));
        scene.pause(10..40);
    }
    let request = scene.next_request(&act);
    if scene.one_in(4) {
        return scene.tell(request.event("user.authentication.auth_via_mfa").target(user).risk(HIJACK));
    }
    let denied = request.event("user.mfa.okta_verify.deny_push").target(user).risk(HIJACK);
    scene.tell(denied.failure("USER_REJECTED_OKTA_PUSH_VERIFY"));
    let report = scene.visit(person);
    scene.tell(report.event("user.account.report_suspicious_activity_by_enduser").target(user));
}
