//! Writes an event again without what must not be seen, byte by byte what it was elsewhere. Holds its own stack: events may
//! be nested more deeply than a thread's.

use std::borrow::Cow;

use super::{
    super::missing::is_missing,
    pseudonym::Pseudonyms,
    rules::{Action, Node},
    scan,
};

/// What stands in the place of masked text.
const MASK: &[u8] = b"\"***\"";
const NULL: &[u8] = b"null";

/// Rewrites one event after another.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    root: &'a Node,
    pseudonyms: Option<&'a Pseudonyms>,
    /// The containers around the current place, innermost last.
    stack: Vec<Container<'a>>,
}

/// An object or a list that is being rewritten.
#[derive(Debug)]
struct Container<'a> {
    /// The rules for what is in it.
    node: Option<&'a Node>,
    /// What is done with what no rule is about.
    action: Option<Action>,
    is_object: bool,
    /// Whether an item of it is in the output.
    has_kept: bool,
    /// Where its last item ended in the input.
    last_end: usize,
}

/// What becomes of a value.
enum Fate {
    Leave,
    Remove,
    /// This stands in its place.
    Replace(&'static [u8]),
    /// Its pseudonym does.
    Pseudonymize,
    /// Its parts have fates of their own.
    Open,
}

/// The event that is being copied, as far as that has come.
struct Copying<'b> {
    input: &'b [u8],
    out: &'b mut Vec<u8>,
    /// The input up to here is in the output, or is left out.
    copied: usize,
    at: usize,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(root: &'a Node, pseudonyms: Option<&'a Pseudonyms>) -> Self {
        Self { root, pseudonyms, stack: Vec::new() }
    }

    /// Appends the redacted `event`. Invalid JSON becomes `null`.
    pub(super) fn rewrite(&mut self, event: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        self.stack.clear();
        let at = scan::skip_space(event, 0);
        let mut copying = Copying { input: event, out, copied: 0, at };
        if self.walk(&mut copying).is_none() {
            out.truncate(start);
            out.extend_from_slice(NULL);
        }
    }

    fn walk(&mut self, copying: &mut Copying<'_>) -> Option<()> {
        self.take_item(copying, copying.at, Some(self.root), self.root.action)?;
        while let Some(container) = self.stack.last_mut() {
            copying.at = scan::skip_space(copying.input, copying.at);
            match copying.input.get(copying.at)? {
                b'}' | b']' => {
                    copying.at += 1;
                    self.stack.pop();
                    self.note_kept(copying.at);
                }
                b',' => {
                    copying.at = scan::skip_space(copying.input, copying.at + 1);
                    if !container.has_kept {
                        // What stood before it is left out, and so is the comma.
                        copying.copied = copying.at;
                    }
                }
                _ => {
                    let start = copying.at;
                    let (mut node, mut action) = (container.node, container.action);
                    if container.is_object {
                        let (name, value) = scan::skip_name(copying.input, start)?;
                        node = node.and_then(|node| node.member(&name));
                        action = node.map_or(action, |node| node.action);
                        copying.at = value;
                    }
                    self.take_item(copying, start, node, action)?;
                }
            }
        }
        copying.copy_up_to(copying.input.len());
        Some(())
    }

    /// Decides on the value at the current place, with which an item ends that begins at `start`.
    fn take_item(
        &mut self,
        copying: &mut Copying<'_>,
        start: usize,
        node: Option<&'a Node>,
        action: Option<Action>,
    ) -> Option<()> {
        let (node, action) = typed(copying, node, action);
        let value = copying.at;
        match self.fate(copying, node, action)? {
            Fate::Open => {
                let is_object = copying.input[value] == b'{';
                copying.at += 1;
                self.stack.push(Container { node, action, is_object, has_kept: false, last_end: copying.at });
                return Some(());
            }
            Fate::Leave => {
                copying.at = scan::skip_value(copying.input, value)?;
                self.note_kept(copying.at);
            }
            Fate::Replace(replacement) => {
                copying.copy_up_to(value);
                copying.out.extend_from_slice(replacement);
                self.skip_replaced(copying)?;
            }
            Fate::Pseudonymize => {
                copying.copy_up_to(value);
                let end = scan::skip_value(copying.input, value)?;
                self.pseudonyms?.push_quoted(plain(&copying.input[value..end]).as_bytes(), copying.out);
                self.skip_replaced(copying)?;
            }
            Fate::Remove => {
                let container = self.stack.last_mut()?;
                // With the comma before it, if there is one.
                copying.copy_up_to(if container.has_kept { container.last_end } else { start });
                copying.at = scan::skip_value(copying.input, value)?;
                copying.copied = copying.at;
                container.last_end = copying.at;
            }
        }
        Some(())
    }

    fn skip_replaced(&mut self, copying: &mut Copying<'_>) -> Option<()> {
        copying.at = scan::skip_value(copying.input, copying.at)?;
        copying.copied = copying.at;
        self.note_kept(copying.at);
        Some(())
    }

    fn note_kept(&mut self, end: usize) {
        if let Some(container) = self.stack.last_mut() {
            container.has_kept = true;
            container.last_end = end;
        }
    }

    fn fate(&self, copying: &Copying<'_>, node: Option<&Node>, action: Option<Action>) -> Option<Fate> {
        let is_container = matches!(copying.input.get(copying.at)?, b'{' | b'[');
        let has_rules = node.is_some_and(Node::has_rules);
        Some(match action {
            _ if is_container && has_rules => Fate::Open,
            None | Some(Action::Keep) => Fate::Leave,
            Some(Action::Drop) => Fate::Remove,
            Some(Action::Mask | Action::Pseudonymize) if is_container => Fate::Open,
            Some(action) => {
                let end = scan::skip_value(copying.input, copying.at)?;
                let value = &copying.input[copying.at..end];
                let is_text = value.starts_with(b"\"");
                match action {
                    _ if value == NULL || is_text && is_missing(&plain(value)) => Fate::Leave,
                    Action::Pseudonymize if self.pseudonyms.is_some() => Fate::Pseudonymize,
                    _ => Fate::Replace(if is_text { MASK } else { NULL }),
                }
            }
        })
    }
}

/// Where there are rules by type, those for the type of the object at the current place.
fn typed<'a>(
    copying: &Copying<'_>,
    node: Option<&'a Node>,
    action: Option<Action>,
) -> (Option<&'a Node>, Option<Action>) {
    let has_type = |node: &&Node| node.asks_for_types() && copying.input.get(copying.at) == Some(&b'{');
    let typed = node.filter(has_type).and_then(|node| {
        let of = scan::type_of(copying.input, copying.at + 1)?;
        node.of_type(&of)
    });
    typed.map_or((node, action), |node| (Some(node), node.action))
}

/// What a text says, or how a number or a word is written.
fn plain(value: &[u8]) -> Cow<'_, str> {
    if value.starts_with(b"\"") { scan::text(value) } else { String::from_utf8_lossy(value) }
}

impl Copying<'_> {
    fn copy_up_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.input.get(self.copied..end).unwrap_or_default());
        self.copied = self.copied.max(end);
    }
}
