//! Writing the files of one owner: append, prove, recover, rotate. Blocking.
//!
//! Before each proof the open file is held against the one at its path. What the disk has beyond what was proved is held
//! against what is delivered next: the same bytes are not written again, and anything else is set aside.

use bytes::Bytes;
use jiff::Timestamp;
use okta_system_log::format::push_line;

use super::{
    copies,
    current::{Current, Matching, Stray},
    error::{WriterError, doing},
    lock::Lock,
    name::FileName,
    own_files::OwnFiles,
    taking_up::{Proved, is_left_behind, take_up, take_up_after},
    tidy::tidy,
    upkeep::{Commits, Upkeep},
};
use crate::{
    config::{FileSink, FileStem, Rotate},
    state::SinkMark,
};

/// The one writer of the files of one owner.
#[derive(Debug)]
pub(crate) struct Writer {
    rotate: Rotate,
    files: OwnFiles,
    current: Current,
    /// As last proved.
    proved: Proved,
    health: Health,
    lines: Vec<u8>,
    // Before the lock: it must have ended when others may write.
    upkeep: Option<Upkeep>,
    lock: Lock,
}

/// Whether the open file can be written to.
#[derive(Debug)]
enum Health {
    Sound,
    /// Something failed, or somebody else wrote to it: what it has must be looked at.
    InDoubt(WriterError),
    /// It is elsewhere now, or something else is in its place.
    Lost(WriterError),
}

impl Writer {
    /// Takes up the files of `stem` where `mark` says that they stood; without one it begins a new file.
    pub(crate) fn open(
        config: FileSink,
        stem: FileStem,
        mark: Option<&SinkMark>,
    ) -> Result<Self, WriterError> {
        let FileSink { name: sink, directory, rotate, retention, former_directory } = config;
        let proved = match mark {
            Some(SinkMark::File { name, length_bytes }) => {
                FileName::parse_plain(&stem, name).map(|name| Proved { name, length: *length_bytes })
            }
            _ => None,
        };
        let files = OwnFiles { sink, directory, stem };
        files.create_directory()?;
        let lock = Lock::acquire(&files.directory, &files.stem)?;
        files.tell_damage()?;
        tidy(&files, proved.as_ref().map(|proved| &proved.name))?;
        files.tidy_record()?;
        if retention.is_some() {
            tell_unnamed(&files, proved.as_ref().map(|proved| &proved.name))?;
        }
        // Its mark is committed.
        let committed = proved.as_ref().map(|proved| proved.name.clone());
        let left =
            proved.as_ref().filter(|proved| is_left_behind(&files, former_directory.as_deref(), proved));
        let current = match left {
            Some(proved) => take_up_after(&files, &proved.name)?,
            None => take_up(&files, proved.as_ref())?,
        };
        let proved = Proved { name: current.name.clone(), length: current.length };
        let upkeep = Upkeep::start(&files, rotate.compress, retention, committed.as_ref());
        let writer =
            Self { rotate, files, current, proved, health: Health::Sound, lines: Vec::new(), upkeep, lock };
        writer.tell_closed();
        Ok(writer)
    }

    pub(super) fn mark(&self) -> SinkMark {
        SinkMark::File { name: self.current.name.to_string(), length_bytes: self.current.length }
    }

