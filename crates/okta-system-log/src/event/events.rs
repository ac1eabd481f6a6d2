//! The events of one page: Okta's bytes, cut into events and read once for all routes.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    fields::{Fields, Text},
    json::{Document, TEXT_BYTES_MAX, Tape, Value},
    missing::is_missing,
};

/// A page's body with the place and the read members of each event in it.
#[derive(Debug, Clone, Default)]
pub struct Events {
    text: Arc<String>,
    /// The same as bytes that can be given away.
    body: Bytes,
    tape: Tape,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    raw: Range<u32>,
    /// Where it is on the tape, if it is kept there.
    on_tape: Option<u32>,
    /// Whether something in it is no I-JSON.
    is_odd: bool,
    fields: Fields,
    /// What identifies the event in place of a uuid, if not the digest of its bytes: those may have been changed.
    identity: Option<Box<str>>,
}

/// The owner of the bytes that are given away.
#[derive(Debug)]
struct Page(Arc<String>);

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The tape of an event has about as many bytes as its text. What has so many times more is hardly anything but brackets
/// or commas, and is read again whenever somebody looks at it, rather than kept.
const TAPE_BYTES_PER_BYTE_MAX: usize = 8;

impl Entry {
    /// Reads the event that begins at `at`, and gives the place behind it.
    fn read(text: &str, at: usize, tape: &mut Tape) -> Result<(Self, usize), usize> {
        let mark = tape.mark();
        let read = tape.read(text, at).map_err(|_| at)?;
        let raw = position(at)?..position(read.end)?;
        let fields = Fields::of(Value::new(text, tape, read.at));
        let is_kept = tape.size_bytes_since(mark) <= (read.end - at).saturating_mul(TAPE_BYTES_PER_BYTE_MAX);
        if !is_kept {
            tape.rewind(mark);
        }
        let on_tape = is_kept.then_some(read.at);
        Ok((Self { raw, on_tape, is_odd: read.is_odd, fields, identity: None }, read.end))
    }

    /// Bytes that it has outside the page's body.
    fn copied_bytes(&self) -> usize {
        self.fields.copied_bytes() + self.identity.as_deref().map_or(0, str::len)
    }
}

/// Why a body is not a page of events.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// Cut short, HTML from a proxy, or an object in place of the array.
    #[error("the body of {size_bytes} bytes is not a JSON array of events, from byte {at_byte} on")]
    NotAnArray {
        /// The length of the body.
        size_bytes: usize,
        /// Where it ceases to be one.
        at_byte: usize,
    },
    /// The positions in a page are 31 bits wide.
    #[error("the body has {0} bytes, more than a page can have")]
    TooLarge(usize),
    /// Such an answer is not from Okta, or malicious: the record of an event takes more memory than `0,`.
    #[error("the page has more than the {0} events that were asked for")]
    TooMany(usize),
}

impl Events {
    /// Cuts `body`, a JSON array, into its events. Only a body that is not such an array is an error: what stands in
    /// an event never is. Bytes that are not UTF-8 are replaced by U+FFFD, because JSON has no other way to carry them.
    pub fn parse(body: Bytes) -> Result<Self, EventsError> {
        Self::parse_at_most(body, usize::MAX)
    }

