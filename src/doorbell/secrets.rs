//! The secret of an org's hooks, and the one before it: compared in constant time, and read again while the daemon runs.

use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use crate::config::{HookConfig, Secret, SecretError};

/// A digest in place of a secret: comparing digests takes a time that says nothing of the secret.
type SecretDigest = [u8; 32];

/// What the header of a hook must have.
#[derive(Debug)]
pub(super) struct HookSecrets {
    header: HeaderName,
    secret: Secret,
    previous: Option<Secret>,
    /// Those that are taken now.
    taken: RwLock<Vec<SecretDigest>>,
}

impl HookSecrets {
    /// The secrets of `hook`, not read yet: until [`Self::refresh`] nobody is let in.
    pub(super) fn new(hook: &HookConfig) -> Self {
        let header = HeaderName::from_bytes(hook.header.as_bytes());
        Self {
            // The configuration has refused what is no name of a header.
            header: header.unwrap_or(axum::http::header::AUTHORIZATION),
            secret: hook.secret.clone(),
            previous: hook.previous_secret.clone(),
            taken: RwLock::default(),
        }
    }

    /// Reads the secrets again. If the current one cannot be read, those from before stay. Does blocking I/O on small files.
    pub(super) fn refresh(&self) -> Result<(), SecretError> {
        let mut taken = vec![digest(self.secret.read_line()?.expose_secret().as_bytes())];
        // The previous one may be gone once nobody uses it any more.
        let previous = self.previous.as_ref().and_then(|previous| previous.read_line().ok());
        taken.extend(previous.map(|previous| digest(previous.expose_secret().as_bytes())));
        *self.taken.write().unwrap_or_else(PoisonError::into_inner) = taken;
        Ok(())
    }

    /// Whether these headers show a secret that is taken.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let shown = headers.get(&self.header).ok_or(Refusal::NoSecret)?;
        let shown = digest(shown.as_bytes());
        let taken = self.taken.read().unwrap_or_else(PoisonError::into_inner);
        // All of them are looked at, whichever fits.
        let fits = taken.iter().fold(false, |fits, taken| fits | is_same(taken, &shown));
        if fits { Ok(()) } else { Err(Refusal::WrongSecret) }
    }
}

fn digest(text: &[u8]) -> SecretDigest {
    Sha256::digest(text).into()
}

/// Compares in a time that does not depend on where they differ.
fn is_same(one: &SecretDigest, other: &SecretDigest) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

    use super::*;

    fn write(path: &PathBuf, secret: &str) {
        fs::write(path, secret).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn shown(secrets: &HookSecrets, value: Option<&str>) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert("authorization", value.parse().unwrap());
        }
        secrets.check(&headers)
    }

    #[test]
    fn a_rotation_takes_both_and_then_the_new_one_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (current, previous) = (directory.path().join("current"), directory.path().join("previous"));
        write(&current, "the-first-of-them");
        let secrets = HookSecrets::new(&HookConfig {
            path: "/acme".to_owned(),
            header: "authorization".to_owned(),
            secret: Secret::File(current.clone()),
            previous_secret: Some(Secret::File(previous.clone())),
        });
        assert_eq!(shown(&secrets, Some("the-first-of-them")), Err(Refusal::WrongSecret), "not read yet");
        secrets.refresh().unwrap();
        assert_eq!(shown(&secrets, Some("the-first-of-them")), Ok(()));
        for wrong in ["the-first-of-the", "the-first-of-them ", "THE-FIRST-OF-THEM", ""] {
            assert_eq!(shown(&secrets, Some(wrong)), Err(Refusal::WrongSecret), "{wrong}");
        }
        assert_eq!(shown(&secrets, None), Err(Refusal::NoSecret));

        write(&previous, "the-first-of-them");
        write(&current, "and-now-another-one");
        secrets.refresh().unwrap();
        for taken in ["the-first-of-them", "and-now-another-one"] {
            assert_eq!(shown(&secrets, Some(taken)), Ok(()), "{taken}");
        }
        fs::remove_file(&previous).unwrap();
        secrets.refresh().unwrap();
        assert_eq!(shown(&secrets, Some("the-first-of-them")), Err(Refusal::WrongSecret));
        fs::remove_file(&current).unwrap();
        secrets.refresh().unwrap_err();
        assert_eq!(
            shown(&secrets, Some("and-now-another-one")),
            Ok(()),
            "what cannot be read changes nothing"
        );
    }
}
