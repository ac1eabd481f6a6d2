//! Writes an event again without what must not be seen, byte by byte what it was elsewhere. Holds its own stack: events may
//! be nested more deeply than a thread's.

use std::borrow::Cow;

use super::{
    super::{
        json::{Items, Value},
        missing::{is_missing, says_nothing},
        named_values::{NAMES, VALUES, is_any},
    },
    pseudonym::Pseudonyms,
    rules::{Action, Node},
};

/// What stands in the place of masked text.
const MASK: &str = "\"***\"";
const NULL: &str = "null";

/// Appends `event`, which lies in `text`, as `root` wants it. What has no pseudonym becomes a mask.
pub(super) fn rewrite(
    text: &str,
    event: Value<'_, '_>,
    root: &Node,
    pseudonyms: Option<&Pseudonyms>,
    out: &mut String,
) {
    let (start, copied) = (out.len(), event.place().start);
    let mut rewriting = Rewriting { text, root, pseudonyms, out, copied, stack: Vec::new() };
    if rewriting.walk(event, root).is_none() {
        out.truncate(start);
        out.push_str(NULL);
    }
}

/// The event that is being copied, as far as that has come.
struct Rewriting<'e, 'o> {
    text: &'e str,
    root: &'e Node,
    pseudonyms: Option<&'e Pseudonyms>,
    out: &'o mut String,
    /// The text up to here is in the output, or is left out.
    copied: usize,
    /// The containers around the current place, innermost last.
    stack: Vec<Container<'e>>,
}

/// An object or a list that is being rewritten.
struct Container<'e> {
    /// The rules for what is in it.
    node: Option<&'e Node>,
    /// What is done with what no rule is about.
    action: Option<Action>,
    is_object: bool,
    /// What comes next in it.
    items: Items<'e, 'e>,
    /// Where it ends.
    end: usize,
    /// Whether an item of it is in the output.
    has_kept: bool,
    /// Whether there was one at all.
    has_any: bool,
    /// Where its last item ended.
    last_end: usize,
}

/// What becomes of a value.
enum Fate {
    Leave,
    Remove,
    /// This stands in its place.
    Replace(&'static str),
    /// Its pseudonym does.
    Pseudonymize,
    /// Its parts have fates of their own.
    Open,
}

impl<'e> Rewriting<'e, '_> {
    fn walk(&mut self, event: Value<'e, 'e>, root: &'e Node) -> Option<()> {
        let place = event.place();
        self.take_item(event, place.start, Some(root), root.action)?;
        while let Some(container) = self.stack.last_mut() {
            let Some(item) = container.items.next() else {
                let end = container.end;
                self.stack.pop();
                self.note_kept(end);
                continue;
            };
            let (mut node, mut action, mut start) = (container.node, container.action, item.place().start);
            if container.is_object {
                node = node.and_then(|node| node.member(item.name()));
                action = node.map_or(action, |node| node.action);
                start = item.start_of_name();
            }
            if container.has_any && !container.has_kept {
                // What stood before it is left out, and so is the comma.
                self.copied = start;
            }
            container.has_any = true;
            self.take_item(item, start, node, action)?;
        }
        self.copy_up_to(place.end);
        Some(())
    }

    /// Decides on `value`, with which an item ends that begins at `start`.
    fn take_item(
        &mut self,
        value: Value<'e, 'e>,
        start: usize,
        node: Option<&'e Node>,
        action: Option<Action>,
    ) -> Option<()> {
        let (node, action) = typed(value, node, action);
        let place = value.place();
        match self.fate(value, node, action) {
            Fate::Open => {
                let (is_object, items) = (value.first_byte() == b'{', value.items());
                let (end, last_end) = (place.end, place.start + 1);
                let (has_kept, has_any) = (false, false);
                self.stack.push(Container {
                    node,
                    action,
                    is_object,
                    items,
                    end,
                    has_kept,
                    has_any,
                    last_end,
                });
            }
            Fate::Leave => self.note_kept(place.end),
            Fate::Replace(replacement) => {
                self.copy_up_to(place.start);
                self.out.push_str(replacement);
                self.note_replaced(place.end);
            }
            Fate::Pseudonymize => {
                self.copy_up_to(place.start);
                self.pseudonyms?.push_quoted(plain(value).as_bytes(), self.out);
                self.note_replaced(place.end);
            }
            Fate::Remove => {
                let container = self.stack.last_mut()?;
                // With the comma before it, if there is one.
                let kept_to = if container.has_kept { container.last_end } else { start };
                container.last_end = place.end;
                self.copy_up_to(kept_to);
                self.copied = place.end;
            }
        }
        Some(())
    }

