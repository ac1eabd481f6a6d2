//! `oktabus command publish --file`: all commands of a file onto the queue, in its order, each with proof.
//!
//! All of them are looked at before the first is sent. An id that the file does not give is made of the file's name (of a
//! pipe, of all that came through it), the line and what it says, so that the same file, or one with some lines corrected,
//! can be sent again and does nothing twice.

mod lines;

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fmt::Write as _,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use self::lines::{Form, Line};
use super::{
    message::{DIGEST_BYTES, Message, MessageArguments, Source, random_id},
    publish::{sent_all_the_same, validate},
};
use crate::{
    cli::{Exit, fail, note, print, progress::Progress},
    command::{
        message::DecodedMessage,
        policy::Signer,
        publisher::{Publication, PublishCure, PublishError, Publisher},
    },
    config::CommandsConfig,
    retry::RetryPolicy,
    telemetry::chain,
};

/// What a file may have: all of it is looked at before anything is sent.
pub(super) const FILE_BYTES_MAX: usize = 64 << 20;
/// How many refused lines a person is shown.
const SHOWN: usize = 20;
/// How long the publication of one command is retried.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME_CHARS_MAX: usize = 100;

/// The commands of a file.
#[derive(Debug)]
pub(super) struct Bulk<'a> {
    source: &'a Source,
    form: Form,
}

/// The options beside the file.
pub(super) struct BulkOptions<'a> {
    pub(super) commands: &'a CommandsConfig,
    pub(super) message: &'a MessageArguments,
    pub(super) validates: bool,
    /// The signer, if commands are signed.
    pub(super) signer: Option<&'a Signer>,
    /// Where on the queue a command for an action belongs.
    pub(super) place: &'a dyn Fn(&str) -> Result<String, String>,
}

/// A command that may go.
#[derive(Debug)]
struct PreparedCommand {
    line: u64,
    command: Publication,
}

/// A command of a line, with its bytes and its place on the queue.
struct ComposedCommand {
    message: Message,
    payload: Bytes,
    address: String,
    /// Why it will not be obeyed.
    doubt: Option<String>,
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Summary {
    sent: usize,
    /// Lines that repeat an earlier one, by its id.
    copies: usize,
    /// Problems of lines that are sent nevertheless, by line number.
    doubtful: BTreeMap<u64, String>,
    /// Why lines are no commands, by their numbers.
    refused: BTreeMap<u64, String>,
}

/// Why not all of a file was sent.
#[derive(Debug, thiserror::Error)]
enum BulkError {
    #[error("{0} has no commands")]
    Empty(String),
    #[error("--id is for one command: give each its own in the file, or leave it out")]
    OneId,
    #[error(
        "nothing was sent: {refused} of {lines} line(s) of {from} would be refused; mend them, or send the others with \
             --no-validate"
    )]
    Refused { from: String, refused: usize, lines: usize },
    #[error(
        "stopped at line {line} of {from}, {sent} were sent: the same command again sends the same ids, and does nothing \
             twice"
    )]
    Stopped { from: String, line: u64, sent: usize, source: PublishError },
}

impl<'a> Bulk<'a> {
    /// What `source` has, if that is more than one command.
    pub(super) fn of(source: &'a Source) -> Option<Self> {
        lines::form(&source.name, &source.bytes).map(|form| Self { source, form })
    }

    /// Publishes all commands.
    pub(super) async fn publish(&self, options: BulkOptions<'_>, publisher: &dyn Publisher) -> Exit {
        if options.message.id.is_some() {
            return fail(Exit::Usage, &BulkError::OneId);
        }
        let read = lines::read(self.form, &self.source.bytes);
        let (from, lines) = (self.source.to_string(), read.len());
        if lines == 0 {
            return fail(Exit::Usage, &BulkError::Empty(from));
        }
        let (ready, mut summary) = prepare(&self.source.known_by(), read, &options);
        if options.validates && !summary.refused.is_empty() {
            summary.tell_refused();
            return fail(Exit::Usage, &BulkError::Refused { from, refused: summary.refused.len(), lines });
        }
        summary.tell_doubtful();
        let stopped = send(ready, options.signer, publisher, &mut summary).await;
        summary.tell_refused();
        if let Err((line, source)) = stopped {
            return fail(Exit::Unavailable, &BulkError::Stopped { from, line, sent: summary.sent, source });
        }
        print(&if options.message.json { summary.to_json() } else { summary.in_words(&from) });
        if summary.refused.is_empty() { Exit::Done } else { Exit::Failed }
    }
}

