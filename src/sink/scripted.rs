//! A scripted sink for tests: the real delivery loop runs without a bus.

use std::{
    collections::BTreeSet,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::Notify;

use super::{BatchError, Receipt, Rejected, Settled, Sink, SinkError, Stall, StallReason};
use crate::{bus::BusError, message::Messages};

/// What a bus of tests does, and what it has.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    /// The ids of the messages that it took, in their order.
    pub(crate) taken: Vec<String>,
    /// It refuses every message.
    pub(crate) refuses_all: bool,
    /// The ids of messages that it refuses always.
    pub(crate) refuses: BTreeSet<String>,
    /// It answers nothing, and nothing can be sent to it.
    pub(crate) is_unreachable: bool,
    /// It takes messages and acknowledges none.
    pub(crate) is_mute: bool,
    /// Handing messages over waits for ever, as it does where a queue is full.
    pub(crate) is_full: bool,
    /// How often something was published.
    pub(crate) publications: usize,
}

/// A sink on such a bus.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted {
    bus: Arc<Mutex<Bus>>,
    changed: Arc<Notify>,
}

impl Scripted {
    /// The bus as it is.
    pub(crate) fn bus(&self) -> MutexGuard<'_, Bus> {
        self.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the bus does.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Bus)) {
        change(&mut self.bus());
        self.changed.notify_waiters();
    }

    fn take(&self, batch: &Messages, from: usize) -> Result<Settled, BatchError> {
        let mut bus = self.bus();
        let mut rejected = Vec::new();
        let mut id = String::new();
        for (index, message) in batch.messages().enumerate().skip(from) {
            if bus.is_unreachable {
                return Err(BatchError { first_undelivered: index, rejected, error: unreachable() });
            }
            message.write_id(&mut id);
            if bus.refuses_all || bus.refuses.contains(&id) {
                let reason = format!("{} bytes are too many", message.payload.len());
                rejected.push(Rejected { index, reason });
            } else {
                bus.taken.push(id.clone());
            }
        }
        Ok(Settled { rejected, mark: None })
    }

    async fn until(&self, is_so: impl Fn(&Bus) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.bus()) {
                return;
            }
            changed.await;
        }
    }
}

impl Sink for Scripted {
    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move {
            self.until(|bus| !bus.is_full).await;
            if self.bus().is_unreachable {
                return Err(unreachable());
            }
            self.bus().publications += 1;
            let (sink, batch) = (self.clone(), Arc::clone(batch));
            Ok(async move {
                sink.until(|bus| !bus.is_mute).await;
                sink.take(&batch, from)
            }
            .boxed())
        }
        .boxed()
    }

    fn stall_reason(&self) -> StallReason {
        let sink = self.clone();
        Box::new(move || {
            let bus = sink.bus();
            (bus.is_full || bus.is_mute)
                .then(|| Stall::transient("nothing was acknowledged for 7 s".to_owned()))
        })
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        let recovered = if self.bus().is_unreachable { Err(unreachable()) } else { Ok(()) };
        ready(recovered).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

fn unreachable() -> SinkError {
    BusError::Unreachable { name: "scripted".to_owned(), reason: "it does not answer".to_owned() }.into()
}
