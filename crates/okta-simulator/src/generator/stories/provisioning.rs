//! Jobs that move many people at once: many events in one transaction, and a few very large events.

use super::super::scene::Scene;

/// An import from Active Directory, all in one job.
pub(super) fn directory_import(scene: &mut Scene<'_>) {
    let job = scene.job();
    let directory = &scene.cast.directory;
    scene.tell(job.event("system.import.start").target(directory));
    let people = scene.rng.u32(3..25);
    for _ in 0..people {
        let person = scene.person();
        let event_type = match scene.rng.u32(..10) {
            0 => "system.import.user.create",
            1 => "system.import.user.delete",
            _ => "system.import.user.update",
        };
        scene.tell(job.event(event_type).target(&person.user).target(directory));
    }
    scene.pause(1..20);
    let complete = job.event("system.import.complete").target(directory);
    scene.tell(complete.debug("usersProcessed", people.to_string()).debug("importTrigger", "SCHEDULED"));
}

/// A group is pushed into an app; the event names every member.
pub(super) fn group_push(scene: &mut Scene<'_>) {
    let job = scene.job();
    let (group, app) = (scene.group(), scene.app());
    scene.tell(job.event("application.provision.group_push.pushed").target(group).target(app));
    let mut push = job.event("application.provision.group_push.push_memberships").target(group).target(app);
    for _ in 0..scene.rng.u32(5..120) {
        push = push.target(&scene.person().user);
    }
    scene.tell(push);
}
