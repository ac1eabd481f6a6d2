//! The file that is being written: append, prove, cut back, rotate. Blocking.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
};

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    names::FILE_MODE,
    rotation::{self, FileName},
};
use crate::{config::FileSink, format::push_line, sink::SinkError, state::SinkMark};

/// What was being done when the operating system refused.
#[derive(Debug)]
pub(crate) struct WriterError {
    pub(super) action: String,
    pub(super) source: io::Error,
}

impl WriterError {
    pub(crate) fn interrupted(err: tokio::task::JoinError) -> Self {
        Self { action: "open the file".to_owned(), source: io::Error::other(err) }
    }

    /// The error of the sink named `sink`.
    pub(crate) fn in_sink(self, sink: &str) -> SinkError {
        let Self { action, source } = self;
        SinkError::Io { sink: sink.to_owned(), action, source }
    }

    /// The same error once more, for each of the batches that it hits.
    pub(super) fn again(&self) -> Self {
        let source = io::Error::new(self.source.kind(), self.source.to_string());
        Self { action: self.action.clone(), source }
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    config: FileSink,
    stem: String,
    name: FileName,
    file: fs::File,
    /// Bytes that were written, proved or not.
    length: u64,
    /// The file and its length as last proved. A batch is never split over files, so neither is a proof.
    proved: (FileName, u64),
    /// Set by a failed write or sync: nothing more is written until the file was cut back.
    is_broken: bool,
    lines: Vec<u8>,
    compressing: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn open(config: FileSink, stem: String, mark: Option<&SinkMark>) -> Result<Self, WriterError> {
        let directory = config.directory.clone();
        fs::create_dir_all(&directory).map_err(doing("create", &directory))?;
        rotation::remove_partial(&directory, &stem).map_err(doing("tidy up", &directory))?;
        let marked = match mark {
            Some(SinkMark::File { name, length_bytes }) => {
                FileName::parse(&stem, name).map(|name| (name, *length_bytes))
            }
            _ => None,
        };
        let (name, length) = match marked {
            Some(marked) => marked,
            None => (next_name(&directory, &stem)?, 0),
        };
        let file = open_cut_back(&directory, &stem, &name, length)?;
        let proved = (name.clone(), length);
        let lines = Vec::new();
        Ok(Self { config, stem, name, file, length, proved, is_broken: false, lines, compressing: None })
    }

    pub(super) fn mark(&self) -> SinkMark {
        SinkMark::File { name: self.name.to_string(), length_bytes: self.length }
    }

    /// Writes a line for each of `payloads`, without proving them.
    pub(crate) fn append<'a>(
        &mut self,
        payloads: impl IntoIterator<Item = &'a Bytes>,
    ) -> Result<(), WriterError> {
        if self.is_broken {
            return Err(doing("write to", &self.path())(io::Error::other("an earlier write failed")));
        }
        if self.is_full() {
            self.rotate()?;
        }
        self.lines.clear();
        for payload in payloads {
            push_line(payload, &mut self.lines);
        }
        let written = self.file.write_all(&self.lines);
        self.is_broken = written.is_err();
        written.map_err(doing("write to", &self.path()))?;
        self.length += self.lines.len() as u64;
        Ok(())
    }

    /// Brings all that was written to the disk.
    pub(crate) fn prove(&mut self) -> Result<(), WriterError> {
        let synced = self.file.sync_data();
        self.is_broken |= synced.is_err();
        synced.map_err(doing("sync", &self.path()))?;
        self.proved = (self.name.clone(), self.length);
        Ok(())
    }

    /// Throws away what was written but not proved.
    pub(crate) fn cut_back(&mut self) -> Result<(), WriterError> {
        let (name, length) = self.proved.clone();
        self.file = open_cut_back(&self.config.directory, &self.stem, &name, length)?;
        (self.name, self.length, self.is_broken) = (name, length, false);
        Ok(())
    }

    /// Waits for what still runs in the background.
    pub(crate) fn finish(mut self) {
        self.await_compression();
    }

