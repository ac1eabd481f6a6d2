//! What a first configuration is to have: from flags, and for what is missing from the person at the terminal.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use super::{AuthChoice, InitArguments, SinkChoice, question};

/// Everything that the configuration says.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    /// The name of the org in the configuration.
    pub(super) org: String,
    pub(super) domain: String,
    pub(super) access: Access,
    /// The `kid` of the key that was made.
    pub(super) key_id: Option<String>,
    pub(super) destination: Destination,
    pub(super) format: &'static str,
    pub(super) start: String,
    pub(super) state: PathBuf,
}

/// How oktabus identifies itself.
#[derive(Debug, Clone)]
pub(super) enum Access {
    ServiceApp { client_id: Option<String>, key_file: PathBuf },
    ApiToken { token_file: PathBuf },
}

/// Where events go.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    Kafka { brokers: Vec<String>, topic: String },
    Nats { servers: Vec<String>, stream: String },
    File { directory: PathBuf },
    Stdout,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ChoicesError {
    #[error("{0} is needed, and there is no terminal to ask at")]
    Missing(&'static str),
    #[error("cannot read the answer")]
    Unread(#[from] io::Error),
    #[error("there was no answer to: {0}")]
    Unanswered(String),
}

impl Choices {
    /// What `arguments` say, and what is answered.
    pub(super) fn make(arguments: InitArguments) -> Result<Self, ChoicesError> {
        let asker = Asker { may_ask: io::stdin().is_terminal() };
        let domain = asker.text(arguments.org, "--org", "The domain of your Okta org", None)?;
        let domain = domain.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let auth = asker.choice(
            arguments.auth,
            "--auth",
            "How does oktabus identify itself?",
            &["service-app", "api-token"],
        )?;
        let access = match auth {
            AuthChoice::ServiceApp => {
                Access::ServiceApp { client_id: arguments.client_id, key_file: arguments.key_file }
            }
            AuthChoice::ApiToken => Access::ApiToken { token_file: arguments.token_file },
        };
        let sink = asker.choice(
            arguments.sink,
            "--sink",
            "Where do events go?",
            &["kafka", "nats", "file", "stdout"],
        )?;
        let org = name_of(&domain);
        let destination = match sink {
            SinkChoice::Kafka => Destination::Kafka {
                brokers: asker.list(arguments.brokers, "--brokers", "Brokers of Kafka", "127.0.0.1:9092")?,
                topic: asker.text(arguments.topic, "--topic", "The topic", Some(&format!("okta.{org}")))?,
            },
            SinkChoice::Nats => Destination::Nats {
                servers: asker.list(
                    arguments.servers,
                    "--servers",
                    "Servers of NATS",
                    "nats://127.0.0.1:4222",
                )?,
                stream: asker.text(arguments.stream, "--stream", "The stream", Some("OKTA"))?,
            },
            SinkChoice::File => Destination::File { directory: arguments.directory },
            SinkChoice::Stdout => Destination::Stdout,
        };
        Ok(Self {
            org,
            domain,
            access,
            key_id: None,
            destination,
            format: arguments.format.into(),
            start: arguments.start,
            state: arguments.state,
        })
    }

    /// Where the private key is, if there is to be one.
    pub(super) fn key_file(&self) -> Option<&Path> {
        match &self.access {
            Access::ServiceApp { key_file, .. } => Some(key_file),
            Access::ApiToken { .. } => None,
        }
    }
}

/// The first part of a domain, as a name of the configuration.
fn name_of(domain: &str) -> String {
    let first = domain.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let name: String = first.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    if name.is_empty() { "okta".to_owned() } else { name }
}

/// Takes what a flag says, or asks for it where there is somebody to ask. What has a default need not be asked for.
struct Asker {
    may_ask: bool,
}

impl Asker {
    fn text(
        &self,
        given: Option<String>,
        flag: &'static str,
        question: &str,
        default: Option<&str>,
    ) -> Result<String, ChoicesError> {
        match (given, default) {
            (Some(given), _) => Ok(given),
            (None, default) if self.may_ask => question::text(question, default),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(ChoicesError::Missing(flag)),
        }
    }

    fn list(
        &self,
        given: Vec<String>,
        flag: &'static str,
        question: &str,
        default: &str,
    ) -> Result<Vec<String>, ChoicesError> {
        if !given.is_empty() {
            return Ok(given);
        }
        let typed = self.text(None, flag, &format!("{question}, with commas between them"), Some(default))?;
        Ok(typed.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
    }

    fn choice<T: clap::ValueEnum>(
        &self,
        given: Option<T>,
        flag: &'static str,
        question: &str,
        words: &[&str],
    ) -> Result<T, ChoicesError> {
        match given {
            Some(given) => Ok(given),
            None if self.may_ask => {
                let word = question::choice(question, words)?;
                T::from_str(&word, true).map_err(|_| ChoicesError::Unanswered(question.to_owned()))
            }
            None => Err(ChoicesError::Missing(flag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn an_org_is_named_by_the_first_part_of_its_domain() {
        let names = ["acme.okta.com", "Acme-2.oktapreview.com", "id.example.com", "..."].map(name_of);
        assert_eq!(names, ["acme", "acme-2", "id", "okta"]);
    }

    #[test]
    fn the_words_that_are_asked_for_are_those_of_the_flags() {
        let words = |values: Vec<clap::builder::PossibleValue>| {
            values.iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>()
        };
        let auth =
            AuthChoice::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value).collect();
        assert_eq!(words(auth), ["service-app", "api-token"]);
        let sinks =
            SinkChoice::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value).collect();
        assert_eq!(words(sinks), ["kafka", "nats", "file", "stdout"]);
    }
}
