//! Whether an operator has paused a route. A paused route reads nothing more; what it has read is still delivered. Says nothing of
//! where that is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Who has paused a route, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutePause {
    /// When.
    pub at: Timestamp,
    /// The operator, as far as known.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The switch of one route. Its loop looks at it before each request for a page, and each slot of a search.
#[derive(Debug, Default)]
pub(super) struct PauseSwitch(watch::Sender<Option<RoutePause>>);

impl PauseSwitch {
    /// Pauses the route, or lets it go on; gives what was before.
    pub(super) fn set(&self, pause: Option<RoutePause>) -> Option<RoutePause> {
        self.0.send_replace(pause)
    }

    pub(super) fn current(&self) -> Option<RoutePause> {
        self.0.borrow().clone()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits while the route is paused. Cancel-safe.
    pub(super) async fn until_running(&self) {
        // The sender is here, so that this does not fail.
        let _ = self.0.subscribe().wait_for(Option::is_none).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_paused_route_waits_until_it_is_resumed() {
        let switch = PauseSwitch::default();
        assert!(switch.until_running().now_or_never().is_some());
        let pause = RoutePause { at: Timestamp::UNIX_EPOCH, by: "ada".to_owned(), reason: None };
        assert_eq!(switch.set(Some(pause.clone())), None);
        let mut running = std::pin::pin!(switch.until_running());
        assert!(running.as_mut().now_or_never().is_none());
        assert_eq!(switch.set(None), Some(pause));
        running.await;
    }
}
