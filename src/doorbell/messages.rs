//! Rings that come as messages of NATS, for those whom Okta cannot reach. Nothing of a message is read.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::bell::Doorbell;
use crate::config::NatsBus;

/// The doorbell of an org that is rung on a subject.
#[derive(Debug)]
pub(super) struct MessageBell {
    pub(super) bell: Arc<Doorbell>,
    pub(super) bus: Arc<NatsBus>,
    pub(super) subject: String,
}

#[cfg(feature = "nats")]
impl MessageBell {
    /// Listens until `stop`. A bus that is away is tried again for as long as that takes: meanwhile streams go on at their
    /// normal interval.
    pub(super) async fn run(self, stop: CancellationToken) {
        use crate::{bus::nats::subscription::Subscription, retry::RetryPolicy, telemetry::chain};
        let name = format!("doorbell {}", self.bell.org());
        let mut backoff = RetryPolicy::QUEUE.backoff();
        let listening = async {
            loop {
                let err = match Subscription::open(&name, &self.bus, &self.subject).await {
                    Ok(mut subscription) => {
                        self.bell.trouble(None);
                        tracing::info!(org = self.bell.org(), subject = self.subject, "the doorbell listens");
                        loop {
                            match subscription.next().await {
                                Ok(()) => {
                                    backoff.reset();
                                    self.bell.ring();
                                }
                                Err(err) => break err,
                            }
                        }
                    }
                    Err(err) => err,
                };
                // Whoever shows the trouble says whose it is.
                let error = chain(&err);
                let error = error.strip_prefix(&format!("{name}: ")).unwrap_or(&error).to_owned();
                if self.bell.trouble(Some(error.clone())) {
                    tracing::warn!(
                        org = self.bell.org(),
                        error,
                        "the doorbell cannot be rung: streams go on at their normal interval; still trying"
                    );
                }
                tokio::time::sleep(backoff.next_wait()).await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(listening).await;
    }
}

#[cfg(not(feature = "nats"))]
impl MessageBell {
    /// This build has no NATS.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { bell, bus, subject } = self;
        let error = format!("this build has no NATS: {subject} on {} is not listened to", bus.name);
        tracing::error!(org = bell.org(), error, "the doorbell cannot be rung");
        bell.trouble(Some(error));
        stop.cancelled().await;
    }
}