    /// The same of an answer from outside, which may have `events_max` events: reading stops at one more.
    pub fn parse_at_most(body: Bytes, events_max: usize) -> Result<Self, EventsError> {
        let size = body.len();
        if size > TEXT_BYTES_MAX {
            return Err(EventsError::TooLarge(size));
        }
        let text = String::from_utf8(Vec::from(body));
        let text = text.unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned());
        let refused = |fault| match fault {
            Fault::NotAnArray { at_byte } => EventsError::NotAnArray { size_bytes: size, at_byte },
            Fault::TooMany => EventsError::TooMany(events_max),
        };
        let (tape, entries) = entries(&text, events_max).map_err(refused)?;
        Ok(Self::new(text, tape, entries))
    }

    fn new(text: String, mut tape: Tape, entries: Vec<Entry>) -> Self {
        tape.shrink();
        let text = Arc::new(text);
        let body = Bytes::from_owner(Page(Arc::clone(&text)));
        Self { text, body, tape, entries }
    }

    /// The `wanted` events, in the same order and with the same identities, with the text that `rewrite` appends for each.
    /// Fails only if the new text does not fit into a page.
    pub(super) fn rewritten(
        &self,
        mut wanted: impl FnMut(u32, &Event<'_>) -> bool,
        mut rewrite: impl FnMut(&Event<'_>, &mut String),
    ) -> Result<Self, EventsError> {
        let mut text = String::with_capacity(self.text.len());
        let mut places = Vec::new();
        for (event, index) in self.iter().zip(0..) {
            if !wanted(index, &event) {
                continue;
            }
            let start = text.len();
            rewrite(&event, &mut text);
            let identity = event.uuid().is_none().then(|| event.identity().into());
            places.push((start, identity));
        }
        let too_large = |_| EventsError::TooLarge(text.len());
        let (mut tape, mut entries) = (Tape::default(), Vec::with_capacity(places.len()));
        tape.expect(text.len());
        for (start, identity) in places {
            let (entry, _) = Entry::read(&text, start, &mut tape).map_err(too_large)?;
            entries.push(Entry { identity, ..entry });
        }
        Ok(Self::new(text, tape, entries))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the page brought nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that the page keeps in memory.
    pub fn size_bytes(&self) -> usize {
        let copies: usize = self.entries.iter().map(Entry::copied_bytes).sum();
        self.text.len() + self.tape.size_bytes() + self.entries.capacity() * size_of::<Entry>() + copies
    }

    /// The event at `index`, in Okta's order.
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        let entry = self.entries.get(index)?;
        Some(Event { page: self, entry })
    }

    /// All events, in Okta's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.entries.iter().map(|entry| Event { page: self, entry })
    }
}

/// Why cutting stopped.
enum Fault {
    /// Where the body ceases to be an array.
    NotAnArray {
        at_byte: usize,
    },
    TooMany,
}

impl From<usize> for Fault {
    fn from(at_byte: usize) -> Self {
        Self::NotAnArray { at_byte }
    }
}

/// Reads the array in one pass.
fn entries(body: &str, events_max: usize) -> Result<(Tape, Vec<Entry>), Fault> {
    let (mut tape, mut entries) = (Tape::default(), Vec::new());
    tape.expect(body.len());
    let mut at = expect(body, 0, b'[')?;
    if byte_at(body, at) == Some(b']') {
        end(body, at)?;
        return Ok((tape, entries));
    }
    loop {
        if entries.len() == events_max {
            return Err(Fault::TooMany);
        }
        let (entry, behind) = Entry::read(body, at, &mut tape)?;
        entries.push(entry);
        at = skip_space(body, behind);
        match byte_at(body, at) {
            Some(b',') => at = expect(body, at, b',')?,
            _ => {
                end(body, at)?;
                return Ok((tape, entries));
            }
        }
    }
}

/// What comes after the last event: the closing bracket and nothing more.
fn end(body: &str, at: usize) -> Result<(), usize> {
    let at = expect(body, at, b']')?;
    if at == body.len() { Ok(()) } else { Err(at) }
}

/// The place after the token `expected` and the space around it.
fn expect(body: &str, at: usize, expected: u8) -> Result<usize, usize> {
    let at = skip_space(body, at);
    if byte_at(body, at) == Some(expected) { Ok(skip_space(body, at + 1)) } else { Err(at) }
}

fn skip_space(body: &str, at: usize) -> usize {
    let rest = body.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count()
}

fn byte_at(body: &str, at: usize) -> Option<u8> {
    body.as_bytes().get(at).copied()
}

/// `parse` refused bodies whose positions do not fit.
fn position(at: usize) -> Result<u32, usize> {
    u32::try_from(at).map_err(|_| at)
}

/// One event, borrowed from its page. Every member may be absent.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    page: &'a Events,
    entry: &'a Entry,
}

impl<'a> Event<'a> {
    /// Okta's own bytes, without copying.
    pub fn raw(&self) -> Bytes {
        self.page.body.slice(self.entry.raw.start as usize..self.entry.raw.end as usize)
    }

