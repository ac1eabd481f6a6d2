//! Which operating system a client or a device has, by the names that Okta and user agents have for it.

use std::borrow::Cow;

/// A family of operating systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum System {
    Windows,
    WindowsMobile,
    Linux,
    Android,
    MacOs,
    Ios,
    IpadOs,
}

/// Parts of names, in small letters; the first that fits counts. An iPhone says `Mac OS X (iPhone)` of itself.
const NAMES: [(&str, System); 14] = [
    ("ipad", System::IpadOs),
    ("iphone", System::Ios),
    ("ipod", System::Ios),
    ("windows phone", System::WindowsMobile),
    ("windows mobile", System::WindowsMobile),
    ("windows", System::Windows),
    ("android", System::Android),
    ("mac os", System::MacOs),
    ("macos", System::MacOs),
    ("os x", System::MacOs),
    ("osx", System::MacOs),
    ("ios", System::Ios),
    ("linux", System::Linux),
    ("ubuntu", System::Linux),
];

/// Whose devices have another system of the name IOS.
const OTHER_IOS: &str = "cisco";

impl System {
    /// The system that has this name.
    pub(in crate::format) fn of(name: &str) -> Option<Self> {
        let system = NAMES.iter().find(|(part, _)| has_part(name, part)).map(|(_, system)| *system);
        system.filter(|system| *system != Self::Ios || !has_part(name, OTHER_IOS))
    }
}

/// Whether a word of `name` begins with `part`, which is in small letters, in any case of its letters: a BIOS is no iOS.
fn has_part(name: &str, part: &str) -> bool {
    let (name, part) = (name.as_bytes(), part.as_bytes());
    let is_part = |at: &[u8]| at[0].to_ascii_lowercase() == part[0] && at.eq_ignore_ascii_case(part);
    let is_start = |at: usize| at == 0 || !name[at - 1].is_ascii_alphanumeric();
    name.windows(part.len()).enumerate().any(|(at, bytes)| is_part(bytes) && is_start(at))
}

/// The version of the system on an iPhone or iPad: Okta's name for it has none or half of one, the user agent has
/// `CPU iPhone OS 17_5_1 like Mac OS X`. Of other systems browsers tell no true version any more.
pub(in crate::format) fn apple_mobile_version<'a>(
    name: &'a str,
    user_agent: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    if !matches!(System::of(name)?, System::Ios | System::IpadOs) {
        return None;
    }
    let of_agent = user_agent.and_then(|agent| {
        let (_, after) = agent.split_once("CPU iPhone OS ").or_else(|| agent.split_once("CPU OS "))?;
        leading_version(after)
    });
    of_agent.or_else(|| leading_version(name.trim_start_matches(|c: char| !c.is_ascii_digit())))
}

fn leading_version(text: &str) -> Option<Cow<'_, str>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_' && c != '.').unwrap_or(text.len());
    let version = text[..end].trim_end_matches(['_', '.']);
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() <= VERSION_BYTES_MAX;
    is_version.then(|| {
        if version.contains('_') { Cow::Owned(version.replace('_', ".")) } else { Cow::Borrowed(version) }
    })
}

/// Longer than any version.
const VERSION_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_known_by_every_name_that_okta_has_for_them() {
        for (name, system) in [
            ("iOS (iPhone)", Some(System::Ios)),
            ("iOS 17.5 (iPhone)", Some(System::Ios)),
            ("Mac OS X (iPhone)", Some(System::Ios)),
            ("Mac OS X (iPad)", Some(System::IpadOs)),
            ("iOS 13 (iPad)", Some(System::IpadOs)),
            ("iPadOS", Some(System::IpadOs)),
            ("Mac OS X", Some(System::MacOs)),
            ("OSx", Some(System::MacOs)),
            ("MACOS", Some(System::MacOs)),
            ("IOS", Some(System::Ios)),
            ("Windows 10", Some(System::Windows)),
            ("Windows Phone 8", Some(System::WindowsMobile)),
            ("Android 14", Some(System::Android)),
            ("Ubuntu", Some(System::Linux)),
            ("Chrome OS", None),
            ("CHROMEOS", None),
            ("Cisco IOS", None),
            ("BIOS", None),
            ("KaiOS", None),
            ("MacOSX", Some(System::MacOs)),
            ("GNU/Linux", Some(System::Linux)),
        ] {
            assert_eq!(System::of(name), system, "{name}");
        }
    }

    #[test]
    fn an_iphone_has_the_version_that_it_says() {
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15";
        let ipad = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15";
        assert_eq!(apple_mobile_version("Mac OS X (iPhone)", Some(iphone)).as_deref(), Some("17.5.1"));
        assert_eq!(apple_mobile_version("Mac OS X (iPad)", Some(ipad)).as_deref(), Some("16.6"));
        assert_eq!(apple_mobile_version("iOS 13 (iPhone)", Some("Okta/7")).as_deref(), Some("13"));
        assert_eq!(apple_mobile_version("iOS (iPhone)", None), None);
        assert_eq!(apple_mobile_version("Mac OS X", Some(iphone)), None);
    }
}
