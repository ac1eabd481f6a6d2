//! What the simulations of rooms share: seeds, what happened in them, lives that end at any of their awaits, a store on a
//! disk that fails, an org.

mod disk;
mod happened;
mod life;
mod mortal;
mod org;
mod seeds;
mod store;

use disk::Disk;
pub(crate) use happened::happens;
pub(crate) use life::{Death, Life, World};
pub(crate) use mortal::Mortal;
pub(crate) use org::client;
pub(crate) use seeds::{Simulation, in_simulated_time, play_all};
pub(crate) use store::{CommitObserver, FailingStore};
