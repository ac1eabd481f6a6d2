//! Every kind of damage to every file of a state: the next start has the right values, or refuses. It never goes on with
//! wrong ones.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{advance, entry, open};
use crate::support::files::copy;

/// Commits of each route: sled has written a snapshot by then.
const MANY: u64 = 400;
/// And none yet by then, so that it begins with the log, and forgets what comes after a damage.
const FEW: u64 = 40;
const ROUTES: [&str; 3] = ["log/a", "log/b", "log/c"];
/// How long a look at a damaged store may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One thing done to one file of a state.
#[derive(Debug, Clone)]
enum Damage {
    Flip { at: usize, bit: u8 },
    Zero { at: usize, length: usize },
    CutTo(usize),
    Empty,
    Remove,
    Older,
}

/// What a start made of a damaged state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Recovered,
    Refused,
    Wrong,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damage_is_taken_for_right_after_a_clean_stop() {
    attack(Ending::Clean, MANY, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damage_is_taken_for_right_after_a_crash() {
    attack(Ending::Crash, MANY, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damage_to_a_young_store_is_taken_for_right() {
    attack(Ending::Crash, FEW, 3).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Clean,
    Crash,
}

async fn attack(ending: Ending, commits: u64, seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    build(&path("live"), &path("older"), &path("state"), ending, commits).await;
    // To look at a state is to open it, and sled leaves it another than it was.
    copy(&path("state"), &path("undamaged"));
    write_configuration(directory.path(), &path("undamaged"));
    let right = export(&path("oktabus.toml")).await.expect("the undamaged state is readable");

    let mut random = fastrand::Rng::with_seed(seed);
    let mut cases = Vec::new();
    for file in files(&path("state")) {
        let length = fs::metadata(path("state").join(&file)).unwrap().len() as usize;
        cases.extend(damages(length, &mut random).into_iter().map(|damage| (file.clone(), damage)));
    }
    let mut counts: BTreeMap<(String, &'static str), BTreeMap<Verdict, usize>> = BTreeMap::new();
    let mut wrong = Vec::new();
    // Two at a time: the machine that tests run on may have no more cores.
    for pair in cases.chunks(2) {
        let judged = pair.iter().enumerate().map(|(slot, (file, damage))| {
            let place = path(&format!("case-{slot}"));
            let (state, older, right) = (path("state"), path("older"), right.clone());
            async move {
                fs::create_dir_all(&place).unwrap();
                let damaged = place.join("state");
                let _ = fs::remove_dir_all(&damaged);
                copy(&state, &damaged);
                damage.apply(&damaged.join(file), &older.join(file));
                write_configuration(&place, &damaged);
                match export(&place.join("oktabus.toml")).await {
                    Some(found) if found == right => Verdict::Recovered,
                    Some(_) => Verdict::Wrong,
                    None => Verdict::Refused,
                }
            }
        });
        for ((file, damage), verdict) in pair.iter().zip(futures_util::future::join_all(judged).await) {
            let kind = (kind_of(file), damage.kind());
            *counts.entry(kind).or_default().entry(verdict).or_default() += 1;
            if verdict == Verdict::Wrong {
                wrong.push(format!("{} {damage:?}", file.display()));
            }
        }
    }
    report(&format!("{ending:?} and {commits} commits of each route"), cases.len(), &counts);
    assert!(wrong.is_empty(), "went on with wrong values after:\n{}", wrong.join("\n"));
    assert!(cases.len() >= 300, "only {} cases", cases.len());
}

fn report(after: &str, cases: usize, counts: &BTreeMap<(String, &'static str), BTreeMap<Verdict, usize>>) {
    println!("damage after {after}: {cases} cases");
    println!("file         damage   recovered  refused  wrong");
    for ((file, damage), verdicts) in counts {
        let count = |verdict| verdicts.get(&verdict).copied().unwrap_or_default();
        let (recovered, refused) = (count(Verdict::Recovered), count(Verdict::Refused));
        println!("{file:11}  {damage:7}  {recovered:>9}  {refused:>7}  {:>5}", count(Verdict::Wrong));
    }
}

/// A state with history, an older copy of it, and `state` as a clean stop or a crash leaves it.
async fn build(live: &Path, older: &Path, state: &Path, ending: Ending, commits: u64) {
    let opened = open(live).await;
    for generation in 0..commits {
        for route in ROUTES {
            advance(&opened, route, generation).await;
        }
        if generation % 10 == 0 {
            opened.record(&format!("command-{generation}"), 0, entry("\"done\"")).await.unwrap();
        }
        if generation == commits / 2 {
            // All that counts is on the disk, so a copy is what a crash leaves.
            copy(live, older);
        }
    }
    if ending == Ending::Clean {
        opened.close().await.unwrap();
    }
    copy(live, state);
    if ending == Ending::Clean {
        // Once more, as after a restart: sled has written a snapshot then.
        open(state).await.close().await.unwrap();
    }
}

fn write_configuration(place: &Path, state: &Path) {
    let text = format!(
        "[orgs.acme]\nurl = \"http://127.0.0.1:1\"\nauth = {{ token_env = \"PATH\" }}\n\
         [streams.log]\norg = \"acme\"\nroutes = [{{ sink = \"a\" }}]\n[sinks.a]\nkind = \"stdout\"\n\
         [state]\npath = \"{}\"\n[admin]\nlisten = \"127.0.0.1:1\"\n",
        state.display()
    );
    fs::write(place.join("oktabus.toml"), text).unwrap();
}

/// Everything that the program reads in the state, or nothing if it refuses it. It may do nothing else.
async fn export(configuration: &Path) -> Option<Vec<String>> {
    let mut command = tokio::process::Command::from(Command::new(env!("CARGO_BIN_EXE_oktabus")));
    command.args(["state", "export", "--config"]).arg(configuration).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the look to end").unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        // The first line says when it was exported.
        Some(0) => Some(text.lines().skip(1).map(str::to_owned).collect()),
        Some(65) => None,
        other => panic!("ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The files under `state`, relative to it.
fn files(state: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(state.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.metadata().unwrap().is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn damages(length: usize, random: &mut fastrand::Rng) -> Vec<Damage> {
    let mut damages = vec![Damage::Empty, Damage::Remove, Damage::Older];
    if length == 0 {
        return damages;
    }
    for step in 0..100 {
        // Evenly spread, and anywhere.
        for at in [step * length / 100, random.usize(0..length)] {
            damages.push(Damage::Flip { at, bit: random.u8(0..8) });
        }
    }
    for zeroed in [1, 8, 512, 4 << 10, 64 << 10] {
        for _ in 0..6 {
            damages.push(Damage::Zero { at: random.usize(0..length), length: zeroed });
        }
    }
    for cut in [1, 7, 512, 4 << 10, 64 << 10, length / 2, length / 4] {
        damages.push(Damage::CutTo(length.saturating_sub(cut)));
    }
    damages.extend((0..8).map(|_| Damage::CutTo(random.usize(0..length))));
    // Small files need fewer.
    damages.truncate(if length < 4_096 { 120 } else { damages.len() });
    damages
}

impl Damage {
    fn apply(&self, file: &Path, older: &Path) {
        let mut bytes = fs::read(file).unwrap();
        match *self {
            Self::Flip { at, bit } => bytes[at] ^= 1 << bit,
            Self::Zero { at, length } => {
                let end = (at + length).min(bytes.len());
                bytes[at..end].fill(0);
            }
            Self::CutTo(length) => bytes.truncate(length),
            Self::Empty => bytes.clear(),
            Self::Remove => return fs::remove_file(file).unwrap(),
            Self::Older => match fs::read(older) {
                Ok(older) => bytes = older,
                // The older copy has no such file.
                Err(_) => return fs::remove_file(file).unwrap(),
            },
        }
        fs::write(file, bytes).unwrap();
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "flipped",
            Self::Zero { .. } => "zeroed",
            Self::CutTo(_) => "cut",
            Self::Empty => "emptied",
            Self::Remove => "removed",
            Self::Older => "older",
        }
    }
}

fn kind_of(file: &Path) -> String {
    let name = file.file_name().unwrap().to_string_lossy();
    if name.starts_with("snap.") { "snapshot".to_owned() } else { name.into_owned() }
}
