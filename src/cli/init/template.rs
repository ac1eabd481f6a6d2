//! The text of a first configuration. Pure.

use std::path::Path;

use super::choices::{Access, Choices, Destination};

/// What stands for a client id that is not known yet.
pub(super) const NO_CLIENT_ID: &str = "0oaREPLACE-ME";

/// The configuration, with comments.
pub(super) fn configuration(choices: &Choices) -> String {
    let Choices { org, domain, access, key_id, destination, format, start, state } = choices;
    let (sink, bus) = (sink(destination), bus(destination));
    format!(
        "# Written by `oktabus init`. Every setting: docs/configuration.md, or `oktabus config schema` for your editor.
#
#   oktabus check --offline    understands it      oktabus check    tries the org and the sink too
#
# A text may have variables: \"${{NAME}}\", or \"${{NAME:-default}}\". OKTABUS__ADMIN__LISTEN and the like override what is here.

[orgs.{org}]                          # the name becomes a part of message ids: keep it
domain = {domain}

{auth}
[streams.system-log]
org = {org_text}
start = {start}                          # \"now\", \"-90d\" or a timestamp: for the first start only, later the cursor counts
routes = [
  {{ sink = {sink_name}, format = {format} }},   # \"okta\": Okta's own bytes; or \"ocsf\", \"ecs\", \"udm\"
]

{bus}{sink}
[state]
path = {state}                         # the cursors and dead letters: keep it, and on a disk that survives a restart

[admin]
listen = \"127.0.0.1:8088\"                # health, metrics and status; beyond loopback it needs a token and TLS
",
        domain = quoted(domain),
        auth = auth(org, access, key_id.as_deref()),
        org_text = quoted(org),
        start = quoted(start),
        sink_name = quoted(sink_name(destination)),
        format = quoted(format),
        state = path(state),
    )
}

fn auth(org: &str, access: &Access, key_id: Option<&str>) -> String {
    match access {
        Access::ServiceApp { client_id, key_file } => {
            let key_id = match key_id {
                Some(key_id) => format!("key_id = {}\n", quoted(key_id)),
                None => "# key_id = \"…\"                      # the kid that the app shows, if it has several keys\n".to_owned(),
            };
            format!(
                "# A service app: its rights are the scopes and roles that you grant. See docs/okta.md.
[orgs.{org}.auth]
method = \"private_key_jwt\"
client_id = {client_id}           # the app shows it
private_key_file = {key_file}    # only its owner may read it
{key_id}",
                client_id = quoted(client_id.as_deref().unwrap_or(NO_CLIENT_ID)),
                key_file = path(key_file),
            )
        }
        Access::ApiToken { token_file } => format!(
            "# An API token has all rights of its owner: use a separate account with the Read-only role. See docs/okta.md.
[orgs.{org}.auth]
token_file = {}            # only its owner may read it; it is read again when Okta refuses it
",
            path(token_file)
        ),
    }
}

fn bus(destination: &Destination) -> String {
    match destination {
        Destination::Kafka { brokers, .. } => format!(
            "[buses.kafka]
kind = \"kafka\"
brokers = {}
# options = {{ \"security.protocol\" = \"SASL_SSL\", \"sasl.mechanism\" = \"PLAIN\", \"sasl.username\" = \"…\" }}
# secret_options = {{ \"sasl.password\" = {{ file = \"kafka-password\" }} }}

",
            list(brokers)
        ),
        Destination::Nats { servers, .. } => format!(
            "[buses.nats]
kind = \"nats\"
servers = {}
# auth = {{ credentials_file = \"nats.creds\" }}

",
            list(servers)
        ),
        Destination::File { .. } | Destination::Stdout => String::new(),
    }
}

fn sink_name(destination: &Destination) -> &'static str {
    match destination {
        Destination::Kafka { .. } => "siem",
        Destination::Nats { .. } => "events",
        Destination::File { .. } => "archive",
        Destination::Stdout => "out",
    }
}

fn sink(destination: &Destination) -> String {
    let name = sink_name(destination);
    match destination {
        Destination::Kafka { topic, .. } => format!(
            "[sinks.{name}]
kind = \"kafka\"
topic = {}                          # must exist, unless the brokers make topics by themselves
# delivery = \"exactly_once\"             # see docs/exactly-once.md
",
            quoted(topic)
        ),
        Destination::Nats { stream, .. } => format!(
            "[sinks.{name}]
kind = \"nats\"
stream = {}
create = {{ max_bytes = \"10 GiB\" }}       # makes the stream if it is not there; when it is full, the route waits
",
            quoted(stream)
        ),
        Destination::File { directory } => format!(
            "[sinks.{name}]
kind = \"file\"
directory = {}
",
            path(directory)
        ),
        Destination::Stdout => format!("[sinks.{name}]\nkind = \"stdout\"\nstyle = \"json\"\n"),
    }
}

fn list(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A basic string of TOML. What begins a variable is escaped: flags are taken as they are.
fn quoted(text: &str) -> String {
    // JSON strings are TOML basic strings too.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}
