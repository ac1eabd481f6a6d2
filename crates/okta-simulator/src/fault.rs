//! The faults a test can arm, and which request meets which. What each one does is done where it
//! strikes: in `server` and `answer` for whole answers, in `logs` for pages, in `feed` for new
//! events.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Faults that can be armed at the same time.
const MAX_ARMED: usize = 100;
/// How long Okta thinks about a query that is too heavy, in milliseconds.
pub(super) const HEAVY_QUERY_MS: u64 = 30_000;
/// How much a page can be padded.
const MAX_MEBIBYTES: usize = 256;
/// How many items a page can have.
const MAX_ITEMS: usize = 100_000_000;

/// Something that goes wrong, as it is armed over `POST /-/faults`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Fault {
    /// Wait before the headers.
    Delay { milliseconds: u64 },
    /// Send the headers and half of the body, then nothing more.
    Stall,
    /// Close the connection in the middle of the body, with the true `Content-Length` announced.
    CutBody,
    /// Close the connection without an answer.
    DropConnection,
    /// Answer with a web page, as what stands between client and org does.
    NotJson {
        #[serde(default = "default_page_status")]
        status: u16,
    },
    /// Answer another status, in Okta's body shape.
    Status { status: u16, error_code: Option<String> },
    /// Answer 429.
    RateLimited {
        #[serde(default)]
        headers: ThrottleHeaders,
        /// How far ahead the reset is, in seconds; negative for a reset in the past.
        #[serde(default = "default_reset_seconds")]
        seconds: i64,
    },
    /// Refuse the cursor of any request that carries one, or of those that carry this one.
    RefuseCursor { cursor: Option<String> },
    /// Begin the page with the last events of the page before.
    Duplicates { events: usize },
    /// Answer polling with `[]` and a `next` link that differs from `self`, though there is more.
    EmptyPages,
    /// Let the `next` link point at another host, another path, or both.
    ForeignNext { host: Option<String>, next_path: Option<String> },
    /// Let the `next` link be the link that was asked, events or not.
    StuckNext,
    /// Let the page be an array of so many zeros.
    ManyItems { items: usize },
    /// Insert an event that is not as it should be.
    OddEvent { oddity: Oddity },
    /// Pad the page with white space.
    HugeBody { mebibytes: usize },
    /// Shift the org's clock by some seconds: `Date`, `X-Rate-Limit-Reset`, and what tokens are judged by.
    ClockSkew { seconds: i64 },
    /// Carry a write out, and drop the answer.
    AnswerLost {
        #[serde(default)]
        instead: Instead,
    },
    /// Let bounded requests for more events end in an internal error after a while.
    HeavyQuery {
        events: usize,
        #[serde(default = "default_heavy_query_ms")]
        milliseconds: u64,
    },
    /// Publish new events in the past; `count` counts events.
    Late { seconds: i64 },
    /// Do not send a delivery of an event hook; `count` counts deliveries.
    HookLost,
    /// Send it twice.
    HookTwice,
    /// Send it later.
    HookDelay { milliseconds: u64 },
}

/// How a 429 says when to retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ThrottleHeaders {
    /// The usual three headers.
    #[default]
    Present,
    /// None of them.
    Absent,
    /// Limit 0 and remaining 0, as when too many requests are under way.
    Concurrency,
}

/// What comes instead of an answer that is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Instead {
    /// The connection closes.
    #[default]
    Nothing,
    /// 500, E0000009.
    InternalError,
}

/// What is wrong with an odd event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Oddity {
    /// There is no `uuid`.
    NoUuid,
    /// The `uuid` is a number.
    NumberUuid,
    /// The `actor` is a string.
    StringActor,
    /// It says that it is of the year 2036.
    FarFuture,
}

