//! The app's private key: read from PEM (PKCS#1, PKCS#8, SEC1) or JWK, used to sign.
//!
//! ring signs with RSA keys, because the `rsa` crate leaks timing (RUSTSEC-2023-0071); RustCrypto signs with EC keys, because
//! ring has no P-521 and reads EC keys only with their public half.

use p256::pkcs8::{DecodePrivateKey as _, PrivateKeyInfo};
use ring::{rand::SystemRandom, rsa, signature as ring_signature};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use secrecy::{ExposeSecret, SecretString};

use super::{AuthError, rotation::SameSecret};
use crate::{SecretSource, SigningAlgorithm, pem};

mod jwk;

/// A key that signs with one algorithm.
pub(super) struct PrivateKey {
    signer: Signer,
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    /// The text it was read from, to see whether the source has changed.
    text: SecretString,
}

enum Signer {
    Rsa(Box<rsa::KeyPair>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(Box<p521::ecdsa::SigningKey>),
}

/// A key, with what its source says about it.
struct Parsed {
    signer: Signer,
    algorithm: Option<SigningAlgorithm>,
    key_id: Option<String>,
}

impl PrivateKey {
    /// Reads the key from `source`. `algorithm` and `key_id` take precedence over the members of a JWK.
    pub(super) fn read(
        source: &SecretSource,
        algorithm: Option<SigningAlgorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, AuthError> {
        let text = source.read().map_err(AuthError::Secret)?;
        Self::parse(text, algorithm, key_id)
            .map_err(|reason| AuthError::PrivateKey { origin: source.to_string(), reason })
    }

    fn parse(
        text: SecretString,
        algorithm: Option<SigningAlgorithm>,
        key_id: Option<&str>,
    ) -> Result<Self, String> {
        let trimmed = text.expose_secret().trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let parsed = if trimmed.starts_with('{') { jwk::parse(trimmed)? } else { from_pem(trimmed)? };
        let wanted = algorithm.or(parsed.algorithm);
        let algorithm = wanted.unwrap_or_else(|| parsed.signer.usual_algorithm());
        if !parsed.signer.can(algorithm) {
            return Err(format!(
                "it is {}, with which {} cannot be signed; use {}",
                parsed.signer.kind(),
                algorithm.name(),
                parsed.signer.usual_algorithm().name()
            ));
        }
        let key_id = key_id.map(str::to_owned).or(parsed.key_id);
        Ok(Self { signer: parsed.signer, algorithm, key_id, text })
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The `kid` under which the app knows the key.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The signature of `message` in the form of JSON Web Algorithms (RFC 7518).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthError> {
        use p256::ecdsa::signature::Signer as _;
        match &self.signer {
            Signer::Rsa(key) => sign_rsa(key, self.algorithm, message),
            Signer::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_vec())
            }
            Signer::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                Ok(signature.to_vec())
            }
            Signer::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(message);
                Ok(signature.to_vec())
            }
        }
    }
}

impl SameSecret for PrivateKey {
    fn is_same(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PrivateKey({})", self.signer.kind())
    }
}

impl Signer {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "an RSA key",
            Self::P256(_) => "a P-256 key",
            Self::P384(_) => "a P-384 key",
            Self::P521(_) => "a P-521 key",
        }
    }

    fn usual_algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Rsa(_) => SigningAlgorithm::Rs256,
            Self::P256(_) => SigningAlgorithm::Es256,
            Self::P384(_) => SigningAlgorithm::Es384,
            Self::P521(_) => SigningAlgorithm::Es512,
        }
    }

    /// Each curve has its one algorithm (RFC 7518, section 3.4).
    fn can(&self, algorithm: SigningAlgorithm) -> bool {
        match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Rs384 | SigningAlgorithm::Rs512 => {
                matches!(self, Self::Rsa(_))
            }
            SigningAlgorithm::Es256 | SigningAlgorithm::Es384 | SigningAlgorithm::Es512 => {
                self.usual_algorithm() == algorithm
            }
        }
    }
}

