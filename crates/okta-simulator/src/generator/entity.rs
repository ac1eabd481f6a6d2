//! Actors and targets, and the form of their ids.

use fastrand::Rng;
use serde::Serialize;

/// An actor or a target of an event.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) alternate_id: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) details: Vec<(&'static str, String)>,
}

impl Entity {
    /// An entity with an id of Okta's form.
    pub(super) fn new(rng: &mut Rng, prefix: &str, kind: &str) -> Self {
        Self {
            id: okta_id(rng, prefix),
            kind: kind.to_owned(),
            alternate_id: None,
            display_name: None,
            details: Vec::new(),
        }
    }

    /// Gives it a name, and the alternate id that goes with it.
    pub(super) fn named(self, alternate_id: impl Into<String>, display_name: impl Into<String>) -> Self {
        let (alternate_id, display_name) = (Some(alternate_id.into()), Some(display_name.into()));
        Self { alternate_id, display_name, ..self }
    }

    /// Adds one member to its `detailEntry`.
    pub(super) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }
}

/// A device enrolled with Okta Verify, as the event's `device`.
#[derive(Debug, Serialize)]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) os_platform: &'static str,
    pub(super) os_version: &'static str,
    pub(super) managed: bool,
    pub(super) registered: bool,
    pub(super) device_integrator: Option<&'static str>,
    pub(super) disk_encryption_type: &'static str,
    pub(super) screen_lock_type: &'static str,
    pub(super) jailbreak: Option<bool>,
    pub(super) secure_hardware_present: bool,
}

impl Device {
    /// One of the usual devices.
    pub(super) fn new(rng: &mut Rng) -> Self {
        const MODELS: [(&str, &str, &str, &str); 4] = [
            ("Mac15,6", "OSX", "14.6.0", "ALL_INTERNAL_VOLUMES"),
            ("LATITUDE-5440", "WINDOWS", "10.0.22631.3880", "ALL_INTERNAL_VOLUMES"),
            ("iPhone14,5", "IOS", "17.6.1", "FULL"),
            ("Pixel 8", "ANDROID", "14", "USER"),
        ];
        let (name, os_platform, os_version, disk_encryption_type) = MODELS[rng.usize(..MODELS.len())];
        Self {
            id: okta_id(rng, "guo"),
            name: name.to_owned(),
            os_platform,
            os_version,
            managed: rng.bool(),
            registered: true,
            device_integrator: None,
            disk_encryption_type,
            screen_lock_type: if rng.bool() { "BIOMETRIC" } else { "PASSCODE" },
            jailbreak: matches!(os_platform, "IOS" | "ANDROID").then_some(false),
            secure_hardware_present: true,
        }
    }
}

/// An id of Okta's form: three characters for the kind, seventeen at random.
pub(crate) fn okta_id(rng: &mut Rng, prefix: &str) -> String {
    let mut id = String::with_capacity(20);
    id.push_str(prefix);
    random_characters(rng, 20 - prefix.len().min(20), &mut id);
    id
}

/// Appends letters and digits.
pub(super) fn random_characters(rng: &mut Rng, count: usize, text: &mut String) {
    text.extend((0..count).map(|_| rng.alphanumeric()));
}
