//! Where secrets and certificate authorities come from. They are named here and read when they are needed, so that they
//! can be rotated. Knows no files: where they are kept, and which of them are trusted, is the user's.

use std::{error::Error, fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};

/// Why something cannot be read at its source.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// Where something comes from that is read when it is needed. Displayed, it says where that is and never what: for example
/// `the file /etc/acme/token`.
pub trait Source<T>: fmt::Debug + fmt::Display + Send + Sync {
    /// Reads it as it stands now. May do blocking I/O, as on a small file.
    fn read(&self) -> Result<T, SourceError>;
}

/// Where a secret comes from.
pub type SecretSource = Arc<dyn Source<SecretString>>;

/// Where certificate authorities come from, as PEM.
pub type PemSource = Arc<dyn Source<Vec<u8>>>;

/// A secret that the program has already. It cannot be rotated.
#[derive(Clone)]
pub struct FixedSecret(SecretString);

/// A token or password that has what none can have.
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
