//! The files of one owner in one directory: what is there, new ones, and setting aside what is not part of the archive
//! any more; and the record of those that the owner has made. What is changed here is on the disk when it is told.
//!
//! Nothing is removed but copies that are still being made.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{
    compression,
    error::{WriterError, doing},
    name::{self, FileName, Form},
};
use crate::{config::FileStem, sink::retention::FileRecord};

/// Events tell of persons: the owner writes, the group may read, and nobody else.
pub(super) const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// Where the files of one owner are.
#[derive(Debug, Clone)]
pub(super) struct OwnFiles {
    pub(super) sink: String,
    pub(super) directory: PathBuf,
    pub(super) stem: FileStem,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnFile {
    pub(super) name: FileName,
    pub(super) form: Form,
    pub(super) path: PathBuf,
}

/// A line of the record.
#[derive(Debug, Serialize, Deserialize)]
struct RecordLine {
    name: String,
}

impl OwnFile {
    /// Whether it holds a part of the archive.
    pub(super) fn is_archive(&self) -> bool {
        matches!(self.form, Form::Plain | Form::Compressed(_))
    }

    /// Reads it as it was written.
    pub(super) fn open(&self) -> io::Result<Box<dyn io::Read>> {
        match self.form {
            Form::Compressed(compression) | Form::Superseded(Some(compression)) => {
                compression::reader(&self.path, Some(compression))
            }
            Form::Plain | Form::Superseded(None) | Form::Partial => compression::reader(&self.path, None),
        }
    }
}

impl OwnFiles {
    /// Creates the directory and what is missing above it.
    pub(super) fn create_directory(&self) -> Result<(), WriterError> {
        let directory = &self.directory;
        if directory.is_dir() {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(DIRECTORY_MODE).create(directory).map_err(doing("create", directory))?;
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))
    }

    /// All files of the owner, in the order of their numbers. What has the name of one and is none is left out.
    pub(super) fn list(&self) -> Result<Vec<OwnFile>, WriterError> {
        let mut files = Vec::new();
        for (name, form, entry) in self.names()? {
            let kind = entry.file_type().map_err(doing("look at", &entry.path()))?;
            if kind.is_file() {
                files.push(OwnFile { name, form, path: entry.path() });
            }
        }
        files.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
        Ok(files)
    }

