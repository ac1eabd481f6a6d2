//! Messages that the sink refuses, over all sessions of a run: which one of a transaction it is, and whether it may go to the dead
//! letters.
//!
//! A bus that refuses a transaction for some of its messages may say which; if it does not, transactions get smaller until one
//! message is sent alone. What is known to be refused is left out of the next transaction, and more messages are sent in its place, until
//! enough of them are taken to show that the sink is right.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::transaction::Transaction;
use crate::{
    message::Messages,
    route::delivery::breaker::{Answer, CircuitBreaker, Ruling},
    sink::Rejected,
};

/// How often more is sent in place of what is refused, before a sink that takes nothing is left in peace for a while.
const MORE_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Refusals {
    breaker: CircuitBreaker,
    /// Messages that a transaction may send while the bus refuses one.
    messages_max: usize,
    /// Why these messages are refused: they are left out. By id.
    left_out: BTreeMap<String, String>,
    /// How often more was sent in their place, since the bus has taken a message or was left in peace.
    more: usize,
    /// The ids of messages that were refused before, so that this is the second time.
    tried: BTreeSet<String>,
    /// What is thought of the transaction that the bus is asked to commit.
    asked: Option<Answer>,
}

/// What is done about the messages of a transaction that are refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The others are committed, and they are dead letters then.
    Keep,
    /// What stands before the first of them is committed first.
    CommitFront,
    /// Another transaction is made at once, which leaves them out and sends others in their place.
    SendMore,
    /// They are tried again after a while: `Doubtful` or `Open`.
    Hold(Ruling),
}

/// The messages of one part of a transaction that are not delivered.
#[derive(Debug)]
pub(super) struct RefusedPart {
    /// Of the page.
    pub(super) messages: Arc<Messages>,
    /// Where the part begins in the transaction.
    pub(super) offset: usize,
    /// Where it begins in the page.
    pub(super) from: usize,
    /// Indices of the page, ascending.
    pub(super) rejected: Vec<Rejected>,
}

impl RefusedPart {
    /// Whether the message at `index` of `messages` is among them.
    pub(super) fn has(&self, messages: &Arc<Messages>, index: usize) -> bool {
        Arc::ptr_eq(&self.messages, messages)
            && self.rejected.binary_search_by_key(&index, |rejected| rejected.index).is_ok()
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            breaker: CircuitBreaker::default(),
            messages_max: usize::MAX,
            left_out: BTreeMap::new(),
            more: 0,
            tried: BTreeSet::new(),
            asked: None,
        }
    }
}

impl Refusals {
    pub(super) fn messages_max(&self) -> usize {
        self.messages_max
    }

    /// The bus refused `transaction` for some of its messages that were sent, which are all but the `refused` ones: for those
    /// with the ids `told`, or for one that it does not tell. Nothing of it is committed.
    pub(super) fn narrow(
        &mut self,
        transaction: &Transaction,
        refused: &[RefusedPart],
        reason: String,
        told: Vec<String>,
    ) {
        self.asked = None;
        let before = self.left_out.len();
        self.left_out.extend(told.into_iter().map(|id| (id, reason.clone())));
        if self.left_out.len() > before {
            return;
        }
        let sent = transaction.messages() - refused_count(refused);
        self.messages_max = (sent / 2).max(1);
        if sent != 1 {
            return;
        }
        let refused: BTreeSet<_> = ids(refused).collect();
        let parts = transaction.parts().iter();
        let mut ids = parts.flat_map(|part| part.range.clone().filter_map(|index| id(&part.messages, index)));
        if let Some(alone) = ids.find(|id| !refused.contains(id)) {
            self.left_out.insert(alone, reason);
        }
    }

    /// Why the message at `index` of `messages` is left out, if it is.
    pub(super) fn reason(&self, messages: &Messages, index: usize) -> Option<&String> {
        if self.left_out.is_empty() {
            return None;
        }
        self.left_out.get(&id(messages, index)?)
    }

    /// What is done about these messages of a transaction of so many `messages`. `is_full`: it sends as many as it may.
    pub(super) fn judge(&mut self, messages: usize, is_full: bool, refused: &[RefusedPart]) -> Decision {
        let ids: Vec<_> = ids(refused).collect();
        let is_tried_again = ids.iter().all(|id| self.tried.contains(id));
        let in_transaction = |part: &RefusedPart| {
            let (offset, from) = (part.offset, part.from);
            part.rejected.iter().map(move |rejected| offset + rejected.index - from).collect::<Vec<_>>()
        };
        let indices = refused.iter().flat_map(in_transaction);
        let answer = Answer { messages, refused: indices.collect(), is_tried_again };
        let has_front = answer.refused.first().is_some_and(|first| *first > 0);
        match self.breaker.judge(&answer, []) {
            Ruling::Odd => {
                self.asked = Some(answer);
                Decision::Keep
            }
            // From now on they are left out, and so it ends before them.
            _ if has_front && self.leave_out(refused) => Decision::CommitFront,
            Ruling::Open if self.more < MORE_MAX && self.leave_out(refused) | self.widen(is_full) => {
                self.more += 1;
                Decision::SendMore
            }
            ruling @ (Ruling::Doubtful | Ruling::Open) => self.hold(ruling, ids),
        }
    }

    fn hold(&mut self, ruling: Ruling, refused: Vec<String>) -> Decision {
        self.tried.extend(refused);
        // The bus is asked again: it may have been mended.
        self.left_out.clear();
        self.more = 0;
        Decision::Hold(ruling)
    }

