//! Where a secret comes from. The value itself is read when it is needed, so that it can be rotated on disk.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use okta_client::{Source, SourceError};
use secrecy::{ExposeSecret, SecretString};

use super::Problem;
use crate::permissions::{self, PermissionError, Trust};

/// A secret that is named but not held.
#[derive(Clone)]
pub enum Secret {
    /// A file that only its owner and its group may read; one trailing line break is not part of the secret.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A credential that systemd passes on, by its name: a file in the directory that it names to the service.
    Credential(String),
    /// Written in the configuration, which must be allowed expressly.
    Inline(SecretString),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is missing, or not as a secret must be kept.
    #[error("cannot read the secret file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PermissionError,
    },
    /// It is not UTF-8.
    #[error("the secret file {0} is not text in UTF-8: was it saved as UTF-16, or is it another file?")]
    NotText(PathBuf),
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// systemd has passed nothing on.
    #[error(
        "there is no credential {0}, as CREDENTIALS_DIRECTORY is not set: start oktabus from a systemd unit with \
         LoadCredential={0}:/path/to/the/secret"
    )]
    NoCredentials(String),
    /// There is nothing in it.
    #[error("the secret from {0} is empty")]
    Empty(Secret),
    /// A line break or another control character inside, which no credential has.
    #[error("the secret from {0} has a control character in it: is it the right file?")]
    Malformed(Secret),
    /// The process is going down.
    #[error("reading the secret was cut short")]
    Interrupted,
}

/// What systemd calls the directory with a service's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

impl Secret {
    /// Reads the current secret. Does blocking I/O on a small file.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        let secret = match self {
            Self::File(path) => read_file(path)?,
            Self::Environment(name) => {
                std::env::var(name).map(SecretString::from).map_err(|_| SecretError::NotSet(name.clone()))?
            }
            Self::Credential(name) => {
                let directory = std::env::var_os(CREDENTIALS_DIRECTORY);
                let directory = directory.ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                read_file(&PathBuf::from(directory).join(name))?
            }
            Self::Inline(secret) => secret.clone(),
        };
        if secret.expose_secret().is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        Ok(secret)
    }

    /// Like [`Secret::read`], for a token or password: a single line without control characters.
    pub fn read_line(&self) -> Result<SecretString, SecretError> {
        let secret = self.read()?;
        if secret.expose_secret().contains(|c: char| c.is_control()) {
            return Err(SecretError::Malformed(self.clone()));
        }
        Ok(secret)
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let bytes = permissions::read(path, Trust::Secret)
        .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    let mut text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(path.to_owned()))?;
    // Editors on Windows put a mark before the text.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Ok(SecretString::from(text))
}

impl Source<SecretString> for Secret {
    fn read(&self) -> Result<SecretString, SourceError> {
        Ok(Self::read(self)?)
    }
}

/// Says where the secret comes from, never what it is.
impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "the file {}", path.display()),
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::Credential(name) => write!(formatter, "the systemd credential {name}"),
            Self::Inline(_) => formatter.write_str("the configuration itself"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({self})")
    }
}

/// How secrets are treated while a configuration is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Secrets {
    /// Whether secrets are allowed in the configuration itself.
    pub(super) may_be_inline: bool,
    /// Whether each is read once, to check that it exists. A command that needs none may not be able to read them.
    pub(super) are_read: bool,
}

impl Secrets {
    /// The value of `secret`, if secrets are read.
    pub(super) fn try_read(self, secret: &Secret) -> Result<Option<SecretString>, SecretError> {
        self.are_read.then(|| secret.read()).transpose()
    }

    /// Likewise, for a token or password.
    pub(super) fn try_read_line(self, secret: &Secret) -> Result<Option<SecretString>, SecretError> {
        self.are_read.then(|| secret.read_line()).transpose()
    }

    /// Refuses the file `path` if it may not be trusted, if files are looked at.
    pub(super) fn try_trust(self, path: &Path, trust: Trust) -> Result<(), PermissionError> {
        if self.are_read { permissions::require(path, trust) } else { Ok(()) }
    }
}

#[cfg(test)]
impl Secrets {
    pub(super) const REFUSED: Self = Self { may_be_inline: false, are_read: true };
    pub(super) const ALLOWED: Self = Self { may_be_inline: true, are_read: true };
}

