//! The directory behind Okta's endpoints: from a request to a call of the directory, and from what came of
//! it to an answer, events of the System Log, and a line in the list of writes.

mod apps;
mod groups;
mod roles;
mod users;
mod zones;

use axum::http::StatusCode;
use serde_json::Value;

use super::Directory;
use super::change::Change;
use super::listing::Page;
use super::writes::Write;
use crate::answer::Answer;
use crate::authorization::Principal;
use crate::clock;
use crate::generator::{ApiEvent, Party};
use crate::link::Links;
use crate::okta_error::OktaError;
use crate::org::Org;
use crate::parameters::Parameters;

pub(crate) use apps::AppCall;
pub(crate) use groups::GroupCall;
pub(crate) use roles::RoleCall;
pub(crate) use users::UserCall;
pub(crate) use zones::ZoneCall;

/// The id of every API token in events.
const API_TOKEN_ID: &str = "00Tb8Jq5nXq9wLr3T5d7";

/// One request.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) principal: &'a Principal,
    /// What links begin with: scheme and host.
    pub(crate) base: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) if_match: Option<&'a str>,
    pub(crate) request_id: &'a str,
}

/// A call of one of the directory's parts.
pub(crate) trait Call {
    /// Makes it.
    fn make(&self, directory: &mut Directory, context: &Context<'_>) -> Result<Answer, OktaError>;
}

/// A request as calls see it.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    visit: &'a Visit<'a>,
    parameters: Parameters,
    now_ms: i64,
}

/// Answers one request.
pub(crate) fn answer(org: &Org, visit: &Visit<'_>, call: &impl Call) -> Result<Answer, OktaError> {
    let now_ms = clock::now_ms();
    let context = Context { visit, parameters: Parameters::new(visit.query), now_ms };
    let mut directory = org.directory(now_ms);
    let answer = call.make(&mut directory, &context);
    let changes = directory.take_changes();
    if !changes.is_empty() {
        let actor = visit.principal.party(directory.token_owner.as_ref());
        record(org, visit, &changes, &actor, now_ms);
    }
    answer
}

/// Records changes under the lock of the directory, so that they stay in order.
fn record(org: &Org, visit: &Visit<'_>, changes: &[Change], actor: &Party, now_ms: i64) {
    let at = clock::date_time(now_ms);
    let mut log = org.log_mut();
    for change in changes {
        let event = ApiEvent {
            event_type: change.event_type,
            actor,
            api_token_id: visit.principal.is_token().then_some(API_TOKEN_ID),
            targets: &change.targets,
            request_id: visit.request_id,
            path: visit.path,
        };
        log.append(now_ms, now_ms, &event.render(now_ms, fastrand::u64(..)));
        org.writes.note(Write::new(&at, visit.method, visit.path, visit.request_id, change));
    }
}

impl Context<'_> {
    /// The body as JSON; without one it is `null`.
    fn body(&self) -> Result<Value, OktaError> {
        if self.visit.body.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice(self.visit.body) {
            Ok(body @ Value::Object(_)) => Ok(body),
            _ => Err(OktaError::unreadable_body()),
        }
    }

    /// A page of a list with its links.
    fn page<T>(&self, page: &Page<T>, view: impl Fn(&T) -> Value) -> Answer {
        let views: Vec<Value> = page.things.iter().map(view).collect();
        let mut answer = json(&Value::Array(views));
        let links = Links::new(self.visit.base, self.visit.path, self.visit.query);
        answer.links.push(links.this());
        answer.links.extend(page.next.as_deref().map(|next| links.next(next)));
        answer
    }

    /// All of a list.
    fn all<T>(&self, things: Vec<T>, view: impl Fn(&T) -> Value) -> Answer {
        self.page(&Page { things, next: None }, view)
    }
}

fn json(value: &Value) -> Answer {
    Answer::json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
}

fn created(value: &Value) -> Answer {
    Answer::json(StatusCode::CREATED, serde_json::to_vec(value).unwrap_or_default())
}

fn done() -> Answer {
    json(&Value::Object(serde_json::Map::new()))
}

fn no_content() -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
}
