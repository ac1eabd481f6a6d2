//! Places in the world, with coordinates spelt as a geography database gives them.

use fastrand::Rng;
use serde::Serialize;
use serde_json::value::RawValue;

/// The event's `geographicalContext`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    city: Option<&'static str>,
    state: Option<&'static str>,
    country: &'static str,
    postal_code: Option<&'static str>,
    geolocation: Geolocation,
}

/// Coordinates, spelt as given: `34.4740` keeps its last digit.
#[derive(Debug, Serialize)]
struct Geolocation {
    lat: Box<RawValue>,
    lon: Box<RawValue>,
}

/// City, state, country, postal code, latitude, longitude.
type PlaceRow = (
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
);

const PLACES: &[PlaceRow] = &[
    (Some("New York"), Some("New York"), "United States", Some("10013"), "40.7200", "-74.0050"),
    (Some("Santa Barbara"), Some("California"), "United States", Some("93105"), "34.4740", "-119.7180"),
    (Some("Amsterdam"), Some("North Holland"), "Netherlands", Some("1012"), "52.3740", "4.8897"),
    (Some("London"), Some("England"), "United Kingdom", Some("EC2V"), "51.5164", "-0.0930"),
    (Some("São Paulo"), Some("São Paulo"), "Brazil", Some("01000-000"), "-23.5475", "-46.6361"),
    (Some("Zürich"), Some("Zurich"), "Switzerland", Some("8001"), "47.3667", "8.5500"),
    (Some("Kraków"), Some("Lesser Poland"), "Poland", Some("30-001"), "50.0833", "19.9167"),
    (Some("Tokyo"), Some("Tokyo"), "Japan", Some("100-0001"), "35.6895", "139.6917"),
    (Some("Bengaluru"), Some("Karnataka"), "India", Some("560002"), "12.9719", "77.5937"),
    (Some("Singapore"), None, "Singapore", None, "1.2897", "103.8501"),
    (Some("Sydney"), Some("New South Wales"), "Australia", Some("2000"), "-33.8679", "151.2073"),
    (None, None, "Canada", None, "43.6319", "-79.3716"),
];

impl Place {
    /// One of a few places.
    pub(super) fn any(rng: &mut Rng) -> Self {
        let (city, state, country, postal_code, lat, lon) = PLACES[rng.usize(..PLACES.len())];
        let geolocation = Geolocation { lat: number(lat), lon: number(lon) };
        Self { city, state, country, postal_code, geolocation }
    }
}

fn number(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
