//! Requests to one org, look-ups and changes. Adds the credential and keeps to the budget, so that the resources need not.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LINK},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{
    BudgetStatus, Observer, OktaError, Org, Priority, Scope,
    auth::{Authenticator, Credential, Verdict},
    header, link,
    rate_limiter::Permit,
    request::{Change, Confirmation, Target, unsendable},
    transport::{ClientError, Failure, Reply, Transport},
};

/// The longest wait of a change for its next attempt: the facts that it was decided by get old meanwhile.
const NEXT_ATTEMPT_WITHIN: Duration = Duration::from_secs(2);
/// The longest URL in bytes that the `http` crate accepts.
const URL_BYTES_MAX: usize = u16::MAX as usize - 1;
/// The largest answer in bytes, except for a page of events: Okta's longest lists have 200 users.
const JSON_BYTES_MAX: usize = 16 << 20;
/// The most attempts at one request: connections break, tokens expire, nonces change. The next attempt removes each of
/// these causes.
const ATTEMPTS_MAX: u32 = 4;

/// A client of one org.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    auth: Authenticator,
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) next: Option<Url>,
}

/// A change that Okta has made. The answer may contain secrets.
pub struct Changed {
    /// Okta's answer; `null` if it was empty.
    pub body: Value,
    /// Okta's id of the request: the events that it caused have it as `transaction.id`.
    pub request_id: Option<String>,
}

/// The answer to a look-up, with the link to the next page.
#[derive(Debug)]
pub struct Found<T> {
    /// The answer.
    pub body: T,
    /// The next page of a list.
    pub next: Option<Url>,
}

/// One request as it is sent, attempt after attempt.
#[derive(Debug)]
struct Sending {
    method: Method,
    url: Url,
    body: Option<Bytes>,
    priority: Priority,
}

/// What an attempt at a request needs before it can begin.
#[derive(Debug)]
struct Ready {
    permit: Permit,
    credential: Credential,
}

/// The permit to send one change at once: a place in the budget, and a credential. If it is dropped unsent, the place counts as used.
#[derive(Debug)]
pub struct ChangePermit<'a> {
    client: &'a Client,
    sending: Sending,
    confirmation: Confirmation,
    ready: Ready,
}

impl Client {
    /// A client of `org`. Reads the certificate authorities and the private key, if they are set, to see that they can
    /// be used. Sends no request. The TLS provider of the process becomes ring, if it has none.
    pub fn new(org: Org) -> Result<Self, ClientError> {
        let auth = Authenticator::new(&org)?;
        Ok(Self { transport: Transport::new(org)?, auth })
    }

    /// A client that makes no requests, for callers that may not be able to read a credential. Reads no source.
    pub fn without_secrets(mut org: Org) -> Result<Self, ClientError> {
        let auth = Authenticator::unread(&org);
        (org.http.authorities, org.http.proxy_auth) = (None, None);
        Ok(Self { transport: Transport::new(org)?, auth })
    }

