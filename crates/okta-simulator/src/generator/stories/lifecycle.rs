//! People who join, move and leave.

use std::sync::Arc;

use super::super::cast::Person;
use super::super::draft::Act;
use super::super::scene::Scene;

const FIRST_NEW_NUMBER: usize = 1_000;
const LAST_NEW_NUMBER: usize = 99_999;

/// Created, activated, put into groups, given apps.
pub(super) fn onboarding(scene: &mut Scene<'_>) {
    let number = scene.rng.usize(FIRST_NEW_NUMBER..=LAST_NEW_NUMBER);
    let person = Person::new(scene.rng, number);
    let user = &person.user;
    let admin = scene.admin();
    let act = scene.visit(admin);
    scene.tell(act.event("user.lifecycle.create").target(user).uri("/api/v1/users"));
    scene.tell(act.event("user.lifecycle.activate").target(user));
    for _ in 0..scene.rng.u32(1..4) {
        scene.pause(1..10);
        let group = scene.group();
        scene.tell(act.event("group.user_membership.add").target(user).target(group));
    }
    for _ in 0..scene.rng.u32(1..4) {
        assign_app(scene, &act, &person);
    }
    scene.tell(act.event("system.email.delivery").target(user).debug("templateType", "WELCOME"));
}

/// Suspended, taken out of apps, deactivated, sessions ended.
pub(super) fn offboarding(scene: &mut Scene<'_>) {
    let person = scene.person();
    let user = &person.user;
    let act = scene.api_call();
    scene.tell(act.event("user.lifecycle.suspend").target(user));
    scene.tell(act.event("user.session.clear").target(user).uri("/api/v1/users/sessions"));
    scene.pause(10..300);
    let act = scene.next_request(&act);
    for _ in 0..scene.rng.u32(1..4) {
        let app = scene.app();
        let removal = act.event("application.user_membership.remove").target(&person.app_user);
        scene.tell(removal.target(app).target(user));
    }
    scene.tell(act.event("user.lifecycle.deactivate").target(user));
}

/// Out of one group, into another, and the profile follows.
pub(super) fn move_between_groups(scene: &mut Scene<'_>) {
    let (person, admin) = (scene.person(), scene.admin());
    let act = scene.visit(admin);
    let (from, to) = (scene.group(), scene.group());
    scene.tell(act.event("group.user_membership.remove").target(&person.user).target(from));
    scene.tell(act.event("group.user_membership.add").target(&person.user).target(to));
    let update = act.event("user.account.update_profile").target(&person.user);
    scene.tell(update.debug("changedAttributes", "department, \"costCenter\""));
}

fn assign_app(scene: &mut Scene<'_>, act: &Act, person: &Person) {
    let (app, app_user) = (scene.app(), &person.app_user);
    let assignment = act.event("application.user_membership.add").target(app_user);
    scene.tell(assignment.target(app).target(&person.user));
    let job = Act { transaction_id: Arc::clone(&act.transaction_id), ..scene.job() };
    scene.tell(job.event("application.provision.user.push").target(app_user).target(app));
}