/// Makes commands of `lines`, and says why others are none.
fn prepare(file: &str, lines: Vec<Line>, options: &BulkOptions<'_>) -> (Vec<PreparedCommand>, Summary) {
    let (mut ready, mut summary) = (Vec::new(), Summary::default());
    let mut known: HashMap<String, (u64, Bytes)> = HashMap::new();
    for Line { number, command } in lines {
        let made = command.and_then(|command| options.compose(file, number, command));
        let ComposedCommand { message, payload, address, doubt } = match made {
            Ok(made) => made,
            Err(reason) => {
                summary.refused.insert(number, reason);
                continue;
            }
        };
        match known.entry(message.id.clone()) {
            Entry::Occupied(first) if first.get().1 == payload => summary.copies += 1,
            Entry::Occupied(first) => {
                let reason = format!("line {} has the same id, and is another command", first.get().0);
                summary.refused.insert(number, reason);
            }
            Entry::Vacant(vacant) => {
                vacant.insert((number, payload.clone()));
                summary.doubtful.extend(doubt.map(|doubt| (number, doubt)));
                let name = &options.commands.name;
                let command = Publication::command(name, &message.id, message.user.as_deref(), payload);
                ready.push(PreparedCommand { line: number, command: command.to(address) });
            }
        }
    }
    (ready, summary)
}

impl BulkOptions<'_> {
    /// The command of a line, or why there is none.
    fn compose(&self, file: &str, line: u64, command: Map<String, Value>) -> Result<ComposedCommand, String> {
        let id = id_of(file, line, &command);
        let message = self.message.complete(command, || id).map_err(|err| err.to_string())?;
        let payload = Bytes::from(message.json.get().to_owned());
        let doubt = self.doubt(&payload);
        if self.validates
            && let Some(doubt) = doubt
        {
            return Err(doubt);
        }
        let address = (self.place)(&message.action)?;
        Ok(ComposedCommand { message, payload, address, doubt })
    }

    /// Why the command in `payload` would not be obeyed.
    fn doubt(&self, payload: &Bytes) -> Option<String> {
        let action = match validate(payload, self.signer) {
            Ok(DecodedMessage::Command(command)) => command.request.action(),
            Ok(DecodedMessage::Approval(_)) => return None,
            Err(refused) => return Some(refused.to_string()),
        };
        let is_allowed = self.commands.allows(action);
        (!is_allowed).then(|| format!("`{}` is not allowed by `allow` of these commands", action.name()))
    }
}

/// The id of the only command of `source`, or of one that was typed. The same through a pipe is the same command, as of many.
pub(super) fn id_of_one(source: Option<&Source>, command: &Map<String, Value>) -> String {
    match source.filter(|source| source.is_pipe()) {
        Some(pipe) => id_of(&pipe.known_by(), 1, command),
        None => random_id(),
    }
}

/// The id of a command that has none of its own.
fn id_of(file: &str, line: u64, command: &Map<String, Value>) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let mut id: String = file.chars().take(NAME_CHARS_MAX).map(legal).collect();
    let digest = Sha256::digest(Value::Object(command.clone()).to_string());
    let digest = digest[..DIGEST_BYTES].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // Writing to a text does not fail.
    let _ = write!(id, "-{line}-{digest}");
    id
}

