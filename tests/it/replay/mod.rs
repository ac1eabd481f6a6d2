//! Replays: everything in the window arrives as the route would deliver it, whatever happens in the middle.

mod budget;
#[cfg(all(feature = "kafka", feature = "nats"))]
mod buses;
mod kills;
mod refusals;
mod whole;

use std::{
    fs,
    fs::File,
    io,
    process::{ExitStatus, Stdio},
};

use tokio::process::{Child, Command};

use crate::support::daemon::{Workplace, uuid};

/// A replay's command while it runs; killed when dropped.
struct Running(Child);

impl Running {
    /// Starts `oktabus replay` with these arguments. What it says goes to the file `replay.log`.
    fn start(workplace: &Workplace, arguments: &[&str]) -> Self {
        let append = || File::options().create(true).append(true).open(workplace.path("replay.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_oktabus"))
            .args(["replay", "--config"])
            .arg(workplace.path("oktabus.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(append())
            .stderr(append())
            .kill_on_drop(true)
            .spawn();
        Self(child.unwrap())
    }

    async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }

    async fn ended(mut self) -> ExitStatus {
        self.0.wait().await.unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

/// The lines that replays wrote into the folder `archive`, in the order of the files.
fn replayed(workplace: &Workplace) -> Vec<String> {
    lines(workplace, |name| name.contains(".replay+"))
}

/// The lines that the live route wrote there.
fn live(workplace: &Workplace) -> Vec<String> {
    lines(workplace, |name| !name.contains(".replay+"))
}

fn lines(workplace: &Workplace, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    loop {
        match try_lines(workplace, &is_wanted) {
            Ok(lines) => return lines,
            // A file got another name between the listing and the reading.
            Err(err) => assert_eq!(err.kind(), io::ErrorKind::NotFound, "{err}"),
        }
    }
}

fn try_lines(workplace: &Workplace, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(workplace.path("archive")) else { return Ok(Vec::new()) };
    let paths = entries.map(|entry| entry.unwrap().path());
    // Hidden files are a sink's own records.
    let is_archive = |name: &str| !name.starts_with('.') && is_wanted(name);
    let mut paths: Vec<_> =
        paths.filter(|path| is_archive(path.file_name().unwrap().to_str().unwrap())).collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        // Only whole lines: somebody may be writing.
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        lines.extend(text[..end].lines().map(str::to_owned));
    }
    Ok(lines)
}

fn uuids(lines: &[String]) -> Vec<String> {
    let mut uuids: Vec<_> = lines.iter().map(|line| uuid(line)).collect();
    uuids.sort();
    uuids
}
