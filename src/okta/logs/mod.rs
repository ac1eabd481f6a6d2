//! The System Log: `GET /api/v1/logs`, in its two ways.
//!
//! A *polling* request never ends and leaves nothing out; a *bounded* one covers a window and ends, and may miss what is
//! late (Okta, "System Log query").

mod bounded;
mod polling;

use jiff::Timestamp;
use url::Url;

use super::Client;

pub use crate::config::RETENTION;
pub use bounded::{Part, Window, part, window_url};
pub use polling::{Answer, Query, first_url, get};

fn logs_url(client: &Client) -> Url {
    let mut url = client.org().url.clone();
    url.set_path("/api/v1/logs");
    url
}

/// Milliseconds and `Z`, as Okta writes times itself.
fn okta_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