/// Sends one after another, so that they are in the queue in the order of the file. The error is where it stopped.
async fn send(
    ready: Vec<PreparedCommand>,
    signer: Option<&Signer>,
    publisher: &dyn Publisher,
    summary: &mut Summary,
) -> Result<(), (u64, PublishError)> {
    let mut progress = Progress::told_everywhere();
    progress.begin("putting commands on the queue");
    let all = ready.len();
    for PreparedCommand { line, command } in ready {
        // Signed now: a long file takes its time, and signatures get old.
        let signature = signer.map(|signer| signer.sign(&command.payload, Timestamp::now()));
        match put(publisher, &command.signed(signature)).await {
            Ok(()) => summary.sent += 1,
            Err(err) if err.cure() == PublishCure::Retry => return Err((line, err)),
            Err(err) => {
                summary.refused.insert(line, chain(&err));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a part of few steps")]
        let part = summary.sent as f64 / all as f64;
        progress.advance(part, &format!("{} of {all}", summary.sent), None);
    }
    Ok(())
}

/// Puts one command on the queue, however often that has to be tried within the patience.
async fn put(publisher: &dyn Publisher, command: &Publication) -> Result<(), PublishError> {
    let until = Instant::now() + PATIENCE;
    let mut backoff = RetryPolicy::QUEUE.backoff();
    loop {
        let err = match publisher.publish(command).await {
            Ok(()) => return Ok(()),
            Err(err) => err,
        };
        let wait = backoff.next_wait();
        // An error that needs an operator is not mended while this waits.
        if err.cure() != PublishCure::Retry || err.needs_somebody() || Instant::now() + wait > until {
            return Err(err);
        }
        tokio::time::sleep(wait).await;
    }
}

impl Summary {
    fn tell_refused(&self) {
        tell(&self.refused, str::to_owned);
    }

    fn tell_doubtful(&self) {
        tell(&self.doubtful, sent_all_the_same);
    }

    fn in_words(&self, from: &str) -> String {
        let mut words = format!("published {} command(s) of {from}", self.sent);
        for (count, what) in [(self.copies, "line(s) that repeat others"), (self.refused.len(), "refused")] {
            if count > 0 {
                // Writing to a text does not fail.
                let _ = write!(words, ", left out {count} {what}");
            }
        }
        words.push('\n');
        words
    }

    fn to_json(&self) -> String {
        let refused = self.refused.iter().map(|(line, reason)| json!({ "line": line, "reason": reason }));
        let refused: Vec<_> = refused.collect();
        format!("{}\n", json!({ "published": self.sent, "copies": self.copies, "refused": refused }))
    }
}

/// Prints the problems of lines.
fn tell(lines: &BTreeMap<u64, String>, words: impl Fn(&str) -> String) {
    for (line, reason) in lines.iter().take(SHOWN) {
        note(&format!("line {line}: {}", words(reason)));
    }
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        note(&format!("and {more} line(s) more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("it is an object") };
        object
    }

    #[test]
    fn one_command_through_a_pipe_has_the_same_id_as_long_as_all_is_the_same() {
        let command = object(json!({ "action": "user.get", "parameters": { "user": "ada" } }));
        let id = |name: &str, bytes: &[u8]| {
            let source = Source { name: name.into(), bytes: bytes.to_vec() };
            id_of_one(Some(&source), &command)
        };
        assert_eq!(id("standard input", b"{}"), id("standard input", b"{}"));
        assert_ne!(id("standard input", b"{}"), id("standard input", b"{} "));
        // A file with one command, and what is typed, is a new command each time.
        assert_ne!(id("command.json", b"{}"), id("command.json", b"{}"));
        assert_ne!(id_of_one(None, &command), id_of_one(None, &command));
    }

    #[test]
    fn an_id_stays_while_its_line_does_whatever_becomes_of_the_others() {
        let command = object(json!({ "action": "user.suspend", "parameters": { "user": "ada" } }));
        let id = id_of("leavers of \u{fc}.csv", 7, &command);
        assert!(id.starts_with("leavers_of__.csv-7-"), "{id}");
        assert_eq!(id, id_of("leavers of \u{fc}.csv", 7, &command));
        let other = object(json!({ "action": "user.suspend", "parameters": { "user": "bob" } }));
        for another in
            [id_of("leavers of \u{fc}.csv", 7, &other), id_of("leavers of \u{fc}.csv", 8, &command)]
        {
            assert_ne!(id, another);
        }
        assert!(id_of(&"x".repeat(4_000), u64::MAX, &command).len() < crate::command::message::ID_BYTES_MAX);
    }
}
