//! Requests to one org, each with a credential and within the budget, so that no resource has to think of either.

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, HeaderMap, LINK},
};
use url::Url;

use super::{
    BudgetStatus, OktaError, Priority,
    auth::{Authenticator, Credential, Verdict},
    header, link,
    transport::{ClientError, Failure, Reply, Transport},
};
use crate::config::OrgConfig;

/// Attempts at one request, at most: connections break, tokens expire, nonces change. Each has a cause that the next
/// attempt does away with.
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

impl Client {
    /// A client of `org`. Reads the file with certificate authorities and the private key, if they are set, to see that
    /// they can be used. Talks to nobody.
    pub fn new(org: OrgConfig) -> Result<Self, ClientError> {
        let auth = Authenticator::new(&org)?;
        Ok(Self { transport: Transport::new(org)?, auth })
    }

    /// The org's configuration.
    pub fn org(&self) -> &OrgConfig {
        self.transport.org()
    }

    /// How the budget of `/api/v1/logs` stands.
    pub fn logs_budget(&self) -> BudgetStatus {
        self.transport.logs_budget()
    }

    /// Sets the gauges of the budgets of all buckets that have been used.
    pub fn report_budgets(&self) {
        self.transport.report_budgets();
    }

    /// Reads the secret again. One that cannot be used leaves the one before in place; a usable one that Okta then refuses
    /// gives way to the one before, if that has worked. What happened is logged.
    pub async fn reload_secret(&self) {
        self.auth.reload(&self.org().name).await;
    }

    /// How we identify ourselves, in words, as far as it is known now.
    pub fn authentication(&self) -> String {
        self.auth.description()
    }

    /// Whether `url` has the org's own origin, so that a credential may go there.
    pub fn is_own(&self, url: &Url) -> bool {
        self.transport.is_own(url)
    }

    /// Gets `url` within the budget.
    pub(super) async fn get(&self, url: &Url, priority: Priority) -> Result<Answer, OktaError> {
        if !self.is_own(url) {
            return Err(self.foreign(url.origin().ascii_serialization()));
        }
        let mut attempts_left = ATTEMPTS_MAX;
        let mut has_broken = false;
        loop {
            attempts_left -= 1;
            let credential = self.auth.credential(&self.transport).await?;
            let reply = match self.attempt(url, priority, &credential).await {
                Ok(reply) => reply,
                // A GET may be repeated.
                Err(Failure::Broken(_)) if !has_broken && attempts_left > 0 => {
                    has_broken = true;
                    continue;
                }
                Err(failure) => return Err(failure.into_error()),
            };
            let verdict = self.auth.judge(&credential, &reply, &self.transport).await;
            if verdict == Verdict::TryAgain && attempts_left > 0 {
                continue;
            }
            return self.answer(reply);
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        priority: Priority,
        credential: &Credential,
    ) -> Result<Reply, Failure> {
        let turn = self.transport.turn(&Method::GET, url, priority).await;
        // Only now: what is signed says when it was, and waiting may have taken a minute.
        let authorization = credential.headers(&Method::GET, url, self.transport.okta_epoch_seconds())?;
        let request = self.transport.request(Method::GET, url).header(ACCEPT, "application/json");
        self.transport.send(turn, request.headers(authorization)).await
    }

    fn answer(&self, reply: Reply) -> Result<Answer, OktaError> {
        if reply.status != StatusCode::OK {
            let request_id = header::request_id(&reply.headers);
            let challenge = header::challenge(&reply.headers);
            return Err(OktaError::from_answer(reply.status.as_u16(), &reply.body, challenge, request_id));
        }
        Ok(Answer { next: self.next_link(&reply.headers)?, body: reply.body })
    }

    fn next_link(&self, headers: &HeaderMap) -> Result<Option<Url>, OktaError> {
        let lines = headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
        let Some(target) = link::find(lines, "next") else { return Ok(None) };
        // A relative target is legal in RFC 8288.
        let next = self.org().url.join(target).map_err(|_| self.foreign("nowhere".to_owned()))?;
        if !self.is_own(&next) {
            return Err(self.foreign(next.origin().ascii_serialization()));
        }
        Ok(Some(next))
    }

    fn foreign(&self, found: String) -> OktaError {
        OktaError::ForeignLink { found, expected: self.transport.host() }
    }
}
