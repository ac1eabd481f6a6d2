//! Parameters of looking into the System Log.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Start;

/// A time, or a time ago such as `-12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(now|-[\d_]+ ?(ms|s|m|min|h|d|w)|\d{4}-\d\d-\d\d[T ]\d\d.*)$"))]
pub struct When(pub Start);

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Start::from_str(&text).map(Self)
    }
}

/// Recent events by or about a user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogByUser {
    /// Id, login or e-mail.
    pub user: String,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
    /// Only these types; `*` stands for anything at the end.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Only these values of `outcome.result`.
    #[serde(default)]
    pub outcomes: Vec<String>,
}

/// Recent events from an address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogByIp {
    /// The address.
    #[schemars(with = "String", extend("anyOf" = [{ "format": "ipv4" }, { "format": "ipv6" }]))]
    pub ip: std::net::IpAddr,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
    /// Only these types; `*` stands for anything at the end.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Only these values of `outcome.result`.
    #[serde(default)]
    pub outcomes: Vec<String>,
}

/// Events of a window.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSearch {
    /// A SCIM filter, as the System Log takes it.
    pub filter: Option<String>,
    /// Words that must all be there.
    pub q: Option<String>,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
}
