//! Where requests come from: clients on networks at places. Addresses are from the ranges reserved
//! for documentation.

use fastrand::Rng;

use super::browser::{BROWSERS, SCRIPT, UserAgent};
use super::network::{HIDEOUTS, HOMES, Network, OFFICE};
use super::place::Place;

/// A client on a network at a place.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) ip: String,
    pub(super) ip_version: &'static str,
    pub(super) zone: Option<&'static str>,
    pub(super) place: Option<Place>,
    pub(super) browser: UserAgent,
    /// What Okta calls the device: `Computer`, `Mobile` or `Unknown`.
    pub(super) device: &'static str,
    pub(super) network: &'static Network,
    /// A proxy between the client and Okta.
    pub(super) proxy_ip: Option<String>,
}

impl Origin {
    /// At a desk, behind the company's proxy.
    pub(super) fn office(rng: &mut Rng) -> Self {
        let proxy_ip = Some(format!("192.0.2.{}", rng.u8(1..20)));
        let ip = format!("198.51.100.{}", rng.u8(1..250));
        let browser = BROWSERS[rng.usize(..3)];
        Self { zone: Some("LegacyIpZone"), proxy_ip, ..Self::new(rng, ip, &OFFICE, browser) }
    }

    /// At home or on the way, where the zone is the text `null`.
    pub(super) fn home(rng: &mut Rng) -> Self {
        let ip = match rng.u32(..4) {
            0 => format!("2001:db8:{:x}::{:x}", rng.u16(..), rng.u16(1..)),
            _ => format!("203.0.113.{}", rng.u8(1..200)),
        };
        let network = &HOMES[rng.usize(..HOMES.len())];
        let browser = BROWSERS[rng.usize(..BROWSERS.len())];
        Self { zone: Some("null"), ..Self::new(rng, ip, network, browser) }
    }

    /// Somewhere an attacker hides.
    pub(super) fn hideout(rng: &mut Rng) -> Self {
        let ip = format!("203.0.113.{}", rng.u8(200..=254));
        let network = &HIDEOUTS[rng.usize(..HIDEOUTS.len())];
        Self::new(rng, ip, network, (SCRIPT, "Unknown"))
    }

    /// A server that calls the API.
    pub(super) fn server(rng: &mut Rng) -> Self {
        let ip = format!("192.0.2.{}", rng.u8(100..200));
        Self { place: None, ..Self::new(rng, ip, &OFFICE, (SCRIPT, "Unknown")) }
    }

    fn new(
        rng: &mut Rng,
        ip: String,
        network: &'static Network,
        (browser, device): (UserAgent, &'static str),
    ) -> Self {
        let ip_version = if ip.contains(':') { "V6" } else { "V4" };
        let place = Some(Place::any(rng));
        Self { ip, ip_version, zone: None, place, browser, device, network, proxy_ip: None }
    }
}
