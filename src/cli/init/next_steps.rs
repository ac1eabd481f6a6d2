//! What is to be done after a first configuration was written: in Okta, on this machine, and then with oktabus.

use std::{fmt::Write as _, path::Path};

use super::{
    choices::{Access, Choices, Destination},
    key_pair::KeyPair,
    template::NO_CLIENT_ID,
};
use crate::config::Config;

/// The steps, numbered.
pub(super) fn told(choices: &Choices, config: &Config, key: Option<&KeyPair>, output: &Path) -> String {
    let output = output.display();
    let mut steps = match &choices.access {
        Access::ServiceApp { client_id, key_file } => {
            service_app(choices, config, key, client_id.as_deref(), key_file)
        }
        Access::ApiToken { token_file } => api_token(choices, token_file),
    };
    if let Destination::Kafka { topic, .. } = &choices.destination {
        steps.push(format!("Make the topic `{topic}`, unless the brokers make topics by themselves."));
    }
    steps.push(format!(
        "Try it, and run it:\n     oktabus check --config {output}\n     oktabus run --config {output}"
    ));
    let mut text = format!("{output} is written.\n\nWhat is left to do:\n\n");
    for (step, number) in steps.iter().zip(1..) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {number}. {step}\n");
    }
    text.trim_end().to_owned() + "\n"
}

fn service_app(
    choices: &Choices,
    config: &Config,
    key: Option<&KeyPair>,
    client_id: Option<&str>,
    key_file: &Path,
) -> Vec<String> {
    let console = format!("https://{}", choices.domain.replacen(".okta", "-admin.okta", 1));
    let mut steps = vec![format!(
        "In the admin console ({console}), as a super administrator: Applications, Create App Integration, API Services.\n     \
         Client authentication: Public key / Private key."
    )];
    steps.push(match key {
        Some(key) => format!(
            "Add this public key to the app (Public keys, Add key, paste it). Its private half is in {}, for its owner alone:\n\n{}",
            key_file.display(),
            indented(&format!("{:#}", key.jwk))
        ),
        None => format!(
            "The key that is in {} already is used: add its public half to the app (Public keys, Add key).",
            key_file.display()
        ),
    });
    let org = config.orgs.get(&choices.org);
    let scopes = org.map(|org| org.scopes.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
    let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
    let mut roles: Vec<_> = scopes.iter().map(|scope| scope.role()).collect();
    roles.dedup();
    steps.push(format!("Okta API Scopes: grant {}.", names.join(", ")));
    steps.push(format!("Admin roles: assign {}.", roles.join(" and ")));
    if client_id.is_none() {
        steps.push(format!("Replace `{NO_CLIENT_ID}` by the app's client id (0oa…)."));
    }
    steps
}

fn api_token(choices: &Choices, token_file: &Path) -> Vec<String> {
    let file = token_file.display();
    vec![
        format!(
            "In the admin console of {}, as an account of its own with the Read-only administrator role: Security, API, Tokens, \
             Create token.",
            choices.domain
        ),
        format!(
            "Put it into a file that others cannot read:\n     install -m 600 /dev/null {file}\n     cat > {file}   # paste it, then Enter and Ctrl-D"
        ),
    ]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("     {line}\n")).collect::<String>().trim_end().to_owned()
}
