//! What becomes of closed files, on a thread beside the writer: they are compressed, and removed once `retention` says so.
//!
//! A file is removed only if it is in the owner's record, is closed, and stands before the one that the committed cursor
//! names: after a crash or a failure the route goes on in that one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    compression::compress,
    error::{WriterError, doing},
    name::{FileName, Form},
    own_files::{OwnFile, OwnFiles},
};
use crate::{
    config::{Compression, FileStem, Retention},
    sink::retention::{ClosedFile, due},
    state::SinkMark,
    telemetry::metrics,
};

/// How often it is looked whether files have become too old.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Takes care of closed files one after another. Ends when it is dropped, at once: what is left is for the next one.
#[derive(Debug)]
pub(super) struct Upkeep {
    bounds: Arc<Bounds>,
    wake: SyncSender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Which files it may touch: those with smaller numbers.
#[derive(Debug, Default)]
struct Bounds {
    closed_below: AtomicU64,
    committed_below: AtomicU64,
    is_ending: AtomicBool,
}

/// Tells the thread which cursor is committed.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    bounds: Arc<Bounds>,
    wake: SyncSender<()>,
    stem: FileStem,
}

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Upkeep {
    /// For `files`, if there is anything to do. `committed` is the file that the committed cursor names.
    pub(super) fn start(
        files: &OwnFiles,
        compress: Option<Compression>,
        retention: Option<Retention>,
        committed: Option<&FileName>,
    ) -> Option<Self> {
        if compress.is_none() && retention.is_none() {
            return None;
        }
        let bounds = Bounds::default();
        bounds.committed_below.store(committed.map_or(0, |name| name.number), Ordering::Relaxed);
        let bounds = Arc::new(bounds);
        let (wake, woken) = sync_channel(1);
        let (files, seen) = (files.clone(), Arc::clone(&bounds));
        let thread = thread::spawn(move || work(&files, compress, retention.as_ref(), &woken, &seen));
        Some(Self { bounds, wake, thread: Some(thread) })
    }

    /// Tells that all files with numbers below `number` are closed.
    pub(super) fn closed_below(&self, number: u64) {
        if self.bounds.closed_below.swap(number, Ordering::Relaxed) != number {
            // If it is full, the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
    }

    /// To tell it of commits.
    pub(super) fn commits(&self, stem: &FileStem) -> Commits {
        Commits { bounds: Arc::clone(&self.bounds), wake: self.wake.clone(), stem: stem.clone() }
    }
}

impl Commits {
    /// A cursor with this mark is committed.
    pub(crate) fn committed(&self, mark: &SinkMark) {
        let SinkMark::File { name, .. } = mark else { return };
        let Some(name) = FileName::parse_plain(&self.stem, name) else { return };
        if self.bounds.committed_below.swap(name.number, Ordering::Relaxed) != name.number {
            let _ = self.wake.try_send(());
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.bounds.is_ending.store(true, Ordering::Relaxed);
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the upkeep of closed files ended abnormally");
        }
    }
}

fn work(
    files: &OwnFiles,
    compression: Option<Compression>,
    retention: Option<&Retention>,
    woken: &Receiver<()>,
    bounds: &Bounds,
) {
    while woken.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Disconnected) {
        if bounds.is_ending.load(Ordering::Relaxed) {
            return;
        }
        let closed_below = bounds.closed_below.load(Ordering::Relaxed);
        if let Some(compression) = compression {
            compress_closed(files, compression, closed_below, &bounds.is_ending);
        }
        if bounds.is_ending.load(Ordering::Relaxed) {
            return;
        }
        if let Some(retention) = retention {
            let below = closed_below.min(bounds.committed_below.load(Ordering::Relaxed));
            let mut removed = Removed::default();
            if let Err(err) = remove_due(files, retention, below, Timestamp::now(), &mut removed) {
                tracing::error!(
                    sink = files.sink, error = %err.source,
                    "{}; what `retention` says is tried again in {} s", err.action, LOOK_EVERY.as_secs()
                );
            }
            metrics::files_removed(&files.sink, removed.files, removed.bytes);
        }
    }
}

fn compress_closed(files: &OwnFiles, compression: Compression, below: u64, is_ending: &AtomicBool) {
    let all = match files.list() {
        Ok(all) => all,
        Err(err) => {
            tracing::error!(sink = files.sink, error = %err.source, "{}", err.action);
            return;
        }
    };
    for file in all.iter().filter(|file| file.form == Form::Plain && file.name.number < below) {
        if is_ending.load(Ordering::Relaxed) {
            return;
        }
        if let Err(err) = compress(files, &file.path, compression, is_ending) {
            tracing::error!(
                sink = files.sink, file = %file.path.display(), error = %err.source,
                "{}; it stays as it is until the next file is closed", err.action
            );
        }
    }
}

/// Removes the files that have to go `now`, of those that the record names with numbers below `below`, and counts them as
/// `removed`.
pub(super) fn remove_due(
    files: &OwnFiles,
    retention: &Retention,
    below: u64,
    now: Timestamp,
    removed: &mut Removed,
) -> Result<(), WriterError> {
    let named = files.named()?;
    let mut forms: BTreeMap<FileName, Vec<(OwnFile, u64)>> = BTreeMap::new();
    for file in files.list()?.into_iter().filter(|file| file.is_archive() && named.contains(&file.name)) {
        let found = fs::symlink_metadata(&file.path).map_err(doing("look at", &file.path))?;
        forms.entry(file.name.clone()).or_default().push((file, found.len()));
    }
    let bytes_of = |name: &FileName| forms[name].iter().map(|(_, bytes)| bytes).sum::<u64>();
    let closed: Vec<_> = closed(&named, below).filter(|(name, _)| forms.contains_key(*name)).collect();
    let all_bytes: u64 = forms.keys().map(bytes_of).sum();
    let candidates: Vec<_> =
        closed.iter().map(|(name, closed)| ClosedFile { bytes: bytes_of(name), closed: *closed }).collect();
    let other_bytes = all_bytes - candidates.iter().map(|file| file.bytes).sum::<u64>();

    let going = &closed[..due(retention, &candidates, other_bytes, now)];
    for (file, bytes) in going.iter().flat_map(|(name, _)| &forms[*name]) {
        fs::remove_file(&file.path).map_err(doing("remove", &file.path))?;
        removed.files += 1;
        removed.bytes += bytes;
    }
    let (Some((first, _)), Some((last, until))) = (going.first(), going.last()) else { return Ok(()) };
    files.sync()?;
    tracing::info!(
        sink = files.sink, files = removed.files, bytes = removed.bytes, %first, %last, %until,
        "closed files were removed, as `retention` says"
    );
    Ok(())
}

/// The named files with numbers below `below` that are closed, with the time when the next one was begun.
fn closed(named: &BTreeSet<FileName>, below: u64) -> impl Iterator<Item = (&FileName, Timestamp)> {
    let next = named.iter().skip(1);
    named.iter().zip(next).filter(move |(name, _)| name.number < below).map(|(name, next)| (name, next.begun))
}
