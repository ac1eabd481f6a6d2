//! What Okta says of a device. The API's document has `os_platform` and the like, events have `platform` or `osPlatform`.

use std::borrow::Cow;

use crate::format::object::Object;

/// The names of the operating system.
pub(in crate::format) const PLATFORM: [&str; 3] = ["os_platform", "osPlatform", "platform"];
/// The names of its version.
pub(in crate::format) const OS_VERSION: [&str; 2] = ["os_version", "osVersion"];

/// The first of the members `names` that says something.
pub(in crate::format) fn peek_first<'a>(device: &Object<'a>, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| device.peek(name))
}

/// Like [`peek_first`], and takes each of the members that says no more than that.
pub(in crate::format) fn take_first<'a>(device: &Object<'a>, names: &[&str]) -> Option<Cow<'a, str>> {
    let first = peek_first(device, names)?;
    names.iter().for_each(|name| device.mark_if(name, |own| own == first));
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_system_under_any_name() {
        for json in [
            r#"{"platform":"OSX"}"#,
            r#"{"osPlatform":"OSX"}"#,
            r#"{"os_platform":"OSX"}"#,
            r#"{"os_platform":"unknown","platform":"OSX"}"#,
            r#"{"os_platform":"OSX","platform":"OSX"}"#,
        ] {
            let device = Object::read(json).unwrap();
            assert_eq!(take_first(&device, &PLATFORM).as_deref(), Some("OSX"), "{json}");
            assert_eq!(device.rest().count(), 0, "{json}");
        }
        let two = Object::read(r#"{"os_platform":"OSX","platform":"IOS"}"#).unwrap();
        assert_eq!(take_first(&two, &PLATFORM).as_deref(), Some("OSX"));
        assert_eq!(two.rest().collect::<Vec<_>>(), [("platform", "\"IOS\"")]);
    }
}
