//! What a stranger on the machine or the network gets: nothing that is not theirs.

mod files;
mod pages;
mod rights;
mod secrets;

use crate::support::daemon::TO_FILES;

/// An org that is never asked.
const ORG: &str = "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = { token_file = \"{dir}/token\" }\n";

/// A new private key, as PEM.
fn ec_key() -> String {
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    String::from_utf8(openssl.output().unwrap().stdout).unwrap()
}
