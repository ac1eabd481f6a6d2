//! Writes an event again without what must not be seen, byte by byte what it was elsewhere. Holds its own stack: events may
//! be nested more deeply than a thread's.

use super::{
    super::events::is_missing,
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
    Replace(Vec<u8>),
    /// Its parts have fates of their own.
    Open,
}

/// The event that is being rewritten.
struct Page<'b> {
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

    /// Appends what becomes of `event`. Of what is no JSON nothing is told: it becomes `null`.
    pub(super) fn rewrite(&mut self, event: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        self.stack.clear();
        let at = scan::skip_space(event, 0);
        let mut page = Page { input: event, out, copied: 0, at };
        if self.walk(&mut page).is_none() {
            out.truncate(start);
            out.extend_from_slice(NULL);
        }
    }

    fn walk(&mut self, page: &mut Page<'_>) -> Option<()> {
        self.take_item(page, page.at, Some(self.root), self.root.action)?;
        while let Some(container) = self.stack.last_mut() {
            page.at = scan::skip_space(page.input, page.at);
            match page.input.get(page.at)? {
                b'}' | b']' => {
                    page.at += 1;
                    self.stack.pop();
                    self.note_kept(page.at);
                }
                b',' => {
                    page.at = scan::skip_space(page.input, page.at + 1);
                    if !container.has_kept {
                        // What stood before it is left out, and so is the comma.
                        page.copied = page.at;
                    }
                }
                _ => {
                    let start = page.at;
                    let (mut node, mut action) = (container.node, container.action);
                    if container.is_object {
                        let (name, value) = scan::skip_name(page.input, start)?;
                        node = node.and_then(|node| node.member(&name));
                        action = node.map_or(action, |node| node.action);
                        page.at = value;
                    }
                    self.take_item(page, start, node, action)?;
                }
            }
        }
        page.copy_up_to(page.input.len());
        Some(())
    }

    /// Decides on the value at the page's place, with which an item ends that begins at `start`.
    fn take_item(
        &mut self,
        page: &mut Page<'_>,
        start: usize,
        node: Option<&'a Node>,
        action: Option<Action>,
    ) -> Option<()> {
        let (node, action) = typed(page, node, action);
        let value = page.at;
        match self.fate(page, node, action)? {
            Fate::Open => {
                let is_object = page.input[value] == b'{';
                page.at += 1;
                self.stack.push(Container { node, action, is_object, has_kept: false, last_end: page.at });
                return Some(());
            }
            Fate::Leave => {
                page.at = scan::skip_value(page.input, value)?;
                self.note_kept(page.at);
            }
            Fate::Replace(replacement) => {
                page.copy_up_to(value);
                page.out.extend_from_slice(&replacement);
                page.at = scan::skip_value(page.input, value)?;
                page.copied = page.at;
                self.note_kept(page.at);
            }
            Fate::Remove => {
                let container = self.stack.last_mut()?;
                // With the comma before it, if there is one.
                page.copy_up_to(if container.has_kept { container.last_end } else { start });
                page.at = scan::skip_value(page.input, value)?;
                page.copied = page.at;
                container.last_end = page.at;
            }
        }
        Some(())
    }

    fn note_kept(&mut self, end: usize) {
        if let Some(container) = self.stack.last_mut() {
            container.has_kept = true;
            container.last_end = end;
        }
    }

    fn fate(&self, page: &Page<'_>, node: Option<&Node>, action: Option<Action>) -> Option<Fate> {
        let is_container = matches!(page.input.get(page.at)?, b'{' | b'[');
        let has_rules = node.is_some_and(Node::has_rules);
        Some(match action {
            _ if is_container && has_rules => Fate::Open,
            None | Some(Action::Keep) => Fate::Leave,
            Some(Action::Drop) => Fate::Remove,
            Some(Action::Mask | Action::Pseudonymize) if is_container => Fate::Open,
            Some(Action::Mask) => replacement(page, None)?,
            Some(Action::Pseudonymize) => replacement(page, self.pseudonyms)?,
        })
    }
}

/// Where there are rules by type, those for the type of the object at the page's place.
fn typed<'a>(
    page: &Page<'_>,
    node: Option<&'a Node>,
    action: Option<Action>,
) -> (Option<&'a Node>, Option<Action>) {
    let has_type = |node: &&Node| node.asks_for_types() && page.input.get(page.at) == Some(&b'{');
    let typed = node.filter(has_type).and_then(|node| {
        let of = scan::type_of(page.input, page.at + 1)?;
        node.of_type(&of)
    });
    typed.map_or((node, action), |node| (Some(node), node.action))
}

/// What stands in the place of the text, number or word at the page's place.
fn replacement(page: &Page<'_>, pseudonyms: Option<&Pseudonyms>) -> Option<Fate> {
    let end = scan::skip_value(page.input, page.at)?;
    let value = &page.input[page.at..end];
    let is_text = value.first() == Some(&b'"');
    let text = if is_text { scan::text(value) } else { String::from_utf8_lossy(value) };
    if value == NULL || is_text && is_missing(&text) {
        return Some(Fate::Leave);
    }
    Some(Fate::Replace(match pseudonyms {
        Some(pseudonyms) => format!("\"{}\"", pseudonyms.of(text.as_bytes())).into_bytes(),
        None if is_text => MASK.to_vec(),
        None => NULL.to_vec(),
    }))
}

impl Page<'_> {
    fn copy_up_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.input.get(self.copied..end).unwrap_or_default());
        self.copied = self.copied.max(end);
    }
}