    /// The same, and leaves no file behind that nothing was ever written to.
    pub(crate) fn finish_unless_empty(self) {
        let (path, is_empty) = (self.path(), self.length == 0);
        self.finish();
        if is_empty && let Err(err) = fs::remove_file(&path) {
            tracing::debug!(file = %path.display(), error = %err, "an empty file stays");
        }
    }

    fn path(&self) -> PathBuf {
        self.config.directory.join(self.name.to_string())
    }

    /// Whether the next batch begins a new file.
    pub(super) fn is_full(&self) -> bool {
        if self.length == 0 {
            return false;
        }
        let age = self.name.begun().map(|begun| Timestamp::now().duration_since(begun));
        let is_old = age.is_some_and(|age| age.unsigned_abs() >= self.config.rotate.age);
        is_old || self.length >= self.config.rotate.size_bytes
    }

    /// Closes the file and begins the next. All of the closed file is proved first, so that it is never cut again while
    /// this process lives.
    fn rotate(&mut self) -> Result<(), WriterError> {
        self.prove()?;
        let closed = self.path();
        let name = FileName::new(&self.stem, self.name.number + 1, Timestamp::now());
        self.file = open_cut_back(&self.config.directory, &self.stem, &name, 0)?;
        (self.name, self.length) = (name.clone(), 0);
        self.proved = (name, 0);
        self.compress_in_background(closed);
        Ok(())
    }

    /// Compresses on a thread of its own, one file at a time.
    fn compress_in_background(&mut self, closed: PathBuf) {
        let Some(compression) = self.config.rotate.compress else { return };
        self.await_compression();
        self.compressing = Some(thread::spawn(move || {
            if let Err(err) = rotation::compress(&closed, compression) {
                tracing::error!(file = %closed.display(), error = %err, "cannot compress a closed file; it stays as it is");
            }
        }));
    }

    fn await_compression(&mut self) {
        if let Some(thread) = self.compressing.take()
            && thread.join().is_err()
        {
            tracing::error!("compressing a closed file ended abnormally");
        }
    }
}

/// The name of the first file after all that the route has in the directory.
fn next_name(directory: &Path, stem: &str) -> Result<FileName, WriterError> {
    let files = rotation::list(directory, stem).map_err(doing("list", directory))?;
    let number = files.last().map_or(1, |(last, _)| last.number + 1);
    Ok(FileName::new(stem, number, Timestamp::now()))
}

/// Opens the file with its first `length` bytes, and removes the route's files that were begun after it.
fn open_cut_back(
    directory: &Path,
    stem: &str,
    name: &FileName,
    length: u64,
) -> Result<fs::File, WriterError> {
    let path = directory.join(name.to_string());
    for (later, path) in rotation::list(directory, stem).map_err(doing("list", directory))? {
        if later.number > name.number {
            fs::remove_file(&path).map_err(doing("remove", &path))?;
        }
    }
    if length > 0 {
        rotation::restore(&path).map_err(doing("find the proved part of", &path))?;
    }
    let mut options = fs::File::options();
    let file = options.create(true).append(true).mode(FILE_MODE).open(&path).map_err(doing("open", &path))?;
    let found = file.metadata().map_err(doing("look at", &path))?.len();
    if found < length {
        let source = io::Error::other(format!(
            "it has {found} bytes, but {length} were proved: somebody cut or replaced it; move it away and put back \
             a copy of the same length, or start the route anew"
        ));
        return Err(doing("continue", &path)(source));
    }
    file.set_len(length).map_err(doing("cut back", &path))?;
    file.sync_all().map_err(doing("sync", &path))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(doing("sync", directory))?;
    Ok(file)
}

/// Whether files can be made in `directory`, which is created if need be.
pub(crate) fn probe(directory: &Path) -> Result<(), WriterError> {
    fs::create_dir_all(directory).map_err(doing("create", directory))?;
    let path = directory.join(".oktabus-check");
    fs::write(&path, b"").and_then(|()| fs::remove_file(&path)).map_err(doing("write to", directory))
}

