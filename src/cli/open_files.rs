//! How many files this process may have open: connections are files too.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than the bounds of all listeners and sinks add up to.
const WANTED: u64 = 65_536;

/// Takes what the machine grants: a shell and systemd give 1,024 at first, and much more if a process asks. What the kernel does
/// not grant stays as it was.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
