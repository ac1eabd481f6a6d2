//! What the simulations of rooms share: seeds, a life that ends at any of its awaits, a disk that fails.

mod disk;
mod mortal;
mod seeds;

pub(crate) use disk::Disk;
pub(crate) use mortal::Mortal;
pub(crate) use seeds::play_all;
