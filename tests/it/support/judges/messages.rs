//! Judges of what is published.

use serde_json::Value;

use super::{judge, node};
use crate::support::tools::tool;

/// What a judge said: one JSON value a line.
pub(crate) async fn messages_judge(arguments: &[&str], input: &str) -> Vec<Value> {
    tool("judges-messages-python/python");
    judge("python3", "messages/judge.py", arguments, input).await
}

/// The protected headers of signatures, one JSON line a message in `input`; all of them must fit.
pub(crate) async fn signature_judge(input: &str) -> Vec<Value> {
    tool("judges-okta-node/node_modules");
    judge(&node(), "messages/signature.mjs", &[], input).await
}

/// What AsyncAPI's parser has against `document`; it must have nothing.
pub(crate) async fn asyncapi_judge(document: &str) {
    tool("judges-asyncapi-node/node_modules");
    assert_eq!(judge(&node(), "asyncapi/judge.mjs", &[], document).await, [] as [Value; 0]);
}
