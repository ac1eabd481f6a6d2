//! A plain subscription of NATS, without JetStream: what is published while nobody listens is gone.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;

use super::connection::Connection;
use crate::{bus::BusError, config::NatsBus};

/// How often a silent subscription looks whether the server has denied it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A subscription with a connection of its own.
#[derive(Debug)]
pub(crate) struct Subscription {
    connection: Connection,
    subscriber: Subscriber,
    name: String,
}

impl Subscription {
    /// Subscribes to `subject` on one of the servers of `bus`, for `name`.
    pub(crate) async fn open(name: &str, bus: &NatsBus, subject: &str) -> Result<Self, BusError> {
        let connection = Connection::open(name, bus, 1).await?;
        let subscribed = connection.jetstream.client().subscribe(subject.to_owned()).await;
        let unreachable = |reason: String| BusError::Unreachable { name: name.to_owned(), reason };
        let subscriber = subscribed.map_err(|err| unreachable(err.to_string()))?;
        Ok(Self { connection, subscriber, name: name.to_owned() })
    }

    /// Waits for the next message, of which nothing is read. An error means that this subscription is over.
    pub(crate) async fn next(&mut self) -> Result<(), BusError> {
        loop {
            let link = &self.connection.link;
            tokio::select! {
                biased;
                () = link.lost() => return Err(link.error()),
                message = self.subscriber.next() => return match message {
                    Some(_) => Ok(()),
                    None => {
                        let reason = "the subscription has ended".to_owned();
                        Err(BusError::Unreachable { name: self.name.clone(), reason })
                    }
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Some(denial) = link.denial() {
                return Err(denial);
            }
        }
    }
}
