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
    /// How many elements a list has at most.
    pub(super) elements_max: usize,
}

#[derive(Debug)]
struct Observable<'a> {
    kind: Observed,
    /// Where the value stands: this and, if there is one, the part after it.
    path: (&'static str, &'static str),
    value: Cow<'a, str>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observed {
    IpAddress,
    UserName,
    EmailAddress,
    ResourceUid,
    Country,
    UserAgent,
    CredentialUid,
    UserUid,
    GroupName,
    GroupUid,
    AccountName,
    AccountUid,
    ResourceName,
    DeviceUid,
}

impl Observed {
    /// `type` and `type_id` of an observable.
    fn kind(self) -> &'static str {
        match self {
            Self::IpAddress => r#""type":"IP Address","type_id":2"#,
            Self::UserName => r#""type":"User Name","type_id":4"#,
            Self::EmailAddress => r#""type":"Email Address","type_id":5"#,
            Self::ResourceUid => r#""type":"Resource UID","type_id":10"#,
            Self::Country => r#""type":"Country","type_id":14"#,
            Self::UserAgent => r#""type":"HTTP User-Agent","type_id":16"#,
            Self::CredentialUid => r#""type":"User Credential ID","type_id":19"#,
            Self::UserUid => r#""type":"User Object: uid","type_id":31"#,
            Self::GroupName => r#""type":"Group Object: name","type_id":32"#,
            Self::GroupUid => r#""type":"Group Object: uid","type_id":33"#,
            Self::AccountName => r#""type":"Account Object: name","type_id":34"#,
            Self::AccountUid => r#""type":"Account Object: uid","type_id":35"#,
            Self::ResourceName => r#""type":"Resource Details Object: name","type_id":38"#,
            Self::DeviceUid => r#""type":"Device Object: uid","type_id":47"#,
        }
    }
}

/// As many as most events have.
const OBSERVABLES: usize = 12;

impl<'a> Notes<'a> {
    pub(super) fn new(elements_max: usize) -> Self {
        Self { observables: Vec::with_capacity(OBSERVABLES), elements_max, ..Self::default() }
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
            for Observable { kind, path: (path, member), value } in
                self.observables.iter().take(self.elements_max)
            {
                out.object(|out| {
                    out.path("name", [path, member]);
                    out.members(kind.kind());
                    out.text("value", value);
                });
            }
        });
    }
}
