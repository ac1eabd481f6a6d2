//! Commands from the queue to their outcomes, by the daemon as a process of its own, against the simulated org.

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
mod order;
mod parked;
mod policy;
mod protection;
mod queue;
mod replies;
mod reversal;
mod scene;
mod signatures;
mod size;
mod stalls;
mod stop;
mod table;
mod together;
mod unopened;
mod unreadable;
