//! Pages that wait to be committed, and the transactions that they become: whole pages, several at once, or a part of one that
//! is larger than a transaction may be. Pure.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use crate::{
    message::Messages,
    route::{InFlightPermit, pages::PageCheckpoint},
    state::Cursor,
};

/// Pages that are not wholly part of a transaction, oldest first.
#[derive(Debug, Default)]
pub(super) struct WaitingPages {
    pages: VecDeque<WaitingPage>,
}

#[derive(Debug)]
struct WaitingPage {
    messages: Arc<Messages>,
    /// Messages that are part of earlier transactions.
    taken: usize,
    end: PageEnd,
}

/// What holds once all messages of a page are committed, and the permit to be kept until then.
#[derive(Debug)]
struct PageEnd {
    checkpoint: PageCheckpoint,
    permit: InFlightPermit,
}

/// Messages that are committed at a stroke.
#[derive(Debug)]
pub(super) struct Transaction {
    parts: Vec<Part>,
}

/// Messages of one page.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) messages: Arc<Messages>,
    pub(super) range: Range<usize>,
    /// Set if these are the page's last.
    end: Option<PageEnd>,
}

impl WaitingPages {
    pub(super) fn push(
        &mut self,
        messages: Arc<Messages>,
        checkpoint: PageCheckpoint,
        permit: InFlightPermit,
    ) {
        let end = PageEnd { checkpoint, permit };
        self.pages.push_back(WaitingPage { messages, taken: 0, end });
    }

    /// How many messages wait.
    pub(super) fn messages(&self) -> usize {
        self.pages.iter().map(|page| page.messages.len() - page.taken).sum()
    }

    /// The next transaction, with at most so many messages that are not left out. If it begins with such a message, it ends
    /// before the first that is left out, so that nothing waits for what is behind it. None: nothing waits.
    pub(super) fn next_transaction(
        &mut self,
        messages_max: usize,
        is_left_out: impl Fn(&Messages, usize) -> bool,
    ) -> Option<Transaction> {
        let (mut parts, mut room) = (Vec::new(), messages_max.max(1));
        let first = self.pages.iter().find(|page| page.taken < page.messages.len());
        let leaves_out = first.is_some_and(|page| is_left_out(&page.messages, page.taken));
        while let Some(mut page) = self.pages.pop_front() {
            let begin = page.taken;
            let until = end_of_part(&page.messages, begin, &mut room, leaves_out, &is_left_out);
            let messages = Arc::clone(&page.messages);
            if until < page.messages.len() {
                page.taken = until;
                self.pages.push_front(page);
                if begin < until {
                    parts.push(Part { messages, range: begin..until, end: None });
                }
                break;
            }
            parts.push(Part { messages, range: begin..until, end: Some(page.end) });
        }
        (!parts.is_empty()).then_some(Transaction { parts })
    }
}

/// Where the part of a page ends that begins at `begin` and for which there is `room`. What is left out needs none, or ends the
/// transaction unless that `leaves_out` messages.
pub(super) fn end_of_part(
    messages: &Messages,
    begin: usize,
    room: &mut usize,
    leaves_out: bool,
    is_left_out: &impl Fn(&Messages, usize) -> bool,
) -> usize {
    for index in begin..messages.len() {
        match (is_left_out(messages, index), leaves_out, *room) {
            (true, true, _) => {}
            (true, false, _) | (false, _, 0) => return index,
            (false, _, _) => *room -= 1,
        }
    }
    messages.len()
}

impl Transaction {
    /// It is about to be committed.
    pub(super) fn committing(&mut self) {
        let ends = self.parts.iter_mut().filter_map(|part| part.end.as_mut());
        InFlightPermit::committing(&mut ends.map(|end| &mut end.permit).collect::<Vec<_>>());
    }

    /// It is committed: what it has needs no permit any more.
    pub(super) fn committed(self) {
        let ends = self.parts.into_iter().filter_map(|part| part.end);
        ends.for_each(|end| end.permit.committed());
    }

    /// One that moves nothing.
    pub(super) fn empty() -> Self {
        Self { parts: Vec::new() }
    }

    /// A part of one page.
    #[cfg(test)]
    pub(super) fn of(messages: &Arc<Messages>, range: Range<usize>) -> Self {
        Self { parts: vec![Part { messages: Arc::clone(messages), range, end: None }] }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn messages(&self) -> usize {
        self.parts.iter().map(|part| part.range.len()).sum()
    }

    /// The cursor once it is committed, if that was `before`; links of whole pages are given for `question`. Within a page the link stays and the messages are remembered:
    /// whoever begins there reads the page again and leaves them out.
    pub(super) fn cursor_after(&self, before: &Cursor, question: &str) -> Cursor {
        let mut next = before.clone();
        for part in &self.parts {
            let Some(PageEnd { checkpoint, .. }) = &part.end else {
                let delivered = part.range.clone().filter_map(|index| part.messages.get(index));
                delivered.for_each(|message| next.recent.remember(&message.event.identity()));
                continue;
            };
            for event in checkpoint.events.iter() {
                next.recent.remember(&event.identity());
            }
            next.link = checkpoint.position.link.clone().into();
            question.clone_into(&mut next.question);
            next.published_max = checkpoint.position.published_max;
        }
        next
    }
}
