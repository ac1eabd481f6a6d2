//! The doorbells: receivers of Okta's event hooks, or of messages in their place. A ring wakes the streams of its org early and
//! carries no data: what it says is not believed, and the System Log delivers.
//!
//! The listener of hooks has a thread of its own, so that it answers in time whatever the rest of the daemon does. Moves no
//! cursor, knows no route, and asks Okta for nothing by itself.

mod bell;
mod hooks;
mod listener;
mod messages;
mod refusal;
mod refusals;
mod secrets;

use std::{net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use bell::{Doorbell, DoorbellSnapshot};
pub use listener::DoorbellError;
pub(crate) use listener::REFRESH_EVERY;

use crate::{
    config::{DoorbellsConfig, RingSource},
    serving::{BoundAddress, refresh::RefreshHandle},
};
use listener::Listener;
use messages::MessageBell;

/// All doorbells of the daemon.
#[derive(Debug)]
pub struct Doorbells {
    all: Vec<Arc<Doorbell>>,
    listener: Option<Listener>,
    messages: Vec<MessageBell>,
}

/// What of doorbells that run serves others that follow them: how often each was rung, and the address.
#[derive(Debug, Clone, Default)]
pub struct DoorbellsInUse {
    all: Vec<Arc<Doorbell>>,
    bound: Option<Arc<BoundAddress>>,
}

impl DoorbellsInUse {
    /// Each of them.
    pub fn all(&self) -> &[Arc<Doorbell>] {
        &self.all
    }
}

impl Doorbells {
    /// The doorbells of `config`, which wake nothing before they are told which streams there are. Binds the address of hooks,
    /// and reads the secrets. Connects to nothing.
    pub async fn open(config: &DoorbellsConfig, in_use: &DoorbellsInUse) -> Result<Self, DoorbellError> {
        let (mut all, mut hooks, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for (org, source) in &config.orgs {
            let kind = match source {
                RingSource::Hook(_) => "hook",
                RingSource::Nats { .. } => "nats",
            };
            let before = in_use.all.iter().find(|bell| bell.org() == org && bell.kind() == kind);
            let bell = before.cloned().unwrap_or_else(|| Arc::new(Doorbell::new(org, kind)));
            all.push(Arc::clone(&bell));
            match source {
                RingSource::Hook(hook) => hooks.push((bell, hook.clone())),
                RingSource::Nats { bus, subject } => {
                    messages.push(MessageBell { bell, bus: Arc::clone(bus), subject: subject.clone() });
                }
            }
        }
        let listener = match &config.listener {
            Some(listener) if !hooks.is_empty() => {
                Some(Listener::bind(listener, hooks, in_use.bound.as_ref()).await?)
            }
            _ => None,
        };
        Ok(Self { all, listener, messages })
    }

    /// Each of them, for those who show how they stand.
    pub fn all(&self) -> Vec<Arc<Doorbell>> {
        self.all.clone()
    }

    /// What serves those that may follow.
    pub fn in_use(&self) -> DoorbellsInUse {
        DoorbellsInUse { all: self.all.clone(), bound: self.listener.as_ref().map(Listener::bound) }
    }

    /// Has the secrets and the certificate of those that are hooks read again.
    pub(crate) fn refresh_handle(&self) -> Option<RefreshHandle> {
        self.listener.as_ref().map(Listener::refresh_handle)
    }

    /// Where hooks are received.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::address)
    }

    /// Takes rings until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        if let Some(listener) = self.listener {
            tasks.spawn(listener.run(stop.clone()));
        }
        for messages in self.messages {
            tasks.spawn(messages.run(stop.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}
