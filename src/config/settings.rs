//! What is set, and where: each setting of the merged configuration with the file and line or the variable that it came from, and
//! without secrets. Does not know what a setting means.

use config::{Value, ValueKind};

use super::{address, layers::Layers};

/// Keys whose text is a secret, wherever they stand.
const SECRET_KEYS: [&str; 9] = [
    "token",
    "private_key",
    "proxy_password",
    "nkey",
    "password",
    "value",
    "key",
    "secret",
    "previous_secret",
];
/// What is shown in place of a secret.
const REDACTED: &str = "[redacted]";

/// A setting that somebody typed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Setting {
    /// Its path, for example `sinks.siem.topic`.
    pub path: String,
    /// Its value; of a secret, that there is one.
    pub value: serde_json::Value,
    /// The file and line, or the variable.
    pub origin: Option<String>,
}

/// All settings, in the order of their paths.
pub(super) fn settings(layers: &Layers) -> Vec<Setting> {
    let mut found = Vec::new();
    collect(layers.root(), "", &mut found);
    for setting in &mut found {
        setting.origin = layers.origin_of(&setting.path);
    }
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<Setting>) {
    match &value.kind {
        ValueKind::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, &path, found);
            }
        }
        ValueKind::Array(list) if list.iter().any(is_table) => {
            for (index, value) in list.iter().enumerate() {
                collect(value, &format!("{path}[{index}]"), found);
            }
        }
        _ => {
            let value = if is_secret(path) { REDACTED.into() } else { shown(value) };
            found.push(Setting { path: path.to_owned(), value, origin: None });
        }
    }
}

fn is_table(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_))
}

fn is_secret(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|key| SECRET_KEYS.contains(&key)) && !is_template(path)
}

/// A sink's `key` says what orders its messages.
fn is_template(path: &str) -> bool {
    path.starts_with("sinks.") && path.ends_with(".key")
}

fn shown(value: &Value) -> serde_json::Value {
    match &value.kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(value) => (*value).into(),
        ValueKind::I64(value) => (*value).into(),
        ValueKind::U64(value) => (*value).into(),
        ValueKind::I128(value) => value.to_string().into(),
        ValueKind::U128(value) => value.to_string().into(),
        ValueKind::Float(value) => (*value).into(),
        // An address may have a user and a password in it.
        ValueKind::String(text) if text.contains("://") => address::shown(text).into(),
        ValueKind::String(text) => text.clone().into(),
        ValueKind::Array(list) => list.iter().map(shown).collect(),
        ValueKind::Table(_) => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_its_place_and_a_secret_has_no_value() {
        let text = "allow_inline_secrets = true\n[orgs.acme]\nurl = \"https://a\"\nauth = { token = \"hunter2\" }\n\
                    [streams.log]\norg = \"acme\"\nroutes = [\n  { sink = \"a\" },\n  { sink = \"b\" },\n]\n\
                    [sinks.a]\nkind = \"kafka\"\nkey = \"{actor_id}\"\n[buses.k]\nbrokers = [\"x://u:hunter2@a\", \"b\"]\n";
        let settings = settings(&Layers::of_text(text).unwrap());
        let find = |path: &str| settings.iter().find(|setting| setting.path == path).unwrap().clone();
        assert_eq!(find("orgs.acme.auth.token").value, "[redacted]");
        assert_eq!(find("streams.log.routes[1].sink").origin.as_deref(), Some("oktabus.toml:9"));
        assert_eq!(find("sinks.a.key").value, "{actor_id}");
        assert_eq!(find("buses.k.brokers").value, serde_json::json!(["x://***@a", "b"]));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn every_key_that_can_have_a_secret_is_known() {
        let mut files = Vec::new();
        let mut folders = vec![std::path::PathBuf::from("src/config")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        let mut keys = std::collections::BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            let fields = text.lines().map(str::trim).filter(|line| line.ends_with("SecretString>,"));
            keys.extend(fields.filter_map(|line| Some(line.split_once(": Option<")?.0.to_owned())));
        }
        keys.remove("pub(super) inline");
        assert!(keys.len() >= 8, "{keys:?}");
        let unknown: Vec<_> = keys.iter().filter(|key| !SECRET_KEYS.contains(&key.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?} would be shown by `oktabus config show`");
    }
}
