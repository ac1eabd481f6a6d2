//! Files that the libraries of a bus open by their paths: they are held to what our own files are held to.

use std::path::{Path, PathBuf};

use super::{KafkaBus, NatsBus};
use crate::permissions::{self, PermissionError, Trust};

/// A file that a bus needs and that cannot be trusted.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: cannot use {path}")]
pub struct UntrustedFile {
    /// The key that names it.
    pub key: String,
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub source: PermissionError,
}

/// librdkafka properties that name a file with a secret.
const SECRET_FILES: [&str; 4] = [
    "ssl.key.location",
    "ssl.keystore.location",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.kerberos.keytab",
];
/// librdkafka properties that name a file by which the cluster, or we, are known.
const PUBLIC_FILES: [&str; 4] =
    ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "https.ca.location"];

/// A file that a bus needs, and what it is trusted with.
#[derive(Debug, Clone)]
pub struct TrustedFile {
    key: String,
    path: PathBuf,
    trust: Trust,
}

impl TrustedFile {
    fn new(key: impl Into<String>, path: &Path, trust: Trust) -> Self {
        Self { key: key.into(), path: path.to_owned(), trust }
    }

    /// Refuses the file if others could have written it or, if it is secret, could read it. Blocking I/O on a small file.
    pub fn require(&self) -> Result<(), UntrustedFile> {
        permissions::require(&self.path, self.trust).map_err(|source| {
            let (key, path) = (self.key.clone(), self.path.clone());
            UntrustedFile { key, path, source }
        })
    }
}

impl KafkaBus {
    /// The files that librdkafka opens.
    pub fn files(&self) -> impl Iterator<Item = TrustedFile> {
        let secret = SECRET_FILES.map(|property| (property, Trust::Secret));
        let public = PUBLIC_FILES.map(|property| (property, Trust::Public));
        secret.into_iter().chain(public).filter_map(|(property, trust)| {
            let path = Path::new(self.options.get(property)?);
            // librdkafka also takes a directory of authorities, or the word `probe`.
            let is_other = property.ends_with("ca.location") && (path.is_dir() || path == Path::new("probe"));
            (!is_other).then(|| TrustedFile::new(format!("options.{property}"), path, trust))
        })
    }
}

impl NatsBus {
    /// The files that the client opens.
    pub fn files(&self) -> impl Iterator<Item = TrustedFile> {
        let authorities =
            self.ca_file.iter().map(|path| TrustedFile::new("tls.ca_file", path, Trust::Public));
        let ours = self.client_certificate.iter().flat_map(|ours| {
            [
                TrustedFile::new("tls.certificate_file", &ours.certificate_file, Trust::Public),
                TrustedFile::new("tls.key_file", &ours.key_file, Trust::Secret),
            ]
        });
        authorities.chain(ours)
    }
}
