//! Where secrets and certificate authorities come from. They are named here and read when they are needed, so that they
//! can be rotated. Knows no files: where secrets are kept, and which files are trusted, is for the caller to decide.

use std::{error::Error, fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};

/// Why something cannot be read at its source.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// A source that is read when its content is needed. Its display names the source and never shows the content: for example
/// `the file /etc/acme/token`.
pub trait Source<T>: fmt::Debug + fmt::Display + Send + Sync {
    /// Reads the current content. May do blocking I/O on a small file.
    fn read(&self) -> Result<T, SourceError>;
}

/// Where a secret comes from.
pub type SecretSource = Arc<dyn Source<SecretString>>;

/// Where certificate authorities come from, as PEM.
pub type PemSource = Arc<dyn Source<Vec<u8>>>;

/// A secret that is already in memory. It cannot be rotated.
#[derive(Clone)]
pub struct FixedSecret(SecretString);

/// A text that cannot be a token or password.
#[derive(Debug, thiserror::Error)]
#[error("the secret from {0} has a control character in it: is it the right file?")]
struct Malformed(String);

impl FixedSecret {
    /// This secret.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self(secret.into())
    }
}

impl Source<SecretString> for FixedSecret {
    fn read(&self) -> Result<SecretString, SourceError> {
        Ok(self.0.clone())
    }
}

impl fmt::Display for FixedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the program itself")
    }
}

impl fmt::Debug for FixedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FixedSecret(…)")
    }
}

/// Reads a token or password: a single line without control characters.
pub(crate) fn read_line(source: &dyn Source<SecretString>) -> Result<SecretString, SourceError> {
    let secret = source.read()?;
    if secret.expose_secret().contains(|c: char| c.is_control()) {
        return Err(Malformed(source.to_string()).into());
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_never_shown() {
        let secret = FixedSecret::new("hunter2");
        assert_eq!(read_line(&secret).unwrap().expose_secret(), "hunter2");
        assert!(!format!("{secret} {secret:?}").contains("hunter2"));
        let told = read_line(&FixedSecret::new("hunter\n2")).unwrap_err().to_string();
        assert!(told.contains("control character") && !told.contains("hunter"), "{told}");
    }
}
