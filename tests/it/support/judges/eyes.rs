//! Okta's official SDKs as somebody who looks at an org from outside.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use super::{node, program};
use crate::support::{
    okta::{Okta, TOKEN},
    tools::tool,
};

/// Both SDKs, looking at one org. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Eyes {
    node: Eye,
    python: Eye,
}

/// One SDK in its process.
#[derive(Debug)]
struct Eye {
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Eyes {
    /// Eyes on `okta`.
    pub(crate) fn on(okta: &Okta) -> Self {
        let configuration = json!({ "orgUrl": okta.url(), "token": TOKEN }).to_string();
        tool("judges-okta-node/node_modules");
        tool("judges-okta-python/python");
        let mut javascript = Command::new(node());
        javascript.arg(program("okta/eyes.mjs")).arg(&configuration);
        let mut python = Command::new("python3");
        python.arg(program("okta/eyes.py")).arg(&configuration);
        // The SDK takes plain http for a mistake otherwise.
        python.env("OKTA_TESTING_TESTINGDISABLEHTTPSCHECK", "true");
        python.env("OKTA_TESTING_DISABLEHTTPSCHECK", "true");
        Self { node: Eye::open(javascript), python: Eye::open(python) }
    }

    /// What both see of what is asked about: a question as `tests/judges/okta/eyes.mjs` takes it.
    pub(crate) async fn look(&mut self, question: &Value) -> Value {
        let (node, python) = tokio::join!(self.node.look(question), self.python.look(question));
        assert_eq!(node, python, "the SDKs see different things: {question}");
        node
    }
}

impl Eye {
    fn open(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { questions, answers, _process: process }
    }

    async fn look(&mut self, question: &Value) -> Value {
        self.questions.write_all(format!("{question}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("the SDK stopped: see what it said");
        serde_json::from_str(&answer).unwrap()
    }
}