    /// Writes a line for each of `payloads`, without proving them.
    pub(crate) fn append<'a>(
        &mut self,
        payloads: impl IntoIterator<Item = &'a Bytes>,
    ) -> Result<(), WriterError> {
        self.require_sound()?;
        self.require_ours()?;
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        for payload in payloads {
            push_line(payload, &mut lines);
        }
        let put = self.put(&lines);
        self.lines = lines;
        self.doubt_if_failed(put)
    }

    fn put(&mut self, lines: &[u8]) -> Result<(), WriterError> {
        if self.is_full() {
            self.rotate()?;
        }
        let mut rest = lines;
        while self.current.ahead.is_some() && !rest.is_empty() {
            rest = &rest[self.follow(rest)?..];
        }
        self.current.write(rest)
    }

    /// Brings all that was written to the disk, and sees that it is where it is looked for.
    pub(crate) fn prove(&mut self) -> Result<(), WriterError> {
        self.require_sound()?;
        let synced = self.current.sync();
        self.doubt_if_failed(synced)?;
        self.require_ours()?;
        self.proved = Proved { name: self.current.name.clone(), length: self.current.length };
        self.tell_closed();
        Ok(())
    }

    /// Makes the files fit for writing again after a failure, from what was proved on.
    pub(crate) fn recover(&mut self) -> Result<(), WriterError> {
        self.files.create_directory()?;
        if !self.lock.is_in_place() {
            self.lock = Lock::acquire(&self.files.directory, &self.files.stem)?;
        }
        let is_proved_one = self.current.name == self.proved.name;
        self.current = match &self.health {
            Health::Lost(_) if is_proved_one => {
                let next = take_up_after(&self.files, &self.proved.name)?;
                if let Err(err) = self.current.take_back(self.proved.length) {
                    tracing::debug!(file = %self.current.path.display(), error = %err, "what was not proved stays in it");
                }
                next
            }
            Health::Sound | Health::InDoubt(_) | Health::Lost(_) => take_up(&self.files, Some(&self.proved))?,
        };
        self.proved = Proved { name: self.current.name.clone(), length: self.current.length };
        self.health = Health::Sound;
        Ok(())
    }

    /// Ends what still runs in the background and lets others write.
    pub(crate) fn finish(self) {
        let Self { files, proved, upkeep, lock, .. } = self;
        drop(upkeep);
        copies::drop_copies(&files, &proved);
        lock.release();
    }

    /// The same, and leaves no file behind that nothing was ever written to.
    pub(crate) fn finish_unless_empty(self) {
        let is_empty = self.current.length == 0 && self.current.require_ours().is_ok();
        if is_empty && let Err(err) = std::fs::remove_file(&self.current.path) {
            tracing::debug!(file = %self.current.path.display(), error = %err, "an empty file stays");
        }
        if let Err(err) = self.files.tidy_record() {
            tracing::debug!(sink = self.files.sink, error = %err.source, "{}", err.action);
        }
        self.finish();
    }

    /// Whether the next batch begins a new file.
    pub(super) fn is_full(&self) -> bool {
        if self.current.length == 0 || self.current.ahead.is_some() {
            return false;
        }
        let age = Timestamp::now().duration_since(self.current.name.begun);
        age.unsigned_abs() >= self.rotate.age || self.current.length >= self.rotate.size_bytes
    }

    /// Closes the file and begins the next. All of the closed file is proved first, so that it is never changed again
    /// while this process lives.
    fn rotate(&mut self) -> Result<(), WriterError> {
        self.prove()?;
        self.current = Current::begin(&self.files, self.current.name.number)?;
        self.proved = Proved { name: self.current.name.clone(), length: 0 };
        self.tell_closed();
        Ok(())
    }

    /// Holds `lines` against what is there. How much of them is there now.
    fn follow(&mut self, lines: &[u8]) -> Result<usize, WriterError> {
        let matching = self.current.matching(lines)?;
        let bytes = match matching {
            Matching::All => lines.len(),
            Matching::Ends { bytes, .. } | Matching::Differs { bytes } => bytes,
        };
        self.current.length += bytes as u64;
        match matching {
            Matching::All => {}
            Matching::Ends { is_between_lines, .. } => self.go_to_later(is_between_lines)?,
            Matching::Differs { .. } => self.set_aside()?,
        }
        Ok(bytes)
    }

    /// The open file ends here: goes on in the one after it, if there is one.
    fn go_to_later(&mut self, is_between_lines: bool) -> Result<(), WriterError> {
        let Some(mut ahead) = self.current.ahead.take() else { return Ok(()) };
        let next = if is_between_lines { ahead.later.pop_front() } else { None };
        if let Some(next) = next {
            self.current.sync()?;
            self.require_ours()?;
            self.current = Current::resume(&self.files, next.name, 0, ahead.later)?;
            return Ok(());
        }
        ahead.later.iter().try_for_each(|later| self.files.set_aside(&later.path))
    }

    /// What is there is something else: sets it aside and goes on in a new file, since whoever wrote it may go on too.
    fn set_aside(&mut self) -> Result<(), WriterError> {
        let Some(ahead) = self.current.ahead.take() else { return Ok(()) };
        let Current { file, path, length, .. } = &self.current;
        self.files.set_aside_tail(file, path, *length)?;
        self.require_ours()?;
        ahead.later.iter().try_for_each(|later| self.files.set_aside(&later.path))?;
        self.current = Current::begin(&self.files, self.current.name.number)?;
        Ok(())
    }

    /// The error because of which nothing is written until the files were recovered, if there is one.
    fn require_sound(&self) -> Result<(), WriterError> {
        match &self.health {
            Health::Sound => Ok(()),
            Health::InDoubt(err) | Health::Lost(err) => Err(err.again()),
        }
    }

    fn require_ours(&mut self) -> Result<(), WriterError> {
        let Err(stray) = self.current.require_ours() else { return Ok(()) };
        let err = doing("go on with", &self.current.path)(std::io::Error::other(stray));
        let told = err.again();
        self.health = match stray {
            Stray::Gone { .. } | Stray::Replaced => Health::Lost(err),
            Stray::Shorter { .. } | Stray::Longer { .. } => Health::InDoubt(err),
        };
        Err(told)
    }

    fn doubt_if_failed(&mut self, done: Result<(), WriterError>) -> Result<(), WriterError> {
        if let (Err(err), Health::Sound) = (&done, &self.health) {
            self.health = Health::InDoubt(err.again());
        }
        done
    }

    fn tell_closed(&self) {
        if let Some(upkeep) = &self.upkeep {
            upkeep.closed_below(self.proved.name.number);
        }
    }

    /// To be told of each commit of a cursor, if that is of use.
    pub(crate) fn commits(&self) -> Option<Commits> {
        self.upkeep.as_ref().map(|upkeep| upkeep.commits(&self.files.stem))
    }

    /// For whom proof is all there is: no cursor follows.
    pub(crate) fn proof_is_commit(&self) {
        if let Some(commits) = self.commits() {
            commits.committed(&self.mark());
        }
    }
}

/// Says which closed files `retention` leaves alone, because no record names them.
fn tell_unnamed(files: &OwnFiles, open: Option<&FileName>) -> Result<(), WriterError> {
    let named = files.named()?;
    let all = files.list()?;
    let unnamed = all.iter().filter(|file| file.is_archive() && !named.contains(&file.name));
    let count = unnamed.filter(|file| open.is_none_or(|open| file.name != *open)).count();
    if count > 0 {
        tracing::warn!(
            sink = files.sink, directory = %files.directory.display(), stem = %files.stem, files = count,
            "`retention` leaves these files alone: they are of a version of oktabus that kept no record of its files, or \
             somebody else has put them there; remove them by hand once they are too old"
        );
    }
    Ok(())
}
