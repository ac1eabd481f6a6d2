//! What a route redacts: paths and presets become rules, and the key of pseudonyms is named.

use std::path::PathBuf;

use okta_system_log::event::{Action, Preset, Rules};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    Problem, Secret,
    secret::{Given, Secrets},
};

/// What a route redacts.
#[derive(Debug, Clone)]
pub struct RedactionConfig {
    /// Which fields, and how.
    pub rules: Rules,
    /// What pseudonyms are made with; there is one if any are made.
    pub key: Option<Secret>,
}

impl RedactionConfig {
    /// Whether both make the same bytes of every event.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let keys = [self, other].map(|config| config.key.as_ref().map(Secret::to_string));
        self.rules == other.rules && keys[0] == keys[1]
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedaction {
    #[serde(default)]
    presets: RawPresets,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    mask: Vec<String>,
    #[serde(default)]
    pseudonymize: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
    #[schemars(with = "Option<String>")]
    key: Option<SecretString>,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    key_credential: Option<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawPresets {
    personal: Option<RawAction>,
    sensitive: Option<RawAction>,
}

#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RawAction {
    Drop,
    Mask,
    Pseudonymize,
}

/// A shorter key could be found by trying, and every value with it.
const KEY_CHARACTERS_MIN: usize = 16;
/// How much alike a name must be to one of Okta's to be taken for a slip: a field that is not redacted for a slip would
/// travel in the clear, and a name that Okta adds some day must not be refused.
const SLIP_LIKENESS: f64 = 0.93;

/// The members that Okta documents for every event, and for the parts that are alike in all events.
const MEMBERS: [(&str, &[&str]); 10] = [
    (
        "",
        &[
            "actor",
            "authenticationContext",
            "client",
            "debugContext",
            "device",
            "displayMessage",
            "eventType",
            "legacyEventType",
            "outcome",
            "published",
            "request",
            "securityContext",
            "severity",
            "target",
            "transaction",
            "uuid",
            "version",
        ],
    ),
    ("actor", &["alternateId", "detailEntry", "displayName", "id", "type"]),
    ("target", &["alternateId", "changeDetails", "detailEntry", "displayName", "id", "type"]),
    ("client", &["device", "geographicalContext", "id", "ipAddress", "userAgent", "zone"]),
    ("debugContext", &["debugData"]),
    ("outcome", &["reason", "result"]),
    ("request", &["ipChain"]),
    ("transaction", &["detail", "id", "type"]),
    (
        "authenticationContext",
        &[
            "authenticationProvider",
            "authenticationStep",
            "credentialProvider",
            "credentialType",
            "externalSessionId",
            "interface",
            "issuer",
            "rootSessionId",
        ],
    ),
    (
        "securityContext",
        &[
            "asNumber",
            "asOrg",
            "botProtection",
            "domain",
            "ipDetails",
            "isProxy",
            "isp",
            "risk",
            "userBehaviors",
        ],
    ),
];

pub(super) fn resolve(raw: RawRedaction, secrets: Secrets) -> Result<RedactionConfig, Problem> {
    let mut rules = Rules::default();
    for (list, paths, action) in [
        ("drop", &raw.drop, Action::Drop),
        ("mask", &raw.mask, Action::Mask),
        ("pseudonymize", &raw.pseudonymize, Action::Pseudonymize),
        ("keep", &raw.keep, Action::Keep),
    ] {
        for path in paths {
            refuse_slips(path).map_err(|reason| Problem::new(list, reason))?;
            rules.add(path, action).map_err(|err| Problem::new(list, err.to_string()))?;
        }
    }
    let presets = [(Preset::Personal, raw.presets.personal), (Preset::Sensitive, raw.presets.sensitive)];
    for (preset, action) in presets {
        if let Some(action) = action {
            rules.add_preset(preset, action.into());
        }
    }
    let given =
        Given { file: raw.key_file, env: raw.key_env, credential: raw.key_credential, inline: raw.key };
    let key = match (rules.are_pseudonymizing(), given.is_given()) {
        (false, false) => None,
        (false, true) => return Err(Problem::new("key", "nothing is pseudonymised, so no key is needed")),
        (true, _) => Some(key(given, secrets)?),
    };
    Ok(RedactionConfig { rules, key })
}

/// Reads the key once, to see that it is there and long enough.
fn key(given: Given, secrets: Secrets) -> Result<Secret, Problem> {
    let key = given.resolve("key", secrets)?;
    let read = secrets.try_read_line(&key);
    let read = read.map_err(|err| Problem::new("key", crate::telemetry::chain(&err)))?;
    if read.is_some_and(|read| read.expose_secret().chars().count() < KEY_CHARACTERS_MIN) {
        let reason = format!(
            "has fewer than {KEY_CHARACTERS_MIN} characters and could be found by trying: `openssl rand -hex 32` makes a good one"
        );
        return Err(Problem::new("key", reason));
    }
    Ok(key)
}

/// A slip in a name of Okta's would leave its field in the clear.
fn refuse_slips(path: &str) -> Result<(), String> {
    let mut around = "";
    for segment in path.split('.').take(2) {
        let name = segment.split('[').next().unwrap_or_default();
        let Some((_, known)) = MEMBERS.iter().find(|(object, _)| *object == around) else { return Ok(()) };
        let likeness = |known: &str| strsim::jaro_winkler(name, known);
        if !known.contains(&name)
            && let Some(meant) = known.iter().find(|known| likeness(known) > SLIP_LIKENESS)
        {
            return Err(format!("`{path}`: Okta has no `{name}` there; did you mean `{meant}`?"));
        }
        around = name;
    }
    Ok(())
}

impl From<RawAction> for Action {
    fn from(action: RawAction) -> Self {
        match action {
            RawAction::Drop => Self::Drop,
            RawAction::Mask => Self::Mask,
            RawAction::Pseudonymize => Self::Pseudonymize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(toml: &str) -> String {
        let source = config::File::from_str(toml, config::FileFormat::Toml);
        let raw = config::Config::builder().add_source(source).build().unwrap();
        let resolved = resolve(raw.try_deserialize().unwrap(), Secrets::ALLOWED);
        resolved.map_or_else(|problem| problem.to_string(), |_| "none".to_owned())
    }

    #[test]
    fn a_slip_is_told_and_what_okta_may_add_is_not() {
        assert!(problem(r#"drop = ["client.ipAdress"]"#).contains("did you mean `ipAddress`?"));
        assert!(problem(r#"mask = ["targets[].displayName"]"#).contains("did you mean `target`?"));
        assert!(problem(r#"mask = ["debugcontext.debugData.x"]"#).contains("did you mean `debugContext`?"));
        for path in ["client.ipAddress", "deviceContext.x", "target[User].id", "*", "client.*", "newThing"] {
            assert_eq!(problem(&format!("drop = [\"{path}\"]")), "none", "{path}");
        }
    }

    #[test]
    fn a_key_is_there_if_and_only_if_it_is_needed() {
        let long = "0123456789abcdef";
        assert_eq!(problem(&format!("pseudonymize = [\"actor\"]\nkey = \"{long}\"")), "none");
        assert_eq!(
            problem(&format!("presets = {{ personal = \"pseudonymize\" }}\nkey = \"{long}\"")),
            "none"
        );
        assert!(
            problem("presets = { personal = \"pseudonymize\" }")
                .contains("give `key_file`, `key_env` or `key_credential`")
        );
        assert!(problem("pseudonymize = [\"actor\"]\nkey = \"short\"").contains("fewer than 16"));
        assert!(problem(&format!("mask = [\"actor\"]\nkey = \"{long}\"")).contains("no key is needed"));
    }

    #[test]
    fn what_cannot_be_redacted_is_told() {
        assert!(problem(r#"drop = ["uuid"]"#).contains("drop: `uuid` cannot be redacted"));
        assert!(
            problem(
                r#"drop = ["actor"]
            mask = ["actor"]"#
            )
            .contains("mask: `actor` stands in two lists")
        );
    }
}
