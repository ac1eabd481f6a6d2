//! Why a simulator did not start. What it answers to clients is in `okta_error`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address is taken or not ours.
    #[error("cannot listen on {listen}; choose another address")]
    Bind {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The events file cannot be read.
    #[error("cannot read the events file {}", path.display())]
    EventsFile {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The events file holds something else than events.
    #[error(
        "{} holds no System Log events; expected a JSON array or JSON lines of objects",
        path.display()
    )]
    Events {
        /// The file that was asked for.
        path: PathBuf,
        /// Where it went wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file with apps cannot be read.
    #[error("cannot read the file with apps {}", path.display())]
    AppsFile {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file with apps holds something else.
    #[error("{} holds no service apps; expected a JSON array of objects", path.display())]
    Apps {
        /// The file that was asked for.
        path: PathBuf,
        /// Where it went wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The certificates for hooks cannot be read.
    #[error("cannot use the certificates in {}", path.display())]
    HookAuthorities {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A token's share is no percentage.
    #[error("a token's share must be 1 to 100 percent, not {percent}")]
    TokenShare {
        /// The share that was asked for.
        percent: u8,
    },
    /// The rate is negative or not a number.
    #[error("the rate must be zero or more events a second, not {rate}")]
    Rate {
        /// The rate that was asked for.
        rate: f64,
    },
    /// The public URL cannot carry a path.
    #[error("the public URL {url} must be like https://okta.example.com")]
    PublicUrl {
        /// The URL that was asked for.
        url: Url,
    },
    /// The address cannot be written as a URL.
    #[error("the address cannot be written as a URL")]
    Url(#[from] url::ParseError),
    /// The runtime went down while the log was being filled.
    #[error("interrupted while filling the log")]
    Interrupted,
}
