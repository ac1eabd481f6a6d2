//! The sinks of one route on a simulated bus.

use std::{
    future::ready,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    super::{Receipt, Sink, SinkError, SinkFactory, Stall, StallReason},
    Connection, Sent, SimulatedBus, lock,
    mood::Mood,
    unreachable,
};
use crate::{
    message::{Messages, Origin},
    state::SinkMark,
};

/// A sink on the bus.
#[derive(Debug)]
struct SimulatedSink {
    bus: Arc<SimulatedBus>,
    connection: Arc<Mutex<Connection>>,
}

/// Opens sinks on the bus.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedFactory(pub(crate) Arc<SimulatedBus>);

impl SimulatedSink {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }
}

impl Drop for SimulatedSink {
    /// Whoever dies leaves messages on their way, of which some arrive.
    fn drop(&mut self) {
        let mut connection = lock(&self.connection);
        if !connection.is_broken {
            self.bus.last_words(&mut connection, &[]);
            connection.is_broken = true;
        }
    }
}

impl Sink for SimulatedSink {
    fn mark(&self) -> Option<SinkMark> {
        self.bus.plan.has_marks.then(|| self.connection().mark())
    }

    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move {
            self.bus.while_in(&[Mood::IsFull]).await;
            if self.connection().is_broken || self.bus.mood() == Mood::IsUnreachable {
                return Err(unreachable());
            }
            let mut messages = Vec::new();
            for message in batch.messages() {
                let mut id = String::new();
                message.write_id(&mut id);
                messages.push((id, message.payload.clone()));
            }
            self.bus.inner().publications += 1;
            let number = {
                let mut connection = self.connection();
                connection.batches += 1;
                let number = connection.batches;
                connection.queue.push_back(Sent { number, from, messages });
                // One more, where refused messages are tried once more.
                if connection.queue.len() > self.bus.plan.in_flight_max + 1 {
                    let wrong = format!("{} batches are with the sink", connection.queue.len());
                    self.bus.inner().wrong.push(wrong);
                }
                number
            };
            let (bus, connection) = (Arc::clone(&self.bus), Arc::clone(&self.connection));
            Ok(async move {
                bus.latency().await;
                bus.while_in(&[Mood::IsMute]).await;
                bus.answer(&connection, number)
            }
            .boxed())
        }
        .boxed()
    }

    fn stall_reason(&self) -> StallReason {
        let bus = Arc::clone(&self.bus);
        Box::new(move || {
            matches!(bus.mood(), Mood::IsFull | Mood::IsMute)
                .then(|| Stall::transient("nothing is acknowledged".to_owned()))
        })
    }

    fn is_cut_off(&self) -> bool {
        self.connection().is_broken
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            {
                let mut connection = self.connection();
                if !connection.is_broken {
                    self.bus.last_words(&mut connection, &[]);
                    connection.is_broken = true;
                }
            }
            let sequence = self.connection().proved();
            self.connection = Arc::new(Mutex::new(self.bus.connect(sequence).await?));
            Ok(())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

impl SinkFactory for SimulatedFactory {
    fn open<'a>(
        &'a self,
        _: &'a Arc<Origin>,
        mark: Option<&'a SinkMark>,
    ) -> BoxFuture<'a, Result<Box<dyn Sink>, SinkError>> {
        async move {
            let bus = Arc::clone(&self.0);
            let sequence = match mark {
                Some(SinkMark::JetStream { sequence, .. }) => usize::try_from(*sequence).unwrap(),
                _ => bus.inner().log.len(),
            };
            let connection = Arc::new(Mutex::new(bus.connect(sequence).await?));
            let sink: Box<dyn Sink> = Box::new(SimulatedSink { bus, connection });
            Ok(sink)
        }
        .boxed()
    }
}
