//! Whether a client was built with the current secrets and certificates. librdkafka reads them once, so a rotation
//! needs a new client. Tokens are not covered here: each is fetched with the secrets of that moment.

use std::{
    fs,
    io::Read as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use crate::config::{KafkaBus, Secret};

/// Properties whose value names a file, or a directory of files, that librdkafka reads when a client is built.
const FILES: [&str; 5] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
];
/// Only this much of a file is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often the sources are looked at while the client is in trouble.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a client with a refused token continues before it is rebuilt with a new one.
const TOKEN_PATIENCE: Duration = Duration::from_secs(30);

/// What one client was built with.
#[derive(Debug)]
pub(crate) struct Credentials {
    bus: Arc<KafkaBus>,
    digest: [u8; 32],
    reloads: u64,
    built_at: Instant,
    looked_at: Instant,
}

impl Credentials {
    /// The current ones, which must be read before the client is built. Blocking I/O on small files.
    pub(crate) fn of(bus: &Arc<KafkaBus>) -> Self {
        let now = Instant::now();
        let (bus, digest) = (Arc::clone(bus), digest(bus));
        Self { reloads: bus.reloads.count(), bus, digest, built_at: now, looked_at: now }
    }

    /// Why the client must be rebuilt, if it must. Checks after a reload was requested, and periodically while the
    /// client is in `trouble`. Blocking I/O on small files.
    pub(crate) fn outdated(&mut self, trouble: Option<&Fault>) -> Option<Fault> {
        let reloads = self.bus.reloads.count();
        let is_asked = reloads != self.reloads;
        if !is_asked && (trouble.is_none() || self.looked_at.elapsed() < LOOK_EVERY) {
            return None;
        }
        self.reloads = reloads;
        self.looked_at = Instant::now();
        if digest(&self.bus) != self.digest {
            return Some(Fault::Poisoned(
                "its secrets or certificates have changed at their source".to_owned(),
            ));
        }
        let is_refused = matches!(trouble, Some(Fault::Unauthenticated(_))) && self.bus.token.is_some();
        let is_old = self.built_at.elapsed() >= TOKEN_PATIENCE;
        (is_refused && is_old)
            .then(|| Fault::Poisoned("its token is refused, and another one is fetched".to_owned()))
    }
}

/// Of all that can change while the process runs. What cannot be read is about to be replaced, or is missed by the next
/// client: it counts as nothing.
fn digest(bus: &KafkaBus) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |name: &str, content: &[u8]| {
        digest.update(name);
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    };
    for (name, secret) in &bus.secret_options {
        if let (Secret::File(_) | Secret::Credential(_), Ok(value)) = (secret, secret.read()) {
            add(name, value.expose_secret().as_bytes());
        }
    }
    for name in FILES {
        if let Some(path) = bus.options.get(name) {
            contents(Path::new(path)).iter().for_each(|content| add(name, content));
        }
    }
    digest.finalize().into()
}

/// Of the file at `path`, or of the files in that directory in the order of their names.
fn contents(path: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(path) else { return content(path).into_iter().collect() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| content(path)).collect()
}

fn content(path: &Path) -> Option<Vec<u8>> {
    // What is no file, such as a pipe, might never end.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{AwsMskIamConfig, TokenConfig};

    struct SecretDirectory {
        directory: tempfile::TempDir,
        bus: Arc<KafkaBus>,
    }

    fn place() -> SecretDirectory {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut bus = KafkaBus::default();
        bus.options.insert("ssl.ca.location".to_owned(), path("ca.pem").display().to_string());
        bus.secret_options.insert("sasl.password".to_owned(), Secret::File(path("password")));
        let place = SecretDirectory { bus: Arc::new(bus), directory };
        place.write("ca.pem", "authority");
        place.write("password", "old");
        place
    }

    impl SecretDirectory {
        fn write(&self, name: &str, content: &str) {
            let path = self.directory.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        /// Whether a client built before `change` is outdated after it.
        fn is_outdated_by(&self, change: impl FnOnce()) -> bool {
            let mut credentials = Credentials::of(&self.bus);
            change();
            self.bus.reloads.ask();
            credentials.outdated(None).is_some()
        }
    }

    #[test]
    fn what_was_rotated_outdates_the_client_and_nothing_else_does() {
        let place = place();
        assert!(!place.is_outdated_by(|| ()));
        assert!(!place.is_outdated_by(|| place.write("password", "old")), "written again and the same");
        assert!(place.is_outdated_by(|| place.write("password", "new")));
        assert!(place.is_outdated_by(|| place.write("ca.pem", "another authority")));
    }

    #[test]
    fn it_is_looked_at_when_somebody_asks_or_the_client_is_in_trouble() {
        let place = place();
        let mut credentials = Credentials::of(&place.bus);
        place.write("password", "new");
        assert_eq!(credentials.outdated(None), None);
        let trouble = Fault::Unauthenticated("wrong".to_owned());
        assert_eq!(credentials.outdated(Some(&trouble)), None, "not at once");
        credentials.looked_at -= LOOK_EVERY;
        assert!(credentials.outdated(Some(&trouble)).is_some());
    }

    #[test]
    fn a_refused_token_is_replaced_after_a_while() {
        let token = TokenConfig::AwsMskIam(AwsMskIamConfig { region: "eu-west-1".to_owned() });
        let bus = KafkaBus { token: Some(token), ..KafkaBus::default() };
        let mut credentials = Credentials::of(&Arc::new(bus));
        let trouble = Fault::Unauthenticated("invalid_token".to_owned());
        credentials.looked_at -= LOOK_EVERY;
        assert_eq!(credentials.outdated(Some(&trouble)), None, "it has only just been fetched");
        credentials.looked_at -= LOOK_EVERY;
        credentials.built_at -= TOKEN_PATIENCE;
        assert!(credentials.outdated(Some(&trouble)).is_some());
    }
}
