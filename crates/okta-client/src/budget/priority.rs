//! The order of waiting requests when the budget is not enough for all.
//!
//! The more urgent class goes first. So that no class starves, a class that more urgent ones have passed often enough
//! has one request served next, whatever its class.

/// The purpose of a request, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A stream: its lag delays all readers.
    Stream,
    /// A person waits for the answer.
    LookUp,
    /// A scheduled search.
    Search,
    /// Old events, which are not urgent.
    Backfill,
}

impl Priority {
    const ALL: [Self; Self::COUNT] = [Self::Stream, Self::LookUp, Self::Search, Self::Backfill];
    const COUNT: usize = 4;

    /// How often others may be served before it.
    fn patience(self) -> u32 {
        match self {
            Self::Stream => u32::MAX,
            Self::LookUp => 4,
            Self::Search => 8,
            Self::Backfill => 16,
        }
    }
}

/// The requests that wait for one bucket.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: Vec<Waiting>,
    next_ticket: u64,
    /// How often each class that waits was passed over by a more urgent one since it was last served. A class and not a
    /// request is counted: many that wait for the same would else all be overdue at once and hold up the urgent.
    passed_over: [u32; Priority::COUNT],
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    priority: Priority,
}

impl Line {
    /// Joins the queue.
    pub(crate) fn join(&mut self, priority: Priority) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push(Waiting { ticket, priority });
        ticket
    }

    /// Leaves the queue.
    pub(crate) fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
    }

    /// The priority with which this place may go, if it is the next: an overdue one goes as if it were a stream.
    pub(crate) fn turn_of(&self, ticket: u64) -> Option<Priority> {
        let next = self.waiting.iter().min_by_key(|waiting| self.rank(waiting))?;
        let priority = if self.is_overdue(next.priority) { Priority::Stream } else { next.priority };
        (next.ticket == ticket).then_some(priority)
    }

    /// This place is served: less urgent classes that wait have been passed over once more.
    pub(crate) fn serve(&mut self, ticket: u64) {
        let served = self.waiting.iter().find(|waiting| waiting.ticket == ticket);
        let served = served.map(|waiting| waiting.priority);
        self.leave(ticket);
        let Some(served) = served else { return };
        for priority in Priority::ALL {
            let waits = self.waiting.iter().any(|waiting| waiting.priority == priority);
            let passed_over = &mut self.passed_over[priority as usize];
            match priority > served && waits {
                true => *passed_over = passed_over.saturating_add(1),
                false if priority == served || !waits => *passed_over = 0,
                false => {}
            }
        }
    }

    /// Whether no request waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_overdue(&self, priority: Priority) -> bool {
        self.passed_over[priority as usize] >= priority.patience()
    }

    /// The lowest goes first; among overdue classes the less urgent one, which has waited longer.
    fn rank(&self, waiting: &Waiting) -> (bool, u8, u64) {
        let urgency = waiting.priority as u8;
        match self.is_overdue(waiting.priority) {
            true => (false, u8::MAX - urgency, waiting.ticket),
            false => (true, urgency, waiting.ticket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Priority; 4] = [Priority::Backfill, Priority::Search, Priority::LookUp, Priority::Stream];

    fn next(line: &Line, tickets: &[u64]) -> u64 {
        *tickets.iter().find(|ticket| line.turn_of(**ticket).is_some()).unwrap()
    }

    #[test]
    fn the_more_urgent_goes_first_and_within_a_class_the_first_come() {
        let mut line = Line::default();
        let tickets: Vec<_> = ALL.into_iter().chain(ALL).map(|priority| line.join(priority)).collect();
        let mut order = Vec::new();
        for _ in 0..4 {
            let ticket = next(&line, &tickets);
            order.push(ticket);
            line.serve(ticket);
        }
        assert_eq!(order, [3, 7, 2, 6]);
    }

    #[test]
    fn nobody_starves_and_the_urgent_still_get_most() {
        let mut line = Line::default();
        let mut tickets: Vec<_> = ALL.iter().map(|priority| (line.join(*priority), *priority)).collect();
        let mut served = std::collections::BTreeMap::<Priority, u32>::new();
        for _ in 0..1_000 {
            let at = tickets.iter().position(|(ticket, _)| line.turn_of(*ticket).is_some()).unwrap();
            let (ticket, priority) = tickets.remove(at);
            line.serve(ticket);
            *served.entry(priority).or_default() += 1;
            tickets.push((line.join(priority), priority));
        }
        let counts: Vec<_> = served.values().copied().collect();
        assert!(counts[0] > 500 && counts.is_sorted_by(|a, b| a > b) && counts[3] >= 40, "{served:?}");
    }

    #[test]
    fn many_look_ups_hold_up_no_stream() {
        let mut line = Line::default();
        let mut tickets: Vec<_> = (0..120).map(|_| line.join(Priority::LookUp)).collect();
        let mut look_ups_in_a_row = 0;
        for round in 0..100 {
            tickets.push(line.join(Priority::Stream));
            let stream = *tickets.last().unwrap();
            loop {
                let ticket = next(&line, &tickets);
                tickets.retain(|waiting| *waiting != ticket);
                line.serve(ticket);
                if ticket == stream {
                    break;
                }
                look_ups_in_a_row += 1;
                assert!(look_ups_in_a_row <= 1, "round {round}");
            }
            look_ups_in_a_row = 0;
        }
    }

    #[test]
    fn who_leaves_holds_nobody_up() {
        let mut line = Line::default();
        let (first, second) = (line.join(Priority::Stream), line.join(Priority::Search));
        assert_eq!(line.turn_of(second), None);
        line.leave(first);
        assert_eq!(line.turn_of(second), Some(Priority::Search));
    }
}