fn sign_rsa(key: &rsa::KeyPair, algorithm: SigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, AuthError> {
    let padding: &dyn ring_signature::RsaEncoding = match algorithm {
        SigningAlgorithm::Rs384 => &ring_signature::RSA_PKCS1_SHA384,
        SigningAlgorithm::Rs512 => &ring_signature::RSA_PKCS1_SHA512,
        // Reading the key refused all other algorithms.
        _ => &ring_signature::RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    // Fails only if the system gives no random numbers for blinding.
    key.sign(padding, &SystemRandom::new(), message, &mut signature).map_err(|_| AuthError::Unsigned)?;
    Ok(signature)
}

fn from_pem(text: &str) -> Result<Parsed, String> {
    let Some(label) = text.split("-----BEGIN ").nth(1).and_then(|rest| rest.split("-----").next()) else {
        return Err("it is neither PEM nor JWK".to_owned());
    };
    let sections = pem::sections(text);
    if sections.is_empty() {
        return Err(format!("its PEM section `{label}` is damaged: it has no end"));
    }
    // OpenSSL puts the parameters of a curve before the key.
    let key = sections.iter().find(|section| section.label.ends_with("PRIVATE KEY"));
    let section = key.unwrap_or(&sections[0]);
    if section.body.expose_secret().starts_with("Proc-Type:") {
        return Err(unusable_pem("ENCRYPTED PRIVATE KEY"));
    }
    let text = section.to_pem();
    let label = section.label.as_str();
    let der = PrivateKeyDer::from_pem_slice(text.expose_secret().as_bytes());
    let der = der.map_err(|_| unusable_pem(label))?;
    let signer = match &der {
        PrivateKeyDer::Pkcs1(der) => rsa(rsa::KeyPair::from_der(der.secret_pkcs1_der()))?,
        PrivateKeyDer::Sec1(der) => ec(der.secret_sec1_der())?,
        PrivateKeyDer::Pkcs8(der) => from_pkcs8(der.secret_pkcs8_der())?,
        _ => return Err(unusable_pem(label)),
    };
    Ok(Parsed { signer, algorithm: None, key_id: None })
}

fn unusable_pem(label: &str) -> String {
    match label {
        "ENCRYPTED PRIVATE KEY" => {
            "it is encrypted: decrypt it with `openssl pkey -in key.pem -out plain.pem`, and protect the file by its mode"
                .to_owned()
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => {
            "it holds the public half, which belongs into Okta; name the file with the private key".to_owned()
        }
        "OPENSSH PRIVATE KEY" => {
            "it has OpenSSH's own form: turn it into PEM with `ssh-keygen -p -m PKCS8 -f KEY`".to_owned()
        }
        label => format!("its PEM section is `{label}` or damaged; PKCS#1, PKCS#8, SEC1 and JWK are understood"),
    }
}

fn from_pkcs8(der: &[u8]) -> Result<Signer, String> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    const EC: &str = "1.2.840.10045.2.1";
    let info = PrivateKeyInfo::try_from(der).map_err(|err| format!("its PKCS#8 is damaged: {err}"))?;
    match info.algorithm.oid.to_string().as_str() {
        RSA => rsa(rsa::KeyPair::from_pkcs8(der)),
        EC => {
            let p256 = || p256::SecretKey::from_pkcs8_der(der).ok().map(p256_signer);
            let p384 = || p384::SecretKey::from_pkcs8_der(der).ok().map(p384_signer);
            let p521 = || p521::SecretKey::from_pkcs8_der(der).ok().and_then(p521_signer);
            p256().or_else(p384).or_else(p521).ok_or_else(unknown_curve)
        }
        _ => {
            Err("it is neither an RSA nor an EC key: Okta takes RS256, RS384, RS512, ES256, ES384 and ES512"
                .to_owned())
        }
    }
}

/// The curve follows from the length of the key, which is fixed (RFC 5915, section 3), and from the public half if there is
/// one, so that trying the shorter curves first finds the right one.
fn ec(der: &[u8]) -> Result<Signer, String> {
    let p256 = || p256::SecretKey::from_sec1_der(der).ok().map(p256_signer);
    let p384 = || p384::SecretKey::from_sec1_der(der).ok().map(p384_signer);
    let p521 = || p521::SecretKey::from_sec1_der(der).ok().and_then(p521_signer);
    p256().or_else(p384).or_else(p521).ok_or_else(unknown_curve)
}

fn unknown_curve() -> String {
    "it is an EC key that is damaged or on another curve than P-256, P-384 or P-521".to_owned()
}

fn p256_signer(key: p256::SecretKey) -> Signer {
    Signer::P256(key.into())
}

fn p384_signer(key: p384::SecretKey) -> Signer {
    Signer::P384(key.into())
}

#[expect(clippy::needless_pass_by_value, reason = "called by `and_then`, which gives the key away")]
fn p521_signer(key: p521::SecretKey) -> Option<Signer> {
    let key = p521::ecdsa::SigningKey::from_bytes(&key.to_bytes()).ok()?;
    Some(Signer::P521(Box::new(key)))
}

fn rsa(key: Result<rsa::KeyPair, ring::error::KeyRejected>) -> Result<Signer, String> {
    match key {
        Ok(key) => Ok(Signer::Rsa(Box::new(key))),
        Err(err) => {
            Err(format!("it is an RSA key that cannot be used ({err}): 2,048 to 4,096 bits are needed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs openssl, the tool with which operators make their keys.
    fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut child = std::process::Command::new("openssl")
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}");
        output.stdout
    }

    fn parse(pem: &[u8], algorithm: Option<SigningAlgorithm>) -> Result<PrivateKey, String> {
        PrivateKey::parse(SecretString::from(String::from_utf8(pem.to_vec()).unwrap()), algorithm, None)
    }

    fn generate(kind: &str) -> Vec<u8> {
        match kind.strip_prefix("rsa:") {
            Some(bits) => openssl(
                &["genpkey", "-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")],
                b"",
            ),
            None => openssl(
                &["genpkey", "-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{kind}")],
                b"",
            ),
        }
    }

    /// openssl's answer about a signature of ours.
    fn openssl_verifies(pem: &[u8], hash: &str, message: &[u8], der_signature: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(path("key"), pem).unwrap();
        std::fs::write(path("signature"), der_signature).unwrap();
        let (key, signature) = (path("key"), path("signature"));
        let said = openssl(&["dgst", hash, "-prverify", &key, "-signature", &signature], message);
        String::from_utf8_lossy(&said).contains("Verified OK")
    }

    #[test]
    fn a_key_is_understood_however_forms_and_variables_have_changed_its_lines() {
        for kind in ["rsa:2048", "P-256"] {
            let pem = String::from_utf8(generate(kind)).unwrap();
            for form in [
                pem.replace('\n', "\\n"),
                pem.replace('\n', " "),
                pem.replace('\n', "\r\n"),
                format!("\u{feff}{pem}"),
                pem.lines().map(|line| format!("\t  {line}\n")).collect(),
            ] {
                assert!(parse(form.as_bytes(), None).is_ok(), "{kind}: {form:.40}");
            }
            let told = parse(&pem.as_bytes()[..pem.len() / 2], None).err().unwrap();
            assert!(told.contains("damaged: it has no end"), "{told}");
        }
        let with_parameters = openssl(&["ecparam", "-name", "prime256v1", "-genkey"], b"");
        assert!(parse(&with_parameters, None).is_ok());
        let old =
            openssl(&["rsa", "-traditional", "-aes128", "-passout", "pass:secret"], &generate("rsa:2048"));
        let told = parse(&old, None).err().unwrap();
        assert!(told.contains("it is encrypted"), "{told}");
    }

    #[test]
    fn every_form_and_algorithm_is_taken_and_openssl_verifies_what_is_signed() {
        use SigningAlgorithm as A;
        for (kind, traditional, algorithms) in [
            (
                "rsa:2048",
                &["rsa", "-traditional"][..],
                &[(A::Rs256, "-sha256"), (A::Rs384, "-sha384"), (A::Rs512, "-sha512")][..],
            ),
            ("P-256", &["ec"], &[(A::Es256, "-sha256")]),
            ("P-384", &["ec"], &[(A::Es384, "-sha384")]),
            ("P-521", &["ec"], &[(A::Es512, "-sha512")]),
        ] {
            let pkcs8 = generate(kind);
            // PKCS#1 for RSA, SEC1 for EC.
            let old_form = openssl(traditional, &pkcs8);
            assert!(!old_form.starts_with(b"-----BEGIN PRIVATE"), "{kind}");
            for pem in [&pkcs8, &old_form] {
                assert_eq!(parse(pem, None).unwrap().algorithm(), algorithms[0].0, "{kind}");
                for (algorithm, hash) in algorithms {
                    let key = parse(pem, Some(*algorithm)).unwrap();
                    let signature = key.sign(b"message").unwrap();
                    let der = match *algorithm {
                        A::Es256 => p256::ecdsa::Signature::from_slice(&signature)
                            .unwrap()
                            .to_der()
                            .as_bytes()
                            .to_vec(),
                        A::Es384 => p384::ecdsa::Signature::from_slice(&signature)
                            .unwrap()
                            .to_der()
                            .as_bytes()
                            .to_vec(),
                        A::Es512 => p521::ecdsa::Signature::from_slice(&signature)
                            .unwrap()
                            .to_der()
                            .as_bytes()
                            .to_vec(),
                        _ => signature,
                    };
                    assert!(openssl_verifies(pem, hash, b"message", &der), "{kind} {algorithm:?}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_to_do() {
        use SigningAlgorithm as A;
        let refusal = |pem: &[u8], algorithm| parse(pem, algorithm).map(drop).unwrap_err();
        let p256 = generate("P-256");
        assert!(refusal(&p256, Some(A::Es384)).contains("a P-256 key, with which ES384"));
        assert!(refusal(&p256, Some(A::Rs256)).contains("use ES256"));
        assert!(refusal(&generate("rsa:1024"), None).contains("2,048"));
        assert!(refusal(&generate("secp256k1"), None).contains("another curve"));
        let ed25519 = openssl(&["genpkey", "-algorithm", "ED25519"], b"");
        assert!(refusal(&ed25519, None).contains("neither an RSA nor an EC key"));
        let public = openssl(&["pkey", "-pubout"], &p256);
        assert!(refusal(&public, None).contains("public half"));
        let encrypted = openssl(&["pkey", "-aes256", "-passout", "pass:x"], &p256);
        assert!(refusal(&encrypted, None).contains("decrypt it"));
        assert!(
            refusal(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", None)
                .contains("ssh-keygen")
        );
        assert!(refusal(b"00token", None).contains("neither PEM nor JWK"));
        assert!(refusal(&p256[..p256.len() / 2], None).contains("damaged"));
    }
}
