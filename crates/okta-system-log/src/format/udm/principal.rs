//! `principal`: who acted, and from which machine and place.

use std::borrow::Cow;

use super::{
    super::{
        facts::{Address, ClientAddress, OS_VERSION, PLATFORM, System, peek_first, take_first},
        log_event::LogEvent,
        object::Object,
        party::Kind,
        writer::ObjectWriter,
    },
    Scene, labels,
    noun::{self, Rights},
    server::{asset_id, is_hostname},
};

/// The machine that a request came from.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    client: Option<ClientAddress<'a>>,
    /// UDM's name for a device that a product knows: the vendor and the id.
    asset_id: Option<String>,
    /// The name of a machine that acts itself.
    hostname: Option<Cow<'a, str>>,
}

impl<'a> Origin<'a> {
    pub(super) fn of(event: &LogEvent<'a>) -> Self {
        let machine = Some(&event.actor).filter(|actor| actor.kind.is_machine());
        let id = event.device.peek("id").or_else(|| machine?.object.peek("id"));
        Self {
            client: ClientAddress::of(event),
            asset_id: id.and_then(|id| asset_id(&id)),
            hostname: machine
                .and_then(|machine| machine.object.peek("displayName"))
                .filter(|name| is_hostname(name)),
        }
    }

    /// The address of the client.
    pub(super) fn address(&self) -> Option<&Address<'a>> {
        self.client.as_ref().map(|client| &client.address)
    }

    /// Whether UDM knows it for a machine.
    pub(super) fn is_machine(&self) -> bool {
        self.client.is_some() || self.asset_id.is_some() || self.hostname.is_some()
    }
}

/// Writes `principal`.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { event, origin, .. } = scene;
    out.object("principal", |out| {
        if let Some(client) = &origin.client {
            client.mark(event);
            out.texts("ip", [&client.address.ip]);
            if let Some(port) = client.address.port.filter(|port| *port > 0) {
                out.integer("port", port);
            }
        }
        // Where there was no client, Okta's own machine did it.
        let host = origin.hostname.as_deref();
        out.text_if("hostname", if origin.is_machine() { host } else { scene.okta_host() });
        out.text_if("asset_id", origin.asset_id.as_deref());
        if scene.has_principal_user() {
            noun::write_user(&event.actor, &Rights::default(), scene.has_rest(), out);
        } else if scene.is_of_unknown_user() {
            // UDM demands somebody. No rule can take this for a login.
            out.object("user", |out| out.text("user_display_name", "Unknown"));
        }
        if event.actor.kind == Kind::App {
            out.text_if("application", event.actor.object.peek("displayName").as_deref());
        }
        write_platform(event.user_agent.take("os"), out);
        write_location(&event.geography, &event.geolocation, out);
        write_asset(scene, out);
    });
}

/// Writes the operating system: UDM's word for it, and Okta's.
fn write_platform(system: Option<Cow<'_, str>>, out: &mut ObjectWriter<'_>) {
    let Some(system) = system else { return };
    out.text_if("platform", platform(&system));
    out.text("platform_version", &system);
}

fn platform(name: &str) -> Option<&'static str> {
    Some(match System::of(name) {
        Some(System::Windows | System::WindowsMobile) => "WINDOWS",
        Some(System::MacOs) => "MAC",
        Some(System::Ios | System::IpadOs) => "IOS",
        Some(System::Linux) => "LINUX",
        Some(System::Android) => "ANDROID",
        None if ["Chrome OS", "ChromeOS"].iter().any(|known| name.eq_ignore_ascii_case(known)) => "CHROME_OS",
        None => return None,
    })
}

/// Writes `location`: Okta's names of a place, and where it is on earth.
pub(super) fn write_location(geography: &Object<'_>, geolocation: &Object<'_>, out: &mut ObjectWriter<'_>) {
    out.object("location", |out| {
        for (udm, okta) in [("city", "city"), ("state", "state"), ("country_or_region", "country")] {
            out.text_if(udm, geography.take(okta).as_deref());
        }
        let degrees = |name: &str, max: f64| {
            let number = geolocation.number(name)?;
            number.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= max).then_some(number)
        };
        if let (Some(lat), Some(lon)) = (degrees("lat", 90.0), degrees("lon", 180.0)) {
            ["lat", "lon"].iter().for_each(|name| geolocation.mark(name));
            out.object("region_coordinates", |out| {
                out.raw("latitude", lat);
                out.raw("longitude", lon);
            });
        }
    });
}

/// Writes `asset`: what kind of machine it was, and the device that Okta knows with all that it says of it.
fn write_asset(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { event, origin, .. } = scene;
    let device = &event.device;
    // A machine that acts itself has nothing else that is told of it.
    let machine = Some(&event.actor.object).filter(|_| event.actor.kind.is_machine());
    out.object("asset", |out| {
        out.text_if("asset_id", origin.asset_id.as_deref());
        let id = device.take("id").or_else(|| machine?.take("id"));
        out.text_if("product_object_id", id.as_deref());
        out.text_if("type", event.client.peek("device").and_then(|name| asset_type(&name)));
        out.object("platform_software", |out| {
            let name = peek_first(device, &PLATFORM);
            out.text_if("platform", name.as_deref().and_then(platform));
            out.text_if("platform_version", take_first(device, &OS_VERSION).as_deref());
        });
        if scene.has_rest() {
            out.object("attribute", |out| {
                out.array("labels", |out| {
                    labels::write_rest(device, out);
                    machine.into_iter().for_each(|machine| labels::write_rest(machine, out));
                });
            });
        }
    });
}

/// UDM's words for what Okta calls a device.
const ASSETS: [(&str, &str); 4] =
    [("Computer", "WORKSTATION"), ("Laptop", "LAPTOP"), ("Mobile", "MOBILE"), ("Tablet", "MOBILE")];

fn asset_type(name: &str) -> Option<&'static str> {
    ASSETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, asset)| *asset)
}
