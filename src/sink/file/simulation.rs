//! A route and its files in a seeded world of kills, restored states and people who touch files: the real writer on a
//! real directory, judged by what is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
};

use bytes::Bytes;
use fastrand::Rng;
use tempfile::TempDir;

use super::{
    name::{self, Form},
    own_files::OwnFile,
    tests::{config, contents, files, is_aside},
    writer::Writer,
};
use crate::{
    config::{Compression, FileStem},
    simulation::{Simulation, play_all},
    state::SinkMark,
};

const STEPS: usize = 40;
/// So small that files are closed all the time.
const SIZE_BYTES: u64 = 120;

struct World {
    random: Rng,
    directory: TempDir,
    elsewhere: TempDir,
    writer: Option<Writer>,
    /// What was ever durable of the route: its mark, and the next event.
    states: Vec<(Option<SinkMark>, u64)>,
    /// Events that somebody took away, or that Okta has forgotten.
    excused: BTreeSet<u64>,
    foreign: Vec<String>,
    /// Every event that was proved.
    proved: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            directory: tempfile::tempdir().unwrap(),
            elsewhere: tempfile::tempdir().unwrap(),
            writer: None,
            states: vec![(None, 0)],
            excused: BTreeSet::new(),
            foreign: Vec::new(),
            proved: 0,
        }
    }

    fn state(&self) -> (Option<SinkMark>, u64) {
        self.states.last().cloned().unwrap()
    }

    fn writer(&mut self) -> &mut Writer {
        if self.writer.is_none() {
            let (mark, next) = self.state();
            let config = config(&self.directory.path().join("archive"), SIZE_BYTES, None);
            let writer = Writer::open(config, FileStem::of_route("r"), mark.as_ref()).unwrap();
            self.states.push((Some(writer.mark()), next));
            self.writer = Some(writer);
        }
        self.writer.as_mut().unwrap()
    }

    /// As a route does: a batch after the cursor, proof, commit; after a failure the same again.
    fn deliver(&mut self) {
        let next = self.state().1;
        let end = next + self.random.u64(1..8);
        let batch: Vec<_> = (next..end).map(|event| Bytes::from(format!("{{\"event\":{event}}}"))).collect();
        let (is_killed, is_uncommitted) = (self.random.u8(0..8) == 0, self.random.u8(0..8) == 0);
        let writer = self.writer();
        let mut appended = writer.append(&batch);
        if is_killed {
            return self.kill();
        }
        for _ in 0..3 {
            if appended.and_then(|()| writer.prove()).is_ok() {
                let mark = writer.mark();
                self.proved = self.proved.max(end);
                if is_uncommitted {
                    return self.kill();
                }
                return self.states.push((Some(mark), end));
            }
            writer.recover().unwrap();
            appended = writer.append(&batch);
        }
        panic!("a writer that was recovered does not work");
    }

    /// Ends without a word; what was not proved may be cut short.
    fn kill(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        drop(writer);
        let Some(file) = self.open_file() else { return };
        let length = fs::metadata(&file.path).unwrap().len();
        let Some(SinkMark::File { name, length_bytes }) = self.state().0 else { return };
        let is_of_mark = file.name.to_string() == name;
        // Only what was never proved can be missing after a kill.
        if is_of_mark && self.state().1 == self.proved && length > length_bytes && self.foreign.is_empty() {
            let cut = self.random.u64(length_bytes..=length);
            fs::File::options().write(true).open(&file.path).unwrap().set_len(cut).unwrap();
        }
    }

    fn restore(&mut self) {
        self.kill();
        let at = self.random.usize(0..self.states.len());
        let (mark, mut next) = self.states[at].clone();
        // The first state of all has no mark: it is a route that begins anew, and everything comes twice.
        if mark.is_none() {
            return;
        }
        self.states.truncate(at + 1);
        if self.random.bool() {
            let forgotten = self.random.u64(next..=self.proved);
            self.excused.extend(next..forgotten);
            next = forgotten;
        }
        self.states.push((mark, next));
    }

    /// The newest file of the archive.
    fn open_file(&self) -> Option<OwnFile> {
        let all = files(&self.directory.path().join("archive"), "r").list().ok()?;
        all.into_iter().rfind(|file| file.form == Form::Plain)
    }

    /// Excuses all that is in a file that somebody is about to take away.
    fn excuse(&mut self, file: &OwnFile) {
        let mut text = String::new();
        file.open().unwrap().read_to_string(&mut text).unwrap();
        self.excused.extend(text.lines().filter_map(event));
        self.foreign.retain(|foreign| !text.contains(foreign));
    }

    fn disturb(&mut self) {
        let Some(file) = self.open_file() else { return };
        let path = file.path.clone();
        match self.random.u8(0..7) {
            0 => {
                self.excuse(&file);
                fs::remove_file(&path).unwrap();
            }
            1 => {
                self.excuse(&file);
                let moved = self.elsewhere.path().join(format!("{}", self.random.u64(..)));
                fs::rename(&path, moved).unwrap();
            }
            2 => {
                self.excuse(&file);
                let length = fs::metadata(&path).unwrap().len();
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_len(self.random.u64(0..=length)).unwrap();
            }
            3 => {
                self.excuse(&file);
                let draft = self.elsewhere.path().join("draft");
                let text = format!("in place {}\n", self.random.u64(..));
                fs::write(&draft, &text).unwrap();
                fs::rename(&draft, &path).unwrap();
            }
            4 => {
                let all = files(path.parent().unwrap(), "r").list().unwrap();
                all.iter().for_each(|file| self.excuse(file));
                fs::remove_dir_all(path.parent().unwrap()).unwrap();
            }
            _ => {
                let text = format!("foreign {}\n", self.random.u64(..));
                let mut file = fs::File::options().append(true).open(&path).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                self.foreign.push(text);
            }
        }
    }

    /// Compresses a file, as a thread beside the writer does, and is killed with it, now and then between the two halves.
    fn compress(&mut self) {
        self.kill();
        let all = files(&self.directory.path().join("archive"), "r").list().unwrap_or_default();
        let plain: Vec<_> = all.iter().filter(|file| file.form == Form::Plain).collect();
        let Some(file) = self.random.choice(&plain) else { return };
        let target = name::compressed(&file.path, Compression::Zstd);
        fs::write(target, zstd::encode_all(&*fs::read(&file.path).unwrap(), 0).unwrap()).unwrap();
        if self.random.bool() {
            fs::remove_file(&file.path).unwrap();
        }
    }

    fn judge(&self, seed: u64) {
        let archive = self.directory.path().join("archive");
        fs::create_dir_all(&archive).unwrap();
        // A file that somebody shortened may end in the middle of a line.
        let in_archive = contents(&archive, "r", OwnFile::is_archive).join("\n");
        let aside = contents(&archive, "r", is_aside).join("\n");
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for event in in_archive.lines().filter_map(event) {
            *times.entry(event).or_default() += 1;
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: twice in the archive: {twice:?}\n{in_archive}");
        let known: BTreeSet<_> = aside.lines().filter_map(event).chain(times.keys().copied()).collect();
        let missing: Vec<_> = (0..self.proved)
            .filter(|event| !known.contains(event) && !self.excused.contains(event))
            .collect();
        assert!(
            missing.is_empty(),
            "seed {seed}: proved, and nowhere: {missing:?}\n{in_archive}\n--\n{aside}"
        );
        let out_of_archive: Vec<_> = (0..self.proved)
            .filter(|event| !times.contains_key(event) && !self.excused.contains(event))
            .collect();
        assert!(out_of_archive.is_empty(), "seed {seed}: not in the archive: {out_of_archive:?}");
        for text in &self.foreign {
            let is_there = in_archive.contains(text) || aside.contains(text);
            assert!(is_there, "seed {seed}: gone: {text}");
        }
    }
}

/// The event in a line, if it is a whole one.
fn event(line: &str) -> Option<u64> {
    line.strip_prefix("{\"event\":")?.strip_suffix('}')?.parse().ok()
}

#[test]
fn whatever_happens_nothing_is_lost_or_twice_in_the_archive() {
    play_all(Simulation::Files, &[], |seed| {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            match world.random.u8(0..20) {
                0..13 => world.deliver(),
                13 | 14 => world.kill(),
                15 => world.restore(),
                16 => world.compress(),
                _ => world.disturb(),
            }
        }
        while world.state().1 < world.proved {
            world.deliver();
        }
        // What a kill left in two forms is put in order by who comes next.
        world.writer();
        if let Some(writer) = world.writer.take() {
            writer.finish();
        }
        world.judge(seed);
        Vec::new()
    });
}
