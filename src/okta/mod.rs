//! The Okta side: one client an org, its authentication, its rate budgets, and the typed resources.
//!
//! reqwest is named here and nowhere else. No request leaves for another host than the org's.

mod auth;
mod budget;
mod client;
mod error;
mod header;
mod link;
pub mod logs;
mod quoted;
mod transport;
mod turnstile;

pub use auth::AuthError;
pub use budget::{BudgetStatus, Priority};
pub use client::Client;
pub use error::{Class, OktaError};
pub use transport::ClientError;
