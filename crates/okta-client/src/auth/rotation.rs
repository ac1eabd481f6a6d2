//! A secret that can be rotated at its source while the client runs.
//!
//! A new secret that cannot be read or parsed changes nothing. If Okta refuses a new secret, the previous one is used again
//! if it has worked: a mistake in a secret store must not stop what still works.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::AuthError;
use crate::{SecretSource, chain::chain};

/// One reading of a secret.
#[derive(Debug)]
pub(crate) struct Version<T> {
    pub(super) value: Arc<T>,
    number: u64,
}

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), number: self.number }
    }
}

type Read<T> = dyn Fn(&SecretSource) -> Result<T, AuthError> + Send + Sync;

/// A secret that can be rotated at its source.
pub(super) struct Rotating<T> {
    source: SecretSource,
    read: Arc<Read<T>>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    current: Option<Version<T>>,
    /// Whether Okta has accepted the current one.
    is_proven: bool,
    /// The previous secret, if Okta accepted it.
    before: Option<Version<T>>,
    next_number: u64,
    /// Why what is at the source now is not used.
    trouble: Option<String>,
}

impl<T> Held<T> {
    fn is_current(&self, version: &Version<T>) -> bool {
        self.current.as_ref().is_some_and(|current| current.number == version.number)
    }

    fn take_up(&mut self, value: T) -> Version<T> {
        let version = Version { value: Arc::new(value), number: self.next_number };
        self.next_number += 1;
        self.current = Some(version.clone());
        self.is_proven = false;
        self.trouble = None;
        version
    }
}

/// Whether two readings of a secret are the same secret.
pub(super) trait SameSecret {
    fn is_same(&self, other: &Self) -> bool;
}

impl SameSecret for secrecy::SecretString {
    fn is_same(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        self.expose_secret() == other.expose_secret()
    }
}