impl Oddity {
    /// The odd event.
    pub(super) fn json(self) -> &'static str {
        match self {
            Self::NoUuid => r#"{"eventType":"odd.event","published":"2024-08-13T15:58:20.353Z"}"#,
            Self::NumberUuid => {
                r#"{"uuid":42,"eventType":"odd.event","published":"2024-08-13T15:58:20.353Z"}"#
            }
            Self::FarFuture => concat!(
                r#"{"uuid":"dc9fd3c0-598c-11ef-8478-000000000043","eventType":"odd.event","#,
                r#""published":"2036-08-13T15:58:20.353Z"}"#
            ),
            Self::StringActor => concat!(
                r#"{"actor":"nobody","uuid":"dc9fd3c0-598c-11ef-8478-000000000042","#,
                r#""eventType":"odd.event","published":"2024-08-13T15:58:20.353Z"}"#
            ),
        }
    }
}

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Armed {
    #[serde(flatten)]
    fault: Fault,
    /// How often it still strikes; without a count until it is disarmed.
    count: Option<u32>,
    /// How many requests pass before it begins.
    #[serde(default)]
    after: u32,
    /// The only path that it concerns; one that ends in `*` means all that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The only method that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<String>,
}

/// Why a fault was not armed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FaultError {
    #[error("{MAX_ARMED} faults are armed already; disarm them with DELETE /-/faults")]
    TooMany,
    #[error("a body of {0} MiB is too much; use up to {MAX_MEBIBYTES}")]
    TooHuge(usize),
    #[error("{0} items are too many; use up to {MAX_ITEMS}")]
    TooManyItems(usize),
    #[error("{0} is not an HTTP status that can be answered; use 400 to 599")]
    Status(u16),
    #[error("{0} is not an HTTP status with a body; use 200 to 599")]
    PageStatus(u16),
}

/// All armed faults.
#[derive(Debug, Default)]
pub(super) struct Faults {
    armed: Mutex<Vec<Armed>>,
}

impl Faults {
    /// Arms one more.
    pub(super) fn arm(&self, armed: Armed) -> Result<(), FaultError> {
        match armed.fault {
            Fault::Status { status, .. } if !(400..=599).contains(&status) => {
                return Err(FaultError::Status(status));
            }
            Fault::NotJson { status } if !(200..=599).contains(&status) => {
                return Err(FaultError::PageStatus(status));
            }
            Fault::HugeBody { mebibytes } if mebibytes > MAX_MEBIBYTES => {
                return Err(FaultError::TooHuge(mebibytes));
            }
            Fault::ManyItems { items } if items > MAX_ITEMS => return Err(FaultError::TooManyItems(items)),
            _ => {}
        }
        let mut all = self.lock();
        if all.len() >= MAX_ARMED {
            return Err(FaultError::TooMany);
        }
        all.push(armed);
        Ok(())
    }

    /// Disarms all.
    pub(super) fn disarm(&self) {
        self.lock().clear();
    }

    /// What is armed and how much of it is left.
    pub(super) fn armed(&self) -> Vec<Armed> {
        self.lock().clone()
    }

    /// What a request meets that carries this `after`, in the order of arming.
    pub(super) fn strike_request(&self, method: &str, path: &str, after: Option<&str>) -> Vec<Fault> {
        self.strike(Some((method, path)), |fault| match fault {
            Fault::Late { .. } | Fault::HookLost | Fault::HookTwice | Fault::HookDelay { .. } => false,
            Fault::AnswerLost { .. } => is_write(method, path),
            Fault::RefuseCursor { cursor: Some(cursor) } => after == Some(cursor.as_str()),
            Fault::RefuseCursor { cursor: None } => after.is_some(),
            _ => true,
        })
    }

    /// By how many seconds a new event is late.
    pub(super) fn strike_event(&self) -> i64 {
        let struck = self.strike(None, |fault| matches!(fault, Fault::Late { .. }));
        let seconds = struck.iter().map(|fault| match fault {
            Fault::Late { seconds } => *seconds,
            _ => 0,
        });
        seconds.sum()
    }

    /// What a delivery of an event hook meets.
    pub(super) fn strike_hook(&self) -> Vec<Fault> {
        self.strike(None, |fault| {
            matches!(fault, Fault::HookLost | Fault::HookTwice | Fault::HookDelay { .. })
        })
    }

