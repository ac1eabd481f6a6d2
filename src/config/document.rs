//! One file of a configuration: read once, if it may be trusted, and told of without what stands in it, which may be a secret.

use std::path::Path;

use config::{ConfigError as SourceError, FileFormat, Format as _, Map, Source, Value};

use super::{ConfigError, Problem};
use crate::permissions::{self, PermissionError, Trust};

/// What a file says, each value with the file that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Document {
    values: Map<String, Value>,
}

impl Document {
    /// Reads `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let bytes = permissions::read(path, Trust::Configuration).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let source = std::io::Error::other("it is not text in UTF-8");
            unreadable(PermissionError::Unreadable(source))
        })?;
        let origin = path.display().to_string();
        match FileFormat::Toml.parse(Some(&origin), &text) {
            Ok(values) => Ok(Self { values }),
            Err(err) => {
                let problem = Problem::new("", reason(err.as_ref(), &text));
                Err(ConfigError::Problems(vec![Problem { origin: Some(origin), ..problem }]))
            }
        }
    }
}

/// What is wrong and where. The parser's own words show the line.
fn reason(err: &(dyn std::error::Error + Send + Sync + 'static), text: &str) -> String {
    let Some(err) = err.downcast_ref::<toml::de::Error>() else {
        return "a number in it is out of range".to_owned();
    };
    let what = err.message().lines().collect::<Vec<_>>().join(", ");
    let Some(at) = err.span().map(|span| span.start) else { return what };
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {what}")
}

impl Source for Document {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, SourceError> {
        Ok(self.values.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a file that has this in it.
    fn told(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("oktabus.toml");
        std::fs::write(&path, text).unwrap();
        Document::read(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_never_by_the_line() {
        for text in [
            "[orgs.acme]\nauth = { token = hunter2-canary }\n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary }\n",
            "[orgs.acme]\nauth = { token = 'hunter2-canary\n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary\" \n",
            "[orgs.acme]\nauth = { token = \"hunter2-canary\\q\" }\n",
            "[orgs.acme]\nauth = { token \"hunter2-canary\" }\n",
            "[orgs.acme]\nauth = { token = \"a\", token = \"hunter2-canary\" }\n",
            "[orgs.acme]\nauth = { token = 00hunter2-canary }\n",
            "[orgs.acme]\nauth.token = \"a\" hunter2-canary\n",
            "[orgs.acme]\nauth.token = \"\"\"hunter2-canary\n",
            "[orgs.acme]\nauth.token = 99999999999999999999999999\n",
        ] {
            let told = told(text);
            assert!(!told.contains("hunter2") && !told.contains("9999"), "{told}");
            assert!(
                told.contains("oktabus.toml: line 2, column")
                    || told.contains("oktabus.toml: a number")
                    || told.contains("line 3"),
                "{told}"
            );
        }
    }
}
