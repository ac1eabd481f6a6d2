//! Programs that the tests run: where they are, on which ports, how they are stopped, and how to wait for something.
//! Knows nothing of any particular program.

use std::{
    fs::{self, File},
    io::Write,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// How long anything that should happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Runs its arguments as a program and ends with it. Each line on standard input is the name of a signal for the
/// program; when standard input ends, because the [`Process`] was dropped or the test binary died in whatever way, the
/// program is killed.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ while read -r signal; do kill -"$signal" $program; done; kill -KILL $program; } <&3 &
wait $program
kill $! 2>/dev/null
"#;

/// A file or directory in `.tools/`.
pub(crate) fn tool(path: &str) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools").join(path);
    assert!(
        found.exists(),
        "{} does not exist: run `tests/setup`; if that is done and `cargo test` should leave this test out elsewhere, list it \
         in tests/it/needs_tools.txt",
        found.display()
    );
    found
}

/// A loopback port that nothing uses. Below the ports that Linux gives to outgoing connections, so that it stays free
/// while its program is being started or restarted; and no other test process of this machine takes it before this one
/// ends, or a test would talk to the program of another.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let own_start = (std::process::id() * 61 % u32::from(COUNT)) as u16;
    loop {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(step < COUNT, "there is no free port");
        let port = FIRST + (own_start + step) % COUNT;
        let Some(claim) = claim(port) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            // Locked as long as the process lives.
            std::mem::forget(claim);
            return port;
        }
    }
}

/// A file that one process can lock for `port`; none if another has.
fn claim(port: u16) -> Option<File> {
    let directory = std::env::temp_dir().join("oktabus-test-ports");
    fs::create_dir_all(&directory).unwrap();
    let file = File::options().create(true).append(true).open(directory.join(port.to_string())).unwrap();
    file.try_lock().ok().map(|()| file)
}

/// Looks again and again until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    found(look).await.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

async fn found<T>(look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    found_within(PATIENCE, look).await
}

/// What `look` finds, if it does within `patience`.
pub(crate) async fn found_within<T>(
    patience: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(found) = look().await {
            return Some(found);
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    None
}

/// A running program, killed when this is dropped and when the test binary ends.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: Child,
    signals: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, which names a program and its arguments, and appends what it says to the file `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(command.get_program()).args(command.get_args());
        keeper.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut keeper = keeper.spawn().unwrap();
        let signals = keeper.stdin.take();
        Self { keeper, signals, log: log.to_owned() }
    }

    /// Waits until `look` sees that the program is ready.
    pub(crate) async fn ready(&mut self, mut look: impl AsyncFnMut() -> bool) {
        let ended_or_ready = async || match self.keeper.try_wait().unwrap() {
            Some(_) => Some(false),
            None => look().await.then_some(true),
        };
        let is_ready = found(ended_or_ready).await.unwrap_or(false);
        assert!(is_ready, "the program ended or is not ready in time; it said:\n{}", self.log());
    }

    /// Freezes the program: its connections stay open and nothing answers.
    pub(crate) fn freeze(&mut self) {
        self.signal("STOP");
    }

    /// Lets a frozen program go on.
    pub(crate) fn thaw(&mut self) {
        self.signal("CONT");
    }

    /// Asks the program to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.signal("TERM");
        let ended = async || self.keeper.try_wait().unwrap();
        let has_ended = found(ended).await.is_some();
        assert!(has_ended, "the program does not stop; it said:\n{}", self.log());
    }

    /// Has the program read its configuration anew.
    pub(crate) fn hang_up(&mut self) {
        self.signal("HUP");
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&mut self, name: &str) {
        writeln!(self.signals.as_mut().unwrap(), "{name}").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signals = None;
        // A panic here would hide the failure of a test that is already unwinding.
        let _ = self.keeper.wait();
    }
}
