//! Where the conformance suite tries the file sink.

use std::{fs, time::Duration};

use oktabus::{
    config::{Encoding, FileSink, Rotate, SinkConfig},
    message::Message,
};
use tempfile::TempDir;

use super::{arrived::Arrived, conformance::Bench};

/// A directory of its own.
pub(super) struct FileBench {
    directory: TempDir,
}

impl Bench for FileBench {
    async fn new(_: Encoding) -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::File(FileSink {
            name: "archive".to_owned(),
            directory: self.directory.path().to_owned(),
            rotate: Rotate { size_bytes: u64::MAX, age: Duration::from_hours(24), compress: None },
            retention: None,
            former_directory: None,
        })
    }

    fn expected(&self, message: &Message<'_>) -> Arrived {
        Arrived::bare(message.payload)
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let files = fs::read_dir(self.directory.path()).unwrap().map(|file| file.unwrap().path());
        // Beside them are the lock and the record of the route.
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        let lines = files.flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.lines().map(|line| Arrived::bare(line.as_bytes())).collect::<Vec<_>>()
        });
        lines.collect()
    }
}
