//! Okta's log as a route reads it, watched: a route reads no further ahead of its cursor than it may.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use okta_client::{OktaError, Priority, logs};
use tokio::time::Instant;
use url::Url;

use super::cursor_check::CursorCheck;
use crate::source::{
    LogSource,
    simulation::{
        PAGE_SIZE,
        log::{SimulatedLog, after},
    },
};

#[derive(Debug)]
pub(super) struct WatchedLog {
    pub(super) log: Arc<SimulatedLog>,
    pub(super) cursors: Arc<CursorCheck>,
    pub(super) bad_until: Instant,
    pub(super) in_flight_pages: usize,
}

impl LogSource for WatchedLog {
    fn page<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        if Instant::now() >= self.bad_until {
            self.log.calm_down();
        }
        // The page that is asked for has its permit too.
        let ahead_max = usize::from(PAGE_SIZE) * (self.in_flight_pages - 1);
        let begin = self.cursors.furthest();
        if let Some(at) = after(url).filter(|at| *at > begin + ahead_max) {
            self.cursors
                .note(format!("the page at {at} is read while only those before {begin} are delivered"));
        }
        self.log.page(url)
    }

    fn part<'a>(
        &'a self,
        url: &'a Url,
        priority: Priority,
    ) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>> {
        self.log.part(url, priority)
    }

    fn okta_now(&self) -> Timestamp {
        self.log.okta_now()
    }
}
