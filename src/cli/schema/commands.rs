//! The queues of commands and the addresses of their outcomes, for the AsyncAPI document. The schemas are those of
//! `--what commands` and `--what outcomes`.

use serde_json::{Map, Value, json};

use super::{
    asyncapi::server,
    channel::{Place, Server, kafka_servers, nats_servers},
};
use crate::{
    command::{Outcome, message},
    config::{CommandsConfig, Config, DestinationConfig, Encoding, IntakeConfig},
};

/// Where the schemas of an AsyncAPI document are, and where those of JSON Schema have what they refer to.
const SCHEMAS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";
/// The names of both schemas.
const COMMAND: &str = "command";
const OUTCOME: &str = "outcome";

/// A channel of commands or of outcomes.
struct Channel {
    id: String,
    title: String,
    summary: String,
    /// What oktabus does with its messages: `send` or `receive`.
    action: &'static str,
    servers: Vec<Server>,
    /// Topic or subject, with `{name}` for each parameter; none where there is no such name.
    address: Option<String>,
    parameters: Map<String, Value>,
    stream: Option<String>,
    message: Value,
}

/// Adds the queue and the outcomes of all commands of `config` to `document`.
pub(super) fn describe(config: &Config, document: &mut Value) {
    if config.commands.is_empty() {
        return;
    }
    add_schema(document, COMMAND, message::schema());
    add_schema(document, OUTCOME, Outcome::schema());
    for commands in config.commands.values() {
        for channel in
            commands.intake.iter().map(|intake| queue(commands, intake)).chain([outcomes(commands)])
        {
            add(document, channel);
        }
    }
}

/// The queue that commands are read from.
fn queue(commands: &CommandsConfig, intake: &IntakeConfig) -> Channel {
    let (servers, address, stream) = match intake {
        IntakeConfig::Kafka { bus, topic, .. } => (kafka_servers(bus), topic.clone(), None),
        IntakeConfig::Nats { bus, stream, subject, .. } => {
            (nats_servers(bus), subject.clone(), Some(stream.clone()))
        }
    };
    let (address, parameters) = without_wildcards(&address);
    let is_signed = commands.signature.as_ref().is_some_and(|signature| signature.required);
    let signature = json!({ "type": "string", "description": "A detached JWS of the payload" });
    let required = if is_signed { json!(["oktabus-signature"]) } else { json!([]) };
    Channel {
        id: format!("commands.{}", commands.name),
        title: format!("Commands {}", commands.name),
        summary: format!("Commands for the org {}", commands.org),
        action: "receive",
        servers,
        address: Some(address),
        parameters,
        stream,
        message: json!({
            "name": COMMAND,
            "contentType": "application/json",
            "headers": {
                "type": "object",
                "properties": { "oktabus-signature": signature },
                "required": required,
            },
            "payload": { "$ref": format!("{SCHEMAS}{COMMAND}") },
        }),
    }
}

/// Where the outcomes of `commands` go, unless a command asks for another address.
fn outcomes(commands: &CommandsConfig) -> Channel {
    let DestinationConfig { sink, address } = &commands.outcomes;
    let fixed = commands.outcomes.addresses(&commands.org).pop_first().filter(|_| address.is_none());
    let template = address.as_ref().map(ToString::to_string);
    let (place, servers) = Place::of(sink);
    let (stream, encoding) = match place {
        Place::Kafka { encoding } => (None, encoding),
        Place::Nats { encoding, stream } => (Some(stream), encoding),
        Place::File | Place::Stdout => (None, Encoding::Binary),
    };
    let payload = json!({ "$ref": format!("{SCHEMAS}{OUTCOME}") });
    let (content_type, payload) = match encoding {
        Encoding::Binary => ("application/json", payload),
        Encoding::Structured => (
            "application/cloudevents+json",
            json!({ "type": "object", "required": ["id", "data"], "properties": { "data": payload } }),
        ),
    };
    let fields = [
        ("action", "The action, or `other` where it is not allowed"),
        ("status", "The status of the outcome"),
        ("org", "The name of the org"),
        ("command_id", "The id of the command"),
    ];
    let is_in = |name: &str| template.as_ref().is_some_and(|text| text.contains(&format!("{{{name}}}")));
    let parameters = fields.into_iter().filter(|(name, _)| is_in(name));
    Channel {
        id: format!("commands.{}.outcomes", commands.name),
        title: format!("Outcomes of the commands {} to the sink {}", commands.name, sink.name()),
        summary: format!("Outcomes of commands at the org {}", commands.org),
        action: "send",
        servers,
        parameters: parameters
            .map(|(name, text)| (name.to_owned(), json!({ "description": text })))
            .collect(),
        address: template.or(fixed),
        stream,
        message: json!({ "name": OUTCOME, "contentType": content_type, "payload": payload }),
    }
}

/// A subject with a parameter for each wildcard.
fn without_wildcards(subject: &str) -> (String, Map<String, Value>) {
    let mut parameters = Map::new();
    let tokens = subject.split('.').enumerate().map(|(index, token)| {
        let (name, description) = match token {
            "*" => (format!("token{}", index + 1), "Any one token"),
            ">" => ("rest".to_owned(), "One or more tokens; `oktabus command publish` puts the action here"),
            token => return token.to_owned(),
        };
        parameters.insert(name.clone(), json!({ "description": description }));
        format!("{{{name}}}")
    });
    (tokens.collect::<Vec<_>>().join("."), parameters)
}

fn add(document: &mut Value, channel: Channel) {
    let Channel { id, title, summary, action, servers, address, parameters, stream, message } = channel;
    let name = message["name"].as_str().unwrap_or_default().to_owned();
    let refs: Vec<_> =
        servers.iter().map(|server| json!({ "$ref": format!("#/servers/{}", server.id) })).collect();
    for described in &servers {
        document["servers"][&described.id] = server(described);
    }
    let messages = Map::from_iter([(name.clone(), json!({ "$ref": format!("#/components/messages/{id}") }))]);
    let mut described = json!({ "address": address, "title": title, "servers": refs, "messages": messages });
    if !parameters.is_empty() {
        described["parameters"] = Value::Object(parameters);
    }
    if let Some(stream) = stream {
        described["x-jetstream-stream"] = json!(stream);
    }
    document["channels"][&id] = described;
    document["operations"][&id] = json!({
        "action": action,
        "summary": summary,
        "channel": { "$ref": format!("#/channels/{id}") },
        "messages": [{ "$ref": format!("#/channels/{id}/messages/{name}") }],
    });
    document["components"]["messages"][&id] = message;
}

/// Adds a schema, and beside it those that it refers to, under names of their own.
fn add_schema(document: &mut Value, name: &str, mut schema: Value) {
    refer_to_components(name, &mut schema);
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        if let Some(Value::Object(definitions)) = members.remove("$defs") {
            for (inner, definition) in definitions {
                document["components"]["schemas"][format!("{name}.{inner}")] = definition;
            }
        }
    }
    document["components"]["schemas"][name] = schema;
}

fn refer_to_components(name: &str, schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref")
                && let Some(inner) = target.strip_prefix(DEFINITIONS)
            {
                *target = format!("{SCHEMAS}{name}.{inner}");
            }
            members.values_mut().for_each(|member| refer_to_components(name, member));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer_to_components(name, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
