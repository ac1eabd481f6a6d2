//! `client` and `source`: where the request came from. Elastic's rules use either, so both say the same.

use super::{
    super::{
        facts::{ClientAddress, country_code},
        log_event::LogEvent,
        object::Object,
    },
    ObjectWriter, user,
};

pub(super) fn write(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    out.object_twice(["client", "source"], |out| write_side(event, out));
}

fn write_side(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let written = event.client.peek("ipAddress");
    let (ip, port) = match ClientAddress::of(event) {
        Some(client) => (Some(client.address.ip), client.address.port),
        None => (None, None),
    };
    // A single dot is Okta's way to say that there is none.
    let domain = event.security.peek("domain").filter(|domain| domain != ".");
    // What Okta wrote for the address, even if it is none; the domain is that of who gives access to the net.
    out.text_if("address", ip.as_deref().or(written.as_deref()).or(domain.as_deref()));
    out.text_if("ip", ip.as_deref());
    if let Some(port) = port {
        out.integer("port", port);
    }
    out.text_if("domain", domain.as_deref());
    out.object("as", |out| {
        let number = event.security.peek("asNumber").and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number {
            out.integer("number", number);
        }
        out.object("organization", |out| out.text_if("name", event.security.peek("asOrg").as_deref()));
    });
    out.object("geo", |out| {
        for (ecs, okta) in [
            ("city_name", "city"),
            ("region_name", "state"),
            ("country_name", "country"),
            ("postal_code", "postalCode"),
        ] {
            out.text_if(ecs, event.geography.peek(okta).as_deref());
        }
        let country = event.geography.peek("country");
        out.text_if("country_iso_code", country.as_deref().and_then(country_code));
        write_location("location", &event.geolocation, out);
    });
    out.object("user", |out| user::write_actor(event, out));
}

/// A point on earth; false if it is none.
pub(super) fn write_location(
    name: &'static str,
    geolocation: &Object<'_>,
    out: &mut ObjectWriter<'_>,
) -> bool {
    let degrees = |name, max: f64| {
        let number = geolocation.number(name)?;
        number.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= max).then_some(number)
    };
    let (Some(lat), Some(lon)) = (degrees("lat", 90.0), degrees("lon", 180.0)) else { return false };
    out.object(name, |out| {
        out.raw("lat", lat);
        out.raw("lon", lon);
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::writer::Writer;
    use super::*;

    #[test]
    fn an_address_that_cannot_be_read_is_not_that_of_the_provider() {
        for (client, address) in [(r#""ipAddress":"198.51.100.300""#, "198.51.100.300"), ("", "isp.example")]
        {
            let event = format!(r#"{{"client":{{{client}}},"securityContext":{{"domain":"isp.example"}}}}"#);
            let event = LogEvent::read(event.as_str()).unwrap();
            let side = Writer::new(usize::MAX).object(|out| write_side(&event, out));
            assert_eq!(side, format!(r#"{{"address":"{address}","domain":"isp.example"}}"#));
        }
    }
}