impl<T: SameSecret + Send + Sync + 'static> Rotating<T> {
    /// A secret from `source`, parsed by `read`. Reads nothing yet.
    pub(super) fn new(
        source: SecretSource,
        read: impl Fn(&SecretSource) -> Result<T, AuthError> + Send + Sync + 'static,
    ) -> Self {
        let held = Held { current: None, is_proven: false, before: None, next_number: 0, trouble: None };
        Self { source, read: Arc::new(read), held: Mutex::new(held) }
    }

    /// The same, and reads the secret. Blocking I/O on a small file.
    pub(super) fn read_now(self) -> Result<Self, AuthError> {
        let value = (self.read)(&self.source)?;
        self.lock().take_up(value);
        Ok(self)
    }

    /// The current secret, if one was read.
    pub(super) fn known(&self) -> Option<Version<T>> {
        self.lock().current.clone()
    }

    /// The current secret; reads it if there is none.
    pub(super) async fn current(&self) -> Result<Version<T>, AuthError> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let value = self.read().await?;
        let mut held = self.lock();
        // Another task may have read it meanwhile.
        match held.current.clone() {
            Some(current) => Ok(current),
            None => Ok(held.take_up(value)),
        }
    }

    /// Why what is at the source now is not used, if another one still is.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// Okta has accepted this secret.
    pub(super) fn accepted(&self, version: &Version<T>) {
        let mut held = self.lock();
        if held.is_current(version) && !held.is_proven {
            held.is_proven = true;
            held.before = None;
        }
    }

    /// Okta has refused this secret; true if there is another to try.
    pub(super) async fn refused(&self, version: &Version<T>) -> bool {
        if !self.lock().is_current(version) {
            return true;
        }
        let read = self.read().await;
        let mut held = self.lock();
        if !held.is_current(version) {
            return true;
        }
        if let Ok(value) = read
            && !value.is_same(&version.value)
        {
            tracing::info!(
                source = self.source.to_string(),
                "the secret was refused and has changed at its source: trying the new one"
            );
            held.take_up(value);
            return true;
        }
        held.current = held.before.take();
        held.is_proven = held.current.is_some();
        if held.is_proven {
            tracing::error!(
                source = self.source.to_string(),
                "the new secret is refused: going on with the one before, which must be replaced soon"
            );
            held.trouble = Some(format!("Okta refuses the new secret from {}", self.source));
        }
        held.is_proven
    }

    /// Reads the secret again; true if it has changed. A secret that cannot be read changes nothing.
    pub(super) async fn reload(&self) -> Result<bool, AuthError> {
        let read = self.read().await;
        let mut held = self.lock();
        let value = match read {
            Ok(value) => value,
            Err(err) => {
                held.trouble = held.is_proven.then(|| chain(&err));
                return Err(err);
            }
        };
        if held.current.as_ref().is_some_and(|current| current.value.is_same(&value)) {
            held.trouble = None;
            return Ok(false);
        }
        if held.is_proven {
            held.before = held.current.take();
        }
        held.take_up(value);
        Ok(true)
    }

    async fn read(&self) -> Result<T, AuthError> {
        let (source, read) = (Arc::clone(&self.source), Arc::clone(&self.read));
        tokio::task::spawn_blocking(move || read(&source)).await.map_err(|_| AuthError::Interrupted)?
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        // No code panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Rotating<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rotating").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::{Source, SourceError};

    /// A source whose secret a test can rotate; an empty one cannot be read.
    #[derive(Debug, Default)]
    struct Vault(Mutex<String>);

    impl Vault {
        fn holding(text: &str) -> Arc<Self> {
            let vault = Arc::new(Self::default());
            vault.write(text);
            vault
        }

        fn write(&self, text: &str) {
            text.clone_into(&mut self.0.lock().unwrap());
        }
    }

    impl fmt::Display for Vault {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the vault")
        }
    }

    impl Source<SecretString> for Vault {
        fn read(&self) -> Result<SecretString, SourceError> {
            let text = self.0.lock().unwrap().clone();
            if text.is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
        }
    }

    fn rotating(vault: &Arc<Vault>) -> Rotating<SecretString> {
        let source: SecretSource = Arc::<Vault>::clone(vault);
        Rotating::new(source, |source| source.read().map_err(AuthError::Secret))
    }

    async fn current(secret: &Rotating<SecretString>) -> (Version<SecretString>, String) {
        let version = secret.current().await.unwrap();
        let text = version.value.expose_secret().to_owned();
        (version, text)
    }

    #[tokio::test]
    async fn a_refused_secret_is_read_again_and_a_changed_one_is_used() {
        let vault = Vault::holding("old");
        let secret = rotating(&vault);
        let (old, text) = current(&secret).await;
        assert_eq!(text, "old");
        assert!(!secret.refused(&old).await, "there is no other");
        vault.write("new");
        let (new, text) = current(&secret).await;
        assert_eq!(text, "new");
        assert!(secret.refused(&old).await, "it is not the current one any more");
        secret.accepted(&new);
    }

    #[tokio::test]
    async fn a_bad_new_secret_does_not_stop_what_works() {
        let vault = Vault::holding("good");
        let secret = rotating(&vault);
        let (good, _) = current(&secret).await;
        secret.accepted(&good);

        vault.write("");
        assert!(secret.reload().await.is_err());
        assert_eq!(current(&secret).await.1, "good");
        assert_eq!(secret.trouble().as_deref(), Some("it is empty"));
        vault.write("good");
        assert!(!secret.reload().await.unwrap());
        assert_eq!(secret.trouble(), None);

        vault.write("bad");
        assert!(secret.reload().await.unwrap());
        let (bad, text) = current(&secret).await;
        assert_eq!(text, "bad");
        assert!(secret.refused(&bad).await, "the one before is tried");
        assert_eq!(current(&secret).await.1, "good");
        let trouble = secret.trouble().unwrap();
        assert_eq!(trouble, "Okta refuses the new secret from the vault");

        vault.write("better");
        assert!(secret.reload().await.unwrap());
        assert_eq!(secret.trouble(), None);
        let (better, _) = current(&secret).await;
        secret.accepted(&better);
        assert!(!secret.refused(&better).await, "what worked once is not tried after its successor has");
    }
}
