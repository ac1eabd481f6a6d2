//! Judges of the Okta side: other people's clients and servers.

use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{node, program};
use crate::support::{
    tls::choose_provider,
    tools::{Process, free_port, tool},
};

/// The client id of the app in all tests.
pub(crate) const CLIENT_ID: &str = "0oatests";
/// The kid of its key.
pub(crate) const KEY_ID: &str = "key-1";

/// Every kind of key, with the algorithms that it signs with.
pub(crate) const ALGORITHMS: [(&str, &[&str]); 4] = [
    ("RSA", &["RS256", "RS384", "RS512"]),
    ("P-256", &["ES256"]),
    ("P-384", &["ES384"]),
    ("P-521", &["ES512"]),
];

/// A private key in every form that oktabus reads, made by Node.js.
#[derive(Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) pkcs8: String,
    /// PKCS#1 or SEC1.
    pub(crate) traditional: String,
    jwk: Value,
    public_jwk: Value,
}

impl Key {
    /// A new one: `RSA`, `P-256`, `P-384` or `P-521`.
    pub(crate) fn generate(kind: &str) -> Self {
        let output = Command::new(node()).arg(program("okta/keys.mjs")).arg(kind).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// As JWK with its kid and, if there is one, its algorithm.
    pub(crate) fn jwk(&self, algorithm: Option<&str>) -> String {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = KEY_ID.into();
        if let Some(algorithm) = algorithm {
            jwk["alg"] = algorithm.into();
        }
        jwk.to_string()
    }

    /// The set with its public half alone.
    pub(crate) fn jwks(&self) -> Value {
        let mut jwk = self.public_jwk.clone();
        jwk["kid"] = KEY_ID.into();
        json!({ "keys": [jwk] })
    }

    /// The app that knows it, for the simulator, with `more` members.
    pub(crate) fn app(&self, more: &Value) -> Value {
        let mut app = json!({ "client_id": CLIENT_ID, "jwks": self.jwks() });
        app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app
    }
}

/// npm `oidc-provider` as the authorization server of an org with an empty System Log.
#[derive(Debug)]
pub(crate) struct TokenServer {
    url: String,
    directory: tempfile::TempDir,
    _process: Process,
}

impl TokenServer {
    /// One that knows the app of `key`, which signs with `algorithm` and demands DPoP or does not.
    pub(crate) async fn start(key: &Key, algorithm: &str, dpop: bool) -> Self {
        choose_provider();
        let directory = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        let url = format!("http://127.0.0.1:{port}");
        let client = json!({ "client_id": CLIENT_ID, "jwks": key.jwks(), "alg": algorithm, "dpop": dpop });
        tool("judges-okta-node/node_modules");
        let mut command = Command::new(node());
        command.arg(program("okta/token_server.mjs")).args([&port, &client.to_string()]);
        let mut process = Process::start(&command, &directory.path().join("log"));
        let http = reqwest::Client::new();
        process.ready(async || http.get(&url).send().await.is_ok()).await;
        Self { url, directory, _process: process }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it saw, line by line, without what it says of itself.
    pub(crate) fn saw(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        let is_seen = |line: &&str| {
            ["token ", "refused ", "broken ", "logs "].iter().any(|word| line.starts_with(word))
        };
        log.lines().filter(is_seen).map(str::to_owned).collect()
    }
}

/// What Okta's SDK for Python saw of the log of an org with this configuration.
pub(crate) async fn python_sdk(configuration: Value) -> Value {
    run_python("okta/sdk.py", configuration).await
}

/// What Okta's SDK for Node.js saw of the log of an org with this configuration.
pub(crate) async fn node_sdk(configuration: Value) -> Value {
    run_node("okta/sdk.mjs", configuration).await
}

/// What Okta's SDK for Python did to the users of an org with this configuration.
pub(crate) async fn python_directory(configuration: Value) -> Value {
    run_python("okta/directory.py", configuration).await
}

/// What Okta's SDK for Node.js did to the users of an org with this configuration.
pub(crate) async fn node_directory(configuration: Value) -> Value {
    run_node("okta/directory.mjs", configuration).await
}

/// What Okta's SDK for Node.js sees of the event hooks of an org with this configuration.
pub(crate) async fn node_hooks(configuration: Value) -> Value {
    run_node("okta/hooks.mjs", configuration).await
}

/// What Okta's SDK for Python sees of them.
pub(crate) async fn python_hooks(configuration: Value) -> Value {
    run_python("okta/hooks.py", configuration).await
}

async fn run_python(script: &str, configuration: Value) -> Value {
    tool("judges-okta-python/python");
    let mut command = Command::new("python3");
    command.arg(program(script));
    // The SDK takes plain http for a mistake otherwise.
    command
        .env("OKTA_TESTING_TESTINGDISABLEHTTPSCHECK", "true")
        .env("OKTA_TESTING_DISABLEHTTPSCHECK", "true");
    said(command, configuration).await
}

async fn run_node(script: &str, configuration: Value) -> Value {
    tool("judges-okta-node/node_modules");
    let mut command = Command::new(node());
    command.arg(program(script));
    said(command, configuration).await
}

async fn said(mut command: Command, configuration: Value) -> Value {
    command.arg(configuration.to_string());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("{output:?}"))
}