    /// Adds an `observer` that is called for each request.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.transport.observe(observer);
        self
    }

    /// The settings of the org.
    pub fn org(&self) -> &Org {
        self.transport.org()
    }

    /// How the budget of `/api/v1/logs` stands.
    pub fn logs_budget(&self) -> BudgetStatus {
        self.transport.logs_budget()
    }

    /// How the budgets of all rate-limit buckets stand, used or not, by the names of the buckets.
    pub fn budgets(&self) -> impl Iterator<Item = (&'static str, BudgetStatus)> {
        self.transport.budgets()
    }

    /// Reads the secret again. A secret that cannot be used leaves the previous one in place; if Okta refuses a usable one,
    /// the previous one is used again if it has worked. The result is logged.
    pub async fn reload_secret(&self) {
        self.auth.reload(&self.org().name).await;
    }

    /// Why the secret that is at its source is not used, if the one before still is.
    pub fn secret_trouble(&self) -> Option<String> {
        self.auth.secret_trouble()
    }

    /// The scopes of the org besides the System Log's that are not granted to the service app. Okta refuses
    /// several at once without saying which, so each is asked for alone.
    pub async fn ungranted_scopes(&self) -> Result<Vec<Scope>, OktaError> {
        self.auth.ungranted_scopes(&self.transport).await
    }

    /// The offset of Okta's clock from ours, as far as it is known.
    pub fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.transport.clock().ahead_s())
    }

    /// The time on Okta's clock, as far as it is known.
    pub fn okta_now(&self) -> Timestamp {
        let epoch_s = self.transport.clock().now().epoch_s;
        Timestamp::from_second(epoch_s).unwrap_or_else(|_| Timestamp::now())
    }

    /// How we identify ourselves, in words, as far as it is known now.
    pub fn authentication(&self) -> String {
        self.auth.description()
    }

    /// Whether `url` has the org's own origin, so that a credential may go there.
    pub fn is_own(&self, url: &Url) -> bool {
        self.transport.is_own(url)
    }

    /// Gets `url`, within the budget.
    pub(super) async fn get(&self, url: &Url, priority: Priority) -> Result<Answer, OktaError> {
        let sending = Sending { method: Method::GET, url: url.clone(), body: None, priority };
        let reply = self.look(&sending).await?;
        if reply.status != StatusCode::OK {
            return Err(refusal(&reply));
        }
        Ok(Answer { next: self.next_link(&reply.headers, url)?, body: reply.body })
    }

    /// The URL of `target`.
    pub fn url_of(&self, target: &Target) -> Url {
        target.url(&self.org().url)
    }

    /// Looks up the object or list at `url`, the URL of a target or a link.
    pub async fn look_up<T: DeserializeOwned>(&self, url: &Url) -> Result<Found<T>, OktaError> {
        let answer = self.get(url, Priority::LookUp).await?;
        Ok(Found { body: json(&answer.body)?, next: answer.next })
    }

    /// Waits until `change` can be sent at once. Nothing is sent to the resource; may be dropped at any time.
    pub async fn reserve(&self, change: &Change) -> Result<ChangePermit<'_>, OktaError> {
        if let Some(path) = change.body.as_ref().and_then(unsendable) {
            return Err(OktaError::Unsendable { path: path.trim_start_matches('.').to_owned() });
        }
        let body = change.body.as_ref().map(|body| Bytes::from(body.to_string()));
        let sending = Sending {
            method: change.method.clone(),
            url: self.url_of(&change.target),
            body: Some(body.unwrap_or_default()),
            priority: Priority::LookUp,
        };
        let ready = self.ready(&sending).await?;
        Ok(ChangePermit { client: self, sending, confirmation: change.confirmation.clone(), ready })
    }

    /// Waits for a place in the budget, and only then for a credential, which could expire during the wait.
    async fn ready(&self, sending: &Sending) -> Result<Ready, OktaError> {
        if !self.is_own(&sending.url) {
            return Err(self.foreign(place_of(&sending.url)));
        }
        if sending.url.as_str().len() > URL_BYTES_MAX {
            let reason = format!(
                "its URL would have {} bytes, and {URL_BYTES_MAX} is the most: a name or a filter is too long",
                sending.url.as_str().len()
            );
            return Err(OktaError::NotARequest { reason });
        }
        let permit = self.transport.permit(&sending.method, &sending.url, sending.priority).await;
        let credential = self.auth.credential(&sending.url, &self.transport).await?;
        Ok(Ready { permit, credential })
    }

    /// Sends attempts until another one would not change the answer.
    async fn look(&self, sending: &Sending) -> Result<Reply, OktaError> {
        let mut attempts_left = ATTEMPTS_MAX;
        let mut has_broken = false;
        loop {
            attempts_left -= 1;
            let ready = self.ready(sending).await?;
            let (reply, verdict) = match self.attempt(ready, sending).await {
                Ok(answered) => answered,
                // A look-up may be repeated.
                Err(Failure::Broken(_)) if !has_broken && attempts_left > 0 => {
                    has_broken = true;
                    continue;
                }
                // The caller of a look-up decides how long to wait.
                Err(failure) => return Err(failure.into_error()),
            };
            if verdict == Verdict::TryAgain && attempts_left > 0 {
                continue;
            }
            return Ok(reply);
        }
    }

    /// One attempt, and what its answer says about the credential.
    async fn attempt(&self, ready: Ready, sending: &Sending) -> Result<(Reply, Verdict), Failure> {
        let Ready { permit, credential } = ready;
        let Sending { method, url, body, .. } = sending;
        // Signed only now, because the signature has a time, and the wait may have taken a minute.
        let signed = self.transport.clock().now();
        let authorization = credential.headers(method, url, signed.epoch_s)?;
        let mut request = self.transport.request(method.clone(), url).header(ACCEPT, "application/json");
        if let Some(body) = body {
            // Okta answers 411 to a POST without a length, be it 0.
            request = request.header(CONTENT_LENGTH, body.len()).header(CONTENT_TYPE, "application/json");
            request = request.body(body.clone());
        }
        let reply = self.transport.send(permit, request.headers(authorization)).await?;
        let clock_error_s = self.transport.clock().error_s(signed);
        let verdict = self.auth.judge(&credential, &reply, clock_error_s).await;
        Ok((reply, verdict))
    }

    /// The link to the next page of what was `asked`. A link to anything else is not followed, even in the same org.
    pub(super) fn next_link(&self, headers: &HeaderMap, asked: &Url) -> Result<Option<Url>, OktaError> {
        let lines = headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
        let Some(target) = link::find(lines, "next") else { return Ok(None) };
        // RFC 8288 allows a relative target.
        let next = self.org().url.join(target).map_err(|_| self.foreign("nowhere".to_owned()))?;
        if !self.is_own(&next) {
            return Err(self.foreign(place_of(&next)));
        }
        see_resource(&next, asked.path())?;
        Ok(Some(next))
    }

    fn foreign(&self, found: String) -> OktaError {
        OktaError::ForeignLink { found, expected: self.transport.host() }
    }
}

