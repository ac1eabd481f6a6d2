//! Publications to a file: one line each, on the disk when it is proved. Rotated and compressed as the file sink does.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;

use super::{Publication, PublishError, Publisher, lazy::Lazy};
use crate::{
    config::{FileSink, FileStem},
    sink::file::{Writer, WriterError},
};

/// Files of JSON lines. The first publication begins a new file after the existing ones.
#[derive(Debug)]
pub(super) struct FilePublisher {
    sink: FileSink,
    stem: FileStem,
    writer: Lazy<Mutex<Writer>>,
}

impl FilePublisher {
    pub(super) fn new(sink: FileSink, stem: FileStem) -> Self {
        Self { sink, stem, writer: Lazy::new() }
    }

    async fn writer(&self) -> Result<Arc<Mutex<Writer>>, WriterError> {
        let opening = async {
            let (sink, stem) = (self.sink.clone(), self.stem.clone());
            let opened = tokio::task::spawn_blocking(move || Writer::open(sink, stem, None)).await;
            opened.unwrap_or_else(|err| Err(WriterError::interrupted(err))).map(Mutex::new)
        };
        self.writer.get(|_| true, opening).await
    }

    async fn write(&self, publication: &Publication) -> Result<(), WriterError> {
        let (writer, payload) = (self.writer().await?, publication.payload.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let written = writer.append([&payload]).and_then(|()| writer.prove());
            if written.is_err() {
                // The next publication tries to make room again, and reports if it cannot.
                let _ = writer.recover();
            } else {
                writer.proof_is_commit();
            }
            written
        });
        written.await.unwrap_or_else(|err| Err(WriterError::interrupted(err)))
    }
}

impl Publisher for FilePublisher {
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async {
            let written = self.write(publication).await;
            written.map_err(|err| PublishError::Sink(err.in_sink(&self.sink.name)))
        })
    }

    fn require_private<'a>(&'a self, _address: &'a str) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(writer) = self.writer.take().await else { return };
            let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
            let finished = tokio::task::spawn_blocking(move || writer.finish_unless_empty()).await;
            if let Err(err) = finished.map_err(io::Error::other) {
                tracing::error!(sink = self.sink.name, error = %err, "the file writer ended abnormally");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::config::Rotate;

    fn publisher(directory: &std::path::Path) -> FilePublisher {
        let rotate = Rotate { size_bytes: 1 << 20, age: Duration::from_secs(86_400), compress: None };
        let sink = FileSink {
            name: "files".to_owned(),
            directory: directory.to_owned(),
            rotate,
            retention: None,
            former_directory: None,
        };
        FilePublisher::new(sink, FileStem::of_outcomes("provisioning"))
    }

    fn publication() -> Publication {
        Publication::command("provisioning", "c-1", None, "{}".into())
    }

    #[tokio::test]
    async fn one_that_was_never_used_leaves_no_file_behind() {
        let directory = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(directory.path()).unwrap().count();
        // With it goes the record of the files that there are.
        for is_used in [false, true] {
            let publisher = publisher(directory.path());
            if is_used {
                publisher.publish(&publication()).await.unwrap();
            }
            publisher.close().await;
            assert_eq!(files(), if is_used { 2 } else { 0 });
        }
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_used_is_told_with_each_publication_and_used_once_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let occupied = directory.path().join("outcomes");
        fs::write(&occupied, "").unwrap();
        let publisher = publisher(&occupied);
        for _ in 0..2 {
            let told = publisher.publish(&publication()).await.unwrap_err();
            assert!(told.to_string().starts_with("files: "), "{told}");
        }
        fs::remove_file(&occupied).unwrap();
        publisher.publish(&publication()).await.unwrap();
        publisher.close().await;
        assert_eq!(fs::read_dir(&occupied).unwrap().count(), 2, "the file and the record");
    }
}
