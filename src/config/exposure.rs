//! What would be read where it must not be: outcomes and events by those who read commands, secrets by those who read a
//! stream.

use super::{CommandsConfig, Config, IntakeConfig, Problem, SinkConfig};
use crate::{action::AddressPattern, message::subject::overlap};

/// Refuses destinations that an intake would read as commands.
pub(super) fn misread(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for reader in config.commands.values() {
        let Some(intake) = &reader.intake else { continue };
        for commands in config.commands.values() {
            problems.extend(misread_answers(intake, reader, commands));
        }
        for (owner, org, route) in config.owned_routes() {
            let Some(origin) = config.orgs.get(org).map(|org| route.origin(org)) else { continue };
            let is_read = config.sink_of(route).is_some_and(|sink| {
                sink.address_of(&origin).is_some_and(|address| intake.reads_from(sink, &address))
            });
            if is_read {
                let reason = format!(
                    "the commands `{}` would read what the route `{}` delivers as commands: send it elsewhere",
                    reader.name, route.name
                );
                problems.push(Problem::new(format!("{owner}.routes"), reason));
            }
        }
    }
    problems
}

/// What `commands` publish, on their own account or because a command asks, and `reader` reads.
fn misread_answers(
    intake: &IntakeConfig,
    reader: &CommandsConfig,
    commands: &CommandsConfig,
) -> Vec<Problem> {
    let place = |key: &str| format!("commands.{}.{key}", commands.name);
    let mut problems = Vec::new();
    // A section that reads its own outcomes is refused by itself.
    if commands.name != reader.name {
        let read = commands.destinations().filter(|(_, to)| intake.reads(to, &commands.org));
        problems.extend(read.map(|(key, _)| {
            let reason =
                format!("the commands `{}` would read this as commands: send it elsewhere", reader.name);
            Problem::new(place(key), reason)
        }));
    }
    let replies = commands.reply_to.iter().enumerate();
    let read =
        replies.filter(|(_, pattern)| intake.reads_from(&commands.outcomes.sink, &pattern.to_string()));
    problems.extend(read.map(|(index, pattern)| {
        let reason = format!(
            "a command could ask for its outcome at `{pattern}`, where the commands `{}` would read it as a command: choose \
             other addresses for replies",
            reader.name
        );
        Problem::new(place(&format!("reply_to[{index}]")), reason)
    }));
    problems
}

/// A stream that includes a private address would store the secrets for all its readers.
pub(super) fn stored_secrets(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for commands in config.commands.values().filter(|commands| commands.intake.is_some()) {
        let Some(bus) = commands.outcomes.sink.bus() else { continue };
        let places = places_on(config, bus);
        for (index, private) in commands.reveal.private.iter().enumerate() {
            let is_stored = |place: &&Exposure| {
                let is_allowed =
                    place.stream.as_ref().is_some_and(|stream| commands.reveal.stored_in.contains(stream));
                place.takes(private) && !is_allowed
            };
            let Some(place) = places.iter().find(is_stored) else { continue };
            let Exposure { who, stream, subjects } = place;
            let remedy = match stream {
                Some(stream) => format!(
                    "the stream `{stream}` would store the secrets: choose an address that no stream takes, or \
                     name the stream in `reveal.stored_in`"
                ),
                None => "its readers would read the secrets: choose another topic".to_owned(),
            };
            let reason = format!("`{private}` is among `{subjects}`, which {who} uses: {remedy}");
            problems
                .push(Problem::new(format!("commands.{}.reveal.private[{index}]", commands.name), reason));
        }
    }
    problems
}

/// Somewhere on a bus that others read.
struct Exposure {
    who: String,
    /// On NATS.
    stream: Option<String>,
    /// A pattern of subjects, or a topic.
    subjects: String,
}

impl Exposure {
    fn takes(&self, private: &AddressPattern) -> bool {
        match self.stream {
            Some(_) => overlap(&self.subjects, &private.to_string()),
            None => private.matches(&self.subjects),
        }
    }
}

/// What the sinks and intakes of the configuration use of the bus `bus`.
fn places_on(config: &Config, bus: &str) -> Vec<Exposure> {
    let mut places = Vec::new();
    for sink in config.sinks.values() {
        let who = format!("the sink `{}`", sink.name());
        match sink {
            // The stream is created for all subjects that the template can give.
            SinkConfig::Nats(sink) if sink.bus.name == bus => {
                places.push(Exposure {
                    who,
                    stream: Some(sink.stream.clone()),
                    subjects: sink.subject.wildcard(None),
                });
            }
            SinkConfig::Kafka(sink) if sink.bus.name == bus => {
                places.extend(sink.topic.fixed(None).map(|subjects| Exposure {
                    who,
                    stream: None,
                    subjects,
                }));
            }
            _ => {}
        }
    }
    for commands in config.commands.values() {
        let who = format!("the intake of the commands `{}`", commands.name);
        match &commands.intake {
            Some(IntakeConfig::Nats { bus: of, stream, subject, .. }) if of.name == bus => {
                places.push(Exposure { who, stream: Some(stream.clone()), subjects: subject.clone() });
            }
            Some(IntakeConfig::Kafka { bus: of, topic, .. }) if of.name == bus => {
                places.push(Exposure { who, stream: None, subjects: topic.clone() });
            }
            _ => {}
        }
    }
    places
}
