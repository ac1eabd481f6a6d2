//! One Okta org over HTTP: credentials and DPoP, rate budgets, links, errors, and typed resources.
//!
//! Begin with [`Client::new`]. [`logs`] reads the System Log; the other modules build [`Target`]s to
//! [look up](Client::look_up) and [`Change`]s to [make](Client::reserve). No request leaves for another host than the
//! org's.
#![doc = include_str!("../README.md")]

pub mod apps;
mod auth;
mod budget;
mod chain;
mod client;
mod clock;
pub mod consents;
mod error;
pub mod event_hooks;
pub mod factors;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod groups;
mod header;
mod link;
pub mod logs;
mod observer;
pub mod pem;
mod quoted;
mod rate_limiter;
mod request;
pub mod roles;
mod scope;
mod settings;
mod source;
mod transport;
pub mod users;
pub mod zones;

pub use auth::{AuthError, require_private_key};
pub use budget::{BudgetStatus, Priority};
pub use client::{ChangePermit, Changed, Client, Found};
pub use error::{Class, OktaError};
pub use observer::Observer;
pub use request::{Change, Target, is_id};
pub use scope::Scope;
pub use settings::{
    Auth, BUDGET_SHARE_DEFAULT, Dpop, HttpSettings, Org, PrivateKeyJwt, ProxyAuth, SigningAlgorithm,
    is_loopback,
};
pub use source::{FixedSecret, PemSource, SecretSource, Source, SourceError};
pub use transport::ClientError;
