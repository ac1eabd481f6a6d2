//! The machine that somebody signs on to or connects to, by Privileged Access.

use std::borrow::Cow;

use super::super::{
    log_event::LogEvent,
    party::{Kind, lowest},
    writer::ObjectWriter,
};

/// A server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    hostname: Option<Cow<'a, str>>,
    asset_id: Option<String>,
}

/// Where the debug data names the server that a credential is for.
const HOSTNAMES: &str = "serverHostnames";
/// What an id of an asset has at most.
const ASSET_ID_BYTES_MAX: usize = 128;
/// What a name of a host has at most.
const HOSTNAME_BYTES_MAX: usize = 253;

impl<'a> Server<'a> {
    /// The server of an event; None if it names none, or several.
    pub(super) fn of(event: &LogEvent<'a>) -> Option<Self> {
        if let Some(party) = lowest(event.targets.iter().filter(|target| target.kind == Kind::Server)) {
            let asset_id = party.object.peek("id").and_then(|id| asset_id(&id));
            return Some(Self { hostname: party.name().filter(|name| is_hostname(name)), asset_id });
        }
        let hostname = event.debug_data.peek(HOSTNAMES).filter(|name| is_hostname(name))?;
        Some(Self { hostname: Some(hostname), asset_id: None })
    }

    /// Whether UDM knows it for a machine.
    pub(super) fn is_machine(&self) -> bool {
        self.hostname.is_some() || self.asset_id.is_some()
    }

    /// Writes it as members of a noun.
    pub(super) fn write(&self, out: &mut ObjectWriter<'_>) {
        out.text_if("hostname", self.hostname.as_deref());
        out.text_if("asset_id", self.asset_id.as_deref());
    }
}

/// UDM's name for a machine that a product knows: the vendor and the id. None if its letters are not those of one.
pub(super) fn asset_id(id: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_one = !id.is_empty() && id.len() <= ASSET_ID_BYTES_MAX && id.bytes().all(is_letter);
    is_one.then(|| ["Okta:", id].concat())
}

/// Whether `name` is a name of a host and no more.
pub(super) fn is_hostname(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= HOSTNAME_BYTES_MAX
        && is_end(bytes.first())
        && is_end(bytes.last())
        && name.bytes().all(is_letter)
}
