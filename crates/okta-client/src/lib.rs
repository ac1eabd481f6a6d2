//! The Okta side: one client an org, its authentication, its rate budgets, and the typed resources.
//!
//! reqwest is named here and nowhere else. No request leaves for another host than the org's.

pub mod apps;
mod auth;
mod budget;
mod client;
mod clock;
pub mod consents;
mod error;
pub mod factors;
pub mod groups;
mod header;
mod link;
pub mod logs;
mod quoted;
mod request;
pub mod roles;
mod transport;
mod turnstile;
pub mod users;
pub mod zones;

pub use auth::AuthError;
pub use budget::{BudgetStatus, Priority};
pub use client::{Changed, Client, Found};
pub use error::{Class, OktaError};
pub use request::{Change, Target, is_id};
pub use transport::ClientError;
