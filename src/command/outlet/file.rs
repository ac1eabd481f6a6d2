//! Parcels to a file: one line each, on the disk when it is proved. Rotated and compressed as the file sink does.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::{OutletError, Parcel};
use crate::{
    config::{FileSink, FileStem},
    sink::{
        SinkError,
        file::{Writer, WriterError},
    },
};

/// Files of JSON lines.
#[derive(Debug)]
pub(super) struct FileOutlet {
    name: String,
    writer: Arc<Mutex<Writer>>,
}

impl FileOutlet {
    /// Begins a new file of the owner with this stem, after those that are there.
    pub(super) async fn open(sink: &FileSink, stem: FileStem) -> Result<Self, SinkError> {
        let (name, sink) = (sink.name.clone(), sink.clone());
        let opened = tokio::task::spawn_blocking(move || Writer::open(sink, stem, None)).await;
        let writer = opened.unwrap_or_else(|err| Err(WriterError::interrupted(err)));
        let writer = writer.map_err(|err| err.in_sink(&name))?;
        Ok(Self { name, writer: Arc::new(Mutex::new(writer)) })
    }

    pub(super) async fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let (writer, payload) = (Arc::clone(&self.writer), parcel.payload.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let written = writer.append([&payload]).and_then(|()| writer.prove());
            if written.is_err() {
                // The next one tries again to make the files fit, and tells if that cannot be done.
                let _ = writer.recover();
            }
            written
        });
        let written = written.await.unwrap_or_else(|err| Err(WriterError::interrupted(err)));
        written.map_err(|err| err.in_sink(&self.name).into())
    }

    pub(super) async fn close(self) {
        let Some(writer) = Arc::into_inner(self.writer) else { return };
        let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let finished = tokio::task::spawn_blocking(move || writer.finish_unless_empty()).await;
        if let Err(err) = finished.map_err(io::Error::other) {
            tracing::error!(sink = self.name, error = %err, "the file writer ended abnormally");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::config::Rotate;

    #[tokio::test]
    async fn one_that_was_never_used_leaves_no_file_behind() {
        let directory = tempfile::tempdir().unwrap();
        let rotate = Rotate { size_bytes: 1 << 20, age: Duration::from_secs(86_400), compress: None };
        let sink = FileSink { name: "files".to_owned(), directory: directory.path().to_owned(), rotate };
        let files = || fs::read_dir(directory.path()).unwrap().count();
        for payload in [None, Some("{}")] {
            let outlet = FileOutlet::open(&sink, FileStem::of_outcomes("provisioning")).await.unwrap();
            if let Some(payload) = payload {
                outlet.publish(&Parcel::command("provisioning", "c-1", None, payload.into())).await.unwrap();
            }
            outlet.close().await;
            assert_eq!(files(), usize::from(payload.is_some()));
        }
    }
}
