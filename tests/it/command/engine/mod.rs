//! Commands from the queue to their outcomes, by the daemon as a process of its own, against the simulated org.

mod audit;
mod bad;
mod budget;
mod bulk;
mod by_hand;
mod crash;
mod faults;
mod files;
mod order;
mod policy;
mod queue;
mod replies;
mod reversal;
mod scene;
mod signatures;
mod size;
mod table;
mod together;
mod unopened;