/// The ways in which a secret may be given, of which one is taken.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) file: Option<PathBuf>,
    pub(super) env: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) inline: Option<SecretString>,
}

impl Given {
    /// Whether it is given in any way.
    pub(super) fn is_given(&self) -> bool {
        self.file.is_some() || self.env.is_some() || self.credential.is_some() || self.inline.is_some()
    }

    /// The one way in which the secret `name` is given: `<name>_file`, `<name>_env`, `<name>_credential`, or `<name>`
    /// itself where that is allowed.
    pub(super) fn resolve(self, name: &str, secrets: Secrets) -> Result<Secret, Problem> {
        match self {
            Self { file: Some(path), env: None, credential: None, inline: None } => Ok(Secret::File(path)),
            Self { file: None, env: Some(variable), credential: None, inline: None } => {
                Ok(Secret::Environment(variable))
            }
            Self { file: None, env: None, credential: Some(credential), inline: None } => {
                if credential.is_empty() || credential.contains('/') || credential.starts_with('.') {
                    let reason = format!("`{credential}` is not a name as in LoadCredential=");
                    return Err(Problem::new(format!("{name}_credential"), reason));
                }
                Ok(Secret::Credential(credential))
            }
            Self { file: None, env: None, credential: None, inline: Some(value) } => {
                if secrets.may_be_inline {
                    return Ok(Secret::Inline(value));
                }
                let reason = format!(
                    "a secret in the configuration itself: use `{name}_file` or `{name}_env`, or set `allow_inline_secrets = true`"
                );
                Err(Problem::new(name, reason))
            }
            Self { file: None, env: None, credential: None, inline: None } => {
                let ways = format!("missing: give `{name}_file`, `{name}_env` or `{name}_credential`");
                Err(Problem::new(name, ways))
            }
            _ => Err(Problem::new(
                name,
                format!(
                    "given twice: `{name}_file`, `{name}_env`, `{name}_credential` and `{name}` exclude each other"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::telemetry::chain;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, Secret) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, Secret::File(path))
    }

    #[test]
    fn a_trailing_line_break_is_not_part_of_a_token() {
        for content in ["00abc", "00abc\n", "00abc\r\n", "\u{feff}00abc\r\n"] {
            let (_directory, secret) = file(content, 0o600);
            assert_eq!(secret.read_line().unwrap().expose_secret(), "00abc");
        }
    }

    #[test]
    fn a_file_open_to_the_world_is_refused_with_what_to_do() {
        let (_directory, secret) = file("00abc", 0o644);
        let error = chain(&secret.read().unwrap_err());
        assert!(error.contains("mode 644") && error.contains("chmod o-rwx"), "{error}");
    }

    #[test]
    fn missing_empty_and_malformed_are_told_apart() {
        let (directory, empty) = file("\n", 0o600);
        assert!(matches!(empty.read_line(), Err(SecretError::Empty(_))));
        let (_directory, lines) = file("a\nb", 0o600);
        assert!(matches!(lines.read_line(), Err(SecretError::Malformed(_))));
        let missing = Secret::File(directory.path().join("nowhere"));
        assert!(matches!(missing.read(), Err(SecretError::Unreadable { .. })));
        let folder = chain(&Secret::File(std::env::temp_dir()).read().unwrap_err());
        assert!(
            folder.contains("it is a directory, and not a file") && !folder.contains("chmod"),
            "{folder}"
        );
        let unset = Secret::Environment("OKTABUS_NO_SUCH_VARIABLE".to_owned());
        assert!(matches!(unset.read(), Err(SecretError::NotSet(_))));
    }

    #[test]
    fn text_of_another_encoding_is_named_as_such() {
        let (_directory, secret) = file("", 0o600);
        let Secret::File(path) = &secret else { panic!("{secret}") };
        fs::write(path, b"\xff\xfe0\x000\x00").unwrap();
        assert!(secret.read().unwrap_err().to_string().contains("UTF-16"));
    }

    #[test]
    fn no_form_of_printing_shows_an_inline_secret() {
        let secret = Secret::Inline(SecretString::from("hunter2"));
        assert!(!format!("{secret} {secret:?}").contains("hunter2"));
    }
}
