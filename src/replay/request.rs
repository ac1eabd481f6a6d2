//! A request as it was typed: the same text is the same replay, even if it is relative to now.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::InvalidReplay;

/// The most characters of a given name.
const NAME_CHARS_MAX: usize = 64;
/// Bytes of the digest in a generated name.
const DIGEST_BYTES: usize = 4;

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The route, whose sink gets the events.
    pub route: String,
    /// Where the window begins: a timestamp or a time ago such as `-7d`.
    pub from: String,
    /// Where it ends; what is published at this very time is not in it. Also `now`.
    pub to: String,
    /// A SCIM filter in addition to the stream's own.
    pub filter: Option<String>,
    /// Slices to cut the window into.
    pub slices: Option<u16>,
    /// Its name; derived from the rest if not given.
    pub name: Option<String>,
    /// Forget how far an earlier replay of this name came.
    pub anew: bool,
}

impl Request {
    /// The name under which its progress is kept, which is a part of file names too.
    pub(super) fn name(&self) -> Result<String, InvalidReplay> {
        let Some(name) = &self.name else {
            let words = [self.from.as_str(), &self.to, self.filter.as_deref().unwrap_or_default()];
            let digest = Sha256::digest(words.join("\n"));
            let digest: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
            return Ok(format!("{}-{digest}", self.route.replace('/', ".")));
        };
        let is_name = !name.is_empty()
            && name.len() <= NAME_CHARS_MAX
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if is_name { Ok(name.clone()) } else { Err(InvalidReplay::Name(name.clone())) }
    }

    /// Whether it asks for what `other` asks for, however it is cut.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let essence = |request: &Self| {
            let Self { route, from, to, filter, .. } = request.clone();
            (route, from, to, filter)
        };
        essence(self) == essence(other)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::replay) fn request(from: &str, to: &str) -> Request {
        Request {
            route: "log/siem".to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            filter: None,
            slices: None,
            name: None,
            anew: false,
        }
    }

    #[test]
    fn the_same_words_have_the_same_name_and_others_another() {
        let name = |request: &Request| request.name().unwrap();
        let week = request("-7d", "now");
        assert_eq!(name(&week), name(&Request { slices: Some(3), ..week.clone() }));
        assert!(name(&week).starts_with("log.siem-"), "{}", name(&week));
        let others = [request("-8d", "now"), request("-7d", "-1d")];
        let filtered = Request { filter: Some("x".to_owned()), ..week.clone() };
        assert!(others.iter().chain([&filtered]).all(|other| name(other) != name(&week)));
        let named = |name: &str| Request { name: Some(name.to_owned()), ..week.clone() }.name();
        assert_eq!(named("incident-7").unwrap(), "incident-7");
        for bad in ["", "a/b", "../x", "a b", &"x".repeat(65)] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
