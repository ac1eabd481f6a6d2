//! Commands from the queue to their outcomes, by the daemon as a process of its own, against the simulated org.

mod approval;
mod audit;
mod bad;
mod budget;
mod bulk;
mod by_hand;
mod crash;
mod faults;
mod files;
mod limits;
mod old;
mod operators;
mod order;
mod parked;
mod policy;
mod protection;
mod queue;
mod redelivery;
mod reload;
mod replies;
mod reversal;
mod scene;
mod signatures;
mod signed_by_hand;
mod size;
mod stalls;
mod stop;
mod table;
mod together;
#[cfg(feature = "otlp")]
mod traces;
mod unconfirmed;
mod unopened;
mod unreadable;
mod waits;