impl ChangePermit<'_> {
    /// Makes the change. It is sent again only if Okta has refused the credential, and there is a better one at once. Every
    /// other failure is [ambiguous](OktaError::is_ambiguous) or certain, and nothing is waited for: not after a 429 either.
    pub async fn send(self) -> Result<Changed, OktaError> {
        let Self { client, sending, confirmation, mut ready } = self;
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            let (reply, verdict) = client.attempt(ready, &sending).await.map_err(Failure::into_error)?;
            // Something on the way may have refused the answer, and not the request.
            let may_be_made = !reply.status.is_success() && !refusal(&reply).is_oktas();
            if verdict != Verdict::TryAgain || attempts_left == 0 || may_be_made {
                return changed(&reply, &confirmation);
            }
            let next = tokio::time::timeout(NEXT_ATTEMPT_WITHIN, client.ready(&sending)).await;
            ready = next.map_err(|_| OktaError::NotTaken)??;
        }
    }
}

fn changed(reply: &Reply, confirmation: &Confirmation) -> Result<Changed, OktaError> {
    if !reply.status.is_success() {
        return Err(refusal(reply));
    }
    let is_204 = reply.status == StatusCode::NO_CONTENT && reply.body.is_empty();
    if *confirmation == Confirmation::NoContent && !is_204 && header::request_id(&reply.headers).is_none() {
        return Err(unconfirmed(reply.status, "with a body or another status"));
    }
    let body = match (confirmation, reply.body.is_empty()) {
        (Confirmation::Status | Confirmation::NoContent, true) => Value::Null,
        (_, true) => return Err(unconfirmed(reply.status, "without a body")),
        (_, false) => json(&reply.body)?,
    };
    if !confirmation.is_by(&body) {
        return Err(unconfirmed(reply.status, "with another body"));
    }
    Ok(Changed { body, request_id: header::request_id(&reply.headers) })
}