    fn strike(&self, request: Option<(&str, &str)>, concerns: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let mut struck = Vec::new();
        self.lock().retain_mut(|armed| {
            if !armed.is_met_by(request) || !concerns(&armed.fault) {
                return true;
            }
            if armed.after > 0 {
                armed.after -= 1;
                return true;
            }
            let Some(count) = &mut armed.count else {
                struck.push(armed.fault.clone());
                return true;
            };
            if *count > 0 {
                struck.push(armed.fault.clone());
                *count -= 1;
            }
            *count > 0
        });
        struck
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn is_met_by(&self, request: Option<(&str, &str)>) -> bool {
        let is_path = |path: &str| match self.path.as_deref() {
            None => true,
            Some(wanted) => wanted.strip_suffix('*').map_or(path == wanted, |start| path.starts_with(start)),
        };
        match request {
            None => self.path.is_none() && self.method.is_none(),
            Some((method, path)) => {
                is_path(path) && self.method.as_deref().is_none_or(|wanted| wanted == method)
            }
        }
    }
}

/// Whether a request changes anything but tokens.
pub(super) fn is_write(method: &str, path: &str) -> bool {
    method != "GET" && path.starts_with("/api/")
}

fn default_heavy_query_ms() -> u64 {
    HEAVY_QUERY_MS
}

fn default_page_status() -> u16 {
    200
}

fn default_reset_seconds() -> i64 {
    30
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &str = "/api/v1/logs";

    fn armed(json: &str) -> Armed {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_fault_waits_strikes_and_is_gone() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"stall","count":2,"after":1}"#)).unwrap();
        let struck: Vec<usize> = (0..4).map(|_| faults.strike_request("GET", LOGS, None).len()).collect();
        assert_eq!(struck, [0, 1, 1, 0]);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn without_a_count_it_stays_until_disarmed() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"rate_limited"}"#)).unwrap();
        assert_eq!(faults.strike_request("GET", LOGS, None).len(), 1);
        assert_eq!(faults.strike_request("GET", LOGS, None).len(), 1);
        faults.disarm();
        assert!(faults.strike_request("GET", LOGS, None).is_empty());
    }

    #[test]
    fn cursors_and_late_events_are_met_only_where_they_belong() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"refuse_cursor","cursor":"5_1","count":1}"#)).unwrap();
        faults.arm(armed(r#"{"kind":"late","seconds":600,"count":1}"#)).unwrap();
        assert!(faults.strike_request("GET", LOGS, None).is_empty());
        assert!(faults.strike_request("GET", LOGS, Some("6_1")).is_empty());
        assert_eq!(faults.strike_request("GET", LOGS, Some("5_1")).len(), 1);
        assert_eq!((faults.strike_event(), faults.strike_event()), (600, 0));
    }

    #[test]
    fn a_fault_may_concern_one_path() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"stall","path":"/oauth2/v1/token","count":1}"#)).unwrap();
        assert!(faults.strike_request("GET", LOGS, None).is_empty());
        assert_eq!(faults.strike_request("POST", "/oauth2/v1/token", None).len(), 1);
    }

    #[test]
    fn a_fault_may_concern_one_method_and_all_paths_of_a_beginning() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"stall","path":"/api/v1/users*","method":"POST"}"#)).unwrap();
        let strikes = |method, path| !faults.strike_request(method, path, None).is_empty();
        assert!(strikes("POST", "/api/v1/users") && strikes("POST", "/api/v1/users/00u1/lifecycle/suspend"));
        assert!(!strikes("GET", "/api/v1/users") && !strikes("POST", "/api/v1/groups"));
    }

    #[test]
    fn only_writes_lose_their_answers() {
        let faults = Faults::default();
        faults.arm(armed(r#"{"kind":"answer_lost","count":1}"#)).unwrap();
        assert!(faults.strike_request("GET", "/api/v1/users", None).is_empty());
        assert!(faults.strike_request("POST", "/oauth2/v1/token", None).is_empty());
        assert_eq!(faults.strike_request("DELETE", "/api/v1/users/00u1", None).len(), 1);
    }

    #[test]
    fn nonsense_is_refused() {
        let faults = Faults::default();
        assert!(faults.arm(armed(r#"{"kind":"status","status":200}"#)).is_err());
        assert!(faults.arm(armed(r#"{"kind":"huge_body","mebibytes":257}"#)).is_err());
        assert!(faults.arm(armed(r#"{"kind":"not_json","status":101}"#)).is_err());
        assert!(faults.arm(armed(r#"{"kind":"many_items","items":100000001}"#)).is_err());
        assert!(serde_json::from_str::<Armed>(r#"{"kind":"gremlins"}"#).is_err());
    }
}
