//! No core dumps: the memory of every subcommand may hold tokens and keys.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Keeps the kernel from writing our memory to a file, and other processes of our user from reading it. What the kernel
/// does not let us change stays as it was: nothing that oktabus does depends on it.
pub(super) fn forbid() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
