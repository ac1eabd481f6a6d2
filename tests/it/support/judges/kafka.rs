//! Judges of Kafka's side: a token endpoint whose tokens a broker verifies.

use std::{path::PathBuf, process::Command};

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::program;
use crate::support::tools::{Process, free_port, tool};

/// The client of the endpoint in all tests.
pub(crate) const CLIENT_ID: &str = "bus-client";
/// Its secret, with characters that count in a form.
pub(crate) const CLIENT_SECRET: &str = "s3cret: with % and +";
/// Whom tokens are for.
pub(crate) const AUDIENCE: &str = "kafka-of-tests";

/// npm `oidc-provider` as a token endpoint.
#[derive(Debug)]
pub(crate) struct TokenEndpoint {
    directory: TempDir,
    url: String,
    _process: Process,
}

impl TokenEndpoint {
    /// One whose tokens live for so long.
    pub(crate) async fn start(lives_seconds: u32) -> Self {
        tool("judges-okta-node/node_modules");
        let directory = TempDir::new().unwrap();
        let url = format!("http://127.0.0.1:{}", free_port());
        let config = json!({
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "audience": AUDIENCE,
            "lives_seconds": lives_seconds,
            "jwks_file": directory.path().join("jwks.json"),
        });
        let mut command = Command::new("node");
        command.arg(program("kafka/token_endpoint.mjs"));
        command.arg(url.rsplit(':').next().unwrap()).arg(config.to_string());
        let mut process = Process::start(&command, &directory.path().join("log"));
        let address = url.trim_start_matches("http://").to_owned();
        let answers = async || TcpStream::connect(&address).await.is_ok();
        process.ready(answers).await;
        Self { directory, url, _process: process }
    }

    /// Who it says it is.
    pub(crate) fn issuer(&self) -> &str {
        &self.url
    }

    /// Where it gives tokens.
    pub(crate) fn token_url(&self) -> String {
        format!("{}/token", self.url)
    }

    /// The key set with which its tokens are verified.
    pub(crate) fn jwks(&self) -> PathBuf {
        self.directory.path().join("jwks.json")
    }

    /// How many tokens it has given.
    pub(crate) fn tokens(&self) -> usize {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.lines().filter(|line| *line == "token").count()
    }
}
