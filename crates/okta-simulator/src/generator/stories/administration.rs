//! Admins at work.

use std::sync::Arc;

use super::super::entity::Entity;
use super::super::scene::Scene;

/// An admin opens the console and changes a rule of a policy.
pub(super) fn policy_change(scene: &mut Scene<'_>) {
    let admin = scene.admin();
    let act = scene.visit(admin);
    scene.tell(act.event("user.session.access_admin_app").target(&admin.user).uri("/admin/sso/callback"));
    scene.pause(20..200);
    let act = scene.next_request(&act);
    let (policy, rule) = (scene.policy(), scene.rule());
    let update = act.event("policy.rule.update").target(rule).target(policy);
    scene.tell(update.debug("factorMode", "2FA").uri("/api/v1/policies/rules"));
    scene.tell(act.event("policy.lifecycle.update").target(policy).change("status", "INACTIVE", "ACTIVE"));
}

/// An admin creates an API token and revokes it again, now and then.
pub(super) fn api_token(scene: &mut Scene<'_>) {
    let admin = scene.admin();
    let act = scene.visit(admin);
    let token = Entity::new(scene.rng, "00T", "Token").named("unknown", "SIEM \"read-only\" token");
    let token = Arc::new(token.detail("network", "ANYWHERE"));
    scene.tell(act.event("system.api_token.create").target(&token).uri("/api/internal/tokens"));
    if scene.one_in(3) {
        scene.pause(60..3_000);
        let act = scene.next_request(&act);
        scene.tell(act.event("system.api_token.revoke").target(&token).uri("/api/v1/api-tokens"));
    }
}
