//! What the simulations of rooms share: seeds, lives that end at any of their awaits, a store on a disk that fails.

mod disk;
mod life;
mod mortal;
mod seeds;
mod store;

use disk::Disk;
pub(crate) use life::{Death, Life, World};
pub(crate) use mortal::Mortal;
pub(crate) use seeds::{in_simulated_time, play_all};
pub(crate) use store::{CommitObserver, FailingStore};
