//! Where outcomes go: one parcel at a time, each with proof, and one file a bus.
//!
//! # The contract
//!
//! * [`Outlet::publish`] returns when the bus has proved that it has the parcel. After an error it may be called again
//!   with the same parcel, after a wait: the outlet connects anew by itself.
//! * A parcel that is published again has the same id, so that readers, and JetStream itself, recognise the copy.
//! * Several parcels may be published at the same time.
//!
//! Knows nothing of commands but how their outcomes are named.

mod error;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod parcel;
mod stdout;

use std::collections::BTreeSet;

use crate::{
    config::{FileStem, SinkConfig},
    sink::{Finding, SinkError},
};

pub use error::{OutletCure, OutletError};
pub use parcel::Parcel;

/// A way to publish parcels.
#[derive(Debug)]
pub struct Outlet(Kind);

#[derive(Debug)]
enum Kind {
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaOutlet),
    #[cfg(feature = "nats")]
    Nats(Box<nats::NatsOutlet>),
    File(file::FileOutlet),
    Stdout(stdout::StdoutOutlet),
}

impl Outlet {
    /// Opens `sink` for what the commands `commands` publish: outcomes, which have files of their own, or commands. A bus
    /// is connected with the first parcel.
    pub async fn open(sink: &SinkConfig, commands: &str) -> Result<Self, SinkError> {
        Self::open_with(sink, FileStem::of_outcomes(commands)).await
    }

    /// Opens `sink` for the audit of the commands `commands`, which has files of its own too.
    pub async fn open_for_audit(sink: &SinkConfig, commands: &str) -> Result<Self, SinkError> {
        Self::open_with(sink, FileStem::of_audit(commands)).await
    }

    async fn open_with(sink: &SinkConfig, stem: FileStem) -> Result<Self, SinkError> {
        let kind = match sink {
            #[cfg(feature = "kafka")]
            SinkConfig::Kafka(sink) => Kind::Kafka(kafka::KafkaOutlet::new(sink.clone())),
            #[cfg(feature = "nats")]
            SinkConfig::Nats(sink) => Kind::Nats(Box::new(nats::NatsOutlet::new(sink.clone()))),
            SinkConfig::File(sink) => Kind::File(file::FileOutlet::open(sink, stem).await?),
            SinkConfig::Stdout(sink) => Kind::Stdout(stdout::StdoutOutlet { name: sink.name.clone() }),
            #[cfg(not(feature = "kafka"))]
            SinkConfig::Kafka(sink) => {
                return Err(SinkError::NotBuilt { sink: sink.name.clone(), feature: "kafka" });
            }
            #[cfg(not(feature = "nats"))]
            SinkConfig::Nats(sink) => {
                return Err(SinkError::NotBuilt { sink: sink.name.clone(), feature: "nats" });
            }
        };
        Ok(Self(kind))
    }

    /// Looks whether `sink` could take parcels for all of `addresses`. Publishes and creates nothing.
    #[cfg_attr(
        not(any(feature = "kafka", feature = "nats")),
        expect(clippy::unused_async, unused_variables, reason = "only buses have addresses")
    )]
    pub async fn check(sink: &SinkConfig, addresses: &BTreeSet<String>) -> Result<Vec<Finding>, OutletError> {
        match sink {
            #[cfg(feature = "kafka")]
            SinkConfig::Kafka(sink) => kafka::check(sink, addresses).await,
            #[cfg(feature = "nats")]
            SinkConfig::Nats(sink) => nats::check(sink, addresses).await,
            SinkConfig::File(_) | SinkConfig::Stdout(_) => Ok(Vec::new()),
            #[cfg(not(feature = "kafka"))]
            SinkConfig::Kafka(sink) => not_built(&sink.name, "kafka"),
            #[cfg(not(feature = "nats"))]
            SinkConfig::Nats(sink) => not_built(&sink.name, "nats"),
        }
    }

    /// Publishes `parcel` and returns when the bus has proved that it has it.
    pub async fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        match &self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(kafka) => kafka.publish(parcel).await,
            #[cfg(feature = "nats")]
            Kind::Nats(nats) => nats.publish(parcel).await,
            Kind::File(file) => file.publish(parcel).await,
            Kind::Stdout(stdout) => stdout.publish(parcel).await,
        }
    }

    /// Lets go of the bus.
    pub async fn close(self) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(kafka) => kafka.close().await,
            #[cfg(feature = "nats")]
            Kind::Nats(nats) => nats.close(),
            Kind::File(file) => file.close().await,
            Kind::Stdout(_) => {}
        }
    }
}

#[cfg(not(all(feature = "kafka", feature = "nats")))]
fn not_built<T>(sink: &str, feature: &'static str) -> Result<T, OutletError> {
    Err(SinkError::NotBuilt { sink: sink.to_owned(), feature }.into())
}

/// Addresses for people: a few of them, and how many more there are.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn listed(addresses: &[&String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = addresses.iter().take(SHOWN).map(|address| format!("`{address}`")).collect();
    let more = match addresses.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Where `parcel` goes: it says so, or `own` does for all parcels of the sink `sink`.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn address<'a>(parcel: &'a Parcel, own: Option<&'a str>, sink: &str) -> Result<&'a str, OutletError> {
    parcel.address.as_deref().or(own).ok_or_else(|| {
        let reason = "the topic or subject of this sink depends on an event, and outcomes are none: give them one of their \
                      own"
            .to_owned();
        SinkError::Misconfigured { sink: sink.to_owned(), reason }.into()
    })
}
