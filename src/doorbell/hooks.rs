//! One request to the listener: the challenge with which Okta verifies an address, or a ring. Its body is read to its end,
//! counted and thrown away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt as _;

use super::{bell::Doorbell, refusal::Refusal, refusals::Refusals, secrets::HookSecrets};

/// The largest body. A hundred events of Okta's have a tenth of this.
const BODY_BYTES_MAX: u64 = 2 << 20;
/// From the head of a request to the end of its body. Okta gives up after three seconds.
const BODY_TIME: Duration = Duration::from_millis(1_500);
/// The header of the challenge, and its longest value.
const CHALLENGE: &str = "x-okta-verification-challenge";
const CHALLENGE_BYTES_MAX: usize = 512;
/// The label of refusals that are no org's.
const NO_ORG: &str = "none";

/// Who rings where.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    by_path: BTreeMap<String, HookBell>,
    /// Requests that are no org's.
    strays: Mutex<Refusals>,
}

/// The doorbell of an org, with what lets its hooks in.
#[derive(Debug)]
pub(super) struct HookBell {
    pub(super) bell: Arc<Doorbell>,
    pub(super) secrets: HookSecrets,
}

impl Hooks {
    pub(super) fn new(by_path: BTreeMap<String, HookBell>) -> Self {
        Self { by_path, strays: Mutex::default() }
    }

    pub(super) fn bells(&self) -> impl Iterator<Item = &HookBell> {
        self.by_path.values()
    }

    async fn take(&self, request: Request) -> Result<Response, StatusCode> {
        let Some(hook) = self.by_path.get(request.uri().path()) else {
            self.refuse_stray(request.uri().path());
            return Err(Refusal::UnknownPath.status());
        };
        hook.take(request).await.map_err(|refusal| {
            hook.bell.refuse(refusal);
            refusal.status()
        })
    }

    fn refuse_stray(&self, path: &str) {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = strays.count(NO_ORG, Refusal::UnknownPath);
        drop(strays);
        if let Some(untold) = untold {
            untold.tell(NO_ORG, Some(path));
        }
    }
}

impl HookBell {
    async fn take(&self, request: Request) -> Result<Response, Refusal> {
        self.secrets.check(request.headers())?;
        match *request.method() {
            Method::GET => {
                let answer = verification(request.headers())?;
                tracing::info!(org = self.bell.org(), "Okta has verified the doorbell");
                Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
            }
            Method::POST => {
                let body = request.into_body();
                match tokio::time::timeout(BODY_TIME, read(body)).await {
                    Ok(read) => read?,
                    Err(_) => return Err(Refusal::TooSlow),
                }
                self.bell.ring();
                Ok(StatusCode::OK.into_response())
            }
            _ => Err(Refusal::Method),
        }
    }
}

/// What proves to Okta that the address is ours.
fn verification(headers: &HeaderMap) -> Result<String, Refusal> {
    let challenge = headers.get(CHALLENGE).and_then(|value| value.to_str().ok());
    let challenge = challenge.filter(|challenge| (1..=CHALLENGE_BYTES_MAX).contains(&challenge.len()));
    let challenge = challenge.ok_or(Refusal::Challenge)?;
    Ok(serde_json::json!({ "verification": challenge }).to_string())
}

/// Reads the body to its end, within its bound. Of what it says only this counts: it begins as an object of JSON does.
async fn read(mut body: Body) -> Result<(), Refusal> {
    let mut left = BODY_BYTES_MAX;
    if body.size_hint().lower() > left {
        return Err(Refusal::TooLarge);
    }
    let mut first = None;
    while let Some(frame) = body.frame().await {
        // The other side has gone.
        let Ok(frame) = frame else { return Err(Refusal::TooSlow) };
        let Some(data) = frame.data_ref() else { continue };
        left = left.checked_sub(data.len() as u64).ok_or(Refusal::TooLarge)?;
        first = first.or_else(|| data.iter().copied().find(|byte| !byte.is_ascii_whitespace()));
    }
    if first == Some(b'{') { Ok(()) } else { Err(Refusal::NotJson) }
}

/// The only page.
pub(super) fn router(hooks: Arc<Hooks>) -> Router {
    Router::new().fallback(receive).with_state(hooks)
}

/// Refusals say nothing but their status.
async fn receive(State(hooks): State<Arc<Hooks>>, request: Request) -> Response {
    hooks.take(request).await.unwrap_or_else(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(challenge: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(challenge) = challenge {
            headers.insert(CHALLENGE, challenge.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_challenge_is_answered_as_okta_wants_it() {
        assert_eq!(verification(&headers(Some("Me_rShK8"))).unwrap(), r#"{"verification":"Me_rShK8"}"#);
        assert_eq!(verification(&headers(Some(r#"a"b\c"#))).unwrap(), r#"{"verification":"a\"b\\c"}"#);
        for wrong in [None, Some(""), Some("x".repeat(600).as_str())] {
            assert_eq!(verification(&headers(wrong)), Err(Refusal::Challenge));
        }
    }

    #[tokio::test]
    async fn a_body_is_counted_and_not_understood() {
        assert_eq!(read(Body::from(r#" {"data":"#)).await, Ok(()));
        for body in ["", "[1]", "x", "   "] {
            assert_eq!(read(Body::from(body)).await, Err(Refusal::NotJson), "{body:?}");
        }
        let huge = format!("{{{}", " ".repeat(2 << 20));
        assert_eq!(read(Body::from(huge.clone())).await, Err(Refusal::TooLarge));
        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(huge.clone()), Ok(huge)]);
        assert_eq!(read(Body::from_stream(chunks)).await, Err(Refusal::TooLarge), "without a length");
        let broken = futures_util::stream::iter([Ok("{".to_owned()), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken)).await, Err(Refusal::TooSlow));
    }
}
