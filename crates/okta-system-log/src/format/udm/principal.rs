//! `principal`: who acted, and from which machine and place.

use std::borrow::Cow;

use super::{
    super::{
        facts::{Address, OS_VERSION, PLATFORM, System, peek_first, take_first},
        log_event::LogEvent,
        object::Object,
        party::Kind,
        writer::ObjectWriter,
    },
    Scene, labels,
    noun::{self, Rights},
};

/// The machine that a request came from.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) address: Option<Address<'a>>,
    /// UDM's name for a device that a product knows: the vendor and the id.
    asset_id: Option<String>,
}

/// What an id of an asset has at most, and what its letters are.
const ASSET_ID_BYTES_MAX: usize = 128;

impl<'a> Origin<'a> {
    pub(super) fn of(event: &LogEvent<'a>) -> Self {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let id =
            event.device.peek("id").filter(|id| id.len() <= ASSET_ID_BYTES_MAX && id.bytes().all(is_letter));
        Self {
            address: event.client.peek("ipAddress").and_then(Address::read),
            asset_id: id.map(|id| ["Okta:", &id].concat()),
        }
    }

    /// Whether UDM knows it for a machine. Where there was no client, Okta's own did it.
    pub(super) fn is_machine(&self, tenant: Option<&str>) -> bool {
        self.address.is_some() || self.asset_id.is_some() || tenant.is_some()
    }
}

/// Writes `principal`.
pub(super) fn write(scene: &Scene<'_, '_, '_>, out: &mut ObjectWriter<'_>) {
    let Scene { event, origin, input, .. } = scene;
    out.object("principal", |out| {
        match &origin.address {
            Some(Address { ip, port, is_whole }) => {
                if *is_whole {
                    event.client.mark("ipAddress");
                }
                out.texts("ip", [ip]);
                if let Some(port) = port.filter(|port| *port > 0) {
                    out.integer("port", port);
                }
            }
            None if origin.asset_id.is_none() => out.text_if("hostname", input.tenant),
            None => {}
        }
        out.text_if("asset_id", origin.asset_id.as_deref());
        if event.actor.is_somebody() {
            noun::write_user(&event.actor, &Rights::default(), scene.has_rest(), out);
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
    out.object("asset", |out| {
        out.text_if("asset_id", origin.asset_id.as_deref());
        out.text_if("product_object_id", device.take("id").as_deref());
        out.text_if("type", event.client.peek("device").and_then(|name| asset_type(&name)));
        out.object("platform_software", |out| {
            let name = peek_first(device, &PLATFORM);
            out.text_if("platform", name.as_deref().and_then(platform));
            out.text_if("platform_version", take_first(device, &OS_VERSION).as_deref());
        });
        if scene.has_rest() {
            out.object("attribute", |out| labels::write("labels", device, out));
        }
    });
}

/// UDM's words for what Okta calls a device.
const ASSETS: [(&str, &str); 4] =
    [("Computer", "WORKSTATION"), ("Laptop", "LAPTOP"), ("Mobile", "MOBILE"), ("Tablet", "MOBILE")];

fn asset_type(name: &str) -> Option<&'static str> {
    ASSETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, asset)| *asset)
}
