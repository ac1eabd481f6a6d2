//! The file sink: JSON lines, each event exactly once.
//!
//! With each cursor goes a mark: the file that is being written, and its bytes that were proved. On start, and after a
//! failure, the route delivers again what came after its cursor; what of that is on the disk already is recognised byte
//! for byte and not written again, and what turns out to be anything else is set aside. Nothing that was proved is ever
//! removed but by `retention`. One blocking task a sink does the I/O; batches that wait for it share one sync.
//!
//! | file | its one job |
//! |---|---|
//! | `name.rs` | names, read without doubt |
//! | `lock.rs` | one writer for the files of one owner |
//! | `own_files.rs` | listing, new files, setting aside |
//! | `taking_up.rs` | from a mark and the disk to the file to go on with |
//! | `tidy.rs` | what a crash left in two forms |
//! | `current.rs` | the open file: whether it is still ours, and what it has beyond what was proved |
//! | `writer.rs` | append, prove, recover, rotate |
//! | `compression.rs` | from a closed file to its compressed form, and back |
//! | `upkeep.rs` | closed files, compressed and removed in time beside the writer |
//! | `copies.rs` | what was set aside and has come again |
//! | `permission.rs` | whether files could be made, for checks |

mod compression;
mod copies;
mod current;
mod error;
mod lock;
mod name;
mod own_files;
mod permission;
#[cfg(test)]
mod simulation;
mod taking_up;
#[cfg(test)]
mod tests;
mod tidy;
mod upkeep;
mod writer;

use std::{io, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{BatchError, Receipt, Settled, Sink, SinkError};
use crate::{
    bus::Finding,
    config::{FileSink, FileStem},
    message::{Messages, Origin},
    state::SinkMark,
};
pub(crate) use error::WriterError;
pub(crate) use permission::{require_appendable, require_writable};
use upkeep::Commits;
pub(crate) use writer::Writer;

/// Requests that wait for the disk; more would only hide that it is slow.
const WAITING_MAX: usize = 16;

/// Files of JSON lines of one route.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<()>,
    mark: SinkMark,
    /// Whoever removes closed files must know where the cursor is.
    commits: Option<Commits>,
}

enum Request {
    Append { batch: Arc<Messages>, from: usize, settle: oneshot::Sender<Result<Settled, BatchError>> },
    Recover(oneshot::Sender<Result<(), SinkError>>),
}

impl File {
    pub(super) async fn open(
        config: &FileSink,
        origin: &Arc<Origin>,
        mark: Option<&SinkMark>,
    ) -> Result<Self, SinkError> {
        let (config, stem, mark) = (config.clone(), FileStem::of_route(&origin.route), mark.cloned());
        let name = config.name.clone();
        let opening = tokio::task::spawn_blocking(move || Writer::open(config, stem, mark.as_ref())).await;
        let writer = opening
            .unwrap_or_else(|err| Err(WriterError::interrupted(err)))
            .map_err(|err| err.in_sink(&name))?;
        let (mark, commits) = (writer.mark(), writer.commits());
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let task_name = name.clone();
        let task = tokio::task::spawn_blocking(move || serve(writer, waiting, &task_name));
        Ok(Self { name, requests, task, mark, commits })
    }

    fn gone(&self) -> SinkError {
        let source = io::Error::other("the writer has ended");
        SinkError::Io { sink: self.name.clone(), action: "hand over a batch".to_owned(), source }
    }
}

impl Sink for File {
    /// Where the files stood when the sink was opened.
    fn mark(&self) -> Option<SinkMark> {
        Some(self.mark.clone())
    }

    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move {
            let (settle, settled) = oneshot::channel();
            let request = Request::Append { batch: Arc::clone(batch), from, settle };
            self.requests.send(request).await.map_err(|_| self.gone())?;
            let gone = BatchError { first_undelivered: from, rejected: Vec::new(), error: self.gone() };
            Ok(async move { settled.await.unwrap_or(Err(gone)) }.boxed())
        }
        .boxed()
    }

    fn committed(&mut self, mark: &SinkMark) {
        if let Some(commits) = &self.commits {
            commits.committed(mark);
        }
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            let (answer, answered) = oneshot::channel();
            self.requests.send(Request::Recover(answer)).await.map_err(|_| self.gone())?;
            answered.await.unwrap_or_else(|_| Err(self.gone()))
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let Self { name, requests, task, .. } = *self;
            drop(requests);
            if let Err(err) = task.await {
                tracing::error!(sink = name, error = %err, "the file writer ended abnormally");
            }
        }
        .boxed()
    }
}

/// Looks whether the directory can be written to.
pub(super) async fn check(config: &FileSink) -> Result<Vec<Finding>, SinkError> {
    let (name, directory) = (config.name.clone(), config.directory.clone());
    let looking = tokio::task::spawn_blocking(move || require_writable(&directory)).await;
    looking.unwrap_or_else(|err| Err(WriterError::interrupted(err))).map_err(|err| err.in_sink(&name))?;
    let how = if config.directory.exists() { "can be written to" } else { "will be made" };
    let text = format!("{} {how}", config.directory.display());
    Ok(vec![Finding { is_warning: false, text }])
}

/// A batch that is written and waits for the sync that proves it.
struct Unproved {
    from: usize,
    mark: SinkMark,
    settle: oneshot::Sender<Result<Settled, BatchError>>,
}

/// Serves requests until the sink is closed. All batches that wait are written before one sync proves them together.
fn serve(mut writer: Writer, mut waiting: mpsc::Receiver<Request>, sink: &str) {
    let mut unproved = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Recover(answer) => {
                    // What was written and not proved is taken back, so it must not be proved any more.
                    unproved.clear();
                    let recovered = writer.recover().map_err(|err| err.in_sink(sink));
                    // A route that ended in the meantime does not care.
                    let _ = answer.send(recovered);
                }
                Request::Append { batch, from, settle } => {
                    if writer.is_full() {
                        prove(&mut writer, &mut unproved, sink);
                    }
                    match writer.append(batch.messages().skip(from).map(|message| message.payload)) {
                        Ok(()) => unproved.push(Unproved { from, mark: writer.mark(), settle }),
                        Err(err) => {
                            let _ = settle.send(Err(failure(from, err, sink)));
                        }
                    }
                }
            }
            next = waiting.try_recv().ok();
        }
        prove(&mut writer, &mut unproved, sink);
    }
    writer.finish();
}

fn prove(writer: &mut Writer, unproved: &mut Vec<Unproved>, sink: &str) {
    if unproved.is_empty() {
        return;
    }
    let proved = writer.prove();
    for Unproved { from, mark, settle } in unproved.drain(..) {
        let settled = match &proved {
            Ok(()) => Ok(Settled { rejected: Vec::new(), mark: Some(mark) }),
            Err(err) => Err(failure(from, err.again(), sink)),
        };
        let _ = settle.send(settled);
    }
}

fn failure(first_undelivered: usize, err: WriterError, sink: &str) -> BatchError {
    BatchError { first_undelivered, rejected: Vec::new(), error: err.in_sink(sink) }
}