/// Where `url` leads, without what it may bring of a credential.
fn place_of(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    let brings_a_user = !url.username().is_empty() || url.password().is_some();
    if brings_a_user { format!("{origin} as another user") } else { origin }
}

/// Checks that `url` belongs to the resource at `path`: a link may come from outside, and a credential is sent with it.
pub(super) fn see_resource(url: &Url, path: &str) -> Result<(), OktaError> {
    if url.path() == path {
        return Ok(());
    }
    let at = |path: &str| url.origin().ascii_serialization() + path;
    Err(OktaError::ForeignLink { found: at(url.path()), expected: at(path) })
}

fn refusal(reply: &Reply) -> OktaError {
    let request_id = header::request_id(&reply.headers);
    let challenge = header::challenge(&reply.headers);
    OktaError::from_answer(reply.status.as_u16(), &reply.body, challenge, request_id)
}

/// An empty or foreign answer, where Okta would describe the change, comes from something between us and Okta.
fn unconfirmed(status: StatusCode, how: &str) -> OktaError {
    OktaError::NotAsAsked(format!(
        "{} {how}, where okta tells what it made of it; a proxy may have answered",
        status.as_u16()
    ))
}

/// Parsed JSON takes several times the memory of its bytes, so the limit is lower than for a page of events.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, OktaError> {
    if body.len() > JSON_BYTES_MAX {
        return Err(OktaError::NotAsAsked(format!(
            "it has {} bytes, more than any list of Okta's",
            body.len()
        )));
    }
    serde_json::from_slice(body).map_err(|err| OktaError::NotAsAsked(format!("JSON: {err}")))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::groups;

    /// Whether this answer confirms `change`.
    fn is_confirmed(change: &Change, status: StatusCode, body: &str, is_oktas: bool) -> bool {
        let mut headers = HeaderMap::new();
        if is_oktas {
            headers.insert("x-okta-request-id", HeaderValue::from_static("req-1"));
        }
        let reply = Reply { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
        changed(&reply, &change.confirmation).is_ok()
    }

    #[test]
    fn a_link_with_a_credential_of_its_own_is_not_followed() {
        let org = Url::parse("https://acme.okta.com").unwrap();
        let asked = org.join("/api/v1/logs").unwrap();
        let auth = crate::Auth::api_token(crate::FixedSecret::new(secrecy::SecretString::from("00token")));
        let client = Client::new(Org::new("acme", org, auth)).unwrap();
        let next = |target: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")).unwrap());
            client.next_link(&headers, &asked)
        };
        assert!(next("https://acme.okta.com/api/v1/logs?after=1").is_ok());
        for link in
            ["https://user:word@acme.okta.com/api/v1/logs?after=1", "//user@acme.okta.com/api/v1/logs"]
        {
            let told = next(link).unwrap_err().to_string();
            assert!(
                told.contains("https://acme.okta.com as another user") && !told.contains("word"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_success_that_okta_does_not_give_confirms_nothing() {
        let other = r#"{"id":"other","profile":{"name":"Other"}}"#;
        let changes =
            [groups::delete("00g1"), groups::add_user("00g1", "00u1"), groups::remove_user("00g1", "00u1")];
        for change in &changes {
            for body in ["{}", "", "[]", other] {
                assert!(!is_confirmed(change, StatusCode::OK, body, false), "{change:?} {body}");
            }
            assert!(is_confirmed(change, StatusCode::NO_CONTENT, "", false), "{change:?}");
            // Okta says itself that it was Okta.
            assert!(is_confirmed(change, StatusCode::OK, "{}", true), "{change:?}");
        }
        let profile = json!({ "name": "Staff" });
        let create = groups::create(profile.as_object().unwrap());
        assert!(!is_confirmed(&create, StatusCode::OK, other, true));
        assert!(is_confirmed(&create, StatusCode::OK, r#"{"id":"00g1","profile":{"name":"Staff"}}"#, true));
    }
}
