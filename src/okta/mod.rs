//! The Okta side: one client an org, its credentials, its rate budget, and the typed resources.
//!
//! reqwest is named here and nowhere else. No request leaves for another host than the org's.

mod budget;
mod client;
mod error;
mod header;
mod link;
pub mod logs;

pub use budget::BudgetStatus;
pub use client::{Client, ClientError};
pub use error::{Class, OktaError};
