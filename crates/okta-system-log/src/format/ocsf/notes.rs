//! Notes that are collected while an event is written and are written at its end: the profiles that were used, and
//! where the values stand that analysts look for.

use std::borrow::Cow;

use super::super::writer::ObjectWriter;

/// Notes on one event.
#[derive(Debug, Default)]
pub(super) struct Notes<'a> {
    pub(super) uses_host: bool,
    pub(super) uses_security_control: bool,
    uses_datetime: bool,
    observables: Vec<Observable<'a>>,
    told: Vec<&'static str>,
}

#[derive(Debug)]
struct Observable<'a> {
    kind: Observed,
    /// Where the value stands: this and, if there is one, the part after it.
    path: (&'static str, &'static str),
    value: Cow<'a, str>,
}

/// What a value is: `type_id` of an observable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observed {
    IpAddress = 2,
    UserName = 4,
    EmailAddress = 5,
    ResourceUid = 10,
    Country = 14,
    UserAgent = 16,
    CredentialUid = 19,
    UserUid = 31,
    GroupName = 32,
    GroupUid = 33,
    AccountName = 34,
    AccountUid = 35,
    ResourceName = 38,
    DeviceUid = 47,
}

impl Observed {
    fn caption(self) -> &'static str {
        match self {
            Self::IpAddress => "IP Address",
            Self::UserName => "User Name",
            Self::EmailAddress => "Email Address",
            Self::ResourceUid => "Resource UID",
            Self::Country => "Country",
            Self::UserAgent => "HTTP User-Agent",
            Self::CredentialUid => "User Credential ID",
            Self::UserUid => "User Object: uid",
            Self::GroupName => "Group Object: name",
            Self::GroupUid => "Group Object: uid",
            Self::AccountName => "Account Object: name",
            Self::AccountUid => "Account Object: uid",
            Self::ResourceName => "Resource Details Object: name",
            Self::DeviceUid => "Device Object: uid",
        }
    }
}

/// As many as most events have.
const OBSERVABLES: usize = 12;

impl<'a> Notes<'a> {
    pub(super) fn new() -> Self {
        Self { observables: Vec::with_capacity(OBSERVABLES), ..Self::default() }
    }

    /// Notes that `value` stands at `path` and the `member` in it. What is in an array stands at `array[].member`.
    pub(super) fn observe(
        &mut self,
        kind: Observed,
        path: &'static str,
        member: &'static str,
        value: Option<&Cow<'a, str>>,
    ) {
        if let Some(value) = value {
            self.observables.push(Observable { kind, path: (path, member), value: value.clone() });
        }
    }

    /// Notes what could not be read, for `metadata.debug`.
    pub(super) fn tell(&mut self, issue: &'static str) {
        self.told.push(issue);
    }

    /// What could not be read.
    pub(super) fn told(&self) -> &[&'static str] {
        &self.told
    }

    /// Notes that a `*_dt` time was written.
    pub(super) fn use_datetime(&mut self) {
        self.uses_datetime = true;
    }

    /// The profiles that were used, in the order of the alphabet.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &'static str> {
        let profiles = [
            ("datetime", self.uses_datetime),
            ("host", self.uses_host),
            ("security_control", self.uses_security_control),
        ];
        profiles.into_iter().filter_map(|(profile, is_used)| is_used.then_some(profile))
    }

    /// Writes the observables.
    pub(super) fn write_observables(&self, out: &mut ObjectWriter<'_>) {
        out.array("observables", |out| {
            for Observable { kind, path: (path, member), value } in &self.observables {
                out.object(|out| {
                    match path.is_empty() {
                        true => out.text("name", member),
                        false => out.text_of("name", &[path, ".", member]),
                    }
                    out.text("type", kind.caption());
                    out.integer("type_id", *kind as u8);
                    out.text("value", value);
                });
            }
        });
    }
}