    fn note_replaced(&mut self, end: usize) {
        self.copied = end;
        self.note_kept(end);
    }

    fn note_kept(&mut self, end: usize) {
        if let Some(container) = self.stack.last_mut() {
            container.has_kept = true;
            container.last_end = end;
        }
    }

    fn copy_up_to(&mut self, end: usize) {
        self.out.push_str(self.text.get(self.copied..end).unwrap_or_default());
        self.copied = self.copied.max(end);
    }

    fn fate(&self, value: Value<'_, '_>, node: Option<&Node>, action: Option<Action>) -> Fate {
        let first = value.first_byte();
        let (is_container, is_text) = (matches!(first, b'{' | b'['), first == b'"');
        let has_rules = node.is_some_and(Node::has_rules);
        // What is no object itself is no event, and stays.
        let is_part = |node: &Node| !std::ptr::eq(node, self.root) && node.redacts_parts();
        let is_in_other_form =
            || has_rules && (is_text || is_named_value(value)) && node.is_some_and(is_part);
        match action {
            None | Some(Action::Keep) if is_in_other_form() => other_form(value),
            _ if is_container && has_rules => Fate::Open,
            None | Some(Action::Keep) => Fate::Leave,
            Some(Action::Drop) => Fate::Remove,
            Some(Action::Mask | Action::Pseudonymize) if is_container => Fate::Open,
            _ if value.raw() == NULL || is_text && is_missing(&plain(value)) => Fate::Leave,
            Some(Action::Pseudonymize) if self.pseudonyms.is_some() => Fate::Pseudonymize,
            Some(Action::Mask | Action::Pseudonymize) => Fate::Replace(if is_text { MASK } else { NULL }),
        }
    }
}

/// What becomes of an object that has become a text or a list, some of whose members are to be redacted: nobody here knows which
/// of its bytes they are.
fn other_form(value: Value<'_, '_>) -> Fate {
    match value.first_byte() {
        b'"' if says_nothing(&plain(value)) => Fate::Leave,
        b'"' => Fate::Replace(MASK),
        _ => Fate::Replace(NULL),
    }
}

/// Whether `value` is `{"name":"clientSecret","value":"x"}`: a member of an object that has become a list. More words are taken for
/// this than readers know.
fn is_named_value(value: Value<'_, '_>) -> bool {
    let has = |words: &[&str], more: &str| {
        value.members().any(|member| is_any(words, member.name()) || is_any(&[more], member.name()))
    };
    value.first_byte() == b'{'
        && value.items().nth(3).is_none()
        && has(&NAMES, "field")
        && has(&VALUES, "values")
}

/// Where there are rules by type, those for the type of the object `value`.
fn typed<'n>(
    value: Value<'_, '_>,
    node: Option<&'n Node>,
    action: Option<Action>,
) -> (Option<&'n Node>, Option<Action>) {
    let typed = node.filter(|node| node.asks_for_types()).and_then(|node| {
        // The last of two counts for every reader.
        let of = value.last("type")?.string()?;
        node.of_type(&of)
    });
    typed.map_or((node, action), |node| (Some(node), node.action))
}

/// What a text says, or how a number or a word is written.
fn plain<'a>(value: Value<'a, '_>) -> Cow<'a, str> {
    value.string().unwrap_or(Cow::Borrowed(value.raw()))
}
