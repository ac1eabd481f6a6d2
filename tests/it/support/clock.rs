//! A wall clock that can be put, for the daemon alone: monotonic time goes on as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::daemon::Workplace;

/// The clock of the daemons of one workplace.
#[derive(Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// A clock that is right.
    pub(crate) fn new(workplace: &Workplace) -> Self {
        let clock = Self { library: workplace.path("clock.so"), offset: workplace.path("clock") };
        compile(&clock.library);
        clock.put(0);
        clock
    }

    /// Puts it that many seconds ahead of the real time.
    pub(crate) fn put(&self, seconds: i64) {
        // By renaming, so that no half-written number is read.
        let draft = self.offset.with_extension("new");
        fs::write(&draft, seconds.to_string()).unwrap();
        fs::rename(&draft, &self.offset).unwrap();
    }

    /// What a daemon needs in its environment to go by it.
    pub(crate) fn environment(&self) -> [(&str, &str); 2] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("OKTABUS_TEST_CLOCK", self.offset.to_str().unwrap()),
        ]
    }
}

fn compile(library: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/clock.c");
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).arg("-ldl").status();
    assert!(compiled.expect("a C compiler: it builds librdkafka, too").success());
}
