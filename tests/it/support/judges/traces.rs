//! A receiver of traces that is not ours.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::program;
use crate::support::tools::{Process, eventually, free_port, tool};

/// A collector, on a port of its own.
#[derive(Debug)]
pub(crate) struct Collector {
    _process: Process,
    port: u16,
    directory: TempDir,
}

impl Collector {
    /// One that takes what is as it must be.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that never answers.
    pub(crate) async fn that_hangs() -> Self {
        Self::start_with(&["hang"]).await
    }

    async fn start_with(mode: &[&str]) -> Self {
        tool("judges-traces-python/python");
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new("python3");
        command.arg(program("traces/judge.py")).arg(port.to_string()).args(mode);
        let mut process = Process::start(&command, &directory.path().join("log"));
        process.ready(async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Self { _process: process, port, directory }
    }

    /// The section of a configuration that traces everything to it.
    pub(crate) fn section(&self) -> String {
        format!("[traces]\nendpoint = \"http://127.0.0.1:{}\"\nsample = 1.0\n", self.port)
    }

    /// What it has received so far, none of which it may have refused.
    pub(crate) fn received(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        // The last line may be in the making.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines: Vec<Value> = whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(lines.iter().all(|line| line.get("refused").is_none()), "{log}");
        lines
    }

    /// The first span that is so, once it is there.
    pub(crate) async fn span(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, async || self.received().into_iter().find(|span| is_it(span))).await
    }

    /// The spans below `parent`, once there are those with all these names.
    pub(crate) async fn children(&self, parent: &Value, names: &[&str]) -> Vec<Value> {
        let children = || {
            let all = self.received().into_iter();
            all.filter(|span| span["parent"] == parent["span"] && span["trace"] == parent["trace"])
                .collect::<Vec<_>>()
        };
        let has = |found: &[Value], name: &str| found.iter().any(|span| span["name"] == name);
        eventually(&format!("the spans {names:?}"), async || {
            let found = children();
            names.iter().all(|name| has(&found, name)).then_some(found)
        })
        .await
    }
}
