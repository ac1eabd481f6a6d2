//! The stories that generate events, and their weights.

mod access;
mod administration;
mod attack;
mod lifecycle;
mod provisioning;
mod single;

use super::scene::Scene;

type Story = fn(&mut Scene<'_>);

/// Every story with its weight. A single event of the catalogue is told often enough that ten
/// thousand events hold every type.
const REPERTOIRE: &[(u32, Story)] = &[
    (300, access::sign_in),
    (250, access::open_app),
    (60, access::mistyped_password),
    (30, access::password_reset),
    (60, access::service_reads_api),
    (20, attack::lockout),
    (12, attack::threat),
    (8, attack::push_fatigue),
    (15, lifecycle::onboarding),
    (10, lifecycle::offboarding),
    (20, lifecycle::move_between_groups),
    (20, administration::policy_change),
    (6, administration::api_token),
    (10, provisioning::directory_import),
    (6, provisioning::group_push),
    (700, single::any_type),
];

/// Runs one story.
pub(super) fn tell(scene: &mut Scene<'_>) {
    let total: u32 = REPERTOIRE.iter().map(|(weight, _)| weight).sum();
    let mut draw = scene.rng.u32(..total);
    for (weight, story) in REPERTOIRE {
        if draw < *weight {
            return story(scene);
        }
        draw -= weight;
    }
}