    /// Whether there is any message that is left out from now on.
    fn leave_out(&mut self, refused: &[RefusedPart]) -> bool {
        let before = self.left_out.len();
        for part in refused {
            for Rejected { index, reason } in &part.rejected {
                let Some(id) = id(&part.messages, *index) else { continue };
                self.left_out.entry(id).or_insert_with(|| reason.clone());
            }
        }
        self.left_out.len() > before
    }

    /// Whether transactions may send more from now on.
    fn widen(&mut self, is_full: bool) -> bool {
        let is_wider = is_full && self.messages_max < usize::MAX;
        if is_wider {
            self.messages_max = self.messages_max.saturating_mul(2);
        }
        is_wider
    }

    /// The transaction that was judged last is committed, with so many messages delivered.
    pub(super) fn committed(&mut self, delivered: usize) {
        if let Some(asked) = self.asked.take() {
            self.breaker.pass(&asked);
            if !asked.refused.is_empty() {
                self.left_out.clear();
                self.tried.clear();
            }
        }
        if delivered > 0 {
            self.messages_max = self.messages_max.saturating_mul(2);
            self.more = 0;
        }
    }
}

/// How many messages are refused.
pub(super) fn refused_count(refused: &[RefusedPart]) -> usize {
    refused.iter().map(|part| part.rejected.len()).sum()
}

fn ids(refused: &[RefusedPart]) -> impl Iterator<Item = String> {
    refused.iter().flat_map(|part| part.rejected.iter().filter_map(|one| id(&part.messages, one.index)))
}

fn id(messages: &Messages, index: usize) -> Option<String> {
    let mut id = String::new();
    messages.get(index)?.write_id(&mut id);
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::{super::transaction::end_of_part, *};
    use crate::message::tests::batch;

    /// Messages of a transaction of which a bus says at once that it refuses them.
    const TOLD_MAX: usize = 5;

    /// What became of the messages of a page.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Played {
        delivered: usize,
        dead_letters: usize,
        /// How often the bus refused a transaction.
        refusals: usize,
        holds: usize,
    }

    /// Delivers a page, of which the bus takes `.` and refuses `x`. Ends when it is held for the `holds_max`th time.
    fn play(page: &str, tells: bool, holds_max: usize) -> Played {
        let events: Vec<_> = (0..page.len()).map(|number| format!(r#"{{"uuid":"{number}"}}"#)).collect();
        let messages = Arc::new(batch(&format!("[{}]", events.join(","))));
        let is_refused = |index: &usize| page.as_bytes()[*index] == b'x';
        let (mut refusals, mut played, mut begin) = (Refusals::default(), Played::default(), 0);
        while begin < page.len() && played.holds < holds_max {
            assert!(played.refusals < 200, "{played:?}");
            let is_left_out = |messages: &Messages, index| refusals.reason(messages, index).is_some();
            let (messages_max, leaves_out) = (refusals.messages_max(), is_left_out(&messages, begin));
            let mut room = messages_max;
            let end = end_of_part(&messages, begin, &mut room, leaves_out, &is_left_out);
            let (left_out, sent): (Vec<_>, Vec<_>) =
                (begin..end).partition(|index| is_left_out(&messages, *index));
            let rejected =
                left_out.iter().map(|index| Rejected { index: *index, reason: "large".to_owned() });
            let rejected: Vec<_> = rejected.collect();
            let part = RefusedPart { messages: Arc::clone(&messages), offset: 0, from: begin, rejected };
            match refusals.judge(end - begin, sent.len() >= messages_max, std::slice::from_ref(&part)) {
                Decision::CommitFront | Decision::SendMore => continue,
                Decision::Hold(_) => {
                    played.holds += 1;
                    continue;
                }
                Decision::Keep => {}
            }
            let told: Vec<_> = sent.iter().copied().filter(is_refused).take(TOLD_MAX).collect();
            if told.is_empty() {
                refusals.committed(sent.len());
                played.delivered += sent.len();
                played.dead_letters += left_out.len();
                begin = end;
                continue;
            }
            played.refusals += 1;
            let told = told.into_iter().filter(|_| tells).filter_map(|index| id(&messages, index));
            let transaction = Transaction::of(&messages, begin..end);
            refusals.narrow(&transaction, &[part], "large".to_owned(), told.collect());
        }
        played
    }

    #[test]
    fn what_the_bus_tells_is_left_out_at_once() {
        for page in ["xxxx........", "....xxxx....", "x.x.x.x.", "..x.........x..."] {
            let dead_letters = page.matches('x').count();
            let expected =
                Played { delivered: page.len() - dead_letters, dead_letters, refusals: 1, holds: 0 };
            assert_eq!(play(page, true, 5), expected, "{page}");
        }
    }

    #[test]
    fn four_in_a_row_that_the_bus_does_not_tell_are_found_one_by_one() {
        for page in ["xxxx........", "....xxxx........"] {
            let played = play(page, false, 5);
            assert_eq!((played.delivered, played.dead_letters), (page.len() - 4, 4), "{played:?}");
            assert!(played.refusals <= 24 && played.holds <= 3, "{played:?}");
        }
    }

    #[test]
    fn what_stands_before_those_that_hold_the_route_is_delivered() {
        for (page, tells) in [("...xxxxx", true), ("...xxxxx..", true), ("...xxxxx", false)] {
            let played = play(page, tells, 5);
            assert_eq!(
                (played.delivered, played.dead_letters, played.holds),
                (3, 0, 5),
                "{page}: {played:?}"
            );
        }
    }
}