    /// The same as text.
    pub(crate) fn text(&self) -> &'a str {
        let Range { start, end } = self.entry.raw;
        self.page.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The event, read.
    pub(crate) fn document(&self) -> Document<'a> {
        match self.entry.on_tape {
            Some(at) => Document::on_page(&self.page.text, &self.page.tape, at),
            None => Document::read(self.text()),
        }
    }

    /// Whether something in it is JSON that not every reader takes. See [`super::repaired`].
    pub(crate) fn is_odd(&self) -> bool {
        self.entry.is_odd
    }

    /// What identifies the event for ever: Okta's `uuid`, or a digest of the bytes where Okta sent none.
    pub fn identity(&self) -> Cow<'a, str> {
        match self.uuid().or(self.entry.identity.as_deref()) {
            Some(identity) => Cow::Borrowed(identity),
            None => Cow::Owned(digest(self.text().as_bytes())),
        }
    }

    /// Okta's `uuid`, if there is one that says something.
    pub fn uuid(&self) -> Option<&'a str> {
        self.field(&self.entry.fields.uuid).filter(|uuid| !uuid.is_empty())
    }

    /// When the event happened, as Okta wrote it (RFC 3339, milliseconds).
    pub fn published(&self) -> Option<&'a str> {
        self.field(&self.entry.fields.published)
    }

    /// For example `user.session.start`.
    pub fn event_type(&self) -> Option<&'a str> {
        self.field(&self.entry.fields.event_type)
    }

    /// `DEBUG`, `INFO`, `WARN`, `ERROR`, or what Okta thinks of next.
    pub fn severity(&self) -> Option<&'a str> {
        self.field(&self.entry.fields.severity)
    }

    /// `outcome.result`, for example `SUCCESS`.
    pub fn outcome(&self) -> Option<&'a str> {
        self.field(&self.entry.fields.outcome)
    }

    /// The actor: `actor.id`.
    pub fn actor_id(&self) -> Option<&'a str> {
        self.id(&self.entry.fields.actor_id)
    }

    /// The target user: the id of the first target of type `User`.
    pub fn target_user_id(&self) -> Option<&'a str> {
        self.id(&self.entry.fields.target_user_id)
    }

    /// The user that the event is about: the target user, else the actor.
    pub fn subject(&self) -> Option<&'a str> {
        self.target_user_id().or(self.actor_id())
    }

    /// The session in which it happened: the root session, which may have others below it, else the session.
    pub fn session_id(&self) -> Option<&'a str> {
        self.id(&self.entry.fields.session_id)
    }

    /// What happened in one request or job: `transaction.id`.
    pub fn transaction_id(&self) -> Option<&'a str> {
        self.id(&self.entry.fields.transaction_id)
    }

    /// An id, unless a word for no value stands in its place.
    fn id(&self, field: &'a Text) -> Option<&'a str> {
        self.field(field).filter(|id| !is_missing(id))
    }

    fn field(&self, field: &'a Text) -> Option<&'a str> {
        field.resolve(&self.page.text)
    }
}

/// `sha256-` and the first 16 bytes of the digest: as long as a UUID, and never taken for one.
fn digest(raw: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut identity = String::from("sha256-");
    for byte in &Sha256::digest(raw)[..16] {
        let _ = write!(identity, "{byte:02x}");
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Events {
        Events::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    #[test]
    fn keeps_the_bytes_of_each_event() {
        let events = parse("[ {\"uuid\":\"a\", \"n\":34.4740} ,\n{\"z\":1,\"a\":2}]");
        let raw: Vec<_> = events.iter().map(|event| event.raw()).collect();
        assert_eq!(raw, [&b"{\"uuid\":\"a\", \"n\":34.4740}"[..], &b"{\"z\":1,\"a\":2}"[..]]);
    }

    #[test]
    fn an_event_without_uuid_has_a_stable_identity() {
        let events = parse(r#"[{"a":1},{"a":1},{"a":2},{"uuid":5},{"uuid":""}]"#);
        let ids: Vec<_> = events.iter().map(|event| event.identity().into_owned()).collect();
        assert_eq!(ids[0], ids[1]);
        assert!(ids[0].starts_with("sha256-") && ids[0].len() == 39);
        assert_eq!(ids[0..].iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn only_a_body_that_is_no_array_is_refused() {
        for body in
            ["", "<html>", "{}", "[", "[{\"uuid\":\"a\"}", "[1,]", "[1 2]", "[,1]", "[]]", "[1]x", "[{]}"]
        {
            let parsed = Events::parse(Bytes::copy_from_slice(body.as_bytes()));
            assert!(matches!(parsed, Err(EventsError::NotAnArray { .. })), "{body}");
        }
        assert!(parse("[]").is_empty() && parse(" [ ] ").is_empty());
        assert_eq!(parse(r#"[1,"x",null,{"uuid":"u"}]"#).len(), 4);
    }

    #[test]
    fn more_events_than_were_asked_for_are_refused_before_they_take_memory() {
        let parse = |events: usize| {
            let body = format!("[{}]", vec!["0"; events].join(","));
            Events::parse_at_most(body.into(), 1_000)
        };
        assert_eq!(parse(1_000).unwrap().len(), 1_000);
        for events in [1_001, 20_000_000] {
            assert!(matches!(parse(events), Err(EventsError::TooMany(1_000))), "{events}");
        }
    }

    #[test]
    fn what_stands_in_an_event_never_refuses_the_page() {
        let half = parse(r#"[{"uuid":"\ud800","severity":"WARN"}]"#);
        assert_eq!(
            (half.get(0).unwrap().uuid(), half.get(0).unwrap().severity()),
            (Some("\\ud800"), Some("WARN"))
        );
        for event in [
            r#"{"\udc00":1,"severity":"WARN"}"#,
            r#"{"uuid":1e999,"outcome":-1e999,"actor":[1e999],"severity":"WARN"}"#,
            r#"{"actor":{"id":"\ud800\ud800","type":1e999},"target":[{"type":"User","id":1e999}],"severity":"WARN"}"#,
            r#"{"actor":{"\ud800":"x"},"transaction":1e999,"severity":"WARN"}"#,
            r#"{"uuid":99999999999999999999999999,"severity":"WARN"}"#,
        ] {
            let events = parse(&format!("[{event},{{\"uuid\":\"next\"}}]"));
            assert_eq!(events.get(0).unwrap().severity(), Some("WARN"), "{event}");
            assert!(events.get(0).unwrap().identity().starts_with("sha256-"), "{event}");
            assert_eq!(events.get(0).unwrap().raw(), event);
            assert_eq!(events.get(1).unwrap().uuid(), Some("next"), "{event}");
        }
    }

    #[test]
    fn copies_count_as_memory() {
        let plain = parse(r#"[{"uuid":"aaaaaaaaaaaaaaaa"}]"#).size_bytes();
        let escaped = parse(r#"[{"uuid":"aaaaaaaaaa\u0061"}]"#).size_bytes();
        assert_eq!(escaped, plain + 11);
    }

    #[test]
    fn bytes_that_are_not_utf8_stop_nothing() {
        let events = Events::parse(Bytes::from_static(b"[{\"uuid\":\"u\",\"name\":\"\xff\"}]")).unwrap();
        assert_eq!(events.get(0).unwrap().uuid(), Some("u"));
    }

    #[test]
    fn deep_nesting_stops_nothing() {
        let deep = format!(r#"[{{"uuid":"u","x":{}{}}}]"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(&deep).get(0).unwrap().uuid(), Some("u"));
    }

    #[test]
    fn the_subject_is_the_target_user_else_the_actor() {
        let events = parse(
            r#"[{"actor":{"id":"00a"},"target":[{"type":"User","id":"00t"}]},{"actor":{"id":"00a"},"target":null},
            {"actor":{"id":"00a"},"target":[{"type":"User","id":"Unknown"}]},{"actor":{"id":""}},{}]"#,
        );
        let subjects: Vec<_> = events.iter().map(|event| event.subject()).collect();
        assert_eq!(subjects, [Some("00t"), Some("00a"), Some("00a"), None, None]);
    }
}