fn doing(action: &str, path: &Path) -> impl FnOnce(io::Error) -> WriterError {
    let action = format!("cannot {action} {}", path.display());
    move |source| WriterError { action, source }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        config::{Compression, Rotate},
        event::{Batch, tests::batch},
    };

    fn config(directory: &Path, size_bytes: u64) -> FileSink {
        let rotate =
            Rotate { size_bytes, age: Duration::from_secs(86_400), compress: Some(Compression::Zstd) };
        FileSink { name: "archive".to_owned(), directory: directory.to_owned(), rotate }
    }

    fn payloads(batch: &Batch) -> impl Iterator<Item = &Bytes> {
        batch.messages().map(|message| message.payload)
    }

    fn content(directory: &Path) -> String {
        let files = rotation::list(directory, "r").unwrap();
        let read = |path: &Path| match path.extension().unwrap().to_str().unwrap() {
            "zst" => zstd::decode_all(fs::File::open(path).unwrap()).unwrap(),
            _ => fs::read(path).unwrap(),
        };
        files.iter().map(|(_, path)| String::from_utf8(read(path)).unwrap()).collect()
    }

    #[test]
    fn what_was_not_proved_is_gone_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let mark = {
            let mut writer = Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), None).unwrap();
            writer.append(payloads(&batch("[1,2]"))).unwrap();
            writer.prove().unwrap();
            let mark = writer.mark();
            writer.append(payloads(&batch("[3]"))).unwrap();
            mark
        };
        assert_eq!(content(directory.path()), "1\n2\n3\n");
        let mut writer =
            Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), Some(&mark)).unwrap();
        writer.append(payloads(&batch("[4]"))).unwrap();
        assert_eq!(content(directory.path()), "1\n2\n4\n");
    }

    #[test]
    fn a_file_that_was_closed_and_compressed_after_the_cursor_is_taken_up_again() {
        let directory = tempfile::tempdir().unwrap();
        let mark = {
            let mut writer = Writer::open(config(directory.path(), 1), "r".to_owned(), None).unwrap();
            writer.append(payloads(&batch("[1]"))).unwrap();
            writer.prove().unwrap();
            let mark = writer.mark();
            for more in ["[2]", "[3]"] {
                writer.append(payloads(&batch(more))).unwrap();
                writer.prove().unwrap();
            }
            writer.finish();
            mark
        };
        assert_eq!(content(directory.path()), "1\n2\n3\n");
        let writer = Writer::open(config(directory.path(), 1), "r".to_owned(), Some(&mark)).unwrap();
        assert_eq!(content(directory.path()), "1\n");
        assert_eq!(writer.mark(), mark);
    }

    #[test]
    fn a_failure_is_cut_back_to_what_was_proved() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), None).unwrap();
        writer.append(payloads(&batch("[1]"))).unwrap();
        writer.prove().unwrap();
        writer.append(payloads(&batch("[2]"))).unwrap();
        writer.cut_back().unwrap();
        writer.append(payloads(&batch("[3,4]")).skip(1)).unwrap();
        assert_eq!(content(directory.path()), "1\n4\n");
    }

    #[test]
    fn files_of_an_earlier_life_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for expected in ["1\n", "1\n1\n"] {
            let mut writer = Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), None).unwrap();
            writer.append(payloads(&batch("[1]"))).unwrap();
            assert_eq!(content(directory.path()), expected);
        }
    }

    #[test]
    fn a_file_shorter_than_what_was_proved_is_an_error_that_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), None).unwrap();
        writer.append(payloads(&batch("[1]"))).unwrap();
        let mark = writer.mark();
        fs::write(writer.path(), "").unwrap();
        let error = Writer::open(config(directory.path(), 1 << 20), "r".to_owned(), Some(&mark)).unwrap_err();
        assert!(error.source.to_string().contains("0 bytes, but 2 were proved"), "{error:?}");
    }
}
