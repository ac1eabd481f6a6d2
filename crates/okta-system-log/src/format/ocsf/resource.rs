//! `resources`: the targets that something was done to, or that rights give access to.

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party, lowest},
        words::is_email,
        writer::ObjectWriter,
    },
    named::Named,
    notes::{Notes, Observed},
};

/// Writes `resources`: all targets that are `meant` and have not been told otherwise.
pub(super) fn write_all<'a>(
    event: &LogEvent<'a>,
    meant: impl Fn(&Party<'a>) -> bool,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    out.array("resources", |out| {
        let targets = event.targets.iter().filter(|target| meant(target) && target.is_untold());
        // Who is a resource here is known by login.
        let named = |target: &Party<'a>| {
            if target.kind.is_account() { Named::account(target) } else { Named::of(target) }
        };
        for resource in targets.filter_map(named).take(targets_max) {
            out.object(|out| resource.write(out));
            let is_address = resource.name.as_deref().is_some_and(is_email);
            let name = if is_address { Observed::EmailAddress } else { Observed::ResourceName };
            notes.observe(Observed::ResourceUid, "resources[]", "uid", resource.uid.as_ref());
            notes.observe(name, "resources[]", "name", resource.name.as_ref());
        }
    });
}

/// Writes `resource`: what a group was given, the application among it if there is one.
pub(super) fn write_one<'a>(event: &LogEvent<'a>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
    let is_resource = |target: &&Party<'a>| target.kind == Kind::Other && target.is_untold();
    let target = event.target(Kind::App).or_else(|| lowest(event.targets.iter().filter(is_resource)));
    let Some(resource) = target.and_then(Named::of) else { return };
    out.object("resource", |out| resource.write(out));
    notes.observe(Observed::ResourceUid, "resource", "uid", resource.uid.as_ref());
    notes.observe(Observed::ResourceName, "resource", "name", resource.name.as_ref());
}
