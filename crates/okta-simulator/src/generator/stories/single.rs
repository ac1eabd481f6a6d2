//! Any event type of the catalogue, on its own: the long tail that fills a real log.

use std::sync::Arc;

use super::super::draft::{Draft, Outcome};
use super::super::entity::Entity;
use super::super::scene::Scene;

/// One event of the next type in the deck.
pub(super) fn any_type(scene: &mut Scene<'_>) {
    let Some(event_type) = scene.event_type() else {
        return;
    };
    let act = if event_type.is_job() {
        scene.job()
    } else if event_type.name.starts_with("user.") {
        let person = scene.person();
        scene.visit(person)
    } else if scene.one_in(6) {
        scene.api_call()
    } else {
        let admin = scene.admin();
        scene.visit(admin)
    };
    let outcome = event_type.outcome(scene.rng).map(|(result, reason)| Outcome { result, reason });
    let draft = act.event(event_type.name).uri("/api/v1/internal");
    let mut draft = Draft { outcome, ..draft };
    if event_type.target_kinds().is_empty() && !scene.one_in(4) {
        draft = draft.target(&scene.cast.thing(&event_type.own_target_kind(), scene.rng.u64(..6)));
    }
    for kind in event_type.target_kinds() {
        draft = draft.target(&member(scene, kind));
    }
    if event_type.has_change_details {
        draft = draft.change("status", "INACTIVE", "ACTIVE");
    }
    scene.tell(draft);
}

fn member(scene: &mut Scene<'_>, kind: &str) -> Arc<Entity> {
    match kind {
        "User" => Arc::clone(&scene.person().user),
        "AppUser" => Arc::clone(&scene.person().app_user),
        "AppInstance" => Arc::clone(scene.app()),
        "UserGroup" => Arc::clone(scene.group()),
        "PolicyEntity" => Arc::clone(scene.policy()),
        "PolicyRule" => Arc::clone(scene.rule()),
        _ => scene.cast.thing(kind, scene.rng.u64(..12)),
    }
}
