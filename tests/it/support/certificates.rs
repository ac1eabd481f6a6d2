//! A certificate authority of a test's own, and a server certificate for loopback that it signed.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// The name of an org that is nowhere.
pub(crate) const ORG: &str = "acme.okta.example";

/// PEM files that live as long as this does.
#[derive(Debug)]
pub(crate) struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes new ones.
    pub(crate) fn new() -> Self {
        let certificates = Self { directory: TempDir::new().unwrap() };
        certificates.renew();
        certificates
    }

    /// Writes others over them, with another authority.
    pub(crate) fn renew(&self) {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "oktabus test authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();

        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), ORG.to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();

        fs::write(self.authority(), authority.pem()).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(self.key_and_certificate(), key.serialize_pem() + &certificate.pem()).unwrap();
    }

    /// The authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// The server's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    /// The server's private key.
    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("server.key.pem")
    }

    /// The server's private key and certificate in one file.
    pub(crate) fn key_and_certificate(&self) -> PathBuf {
        self.directory.path().join("server.key-and-certificate.pem")
    }
}