    fn names(&self) -> Result<Vec<(FileName, Form, fs::DirEntry)>, WriterError> {
        let listing = doing("list", &self.directory);
        let entries = fs::read_dir(&self.directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let named = entries.map_err(listing)?.into_iter().filter_map(|entry| {
            let (name, form) = FileName::parse(&self.stem, entry.file_name().to_str()?)?;
            Some((name, form, entry))
        });
        Ok(named.collect())
    }

    /// Creates an empty file with a number above `above` and above all numbers that were ever used here.
    pub(super) fn create_next(&self, above: u64) -> Result<(FileName, fs::File), WriterError> {
        let used = self.names()?.into_iter().map(|(name, ..)| name.number).max();
        let name = FileName::new(&self.stem, above.max(used.unwrap_or(0)) + 1, Timestamp::now());
        self.add_to_record(&name)?;
        let path = name.path_in(&self.directory);
        let mut options = fs::File::options();
        let created = options.create_new(true).read(true).append(true).mode(FILE_MODE).open(&path);
        let file = created.map_err(doing("create", &path))?;
        self.sync()?;
        Ok((name, file))
    }

    /// The files that the owner has made, by its record. Those of before there was one are not among them.
    pub(super) fn named(&self) -> Result<BTreeSet<FileName>, WriterError> {
        let record = self.record();
        let lines = record.read::<RecordLine>().map_err(doing("read", record.path()))?;
        Ok(lines.iter().filter_map(|line| FileName::parse_plain(&self.stem, &line.name)).collect())
    }

    /// Adds `name` to the record, unless it is there.
    pub(super) fn add_to_record(&self, name: &FileName) -> Result<(), WriterError> {
        if self.named()?.contains(name) {
            return Ok(());
        }
        let record = self.record();
        record.add(&RecordLine { name: name.to_string() }).map_err(doing("write to", record.path()))
    }

    /// Says so if a part of the record cannot be read.
    pub(super) fn tell_damage(&self) -> Result<(), WriterError> {
        let record = self.record();
        let damaged = record.damaged::<RecordLine>().map_err(doing("read", record.path()))?;
        if damaged > 0 {
            tracing::error!(
                sink = self.sink, record = %record.path().display(), lines = damaged,
                "the record of the files is damaged: closed files that those lines named are never removed by `retention`; remove \
                 them by hand when their time has come"
            );
        }
        Ok(())
    }

    /// Takes what is not there any more off the record. Whatever else has its name stays on it: the file may come back.
    pub(super) fn tidy_record(&self) -> Result<(), WriterError> {
        let named = self.named()?;
        let there: BTreeSet<_> = self.names()?.into_iter().map(|(name, ..)| name).collect();
        let kept: Vec<_> =
            named.intersection(&there).map(|name| RecordLine { name: name.to_string() }).collect();
        if kept.len() == named.len() {
            return Ok(());
        }
        let record = self.record();
        record.replace(&kept).map_err(doing("write", record.path()))
    }

    fn record(&self) -> FileRecord {
        FileRecord::new(self.directory.join(format!(".{}.files", self.stem)), FILE_MODE)
    }

    /// Sets a whole file aside.
    pub(super) fn set_aside(&self, path: &Path) -> Result<(), WriterError> {
        let aside = name::superseded(path);
        fs::rename(path, &aside).map_err(doing("set aside", path))?;
        self.sync()?;
        tracing::warn!(
            sink = self.sink, file = %path.display(), aside = %aside.display(),
            "a file that goes beyond what is delivered, and is not what is delivered now, was set aside"
        );
        Ok(())
    }

    /// Sets aside what `file` at `path` has from `offset` on, and cuts it there.
    pub(super) fn set_aside_tail(
        &self,
        file: &fs::File,
        path: &Path,
        offset: u64,
    ) -> Result<(), WriterError> {
        let aside = name::superseded(path);
        let bytes = self.copy_tail(file, &aside, offset).map_err(doing("set aside the end of", path))?;
        self.sync()?;
        let is_whole = file.metadata().is_ok_and(|now| now.len() == offset + bytes);
        if !is_whole {
            let source = io::Error::other("it still grows: somebody else is writing to it");
            return Err(doing("set aside the end of", path)(source));
        }
        file.set_len(offset).and_then(|()| file.sync_all()).map_err(doing("cut", path))?;
        tracing::warn!(
            sink = self.sink, file = %path.display(), bytes, aside = %aside.display(),
            "the file had bytes that are not what is delivered: they were set aside"
        );
        Ok(())
    }

    fn copy_tail(&self, file: &fs::File, aside: &Path, offset: u64) -> io::Result<u64> {
        let draft = name::partial(aside);
        let copied = (|| {
            let mut from = file;
            from.seek(SeekFrom::Start(offset))?;
            let mut draft = create_draft(&draft)?;
            let bytes = io::copy(&mut from, &mut draft)?;
            draft.sync_all()?;
            Ok(bytes)
        })();
        match copied {
            Ok(bytes) => fs::rename(&draft, aside).map(|()| bytes),
            Err(err) => {
                // It is ours, and half a copy: a full disk needs the room.
                let _ = fs::remove_file(&draft);
                Err(err)
            }
        }
    }

    /// Brings names to the disk.
    pub(super) fn sync(&self) -> Result<(), WriterError> {
        sync_directory(&self.directory)
    }
}

fn sync_directory(directory: &Path) -> Result<(), WriterError> {
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(doing("sync", directory))
}

/// Creates the file in which a copy is made; what an earlier attempt left there is begun anew.
pub(super) fn create_draft(path: &Path) -> io::Result<fs::File> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    fs::File::options().create_new(true).write(true).mode(FILE_MODE).open(path)
}

/// Opens a file that is there, to be read and appended to. A symbolic link or anything but a file is refused.
pub(super) fn open_existing(path: &Path) -> io::Result<fs::File> {
    let file = fs::File::options().read(true).append(true).custom_flags(no_follow()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(file)
}

/// The flags that refuse a symbolic link in the last part of a path and do not wait for the other end of a pipe: files
/// are opened where they are, and nowhere else.
pub(super) fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}
