//! Networks that requests come from, with numbers reserved for documentation.

/// What is known about an address.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) as_number: u32,
    pub(super) as_org: &'static str,
    pub(super) isp: &'static str,
    pub(super) domain: Option<&'static str>,
    pub(super) is_proxy: bool,
    /// Operator and type of a service that hides its users.
    pub(super) anonymizer: Option<(&'static str, &'static str)>,
}

/// The company's own network.
pub(super) const OFFICE: Network = Network {
    as_number: 64_496,
    as_org: "acme corporation",
    isp: "acme corporation",
    domain: Some("acme.example"),
    is_proxy: false,
    anonymizer: None,
};

/// Where people live and travel.
pub(super) const HOMES: [Network; 3] = [
    Network {
        as_number: 64_500,
        as_org: "northwind broadband",
        isp: "northwind broadband",
        domain: Some("northwind.example"),
        is_proxy: false,
        anonymizer: None,
    },
    Network {
        as_number: 64_501,
        as_org: "télécom \"plus\" s.a.",
        isp: "telecom plus",
        domain: None,
        is_proxy: false,
        anonymizer: None,
    },
    Network {
        as_number: 64_502,
        as_org: "contoso mobile",
        isp: "contoso mobile",
        domain: Some("."),
        is_proxy: false,
        anonymizer: None,
    },
];

/// Where attackers hide.
pub(super) const HIDEOUTS: [Network; 2] = [
    Network {
        as_number: 64_510,
        as_org: "exit node hosting",
        isp: "exit node hosting",
        domain: Some("exit.example"),
        is_proxy: true,
        anonymizer: Some(("Tor", "Tor")),
    },
    Network {
        as_number: 64_511,
        as_org: "hideaway vpn",
        isp: "hideaway vpn",
        domain: None,
        is_proxy: true,
        anonymizer: Some(("HIDEAWAY_VPN", "VPN")),
    },
];
